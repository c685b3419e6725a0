import random
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.errors import BackendError
from evmthread.merkle.trie import EMPTY_ROOT, Trie
from evmthread.state.sorted_root import RootOfState, SortedPairs, root_of
from evmthread.state.view import Account
from tests.state.changes import Told, memory_of, states


def root_as_told(told: dict[bytes, Told]) -> bytes:
    root = RootOfState()
    for address, (account, slots) in sorted(told.items()):
        root.account(address, account)
        for key, value in slots.items():
            root.slot(key, value)
    return root.root()


@given(told=states)
def test_the_root_of_any_state(told: dict[bytes, Told]) -> None:
    assert root_as_told(told) == memory_of(told).roots().root()


# Keys that share long beginnings, and values so short that nodes are inlined in others.
keys = st.lists(st.sampled_from([b"\0", b"\1", b"\x10", b"\xff"]), min_size=4, max_size=4).map(b"".join)


@settings(max_examples=200)
@given(
    pairs=st.dictionaries(keys, st.sampled_from([b"\1", b"\x80" * 40]), max_size=40), at_once=st.sampled_from([1, 2, 7])
)
def test_what_is_let_go_is_not_needed(pairs: dict[bytes, bytes], at_once: int) -> None:
    trie = Trie()
    trie.update(pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evmthread.state.sorted_root._KEYS_AT_ONCE", at_once)
        assert root_of(sorted(pairs.items())) == trie.root()
    assert root_of([]) == EMPTY_ROOT


def test_more_than_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmthread.state.sorted_root._IN_MEMORY", 100)
    monkeypatch.setattr("evmthread.state.sorted_root._READ_BYTES", 333)
    generator = random.Random(1)
    pairs = {generator.randbytes(32): generator.randbytes(generator.choice((1, 33, 255))) for _ in range(1234)}
    sorter = SortedPairs()
    for _ in range(2):
        for digest, value in pairs.items():
            sorter.add(digest, value)
        assert len(sorter._pairs) < 100
        assert list(sorter.take()) == sorted(pairs.items())
        assert list(sorter.take()) == []
    slots = {key: key + 1 for key in range(1000)}
    told = {bytes((number,)) * 20: (Account(number, number), slots if number < 3 else {}) for number in range(250)}
    assert root_as_told(told) == memory_of(told).roots().root()


def test_no_room_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evmthread.state.sorted_root._IN_MEMORY", 2)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    sorter = SortedPairs()
    sorter.add(bytes(32), b"1")
    with pytest.raises(BackendError, match=r"a temporary file in .*: No space left on device"):
        sorter.add(bytes(32), b"1")
