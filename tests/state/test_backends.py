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
from evmthread.state.past import PastState
from evmthread.state.sqlite import SqliteState
from evmthread.state.stored import StoredState
from evmthread.state.view import StateChanges
from evmthread.testing.backends import backend_tests
from tests.state.power_cut import PASSING

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
    """What kill -9 leaves: the files as they are at that step, with nothing put right and nothing closed."""
    place = path_of(state)
    left = place.parent / "left"

    def die(number: int) -> None:
        if number == step:
            left.mkdir()
            for path in place.parent.glob("state*"):
                if not path.name.endswith(PASSING):
                    shutil.copy(path, left)
            raise Died

    state.store.before_step = die
    with suppress(Died):
        state.apply(changes)
    state.close()
    if left.exists():
        for path in place.parent.glob("state*"):
            path.unlink()
        for path in left.iterdir():
            path.rename(place.parent / path.name)
        left.rmdir()
    return type(state)(place, durable=False)  # type: ignore[call-arg]


def kept(state: StoredState) -> PastState:
    return state.at(state.nonce)


def discard(state: StoredState) -> None:
    state.close()
    shutil.rmtree(path_of(state).parent)


TestMemory = backend_tests(MemoryState, examples=40)
TestOverlay = backend_tests(lambda: OverlayState(MemoryState()), view=OverlayState.copy, examples=30)
TestOverlayOfOverlay = backend_tests(
    lambda: OverlayState(OverlayState(MemoryState())), reopen=OverlayState.copy, view=OverlayState.copy, examples=15
)
TestSqlite = backend_tests(
    fresh(SqliteState), reopen=reopen, interrupt=interrupt, view=kept, discard=discard, examples=15, steps=15
)
TestLmdb = backend_tests(
    fresh(LmdbState), reopen=reopen, interrupt=interrupt, view=kept, discard=discard, examples=15, steps=15
)
