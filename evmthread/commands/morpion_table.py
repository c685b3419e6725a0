"""Shows a game of Morpion and fetches its moves: from a list, at random, or typed."""

import os
import random
import sys
from collections.abc import Iterator, Sequence

from evmthread.commands.board import NAMES, O, X, draw_board
from evmthread.commands.morpion_game import IllegalMove, MorpionGame, Offer, Step
from evmthread.commands.morpion_moves import ANSWERS, Action, Word, parse_move
from evmthread.commands.reporting import one_line, say, say_json, show_hash, warn
from evmthread.commit.members import Json
from evmthread.errors import InvalidInput

_OFFER_CHANCE = 0.2
"""How often a random player offers a draw before a move."""
_RANDOM_ANSWERS = (Word.YES, Word.NO, Word.NO, Word.NO, Word.ABORT)


class Table:
    """Shows a game and fetches its moves."""

    def __init__(self, game: MorpionGame, *, as_json: bool) -> None:
        self._game = game
        self._as_json = as_json
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._line_art = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"

    def begin(self) -> None:
        """Genesis and both stakes."""
        game = self._game
        if not self._as_json:
            say(f"thread 0x{game.thread.thread_id.hex()}")
            for mark in (X, O):
                say(f"{NAMES[mark]} is 0x{game.owner(mark).hex()} and stakes {game.stake} wei")
        self._show(game.create(), event="create")
        for mark in (X, O):
            self._show(game.join(mark), event="join", mark=mark)
        self._draw()

    def begin_again(self) -> None:
        """Where a game from a file stands."""
        game, offer = self._game, self._game.offer()
        latest = game.thread.agreement
        assert latest is not None
        if self._as_json:
            say_json(
                {
                    "event": "resume",
                    "threadId": show_hash(game.thread.thread_id),
                    "nonce": latest.commitment.nonce,
                    "digest": show_hash(latest.digest),
                    "board": list(game.board()),
                    **_waiting(offer),
                }
            )
            return
        say(f"thread {show_hash(game.thread.thread_id)}")
        for mark in (X, O):
            say(f"{NAMES[mark]} is {show_hash(game.owner(mark))}")
        say(f"executed again up to nonce {latest.commitment.nonce}, every field equal")
        self._say_offer(offer)
        self._draw()

    def follow(self, script: Sequence[tuple[int | None, Action]]) -> None:
        """The moves of --moves. Raises IllegalMove for one that the contract, or the game as it stands, refuses."""
        for mark, action in script:
            self._take(mark, action)

    def follow_random(self, source: random.Random) -> None:
        """Random legal moves to the end, and offers and answers where the game has them."""
        game = self._game
        while game.to_move() is not None:
            if game.offer() is not None:
                self._take(None, source.choice(_RANDOM_ANSWERS))
                continue
            if game.has_draws and source.random() < _OFFER_CHANCE:
                mark = source.choice((X, O))
                if game.can_offer(mark):
                    self._take(mark, Word.DRAW)
                    continue
            free = [cell for cell, mark in enumerate(game.board()) if not mark]
            self._take(None, source.choice(free))

    def ask_for_moves(self) -> None:
        """Moves from standard input until the game, or the input, ends; illegal ones are asked for again."""
        typed = self._typed_lines()
        while (mark := self._game.to_move()) is not None:
            if sys.stdin.isatty():
                sys.stderr.write(self._prompt(mark))
                sys.stderr.flush()
            try:
                line = next(typed)
            except StopIteration:
                return
            if line in ("q", "quit"):
                return
            try:
                self._take(*parse_move(line, words=self._game.has_draws))
            except (InvalidInput, IllegalMove) as error:
                warn(one_line(error))

    def _prompt(self, mark: int) -> str:
        offer = self._game.offer()
        if offer is not None:
            return f"{NAMES[offer.to]}, {NAMES[offer.by]} offers a draw: yes, no or abort (q to stop)? "
        also = ", draw to offer one" if self._game.has_draws else ""
        return f"{NAMES[mark]}, which cell (0 to 8{also}, q to stop)? "

    def _typed_lines(self) -> Iterator[str]:
        try:
            for line in sys.stdin:
                if line.strip():
                    yield line.strip()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"standard input: {error}") from None

    def _take(self, mark: int | None, action: Action) -> None:
        """One step, by whose turn it is, or whose matter an open offer is, unless `mark` says who."""
        game, offer = self._game, self._game.offer()
        if mark is None:
            # After the end the contract refuses anybody's move.
            mark = game.to_move() or X
            if action is Word.CLAIM:
                mark ^= X | O
            elif offer is not None and action in ANSWERS:
                mark = offer.by if action is Word.ABORT else offer.to
        if not isinstance(action, Word):
            self._show(game.play(mark, action), event="move", mark=mark, cell=action)
            self._draw()
        elif action is Word.DRAW:
            self._show(game.offer_draw(mark), event="offer", mark=mark)
        elif action is Word.CLAIM:
            self._show(game.claim(mark), event="claim", mark=mark)
        elif action is Word.ABORT:
            self._show(game.abort(mark), event="abort", mark=mark)
        else:
            self._show(game.answer(mark, yes=action is Word.YES), event="answer", mark=mark, answer=action)

    def end(self) -> None:
        """Says who won and what the contract owes; pays it out and closes, if the game is over."""
        game = self._game
        if (mark := game.to_move()) is not None:
            offer = game.offer()
            waits = f"{NAMES[mark]} is to move"
            if offer is not None:
                waits = f"{NAMES[offer.to]} is asked for a draw by {NAMES[offer.by]}, and answers yes or no"
            self._result(f"the game is not over: {waits}", "open", None, offer)
            return
        winner = game.winner()
        owed = {mark: game.owed(mark) for mark in (X, O)}
        self._result("draw" if winner is None else f"{NAMES[winner]} wins", "draw" if winner is None else "won", winner)
        for mark in (X, O):
            if owed[mark]:
                self._show(game.withdraw(mark), event="withdraw", mark=mark)
        self._show(game.close(), event="close")
        balances = {mark: game.thread.account_balance(game.owner(mark)) for mark in (X, O)}
        if self._as_json:
            say_json({"event": "balances", **{NAMES[mark]: str(balances[mark]) for mark in (X, O)}})
        else:
            say("balances: " + ", ".join([f"{NAMES[mark]} {balances[mark]} wei" for mark in (X, O)]))

    def _result(self, text: str, outcome: str, winner: int | None, offer: Offer | None = None) -> None:
        game = self._game
        owed = {NAMES[mark]: game.owed(mark) for mark in (X, O)}
        pot = game.ask("pot")
        if self._as_json:
            say_json(
                {
                    "event": "result",
                    "outcome": outcome,
                    "winner": NAMES[winner] if winner else None,
                    "board": list(game.board()),
                    "pot": str(pot),
                    "owed": {name: str(amount) for name, amount in owed.items()},
                    **_waiting(offer),
                }
            )
            return
        say(text)
        say(f"the contract holds {pot} wei and owes " + ", ".join([f"{name} {owed[name]} wei" for name in owed]))

    def _show(
        self, step: Step, *, event: str, mark: int | None = None, cell: int | None = None, answer: Word | None = None
    ) -> None:
        commitment = step.agreement.commitment
        if self._as_json:
            say_json(
                {
                    "event": event,
                    "player": NAMES[mark] if mark else None,
                    "cell": cell,
                    "nonce": commitment.nonce,
                    "gasUsed": step.gas,
                    "storageRoot": show_hash(commitment.storage_root),
                    "stateRoot": show_hash(commitment.state_root),
                    "digest": show_hash(step.agreement.digest),
                    "signedBy": list(step.signed_by),
                    **({} if answer is None else {"answer": answer}),
                    **_waiting(step.offer),
                }
            )
            return
        signed_by = " and ".join(step.signed_by)
        say(f"nonce {commitment.nonce}: {step.what}; {step.gas:,} gas; signed by {signed_by}")
        say(f"    storage root {show_hash(commitment.storage_root)}")
        self._say_offer(step.offer)

    def _say_offer(self, offer: Offer | None) -> None:
        if offer is not None:
            say(f"    suspended: {NAMES[offer.to]} is asked {offer.question}")
            say(f"    machine hash {show_hash(offer.machine_hash)}")

    def _draw(self) -> None:
        if self._as_json:
            return
        say()
        for line in draw_board(self._game.board(), colour=self._colour, line_art=self._line_art):
            say(line)
        say()


def _waiting(offer: Offer | None) -> dict[str, Json]:
    """What the JSON of a suspended thread has beside the rest."""
    if offer is None:
        return {}
    return {"awaited": NAMES[offer.to], "asked": offer.question, "machineHash": show_hash(offer.machine_hash)}
