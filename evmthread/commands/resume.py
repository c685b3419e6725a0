"""`evmthread resume FILE`: goes on with a game of Morpion that a file holds, in another process than began it."""

import argparse
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

from evmthread.commands.board import NAMES, O, X
from evmthread.commands.morpion_moves import ANSWERS, Action, Word, parse_moves
from evmthread.commands.passwords import add_password_arguments
from evmthread.commands.reporting import INTERRUPTED, OK, UNREADABLE, one_line, say, warn
from evmthread.errors import BackendError, EvmthreadError, InvalidInput

if TYPE_CHECKING:
    from evmthread.commands.morpion_game import MorpionGame
    from evmthread.commit.signing import LocalSigner

NAME = "resume"
HELP = "go on with a game that a file holds: answer the draw that is offered, play on"
DESCRIPTION = """\
Verify and execute a game's file again, and go on from where it ends. Where an offer of a draw suspends the contract in
mid-execution, --answer says what the other player answers: the machine goes on with it. `abort` drops the offer.
With --moves or --random the game goes on after that; without them and without --answer, moves are typed. A turn lasts a
day, and the clock runs on while the file lies there: after that the other player can `claim` the win.

The new file begins with all that the old one holds, and takes its place, or the name that --out gives, when it is
whole. What both signed is kept: a move that is refused ends the file after the moves before it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("file", metavar="FILE", help="the game's file, as `play --out` writes it")
    parser.add_argument(
        "--answer",
        type=str.lower,
        choices=[word.value for word in ANSWERS],
        help="the answer of the player who is asked; abort: whoever offered takes the offer back",
    )
    moves = parser.add_mutually_exclusive_group()
    moves.add_argument(
        "--moves", metavar="MOVES", help="moves that follow, as for `play`: 8, X8, draw, Ono, Oabort, claim, ..."
    )
    moves.add_argument("--random", metavar="SEED", help="random legal moves to the end")
    parser.add_argument(
        "--keys", metavar="DIR", help="both keys, as `play --save-keys` keeps them: DIR/x.key, DIR/o.key"
    )
    parser.add_argument(
        "--x-key", metavar="FILE", help="X's session key: a file with 64 hex digits, or a version 3 one"
    )
    parser.add_argument("--o-key", metavar="FILE", help="O's session key")
    add_password_arguments(parser)
    parser.add_argument("--out", metavar="NEW", help="write to a new file and leave FILE as it is")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each agreed batch")


def run(arguments: argparse.Namespace) -> int:
    """0: went on; 2: the file, a key, an argument or a move is no good; 130: interrupted."""
    try:
        return _resume(arguments)
    except EvmthreadError as error:
        warn(f"evmthread {NAME}: {one_line(error)}")
        return UNREADABLE


def _resume(arguments: argparse.Namespace) -> int:
    script = _script(arguments)
    out = _out(arguments.file, arguments.out)
    signers = {mark: _signer(mark, arguments) for mark in (X, O)}
    from evmthread.commands.morpion_file import resume_game

    game = resume_game(Path(arguments.file), signers, clock=lambda: int(time.time()), out=out)
    try:
        if arguments.answer is not None and game.offer() is None:
            raise InvalidInput(f"{arguments.file}: no call is open in it, so nothing is asked that could be answered")
        _go_on(game, script, arguments)
        game.seal_file()
    except KeyboardInterrupt:
        warn(f"\nevmthread {NAME}: interrupted; {_leave(game, arguments.file, out)}")
        return INTERRUPTED
    except BaseException as error:
        if isinstance(error, EvmthreadError) and not isinstance(error, BackendError) and game.agreed:
            game.seal_file()  # what is agreed can't be taken back
            warn(f"evmthread {NAME}: {out} holds what was agreed before the error")
        else:
            warn(f"evmthread {NAME}: {_leave(game, arguments.file, out)}")
        raise
    if not arguments.json:
        say(f"written to {out}")
    return OK


def _leave(game: "MorpionGame", file: str, out: Path) -> str:
    """Leaves the new file unfinished, or removes it where nothing was agreed here; says so."""
    if game.agreed:
        return f"{file} is as it was; what was agreed on top of it is in {out}.unfinished"
    game.remove_file()
    return f"{file} is as it was"


def _go_on(game: "MorpionGame", script: list[tuple[int | None, Action]], arguments: argparse.Namespace) -> None:
    from evmthread.commands.morpion_table import Table

    table = Table(game, as_json=arguments.json)
    table.begin_again()
    table.follow(script)
    if arguments.random is not None:
        table.follow_random(random.Random(arguments.random))  # noqa: S311 - a game, no secret
    elif not script:
        table.ask_for_moves()
    table.end()


def _script(arguments: argparse.Namespace) -> list[tuple[int | None, Action]]:
    """The answer and the moves after it."""
    answer: list[tuple[int | None, Action]] = [] if arguments.answer is None else [(None, Word(arguments.answer))]
    return answer + ([] if arguments.moves is None else parse_moves(arguments.moves, words=True))


def _out(file: str, out: str | None) -> Path:
    """Where the new file goes: over the old one by default, but never over a third one."""
    if out is None:
        return Path(os.path.realpath(file)) if os.path.islink(file) else Path(file)
    if os.path.exists(out) and not (os.path.exists(file) and os.path.samefile(file, out)):
        raise InvalidInput(f"{out}: is there already")
    return Path(out)


def _signer(mark: int, arguments: argparse.Namespace) -> "LocalSigner":
    from evmthread.commands.keys import read_key

    name = NAMES[mark].lower()
    path = getattr(arguments, f"{name}_key")
    if path is None and arguments.keys is not None:
        path = str(Path(arguments.keys) / f"{name}.key")
    if path is None:
        raise InvalidInput(f"{NAMES[mark]}'s key is wanted, as both sign: --{name}-key FILE, or --keys DIR")
    return read_key(path, password_file=arguments.password_file)
