"""A state chosen by one line of text, as on a command line."""

from evmthread.errors import InvalidInput
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.remote import RemoteState
from evmthread.state.sqlite import SqliteState
from evmthread.state.view import StateBackend

SCHEMES = "memory:, sqlite:PATH, lmdb:PATH or http(s)://NODE@BLOCK"


def open_state(url: str, *, history: bool = False) -> StateBackend:
    """The backend that a text names: memory:, sqlite:PATH, lmdb:PATH or http://NODE@BLOCK.

    A file is made where there is none. The last is a chain's state at a block (a number, a tag or a hash), proven read
    by read, with what is applied kept in memory on top. `history`: what every apply leaves stays readable by its nonce,
    in a file. Raises InvalidInput for another text, and what the backend's opening raises.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise InvalidInput(f"{url!r} names no state; write {SCHEMES}")
    if scheme == "memory":
        if rest or history:
            raise InvalidInput("memory: takes no path and keeps no history")
        return MemoryState()
    if scheme in ("http", "https"):
        node, at, block = url.rpartition("@")
        if not at or not block.isalnum() or history:
            raise InvalidInput(f"{url!r}: write {scheme}://NODE@BLOCK, BLOCK a number, a tag or a hash; no history")
        return OverlayState(RemoteState(node, block))
    if scheme in ("sqlite", "lmdb"):
        if not rest:
            raise InvalidInput(f"{scheme}: wants a path, as in {scheme}:thread.state")
        return SqliteState(rest, history=history) if scheme == "sqlite" else LmdbState(rest, history=history)
    raise InvalidInput(f"no state is called {scheme}:; write {SCHEMES}")
