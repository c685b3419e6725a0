"""Morpion.sol's rules in plain Python, written from its comments, for tests to compare the bytecode with.

Players are plain addresses that take what they are paid; a call of a function that isn't payable carries no value.
Times are the block's timestamps, which never run backwards.
"""

from dataclasses import dataclass

ZERO = bytes(20)
JOINING, PLAYING, WON_BY_X, WON_BY_O, DRAWN = range(5)
X, O = 1, 2  # noqa: E741 - the marks' names in the contract
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a call: accepted, or reverted with this custom error and its arguments.

    `error` is None for a refusal by the ABI decoder, which reverts without data. `amount` is what the caller is paid.
    """

    accepted: bool
    error: str | None = None
    arguments: tuple[bytes | int, ...] = ()
    amount: int = 0


def refused(error: str | None, *arguments: bytes | int) -> Verdict:
    """The call reverts and changes nothing."""
    return Verdict(False, error, arguments)


def constructor_verdict(player_x: bytes, player_o: bytes, stake: int, turn_seconds: int) -> Verdict:
    """Whether a game with these parameters can be created."""
    if ZERO in (player_x, player_o):
        return refused("ZeroPlayer")
    if player_x == player_o:
        return refused("SamePlayer", player_x)
    if stake >= 2**128:
        return refused("StakeTooLarge", stake)
    if not 0 < turn_seconds < 2**64:
        return refused("TurnTimeOutOfRange", turn_seconds)
    return Verdict(True)


class MorpionModel:
    """One game; each method is the contract's function of that name, with sender and block timestamp given.

    Raises ValueError when the parameters are none that the constructor takes.
    """

    def __init__(self, player_x: bytes, player_o: bytes, stake: int, turn_seconds: int) -> None:
        verdict = constructor_verdict(player_x, player_o, stake, turn_seconds)
        if not verdict.accepted:
            raise ValueError(f"{verdict.error}{verdict.arguments}")
        self.players = {X: player_x, O: player_o}
        self.stake = stake
        self.turn_seconds = turn_seconds
        self.board = [0] * 9
        self.state = JOINING
        self.joined: set[int] = set()
        self.withdrawn: set[int] = set()
        self._deadline = 0

    # What changes the game

    def join(self, sender: bytes, value: int, timestamp: int) -> Verdict:
        mark = self._mark(sender)
        if self.state != JOINING:
            return refused("GameAlreadyStarted")
        if not mark:
            return refused("NotAPlayer", sender)
        if mark in self.joined:
            return refused("AlreadyJoined")
        if value != self.stake:
            return refused("WrongStake", value, self.stake)
        self.joined.add(mark)
        if len(self.joined) == 2:
            self.state = PLAYING
            self._deadline = timestamp + self.turn_seconds
        return Verdict(True)

    def unjoin(self, sender: bytes, timestamp: int) -> Verdict:
        mark = self._mark(sender)
        if self.state != JOINING:
            return refused("GameAlreadyStarted")
        if not mark:
            return refused("NotAPlayer", sender)
        if mark not in self.joined:
            return refused("NotJoined")
        self.joined.remove(mark)
        return Verdict(True, amount=self.stake)

    def play(self, sender: bytes, cell: int, timestamp: int) -> Verdict:
        mark = self._mark(sender)
        if not 0 <= cell < 256:
            return refused(None)
        if self.state != PLAYING:
            return refused("GameNotStarted" if self.state == JOINING else "GameOver")
        if not mark:
            return refused("NotAPlayer", sender)
        if mark != self._mark_to_move:
            return refused("NotYourTurn")
        if timestamp > self._deadline:
            return refused("TurnExpired", self._deadline)
        if cell > 8:
            return refused("NoSuchCell", cell)
        if self.board[cell]:
            return refused("CellTaken", cell)
        self.board[cell] = mark
        if any(all(self.board[place] == mark for place in line) for line in LINES):
            self.state = WON_BY_X if mark == X else WON_BY_O
        elif all(self.board):
            self.state = DRAWN
        else:
            self._deadline = timestamp + self.turn_seconds
        return Verdict(True)

    def claim_timeout(self, sender: bytes, timestamp: int) -> Verdict:
        mark = self._mark(sender)
        if self.state != PLAYING:
            return refused("GameNotStarted" if self.state == JOINING else "GameOver")
        if not mark:
            return refused("NotAPlayer", sender)
        if mark == self._mark_to_move:
            return refused("OwnTurn")
        if timestamp <= self._deadline:
            return refused("TurnNotExpired", self._deadline)
        self.state = WON_BY_X if mark == X else WON_BY_O
        return Verdict(True)

    def withdraw(self, sender: bytes, timestamp: int) -> Verdict:
        mark = self._mark(sender)
        if self.state <= PLAYING:
            return refused("GameNotOver")
        if not mark:
            return refused("NotAPlayer", sender)
        amount = self.owed(sender)
        if not amount:
            return refused("NothingOwed")
        self.withdrawn.add(mark)
        return Verdict(True, amount=amount)

    # What it looks like

    @property
    def turn(self) -> bytes:
        return self.players[self._mark_to_move] if self.state == PLAYING else ZERO

    @property
    def winner(self) -> bytes:
        return {WON_BY_X: self.players[X], WON_BY_O: self.players[O]}.get(self.state, ZERO)

    @property
    def moves(self) -> int:
        return sum(1 for mark in self.board if mark)

    @property
    def deadline(self) -> int:
        return self._deadline if self.state == PLAYING else 0

    def has_joined(self, player: bytes) -> bool:
        return self._mark(player) in self.joined

    def owed(self, player: bytes) -> int:
        mark = self._mark(player)
        if not mark or mark in self.withdrawn:
            return 0
        if self.state == DRAWN:
            return self.stake
        return 2 * self.stake if player == self.winner else 0

    @property
    def pot(self) -> int:
        if self.state <= PLAYING:
            return len(self.joined) * self.stake
        return sum(self.owed(player) for player in self.players.values())

    @property
    def _mark_to_move(self) -> int:
        return X if self.moves % 2 == 0 else O

    def _mark(self, address: bytes) -> int:
        return next((mark for mark, player in self.players.items() if player == address), 0)
