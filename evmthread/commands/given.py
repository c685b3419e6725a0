"""What commands that run code are given: numbers, hex, files of hex, and the state to run on."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evmthread.state.memory import MemoryState
    from evmthread.state.view import StateView

DEFAULT_FORK = "Osaka"
DEFAULT_SENDER = b"sender".rjust(20, b"\0").hex()  # go-ethereum's
DEFAULT_RECEIVER = b"receiver".rjust(20, b"\0").hex()  # go-ethereum's


def add_state_options(group: argparse._ArgumentGroup) -> None:
    """Declares where accounts come from."""
    world = group.add_mutually_exclusive_group()
    world.add_argument(
        "--prestate", "--genesis", metavar="FILE", type=Path, help="accounts: a genesis file, or its alloc, or a pre"
    )
    world.add_argument(
        "--state", metavar="URL", help="accounts: sqlite:PATH, lmdb:PATH, or a chain's, http://NODE@BLOCK"
    )


def number_of(arguments: argparse.Namespace, name: str) -> int:
    """A number given as an option, in decimal or hex. Raises InvalidInput."""
    from evmthread.errors import InvalidInput
    from evmthread.testing.fixtures import word

    try:
        return word(getattr(arguments, name).replace("_", "").replace(",", ""))
    except ValueError as error:
        raise InvalidInput(f"--{name.replace('_', '-')}: {error}") from None


def address_of(arguments: argparse.Namespace, name: str) -> bytes:
    """An address given as an option, in hex. Raises InvalidInput."""
    from evmthread.errors import InvalidInput
    from evmthread.testing.fixtures import fixed

    try:
        return fixed(getattr(arguments, name), 20)
    except ValueError as error:
        raise InvalidInput(f"--{name}: {error}") from None


def bytes_of(text: str, file: str | None, what: str) -> bytes:
    """Bytes given as hex on the command line, or in a file. Raises InvalidInput."""
    from evmthread.errors import InvalidInput
    from evmthread.testing.fixtures import data

    if file is not None:
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text("ascii")
        except OSError as error:
            raise InvalidInput(f"--{what}file: {file}: {error.strerror}") from None
        except ValueError:
            raise InvalidInput(f"--{what}file: {file}: not hex") from None
    try:
        return data(text.strip())
    except ValueError as error:
        raise InvalidInput(f"--{what}: {error}") from None


@contextmanager
def accounts_of(arguments: argparse.Namespace) -> Iterator["StateView"]:
    """The state that is run on; it is only read."""
    if arguments.state is None:
        yield _prestate(arguments.prestate)
        return
    from evmthread.state.opening import close_state, open_state

    state = open_state(arguments.state, read_only=True)
    try:
        yield state
    finally:
        close_state(state)


def _prestate(path: Path | None) -> "MemoryState":
    from evmthread.errors import InvalidInput
    from evmthread.state.memory import MemoryState
    from evmthread.testing.fixtures import load_json, reading
    from evmthread.testing.state_tests import state_of

    if path is None:
        return MemoryState()
    try:
        content = load_json(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    with reading(str(path)):
        accounts = content.get("alloc", content.get("pre", content))
        return state_of({address: {"balance": 0} | account for address, account in accounts.items()}, {})
