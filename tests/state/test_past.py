"""Kept states are listed and exported as they were, whatever was applied later."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.errors import InvalidInput
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.past import PastState
from evmthread.state.sqlite import SqliteState
from evmthread.state.store import CorruptState
from evmthread.state.stored import StoredState
from evmthread.state.transfer import export_state, import_state
from evmthread.state.view import Account, AccountChange, ListsAccounts, ListsSlots, StateChanges
from tests.state.changes import ADDRESSES, Told, changes_between, memory_of, states, told_by

Open = Callable[..., StoredState]
A = ADDRESSES[0]


@pytest.fixture(params=[SqliteState, LmdbState])
def kind(request: pytest.FixtureRequest) -> Open:
    return request.param  # type: ignore[no-any-return]


def listed(view: PastState) -> dict[bytes, Told]:
    assert isinstance(view, ListsAccounts)
    assert isinstance(view, ListsSlots)
    accounts = list(view.accounts())
    assert accounts == sorted(accounts)
    found = {}
    for address, account in accounts:
        slots = list(view.slots(address))
        assert slots == sorted(slots)
        found[address] = (account, dict(slots))
    return found


@settings(max_examples=25)
@given(history=st.lists(states, min_size=1, max_size=6), data=st.data())
@pytest.mark.parametrize("made", [SqliteState, LmdbState])
def test_every_kept_state_is_listed(
    made: Open, history: list[dict[bytes, Told]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("past")
    kept = [{}, *history]
    with made(folder / "state", history=True, durable=False) as state:
        for before, after in zip(kept, history, strict=False):
            state.apply(changes_between(before, after), check=True)
        keep_from = data.draw(st.integers(0, len(history)))
        state.prune(keep_from=keep_from)
        for nonce in range(keep_from, len(kept)):
            assert listed(state.at(nonce)) == kept[nonce]
        export_state(state.at(keep_from), folder / "file", nonce=keep_from)
    anew = MemoryState()
    assert import_state(folder / "file", anew).nonce == keep_from
    assert told_by(anew) == kept[keep_from]


def put(before: dict[bytes, Told], slots: dict[int, int]) -> dict[bytes, Told]:
    return {**before, A: (Account(1, 1), slots)}


def test_what_is_gone_is_kept_for_whoever_opens_the_file_next(tmp_path: Path) -> None:
    first, second = put({}, {1: 1, 2: 2}), put({}, {2: 2})
    with SqliteState(tmp_path / "state", history=True) as state:
        state.apply(changes_between({}, first))
    with SqliteState(tmp_path / "state") as state:  # keeps no more states, and those that are there
        state.apply(changes_between(first, second))
    with SqliteState(tmp_path / "state", history=True) as state:
        state.apply(changes_between(second, {}))
        assert list(state.kept()) == [0, 1, 2, 3]
        assert [listed(state.at(nonce)) for nonce in state.kept()] == [{}, first, second, {}]
        assert sum(1 for _ in state.store.scan("gone_slot")) == 2
        state.prune(keep_from=2)
        assert [key[-1] for key, _ in state.store.scan("gone_slot")] == [2]
        assert listed(state.at(2)) == second
        state.prune()
        assert not any(True for table in ("gone_slot", "gone_account") for _ in state.store.scan(table))


def test_a_state_that_keeps_none_writes_down_nothing_of_what_is_gone(tmp_path: Path) -> None:
    with SqliteState(tmp_path / "state") as state:
        state.apply(changes_between({}, put({}, {1: 1})))
        state.apply(changes_between(put({}, {1: 1}), {}))
        assert not any(True for table in ("gone_slot", "gone_account") for _ in state.store.scan(table))


def test_a_kept_state_is_listed_while_others_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmthread.state.past._KEYS", 3)
    told = put({}, {key: key + 1 for key in range(20)})
    with SqliteState(tmp_path / "state", history=True, durable=False) as state:
        state.apply(changes_between({}, told))
        slots = state.at(1).slots(A)
        assert next(slots) == (0, 1)
        rest = put({}, dict.fromkeys(range(10, 30), 7))
        state.apply(changes_between(told, rest))
        assert list(slots) == [(key, key + 1) for key in range(1, 20)]
        assert next(accounts := state.at(2).accounts())[0] == A
        state.apply(changes_between(rest, {}))
        assert list(accounts) == []
        assert listed(state.at(2)) == rest


def test_threads_list_a_kept_state_while_another_applies(
    tmp_path: Path, kind: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evmthread.state.past._KEYS", 2)
    told, other = put({}, {key: key + 1 for key in range(12)}), put({}, {0: 1})
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    is_over = Event()
    with kind(tmp_path / "state", history=True, durable=False) as state, ThreadPoolExecutor(2) as pool:
        state.apply(changes_between({}, told))

        def read() -> int:
            count = 0
            while not is_over.is_set():
                assert dict(state.at(1).slots(A)) == told[A][1]
                count += 1
            return count

        readers = [pool.submit(read) for _ in range(2)]
        try:
            for _ in range(40):
                state.apply(changes_between(told, other))
                state.apply(changes_between(other, told))
        finally:
            is_over.set()
            sys.setswitchinterval(interval)
        assert all(reader.result() for reader in readers)


def test_a_lost_key_is_told(tmp_path: Path) -> None:
    told = {A: (Account(1, 1), {1: 1}), ADDRESSES[1]: (Account(2, 2), {})}
    with SqliteState(tmp_path / "state", history=True) as state:
        state.apply(changes_between({}, told))
        state.apply(changes_between(told, {}))
        for table, read in (("gone_slot", lambda: list(state.at(1).slots(A))), ("gone_account", state.at(1).accounts)):
            assert list(read())
            key = next(iter(state.store.scan(table)))[0]
            state.store.write([(table, key, None)])
            with pytest.raises(CorruptState, match="are known"):
                list(read())


def test_memory_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmthread.state.past.NODES_IN_MEMORY", 5)
    slots = {key: key + 1 for key in range(300)}
    with SqliteState(tmp_path / "state", history=True, durable=False) as state:
        state.apply(changes_between({}, put({}, slots)))
        past = state.at(1)
        before = past.roots()
        assert dict(past.slots(A)) == slots
        assert past.roots() is not before


def test_a_state_gets_another_nonce(tmp_path: Path) -> None:
    change = StateChanges({A: AccountChange(None, Account(1, 1))}, {})
    with SqliteState(tmp_path / "state") as state:
        state.apply(change)
        state.renumber(7)
        for nonce in (-1, 2**64):
            with pytest.raises(InvalidInput, match="is no nonce"):
                state.renumber(nonce)
    with SqliteState(tmp_path / "state", history=True) as state:
        assert (state.nonce, state.root) == (7, memory_of({A: (Account(1, 1), {})}).roots().root())
        state.apply(change.inverted())
        assert list(state.kept()) == [7, 8]
        with pytest.raises(InvalidInput, match="keeps states"):
            state.renumber(9)
