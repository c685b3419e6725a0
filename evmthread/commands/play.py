"""`evmthread play`: two parties play a game of Morpion off-chain, each move a batch that both sign."""

import argparse
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from evmthread.commands.morpion_moves import parse_moves
from evmthread.commands.passwords import add_password_arguments, password_of
from evmthread.commands.play_chain import add_chain_arguments, play_on_chain
from evmthread.commands.reporting import INTERRUPTED, OK, UNREADABLE, one_line, say, warn
from evmthread.errors import EvmthreadError, InvalidInput

if TYPE_CHECKING:
    from evmthread.commit.signing import LocalSigner

_Made = TypeVar("_Made")

NAME = "play"
HELP = "play a game of Morpion (tic-tac-toe) in a thread between two parties, every move signed by both"
DESCRIPTION = """\
Open a thread for two players, create the Morpion contract in it, pay both stakes in, play, withdraw the pot and close.
Both players are parties of their own: each executes every batch, compares every field of the result, and signs.
Without --moves and --random, moves are typed: a cell from 0 to 8, row by row from the top left.

morpion-draw is Morpion with a TRAP: `draw` offers a draw, which suspends the contract in mid-execution; both sign the
suspended machine. The other answers `yes` or `no`; `abort` drops the offer as if it had never been. A file that ends
there holds the suspended machine: `evmthread resume` goes on with it.

With --chain the stakes are on a chain: both pay in there and play off it. Who is about to lose doesn't sign the last
move: the winner challenges, waits, settles, puts the contract on chain and makes the move there; or, with --agree, both
sign the end, and one transaction pays both. Moves are those of --moves or --random, by default 0,3,1,4,2. On a
development node its accounts pay for all, and time is moved on; elsewhere it is waited for."""

DEFAULT_STAKE = 10**15
DEFAULT_TURN_SECONDS = 24 * 3600
_CONTRACTS = {"morpion": "Morpion", "morpion-draw": "MorpionDraw"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "game", choices=list(_CONTRACTS), help="which game; morpion-draw is one in which a draw can be offered"
    )
    moves = parser.add_mutually_exclusive_group()
    moves.add_argument(
        "--moves",
        metavar="CELLS",
        help="cells 0 to 8, row by row, X first: 0,4,8,... (X0,O4,... names the player, too); morpion-draw: also draw, "
        "yes, no, abort, claim",
    )
    moves.add_argument("--random", metavar="SEED", help="random legal moves; the same seed gives the same moves")
    parser.add_argument(
        "--x-key", metavar="FILE", help="X's session key: a file with 64 hex digits, or a version 3 one"
    )
    parser.add_argument("--o-key", metavar="FILE", help="O's session key")
    parser.add_argument("--save-keys", metavar="DIR", help="keep keys that are made on the spot: DIR/x.key, DIR/o.key")
    parser.add_argument("--encrypt-keys", action="store_true", help="keep them under a password (version 3 key files)")
    add_password_arguments(parser)
    parser.add_argument(
        "--stake", metavar="WEI", default=str(DEFAULT_STAKE), help="what each player pays in (default: %(default)s)"
    )
    add_chain_arguments(parser)
    parser.add_argument("--out", metavar="FILE", help="the game's file, for `verify`, `replay` and `resume`")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each agreed batch")


def run(arguments: argparse.Namespace) -> int:
    """0: played; 2: an argument, a key or a scripted move is no good; 130: interrupted."""
    try:
        return play_on_chain(arguments, key_as) if arguments.chain is not None else _play(arguments)
    except EvmthreadError as error:
        warn(f"evmthread {NAME}: {one_line(error)}")
        return UNREADABLE


def _play(arguments: argparse.Namespace) -> int:
    contract = _CONTRACTS[arguments.game]
    script = None if arguments.moves is None else parse_moves(arguments.moves, words=contract == "MorpionDraw")
    stake = _parse_stake(arguments.stake)
    x, o = _signer("X", arguments.x_key, arguments), _signer("O", arguments.o_key, arguments)
    from evmthread.commands.morpion_game import MorpionGame
    from evmthread.commands.morpion_table import Table

    out = Path(arguments.out) if arguments.out is not None else None
    game = MorpionGame.open(
        x,
        o,
        stake=stake,
        turn_seconds=DEFAULT_TURN_SECONDS,
        clock=lambda: int(time.time()),
        out=out,
        contract=contract,
    )
    table = Table(game, as_json=arguments.json)
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


def _parse_stake(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,40}", text):
        raise InvalidInput(f"stake: {text[:50]!r} is no number of wei")
    return int(text)


def _signer(name: str, path: str | None, arguments: argparse.Namespace) -> "LocalSigner":
    """The player's signer: from its file, or made on the spot."""
    from evmthread.commit.signing import LocalSigner

    signer = key_as(LocalSigner, name, path, arguments)
    if path is None:
        kept = "forgotten at the end" if arguments.save_keys is None else f"kept in {_key_file(name, arguments)}"
        warn(f"{name}: a new key for 0x{signer.address.hex()}, {kept}")
    return signer


def key_as(made: Callable[[bytes], _Made], name: str, path: str | None, arguments: argparse.Namespace) -> _Made:
    """What is made of a player's key: that of its file, or a new one, which is kept where --save-keys says."""
    import secrets

    from evmthread.commands.keys import read_key_as, write_encrypted_key, write_key

    if path is not None:
        return read_key_as(made, path, password_file=arguments.password_file)
    key = secrets.token_bytes(32)
    if arguments.save_keys is not None:
        target = _key_file(name, arguments)
        if arguments.encrypt_keys:
            write_encrypted_key(target, key, password_of(str(target), password_file=arguments.password_file, new=True))
        else:
            write_key(target, key)
    return made(key)


def _key_file(name: str, arguments: argparse.Namespace) -> Path:
    return Path(arguments.save_keys) / f"{name.lower()}.key"
