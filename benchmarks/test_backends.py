"""Reads, applies and listings of each backend, on a state of ten thousand slots.

Run with `pytest benchmarks/test_backends.py`. An apply changes ten slots and makes the new state root; those of files
are durable when they return. For other sizes, up to a million slots, see backends.py.
"""

import random
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from evmthread.primitives.keccak import EMPTY_HASH
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.sqlite import SqliteState
from evmthread.state.stored import StoredState
from evmthread.state.view import Account, AccountChange, StateChanges

SLOTS = 10_000
HOLDER = b"\x0a" * 20
ACCOUNT = Account(1, 1, EMPTY_HASH)
State = MemoryState | OverlayState | StoredState

KINDS: dict[str, Callable[[Path], State]] = {
    "memory": lambda _: MemoryState(),
    "overlay": lambda _: OverlayState(MemoryState()),
    "sqlite": SqliteState,
    "lmdb": LmdbState,
}


@pytest.fixture(params=list(KINDS))
def state(request: pytest.FixtureRequest, tmp_path: Path) -> State:
    made = KINDS[request.param](tmp_path / "state")
    slots = {key: (0, key + 1) for key in range(SLOTS)}
    made.apply(StateChanges({HOLDER: AccountChange(None, ACCOUNT, slots)}, {}))
    made.roots().root()
    return made


def test_read_a_slot(benchmark: BenchmarkFixture, state: State) -> None:
    generator = random.Random(1)
    keys = [generator.randrange(SLOTS) for _ in range(1000)]

    def read() -> int:
        return sum(state.slot(HOLDER, key) for key in keys)

    assert benchmark(read) == sum(keys) + len(keys)


def test_apply_ten_slots_and_root(benchmark: BenchmarkFixture, state: State) -> None:
    generator = random.Random(1)
    numbers = count(SLOTS + 1)
    last: dict[int, int] = {}

    def change() -> tuple[tuple[StateChanges], dict[str, object]]:
        slots = {}
        for key in generator.sample(range(SLOTS), 10):
            before = last.get(key, key + 1)
            last[key] = next(numbers)
            slots[key] = (before, last[key])
        return (StateChanges({HOLDER: AccountChange(ACCOUNT, ACCOUNT, slots)}, {}),), {}

    def apply(changes: StateChanges) -> None:
        state.apply(changes)
        state.roots().root()

    benchmark.pedantic(apply, setup=change, rounds=100, warmup_rounds=5)
    assert all(state.slot(HOLDER, key) == value for key, value in last.items())


def test_list_all_slots(benchmark: BenchmarkFixture, state: State) -> None:
    assert benchmark(lambda: sum(1 for _ in state.slots(HOLDER))) == SLOTS
