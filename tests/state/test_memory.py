import copy
import signal
import sys
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from evmthread.errors import InvalidInput
from evmthread.merkle.trie import EMPTY_ROOT
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.view import Account, AccountChange, StateChanges
from tests.interrupts import Interrupt, interrupted

A, B = b"\xaa" * 20, b"\xbb" * 20
FILES = ("state/memory.py", "state/overlay.py", "state/view.py")
UNLOCKED: Any = SimpleNamespace(lock=nullcontext())


def small() -> MemoryState:
    state = MemoryState()
    state.set_account(A, nonce=1, balance=2, code=b"\x60", storage={1: 5, 2: 0, 3: 9})
    return state


def test_reads() -> None:
    state = small()
    assert state.account(A) == Account(1, 2, keccak256(b"\x60"))
    assert state.account(B) is None
    assert state.code(keccak256(b"\x60")) == b"\x60"
    assert state.code(EMPTY_HASH) == b""
    assert [state.slot(A, key) for key in (1, 2, 3, 4)] == [5, 0, 9, 0]
    assert state.slot(B, 1) == 0
    assert (state.storage(A), state.storage(B)) == ({1: 5, 3: 9}, {})
    assert (state.has_storage(A), state.has_storage(B)) == (True, False)
    assert list(state.addresses()) == [A]
    assert state.block_hash(5) == bytes(32)
    state.set_block_hash(5, b"\x05" * 32)
    assert state.block_hash(5) == b"\x05" * 32


@pytest.mark.parametrize(
    "bad",
    [
        {"address": b"\x01" * 19},
        {"nonce": -1},
        {"nonce": 2**64},
        {"balance": -1},
        {"balance": 2**256},
        {"storage": {-1: 1}},
        {"storage": {2**256: 1}},
        {"storage": {1: 2**256}},
        {"storage": {1: -1}},
        {"address": "a" * 20},
        {"nonce": 1.0},
        {"balance": 10**18 / 1},
        {"code": "6001"},
        {"code": 5},
        {"storage": {1.5: 1}},
        {"storage": {1: "1"}},
    ],
)
def test_set_account_refuses_what_is_no_account(bad: dict[str, object]) -> None:
    state = MemoryState()
    with pytest.raises(InvalidInput):
        state.set_account(**{"address": A, **bad})  # type: ignore[arg-type]
    assert list(state.addresses()) == []


@pytest.mark.parametrize(
    ("number", "block_hash"), [(-1, bytes(32)), (1.0, bytes(32)), (1, bytes(31)), (1, "a" * 32), (1, 5)]
)
def test_what_is_no_hash_of_a_block(number: int, block_hash: bytes) -> None:
    state = MemoryState()
    with pytest.raises(InvalidInput):
        state.set_block_hash(number, block_hash)
    assert state.block_hash(1) == bytes(32)


def test_apply() -> None:
    state = small()
    root = state.roots().root()
    after = Account(7, 8, EMPTY_HASH)
    changes = StateChanges(
        {
            A: AccountChange(state.account(A), after, {1: (5, 0), 4: (0, 6)}),
            B: AccountChange(None, Account(0, 1, keccak256(b"\x01")), {9: (0, 9)}),
        },
        {keccak256(b"\x01"): b"\x01"},
    )
    state.apply(changes)
    assert (state.account(A), state.storage(A)) == (after, {3: 9, 4: 6})
    assert (state.code(keccak256(b"\x01")), state.storage(B)) == (b"\x01", {9: 9})
    anew = MemoryState()
    anew.set_account(A, nonce=7, balance=8, storage={3: 9, 4: 6})
    anew.set_account(B, balance=1, code=b"\x01", storage={9: 9})
    assert state.roots().root() == anew.roots().root()
    state.apply(changes.inverted())
    assert state.roots().root() == root
    assert (state.account(B), state.storage(B), state.storage(A)) == (None, {}, {1: 5, 3: 9})


def test_wiped_storage_is_gone_and_deleted_accounts_too() -> None:
    state = small()
    state.roots()
    state.apply(StateChanges({A: AccountChange(state.account(A), Account(1, 0), {7: (0, 1)}, wiped=True)}, {}))
    assert state.storage(A) == {7: 1}
    anew = MemoryState()
    anew.set_account(A, nonce=1, storage={7: 1})
    assert state.roots().root() == anew.roots().root()
    state.apply(StateChanges({A: AccountChange(state.account(A), None, wiped=True)}, {}))
    assert (state.account(A), state.has_storage(A), list(state.addresses())) == (None, False, [])
    assert state.roots().root() == EMPTY_ROOT


def test_roots_before_and_after_apply_are_the_same_whenever_they_are_first_asked_for() -> None:
    changes = StateChanges({A: AccountChange(small().account(A), Account(1, 3), {3: (9, 0)})}, {})
    early, late = small(), small()
    early.roots().root()
    early.apply(changes)
    late.apply(changes)
    assert early.roots().root() == late.roots().root()


def test_a_deep_copy_is_another_state() -> None:
    below = MemoryState()
    below.set_account(A, balance=1, storage={1: 1})
    state = OverlayState(below)
    state.apply(StateChanges({A: AccountChange(Account(0, 1), Account(0, 2))}, {}))
    with state._lock.lock, below._lock.lock:
        other = copy.deepcopy(state)
        other.apply(StateChanges({A: AccountChange(Account(0, 2), Account(0, 3), {1: (1, 5)})}, {}))
        other.below.apply(StateChanges({A: AccountChange(None, Account(0, 9))}, {}))  # type: ignore[attr-defined]
        assert (other.account(A), other.slot(A, 1)) == (Account(0, 3), 5)
    assert (state.account(A), state.slot(A, 1), below.account(A)) == (Account(0, 2), 1, Account(0, 1))


@pytest.mark.parametrize("over", [False, True], ids=["memory", "overlay"])
def test_an_exception_at_any_line_of_an_apply_leaves_all_or_nothing(*, over: bool) -> None:
    """A signal's handler may raise between any two lines."""

    def begun() -> MemoryState | OverlayState:
        made = small()
        made.set_account(B, balance=7, storage={4: 4})
        return OverlayState(made) if over else made

    def is_whole(state: MemoryState | OverlayState) -> bool:
        """Whether the roots are those of what the state says."""
        again = MemoryState()
        for address, account in state.accounts():
            again.set_account(
                address,
                nonce=account.nonce,
                balance=account.balance,
                code=state.code(account.code_hash),
                storage=dict(state.slots(address)),
            )
        return again.roots().root() == state.roots().root()

    changes = StateChanges(
        {
            A: AccountChange(small().account(A), Account(2, 1, keccak256(b"\x00")), {1: (5, 0), 2: (0, 8)}),
            B: AccountChange(Account(0, 7, EMPTY_HASH), None, {4: (4, 0)}),
        },
        {keccak256(b"\x00"): b"\x00"},
    )
    wanted = begun()
    before = wanted.roots().root()
    wanted.apply(changes)
    after = wanted.roots().root()
    seen, line, done = set(), 0, False
    while not done:
        line += 1
        state = begun()
        state.roots()
        state._lock = UNLOCKED  # no signal comes between the end of a block and its lock's release
        done = not interrupted(partial(state.apply, changes), line, FILES)
        root = state.roots().root()
        assert root in (before, after), line
        assert is_whole(state), line
        seen.add(root)
        state.apply(changes)
        assert state.roots().root() == after, line
    assert seen == {before, after}
    assert line > 20


def test_a_signal_never_leaves_the_lock_held() -> None:
    """The lock is taken and released by C code, which no handler interrupts; in CPython 3.14 one may, just after.

    Whatever is held then, the thread that holds it goes on.
    """

    def interrupt(*_: object) -> None:
        raise Interrupt

    def held() -> bool:
        return sys.version_info < (3, 14) and any(state._lock.lock._is_owned() for state in states)  # type: ignore[attr-defined]

    states = (small(), OverlayState(small()))
    changes = StateChanges({B: AccountChange(None, Account(0, 1, EMPTY_HASH))}, {})
    before = signal.signal(signal.SIGALRM, interrupt)
    count = 0
    try:
        for number in range(2_000):
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 1e-6 * (5 + number % 40))
                    while True:
                        for state in states:
                            state.apply(changes)
                            assert not held()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupt:
                count += 1
            assert not held(), number
    finally:
        signal.signal(signal.SIGALRM, before)
    assert count == 2_000
