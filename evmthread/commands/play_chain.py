"""`evmthread play morpion --chain URL`: the game with its stakes on a chain, from opening to payment."""

import argparse
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evmthread.commands.morpion_moves import parse_moves
from evmthread.commands.reporting import INTERRUPTED, OK, say, say_json, show_hash, warn
from evmthread.errors import InvalidInput

if TYPE_CHECKING:
    from evmthread.chain.accounts import KeyAccount
    from evmthread.chain.registry import Registry
    from evmthread.commands.chain_game import ChainGame, Happened
    from evmthread.commit.signing import LocalSigner
    from evmthread.rpc import Provider

_MOVES = "0,3,1,4,2"
_TURN_SECONDS = 24 * 3600
_SHORTEST_PERIOD = 60


def add_chain_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of a game on a chain."""
    chain = parser.add_argument_group("on a chain")
    chain.add_argument("--chain", metavar="URL", help="a node (http, https, ws, wss): the stakes are on its chain")
    chain.add_argument("--registry", metavar="ADDRESS", help="the registry; by default a new one is deployed")
    chain.add_argument("--agree", action="store_true", help="the loser signs the end too: the short way")
    chain.add_argument(
        "--challenge-period",
        metavar="SECONDS",
        default=str(_SHORTEST_PERIOD),
        help="how long a challenge can be answered (default: %(default)s)",
    )


def play_on_chain(arguments: argparse.Namespace, key_as: Callable[..., Any]) -> int:
    """Plays, and gives the exit code; `key_as` makes something of a player's key, as play.py has it.

    Raises what the chain's client and the channel raise.
    """
    if arguments.game != "morpion":
        raise InvalidInput("--chain: the game is morpion")
    if arguments.out is not None:
        raise InvalidInput("--chain: the game is in the players' stores, which --save-keys keeps; there is no --out")
    for name in ("stake", "challenge_period"):
        if not re.fullmatch(r"[0-9]{1,40}", getattr(arguments, name)):
            raise InvalidInput(f"{name.replace('_', '-')}: {getattr(arguments, name)[:50]!r} is no number")
    script = None if arguments.random is not None else parse_moves(arguments.moves or _MOVES)
    from evmthread.commands.board import O, X
    from evmthread.commands.chain_game import ChainGame, Seat
    from evmthread.rpc import connect

    provider = connect(arguments.chain)
    _check_kept(arguments, provider)
    keys = {mark: _keys(name, path, arguments, key_as) for mark, name, path in (
        (X, "X", arguments.x_key), (O, "O", arguments.o_key),
    )}  # fmt: skip
    tell = _tell_json if arguments.json else _tell_text
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(_folder(arguments.save_keys))
            stores = {
                mark: stack.enter_context(_store(folder / f"{name}.threads")) for mark, name in ((X, "x"), (O, "o"))
            }
            game = ChainGame(
                provider,
                _registry(arguments, provider, keys[X][1]),
                {mark: Seat(*keys[mark], stores[mark]) for mark in (X, O)},
                stake=int(arguments.stake),
                turn_seconds=_TURN_SECONDS,
                challenge_period=int(arguments.challenge_period),
                sleep=time.sleep,
                tell=tell,
            )
            game.open()
            game.join()
            moves = _random_moves(game, arguments.random) if script is None else iter(script)
            _play(game, moves, agree=arguments.agree)
    except KeyboardInterrupt:
        warn("\nevmthread play: interrupted; what is on chain stays there")
        return INTERRUPTED
    return OK


def _play(game: "ChainGame", moves: Iterator[tuple[int | None, Any]], *, agree: bool) -> None:
    for mark, cell in moves:
        player = mark or game.to_move()
        if player is None:
            raise InvalidInput(f"{cell}: the game is over")
        if not agree and game.wins(player, cell):
            game.end_alone(player, cell)
            return
        game.play(player, cell)
    if game.to_move() is not None:
        raise InvalidInput("the moves end before the game does: on chain there is money in it")
    game.end_together()


def _random_moves(game: "ChainGame", seed: str) -> Iterator[tuple[int | None, int]]:
    source = random.Random(seed)  # noqa: S311 - a game, no secret
    while game.to_move() is not None:
        yield None, source.choice([cell for cell, mark in enumerate(game.board()) if not mark])


def _check_kept(arguments: argparse.Namespace, provider: "Provider") -> None:
    """Nothing, or InvalidInput: money would be lost with keys and stores that are forgotten."""
    from evmthread.chain.development import unlocked_account

    if arguments.save_keys is None and unlocked_account(provider) is None:
        raise InvalidInput("on this chain ether is worth something: --save-keys says where keys and stores are kept")


def _keys(
    name: str, path: str | None, arguments: argparse.Namespace, key_as: Callable[..., Any]
) -> "tuple[LocalSigner, KeyAccount]":
    from evmthread.chain.accounts import KeyAccount
    from evmthread.commit.signing import LocalSigner

    signer, account = key_as(lambda key: (LocalSigner(key), KeyAccount(key)), name, path, arguments)
    return signer, account


@contextmanager
def _folder(kept: str | None) -> Iterator[Path]:
    """Where the stores are: where the keys are kept, or in a folder that is gone afterwards."""
    if kept is not None:
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory(prefix="evmthread-") as temporary:
        yield Path(temporary)


def _store(path: Path) -> Any:
    from evmthread.store.sqlite_threads import SqliteThreadStore

    return SqliteThreadStore(path)


def _registry(arguments: argparse.Namespace, provider: "Provider", account: "KeyAccount") -> "Registry":
    from evmthread.chain.development import give, unlocked_account
    from evmthread.chain.registry import Registry
    from evmthread.primitives.types import Address

    if arguments.registry is not None:
        return Registry.connect(provider, Address(arguments.registry))
    if unlocked_account(provider) is not None:
        give(provider, account.address, 10**17)
    return Registry.deploy(provider, account)


def _tell_text(happened: "Happened") -> None:
    say(happened.text)


def _tell_json(happened: "Happened") -> None:
    parts = {name: show_hash(value) if isinstance(value, bytes) else value for name, value in happened.parts.items()}
    say_json({"event": happened.event, **parts})
