from pathlib import Path

import pytest

from evmthread.errors import InvalidInput
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.opening import open_state
from evmthread.state.sqlite import SqliteState
from evmthread.state.stored import StoredState


def test_a_state_by_one_line(tmp_path: Path) -> None:
    assert isinstance(open_state("memory:"), MemoryState)
    for scheme, kind in (("sqlite", SqliteState), ("lmdb", LmdbState)):
        for history in (False, True):
            state = open_state(f"{scheme}:{tmp_path / scheme}", history=history)
            assert isinstance(state, StoredState)
            assert (type(state), state.keeps_history) == (kind, history)
            state.close()


@pytest.mark.parametrize(
    "url", ["", "memory", "memory:x", "sqlite:", "lmdb:", "redis:x", "http://127.0.0.1:8545", "http://a@b/c"]
)
def test_what_names_no_state(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_state(url)
