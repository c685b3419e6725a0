"""The shipped backends pass the suite that others' backends pass."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.sqlite import SqliteState
from evmthread.state.stored import StoredState
from evmthread.state.view import StateChanges
from evmthread.testing.backends import backend_tests

S = TypeVar("S", bound=StoredState)


class Died(BaseException):
    """What a crash looks like from inside."""


def path_of(state: StoredState) -> Path:
    return Path(state.store.place)


def fresh(make: Callable[..., S]) -> Callable[[], S]:
    def create() -> S:
        return make(Path(tempfile.mkdtemp(prefix="evmthread-")) / "state", durable=False)

    return create


def reopen(state: S) -> S:
    state.close()
    return type(state)(path_of(state), durable=False)  # type: ignore[call-arg]


def interrupt(state: S, changes: StateChanges, step: int) -> S:
    def die(number: int) -> None:
        if number == step:
            raise Died

    state.store.before_step = die
    with suppress(Died):
        state.apply(changes)
    return reopen(state)


def discard(state: StoredState) -> None:
    state.close()
    shutil.rmtree(path_of(state).parent)


TestMemory = backend_tests(MemoryState)
TestOverlay = backend_tests(lambda: OverlayState(MemoryState()))
TestOverlayOfOverlay = backend_tests(
    lambda: OverlayState(OverlayState(MemoryState())), reopen=lambda state: state.copy(), examples=20
)
TestSqlite = backend_tests(
    fresh(SqliteState), reopen=reopen, interrupt=interrupt, discard=discard, examples=15, steps=15
)
TestLmdb = backend_tests(fresh(LmdbState), reopen=reopen, interrupt=interrupt, discard=discard, examples=15, steps=15)
