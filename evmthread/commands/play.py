"""`evmthread play morpion`: two parties play a game off-chain, each move a batch that both sign."""

import argparse
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from evmthread.commands.board import NAMES, O, X, draw_board
from evmthread.commands.reporting import INTERRUPTED, OK, UNREADABLE, one_line, say, say_json, show_hash, warn
from evmthread.errors import EvmthreadError, InvalidInput

if TYPE_CHECKING:
    from evmthread.commands.morpion_game import MorpionGame, Step
    from evmthread.commit.signing import LocalSigner

NAME = "play"
HELP = "play a game of Morpion (tic-tac-toe) in a thread between two parties, every move signed by both"
DESCRIPTION = """\
Open a thread for two players, create the Morpion contract in it, pay both stakes in, play, withdraw the pot and close.
Both players are parties of their own: each executes every batch, compares every field of the result, and signs.
Without --moves and --random, moves are typed: a cell from 0 to 8, row by row from the top left."""

DEFAULT_STAKE = 10**15
DEFAULT_TURN_SECONDS = 24 * 3600
_MOVE = re.compile(r"([xXoO]?)\s*([0-9]{1,3})")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("game", choices=["morpion"], help="which game")
    moves = parser.add_mutually_exclusive_group()
    moves.add_argument(
        "--moves",
        metavar="CELLS",
        help="cells 0 to 8, row by row, X first: 0,4,8,... (X0,O4,... names the player, too)",
    )
    moves.add_argument("--random", metavar="SEED", help="random legal moves; the same seed gives the same moves")
    parser.add_argument("--x-key", metavar="FILE", help="X's session key: a file with 64 hex digits")
    parser.add_argument("--o-key", metavar="FILE", help="O's session key")
    parser.add_argument("--save-keys", metavar="DIR", help="keep keys that are made on the spot: DIR/x.key, DIR/o.key")
    parser.add_argument(
        "--stake", metavar="WEI", default=str(DEFAULT_STAKE), help="what each player pays in (default: %(default)s)"
    )
    parser.add_argument("--out", metavar="FILE", help="the game's file, for `verify` and `replay`")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each agreed batch")


def run(arguments: argparse.Namespace) -> int:
    """0: played; 2: an argument, a key or a scripted move is no good; 130: interrupted."""
    try:
        return _play(arguments)
    except EvmthreadError as error:
        warn(f"evmthread {NAME}: {one_line(error)}")
        return UNREADABLE


def _play(arguments: argparse.Namespace) -> int:
    script = None if arguments.moves is None else [parse_move(text) for text in arguments.moves.split(",")]
    stake = _parse_stake(arguments.stake)
    x, o = _signer("X", arguments.x_key, arguments.save_keys), _signer("O", arguments.o_key, arguments.save_keys)
    from evmthread.commands.morpion_game import MorpionGame

    out = Path(arguments.out) if arguments.out is not None else None
    game = MorpionGame(x, o, stake=stake, turn_seconds=DEFAULT_TURN_SECONDS, clock=lambda: int(time.time()), out=out)
    table = _Table(game, as_json=arguments.json)
    try:
        table.begin()
        if script is not None:
            table.follow(script)
        elif arguments.random is not None:
            table.follow_random(random.Random(arguments.random))  # noqa: S311 - a game, no secret
        else:
            table.ask_for_moves()
        table.end()
        game.seal_file()
    except KeyboardInterrupt:
        kept = f"; the unfinished game is in {out}.unfinished" if out is not None else ""
        warn(f"\nevmthread {NAME}: interrupted{kept}")
        return INTERRUPTED
    except BaseException:
        game.remove_file()
        raise
    if out is not None and not arguments.json:
        say(f"written to {out}")
    return OK


def parse_move(text: str) -> tuple[int | None, int]:
    """(mark or None, cell) of "4" or "X4". Raises InvalidInput; whether the cell exists is the contract's to say."""
    found = _MOVE.fullmatch(text.strip())
    cell = int(found[2]) if found else -1
    if not found or cell > 255:
        raise InvalidInput(f"no move: {text.strip()[:40]!r}; a move is a cell from 0 to 8")
    mark = {"": None, "X": X, "O": O}[found[1].upper()]
    return mark, cell


def _parse_stake(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,40}", text):
        raise InvalidInput(f"stake: {text[:50]!r} is no number of wei")
    return int(text)


def _signer(name: str, path: str | None, save_to: str | None) -> "LocalSigner":
    """The player's signer: from its file, or made on the spot."""
    import secrets

    from evmthread.commands.keys import read_key, write_key
    from evmthread.commit.signing import LocalSigner

    if path is not None:
        return read_key(path)
    if save_to is None:
        signer = LocalSigner.generate()
        warn(f"{name}: a new key for 0x{signer.address.hex()}, forgotten at the end")
        return signer
    key = secrets.token_bytes(32)
    signer = LocalSigner(key)
    target = Path(save_to) / f"{name.lower()}.key"
    write_key(target, key)
    warn(f"{name}: a new key for 0x{signer.address.hex()}, kept in {target}")
    return signer


class _Table:
    """Shows a game and fetches its moves."""

    def __init__(self, game: "MorpionGame", *, as_json: bool) -> None:
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

    def follow(self, script: list[tuple[int | None, int]]) -> None:
        """The moves of --moves. Raises IllegalMove for one that the contract refuses."""
        for mark, cell in script:
            self._move(mark, cell)

    def follow_random(self, source: random.Random) -> None:
        """Random legal moves to the end."""
        while self._game.to_move() is not None:
            free = [cell for cell, mark in enumerate(self._game.board()) if not mark]
            self._move(None, source.choice(free))

    def ask_for_moves(self) -> None:
        """Moves from standard input until the game, or the input, ends; illegal ones are asked for again."""
        from evmthread.commands.morpion_game import IllegalMove

        typed = self._typed_lines()
        while (mark := self._game.to_move()) is not None:
            if sys.stdin.isatty():
                sys.stderr.write(f"{NAMES[mark]}, which cell (0 to 8, q to stop)? ")
                sys.stderr.flush()
            try:
                line = next(typed)
            except StopIteration:
                return
            if line in ("q", "quit"):
                return
            try:
                self._move(*parse_move(line))
            except (InvalidInput, IllegalMove) as error:
                warn(one_line(error))

    def _typed_lines(self) -> Iterator[str]:
        try:
            for line in sys.stdin:
                if line.strip():
                    yield line.strip()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"standard input: {error}") from None

    def _move(self, mark: int | None, cell: int) -> None:
        """One move, by whose turn it is unless `mark` says who."""
        game = self._game
        mark = mark or game.to_move() or X  # after the end the contract refuses anybody's move
        self._show(game.play(mark, cell), event="move", mark=mark, cell=cell)
        self._draw()

    def end(self) -> None:
        """Says who won and what the contract owes; pays it out and closes, if the game is over."""
        game = self._game
        if (mark := game.to_move()) is not None:
            self._result(f"the game is not over: {NAMES[mark]} is to move", "open", None)
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

    def _result(self, text: str, outcome: str, winner: int | None) -> None:
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
                }
            )
            return
        say(text)
        say(f"the contract holds {pot} wei and owes " + ", ".join([f"{name} {owed[name]} wei" for name in owed]))

    def _show(self, step: "Step", *, event: str, mark: int | None = None, cell: int | None = None) -> None:
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
                }
            )
            return
        signed_by = " and ".join(step.signed_by)
        say(f"nonce {commitment.nonce}: {step.what}; {step.gas:,} gas; signed by {signed_by}")
        say(f"    storage root {show_hash(commitment.storage_root)}")

    def _draw(self) -> None:
        if self._as_json:
            return
        say()
        for line in draw_board(self._game.board(), colour=self._colour, line_art=self._line_art):
            say(line)
        say()
