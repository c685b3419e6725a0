from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import ZERO_HASH
from evmthread.state.journal import Journal
from evmthread.state.memory import MemoryState
from evmthread.state.view import (
    EMPTY_ACCOUNT,
    Account,
    AccountChange,
    ConflictingChanges,
    StateChanges,
    check_before,
    check_changes,
    has_storage,
    joined,
)
from tests.state.changes import Told, changes_between, memory_of, states, told_by

A, B = b"\xaa" * 20, b"\xbb" * 20
ONE = Account(1, 1)


def test_an_empty_account() -> None:
    assert Account(0, 0, EMPTY_HASH) == EMPTY_ACCOUNT
    assert EMPTY_ACCOUNT.is_empty
    for account in (Account(1), Account(0, 1), Account(0, 0, bytes(32))):
        assert not account.is_empty


def test_changes_are_true_when_there_are_some_and_turn_round() -> None:
    assert not StateChanges({}, {})
    change = AccountChange(None, Account(1, 2), {3: (0, 4)})
    changes = StateChanges({b"a" * 20: change}, {b"h": b"code"})
    assert changes
    back = changes.inverted()
    assert back.accounts == {b"a" * 20: AccountChange(Account(1, 2), None, {3: (4, 0)})}
    assert back.inverted().accounts == changes.accounts
    assert AccountChange(None, None).slots == {}


@given(first=states, second=states)
def test_changes_lead_there_and_back(first: dict[bytes, Told], second: dict[bytes, Told]) -> None:
    changes = changes_between(first, second)
    check_changes(changes)
    state = memory_of(first)
    root = state.roots().root()
    state.apply(changes, check=True)
    assert told_by(state) == second
    assert state.roots().root() == memory_of(second).roots().root()
    assert changes.is_exact
    state.apply(changes.inverted(), check=True)
    assert told_by(state) == first
    assert state.roots().root() == root


@given(history=st.lists(states, min_size=2, max_size=5))
def test_changes_stack(history: list[dict[bytes, Told]]) -> None:
    steps = [changes_between(before, after) for before, after in pairwise(history)]
    whole = steps[0]
    for step in steps[1:]:
        whole = whole.then(step)
    assert whole.accounts == changes_between(history[0], history[-1]).accounts
    assert joined(steps).accounts == whole.accounts
    assert joined(steps).codes == whole.codes
    assert whole.then(whole.inverted()).accounts == {}
    state = memory_of(history[0])
    state.apply(whole, check=True)
    assert told_by(state) == history[-1]


def test_what_does_not_follow_is_not_joined() -> None:
    steps = [StateChanges({A: AccountChange(None, ONE)}, {})] * 2
    with pytest.raises(InvalidInput, match="can't follow"):
        joined(steps)
    assert not joined([])


@settings(max_examples=50)
@given(first=states, second=states, third=states)
def test_stacking_is_associative(first: dict[bytes, Told], second: dict[bytes, Told], third: dict[bytes, Told]) -> None:
    a, b, c = changes_between({}, first), changes_between(first, second), changes_between(second, third)
    assert a.then(b).then(c).accounts == a.then(b.then(c)).accounts
    assert a.then(b).codes.keys() == a.codes.keys() | b.codes.keys()


def test_what_doesnt_follow_is_refused() -> None:
    with pytest.raises(InvalidInput, match="can't follow"):
        AccountChange(None, ONE).then(AccountChange(EMPTY_ACCOUNT, ONE))
    with pytest.raises(InvalidInput, match="slot 0x7 is left 0x1 by one change and found 0x2"):
        AccountChange(ONE, ONE, {7: (0, 1)}).then(AccountChange(ONE, ONE, {7: (2, 3)}))


def test_a_storage_wiped_unseen_stays_wiped() -> None:
    wiped = AccountChange(ONE, ONE, {1: (0, 5)}, wiped=True)
    with pytest.raises(InvalidInput, match="can't be turned round"):
        wiped.inverted()
    changes = StateChanges({A: wiped}, {})
    assert not changes.is_exact
    before = AccountChange(ONE, ONE, {1: (3, 4), 2: (0, 6)})
    assert before.then(wiped) == AccountChange(ONE, ONE, {1: (3, 5), 2: (0, 0)}, wiped=True)
    # A slot that ends as it began is named all the same: it would be gone otherwise.
    assert before.then(AccountChange(ONE, ONE, {1: (0, 3)}, wiped=True)).slots[1] == (3, 3)
    assert wiped.then(AccountChange(ONE, ONE, {1: (5, 0), 9: (0, 1)})) == AccountChange(
        ONE, ONE, {1: (0, 0), 9: (0, 1)}, wiped=True
    )
    assert wiped.then(AccountChange(ONE, None, {1: (5, 0)})).after is None


class Unlisted:
    """A view of the four reads and no more."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    def account(self, address: bytes) -> Account | None:
        return self._state.account(address)

    def code(self, code_hash: bytes) -> bytes:
        return self._state.code(code_hash)

    def slot(self, address: bytes, key: int) -> int:
        return self._state.slot(address, key)

    def block_hash(self, number: int) -> bytes:
        return ZERO_HASH


@pytest.mark.parametrize("listed", [True, False])
def test_what_a_journal_wipes_is_named_where_the_view_lists_it(listed: bool) -> None:
    state = MemoryState()
    state.set_account(A, balance=1, code=b"\x01", storage={1: 10, 2: 20, 3: 30})
    root = state.roots().root()
    journal = Journal(state if listed else Unlisted(state))
    journal.create_account(A, 1)
    journal.set_slot(A, 2, 21)
    journal.set_slot(A, 3, 30)
    journal.set_slot(A, 4, 40)
    journal.create_account(B, 1)  # where nothing was, nothing is wiped
    changes = journal.changes()
    assert changes.accounts[B] == AccountChange(None, Account(1, 0))
    change = changes.accounts[A]
    if listed:
        assert change.slots == {1: (10, 0), 2: (20, 21), 4: (0, 40)}
    else:
        assert change.slots == {2: (0, 21), 3: (0, 30), 4: (0, 40)}
    assert change.wiped is (not listed)
    state.apply(changes, check=True)
    assert dict(state.slots(A)) == {2: 21, 3: 30, 4: 40}
    if listed:
        state.apply(changes.inverted(), check=True)
        assert state.roots().root() == root


def test_has_storage_is_an_optional_read() -> None:
    state = MemoryState()
    state.set_account(A, storage={1: 1})

    class Listing(Unlisted):
        def slots(self, address: bytes) -> object:
            return self._state.slots(address)

    assert [has_storage(view, A) for view in (state, Listing(state), Unlisted(state))] == [True, True, False]
    assert [has_storage(view, B) for view in (state, Listing(state), Unlisted(state))] == [False, False, False]


@pytest.mark.parametrize(
    "changes",
    [
        StateChanges({b"\x01" * 19: AccountChange(None, ONE)}, {}),
        StateChanges({A: AccountChange(None, Account(-1, 0))}, {}),
        StateChanges({A: AccountChange(None, Account(2**64, 0))}, {}),
        StateChanges({A: AccountChange(None, Account(0, 2**256))}, {}),
        StateChanges({A: AccountChange(None, Account(0, 0, b"\x01"))}, {}),
        StateChanges({A: AccountChange(None, ONE, {2**256: (0, 1)})}, {}),
        StateChanges({A: AccountChange(None, ONE, {1: (0, -1)})}, {}),
        StateChanges({A: AccountChange(ONE, None, {1: (0, 1)})}, {}),
        StateChanges({}, {keccak256(b"\x01"): b"\x02"}),
    ],
)
def test_what_is_no_change_is_refused_whole(changes: StateChanges) -> None:
    state = MemoryState()
    good = {B: AccountChange(None, ONE)}
    with pytest.raises(InvalidInput):
        state.apply(StateChanges({**good, **changes.accounts}, changes.codes))
    assert told_by(state) == {}


@pytest.mark.parametrize(
    "change",
    [
        AccountChange(None, ONE),
        AccountChange(Account(1, 2), ONE),
        AccountChange(ONE, ONE, {1: (6, 7)}),
        AccountChange(ONE, ONE, {2: (1, 7)}),
        AccountChange(ONE, None),
    ],
)
def test_changes_of_another_state_are_refused_when_checked(change: AccountChange) -> None:
    state = MemoryState()
    state.set_account(A, nonce=1, balance=1, storage={1: 5})
    changes = StateChanges({B: AccountChange(None, ONE), A: change}, {})
    with pytest.raises(ConflictingChanges):
        state.apply(changes, check=True)
    assert told_by(state) == {A: (ONE, {1: 5})}
    check_before(state, StateChanges({A: AccountChange(ONE, None, {1: (5, 0)})}, {}))
    check_before(state, StateChanges({A: AccountChange(ONE, None, wiped=True)}, {}))
