"""A state chosen by one line of text, as on a command line."""

from pathlib import Path

from evmthread.errors import BackendError, InvalidInput
from evmthread.primitives.arguments import instance_of
from evmthread.state.files import is_there, path_of, publish, system_errors, take_away, unfinished_name
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.pruning import Progress, unheard
from evmthread.state.records import Tip
from evmthread.state.remote import RemoteState
from evmthread.state.sqlite import SqliteState
from evmthread.state.stored import StoredState
from evmthread.state.transfer import checked_export
from evmthread.state.view import StateBackend

SCHEMES = "memory:, sqlite:PATH, lmdb:PATH or http(s)://NODE@BLOCK"
_IN_FILES = ("sqlite", "lmdb")


def open_state(url: str, *, history: bool = False, create: bool = True, read_only: bool = False) -> StateBackend:
    """The backend that a text names: memory:, sqlite:PATH, lmdb:PATH or http://NODE@BLOCK.

    A file is made where there is none, unless `create` is False or it is to be `read_only`. The last is a chain's state
    at a block (a number, a tag or a hash), proven read by read, with what is applied kept in memory on top. `history`:
    what every apply leaves stays readable by its nonce, in a file. Raises InvalidInput for another text, BackendError
    for a file that isn't there, and what the backend's opening raises.
    """
    scheme, rest = _parts(url)
    if scheme == "memory":
        if rest or history:
            raise InvalidInput("memory: takes no path and keeps no history")
        return MemoryState()
    if scheme in ("http", "https"):
        node, at, block = url.rpartition("@")
        if not at or not block.isalnum() or history:
            raise InvalidInput(f"{url!r}: write {scheme}://NODE@BLOCK, BLOCK a number, a tag or a hash; no history")
        return OverlayState(RemoteState(node, block))
    place = path_of(rest)
    with system_errors(place):
        is_lacking = (read_only or not create) and not place.is_file()
    if is_lacking:
        raise BackendError(f"{rest}: there is no such file")
    return _open_file(scheme, place, history=history, read_only=read_only)


def close_state(state: StateBackend) -> None:
    """Lets go of the files and connections of a state that open_state gave."""
    if isinstance(state, StoredState):
        state.close()
    elif isinstance(state, OverlayState) and isinstance(state.below, RemoteState):
        state.below.close()


def import_into(url: str, path: str | Path, *, progress: Progress = unheard) -> Tip:
    """Makes a state in a new file of an exported one, with its nonce; it is there whole or not at all.

    Raises InvalidInput for a text that names no file, or one that is there already, and what check_export raises,
    before anything is made.
    """
    scheme, rest = _parts(url)
    if scheme not in _IN_FILES:
        raise InvalidInput(f"{url!r}: only a file takes an import: sqlite:PATH or lmdb:PATH")
    place = path_of(rest)
    if is_there(place):
        raise InvalidInput(f"{place} is there already")
    with checked_export(path, progress=progress) as export:
        unfinished = unfinished_name(place)
        with system_errors(place):
            try:
                take_away(unfinished)  # what an interrupted import left
                with _open_file(scheme, unfinished, durable=False) as state:
                    export.fill(state, progress=progress)
                    state.renumber(export.tip.nonce)
                publish(unfinished, place)
            finally:
                take_away(unfinished)
        return export.tip


def _parts(url: str) -> tuple[str, str]:
    scheme, colon, rest = instance_of(url, str, f"a text, {SCHEMES},").partition(":")
    if not colon:
        raise InvalidInput(f"{url!r} names no state; write {SCHEMES}")
    if scheme not in ("memory", "http", "https", *_IN_FILES):
        raise InvalidInput(f"no state is called {scheme}:; write {SCHEMES}")
    if scheme in _IN_FILES and not rest:
        raise InvalidInput(f"{scheme}: wants a path, as in {scheme}:thread.state")
    return scheme, rest


def _open_file(
    scheme: str, path: Path, *, history: bool = False, durable: bool = True, read_only: bool = False
) -> StoredState:
    kind = SqliteState if scheme == "sqlite" else LmdbState
    return kind(path, history=history, durable=durable, read_only=read_only)
