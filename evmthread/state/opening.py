"""A state chosen by one line of text, as on a command line."""

from evmthread.errors import InvalidInput
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.sqlite import SqliteState
from evmthread.state.view import StateBackend

SCHEMES = "memory:, sqlite:PATH, lmdb:PATH"


def open_state(url: str, *, history: bool = False) -> StateBackend:
    """The backend that a text names: memory:, sqlite:PATH or lmdb:PATH. A file is made where there is none.

    `history`: what every apply leaves stays readable by its nonce (memory: keeps none). Raises InvalidInput for
    another text, and what the backend's opening raises.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise InvalidInput(f"{url!r} names no state; write {SCHEMES}")
    if scheme == "memory":
        if rest or history:
            raise InvalidInput("memory: takes no path and keeps no history")
        return MemoryState()
    if scheme in ("sqlite", "lmdb"):
        if not rest:
            raise InvalidInput(f"{scheme}: wants a path, as in {scheme}:thread.state")
        return SqliteState(rest, history=history) if scheme == "sqlite" else LmdbState(rest, history=history)
    raise InvalidInput(f"no state is called {scheme}:; write {SCHEMES}")
