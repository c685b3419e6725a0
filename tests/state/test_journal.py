"""The journal against a model that copies everything: accounts, slots, marks, transactions, changes, roots."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from evmthread.errors import InvalidInput, Missing
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import Log
from evmthread.state.journal import RIPEMD160_ADDRESS, Journal, Mark
from evmthread.state.memory import MemoryState
from evmthread.state.view import EMPTY_ACCOUNT, Account, StateChanges

ADDRESSES = [bytes((number,)) * 20 for number in range(0x10, 0x15)]
CODES = [b"", b"\x00", b"\x60\x01"]
CODE_OF = {keccak256(code): code for code in CODES}
KEYS = [0, 1, 2**256 - 1]

addresses = st.sampled_from(ADDRESSES)
keys = st.sampled_from(KEYS)
amounts = st.sampled_from([0, 1, 5, 2**250])
values = st.sampled_from([0, 1, 2, 2**256 - 1])


@dataclass
class Model:
    """All that a journal says, in plain dictionaries that are copied for every mark."""

    accounts: dict[bytes, Account] = field(default_factory=dict)
    slots: dict[bytes, dict[int, int]] = field(default_factory=dict)
    # What belongs to one transaction.
    original: dict[bytes, dict[int, int]] = field(default_factory=dict)
    warm: set[bytes] = field(default_factory=set)
    warm_slots: set[tuple[bytes, int]] = field(default_factory=set)
    transient: dict[tuple[bytes, int], int] = field(default_factory=dict)
    touched: set[bytes] = field(default_factory=set)
    created: set[bytes] = field(default_factory=set)
    destroyed: list[bytes] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    refund: int = 0

    def get(self, address: bytes) -> Account:
        return self.accounts.get(address, EMPTY_ACCOUNT)

    def touch(self, address: bytes) -> None:
        self.accounts.setdefault(address, EMPTY_ACCOUNT)
        if self.accounts[address] == EMPTY_ACCOUNT:
            self.touched.add(address)

    def forget(self, address: bytes) -> None:
        """No storage, and no slot of it warm."""
        self.slots[address] = {}
        self.original[address] = {}

    def delete(self, address: bytes) -> None:
        self.accounts.pop(address, None)
        self.forget(address)
        self.warm_slots = {place for place in self.warm_slots if place[0] != address}

    def end(self, *, delete_empty: bool) -> None:
        for address in self.destroyed:
            self.delete(address)
        for address in self.touched if delete_empty else ():
            if self.accounts.get(address) == EMPTY_ACCOUNT:
                self.delete(address)
        self.destroyed, self.touched = [], set()

    def begin(self) -> None:
        self.original = deepcopy(self.slots)
        self.warm, self.warm_slots, self.transient = set(), set(), {}
        self.touched, self.created, self.destroyed = set(), set(), []
        self.logs, self.refund = [], 0

    def memory(self) -> MemoryState:
        """A state built anew."""
        state = MemoryState()
        for address, account in self.accounts.items():
            state.set_account(
                address,
                nonce=account.nonce,
                balance=account.balance,
                code=CODE_OF[account.code_hash],
                storage=self.slots.get(address),
            )
        return state


class JournalAgainstModel(RuleBasedStateMachine):
    """Any sequence of what machine and World do to a journal."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.view = MemoryState()
        self.journal = Journal(self.view)
        # A mark inside the transaction, the model then, and how many marks were kept then.
        self.marks: list[tuple[tuple[int, int, int], Model, int]] = []
        self.kept: list[tuple[Mark, Model]] = []

    @initialize(
        accounts=st.dictionaries(
            addresses,
            st.tuples(
                st.integers(0, 2), st.sampled_from([0, 9]), st.sampled_from(CODES), st.dictionaries(keys, values)
            ),
        )
    )
    def start(self, accounts: dict[bytes, tuple[int, int, bytes, dict[int, int]]]) -> None:
        for address, (nonce, balance, code, storage) in accounts.items():
            self.view.set_account(address, nonce=nonce, balance=balance, code=code, storage=storage)
            self.model.accounts[address] = Account(nonce, balance, keccak256(code))
            self.model.slots[address] = {key: value for key, value in storage.items() if value}
        self.model.begin()

    # Accounts ---------------------------------------------------------------------------------------------------------
    @rule(address=addresses, amount=amounts)
    def set_balance(self, address: bytes, amount: int) -> None:
        self.journal.set_balance(address, amount)
        self.model.accounts[address] = self.model.get(address)._replace(balance=amount)

    @rule(address=addresses, nonce=st.integers(0, 3))
    def set_nonce(self, address: bytes, nonce: int) -> None:
        self.journal.set_nonce(address, nonce)
        self.model.accounts[address] = self.model.get(address)._replace(nonce=nonce)

    @rule(address=addresses)
    def increment_nonce(self, address: bytes) -> None:
        self.journal.increment_nonce(address)
        account = self.model.get(address)
        self.model.accounts[address] = account._replace(nonce=account.nonce + 1)

    @rule(address=addresses, code=st.sampled_from(CODES))
    def set_code(self, address: bytes, code: bytes) -> None:
        self.journal.set_code(address, code)
        self.model.accounts[address] = self.model.get(address)._replace(code_hash=keccak256(code))

    @rule(sender=addresses, receiver=addresses, part=st.integers(0, 3))
    def move(self, sender: bytes, receiver: bytes, part: int) -> None:
        amount = self.model.get(sender).balance * part // 3
        self.journal.move(sender, receiver, amount)
        if amount and sender != receiver:
            for address, change in ((sender, -amount), (receiver, amount)):
                account = self.model.get(address)
                self.model.accounts[address] = account._replace(balance=account.balance + change)
        self.model.touch(receiver)

    @rule(address=addresses, amount=st.integers(0, 3))
    def credit(self, address: bytes, amount: int) -> None:
        self.journal.credit(address, amount)
        if amount:
            account = self.model.get(address)
            self.model.accounts[address] = account._replace(balance=account.balance + amount)
        self.model.touch(address)

    @rule(address=addresses)
    def burn(self, address: bytes) -> None:
        self.journal.burn(address)
        self.model.accounts[address] = self.model.get(address)._replace(balance=0)

    @rule(address=addresses)
    def touch(self, address: bytes) -> None:
        self.journal.touch(address)
        self.model.touch(address)

    @rule(address=addresses, nonce=st.integers(0, 1))
    def create_account(self, address: bytes, nonce: int) -> None:
        self.journal.create_account(address, nonce)
        self.model.accounts[address] = Account(nonce, self.model.get(address).balance)
        self.model.forget(address)
        self.model.created.add(address)

    @rule(address=addresses)
    def destroy(self, address: bytes) -> None:
        self.journal.destroy(address)
        if address not in self.model.destroyed:
            self.model.destroyed.append(address)

    # Storage ----------------------------------------------------------------------------------------------------------
    @rule(address=addresses)
    def warm_account(self, address: bytes) -> None:
        assert self.journal.warm_account(address) is (address not in self.model.warm)
        self.model.warm.add(address)

    @rule(address=addresses, key=keys)
    def load(self, address: bytes, key: int) -> None:
        """As SLOAD does."""
        slots, stored = self.journal.open_storage(address)
        assert (key in slots) is ((address, key) in self.model.warm_slots)
        if key not in slots:
            self.journal.warm_slot(slots, key, self.journal.peek_slot(address, key))
        assert slots[key] == self.model.slots.get(address, {}).get(key, 0)
        assert stored[key] == self.model.original.get(address, {}).get(key, 0)
        self.model.warm_slots.add((address, key))

    @rule(address=addresses, key=keys, value=values)
    def store(self, address: bytes, key: int, value: int) -> None:
        """As SSTORE does, in a frame of an account that exists."""
        self.touch(address)
        self.load(address, key)
        slots, _ = self.journal.open_storage(address)
        if slots[key] != value:
            self.journal.write_slot(address, slots, key, slots[key], value)
        self.model.slots.setdefault(address, {})[key] = value

    @rule(address=addresses, key=keys, value=values)
    def set_slot(self, address: bytes, key: int, value: int) -> None:
        self.touch(address)
        self.journal.set_slot(address, key, value)
        self.model.slots.setdefault(address, {})[key] = value
        self.model.warm_slots.add((address, key))

    @rule(address=addresses, key=keys, value=values)
    def write_transient(self, address: bytes, key: int, value: int) -> None:
        self.journal.write_transient(address, key, value)
        self.model.transient[address, key] = value

    @rule(address=addresses, data=st.binary(max_size=2))
    def emit(self, address: bytes, data: bytes) -> None:
        self.journal.emit(address, (), data)
        self.model.logs.append(Log(address, (), data))

    @rule(amount=st.integers(-5, 5))
    def refund(self, amount: int) -> None:
        self.journal.refund += amount
        self.model.refund += amount

    # Marks and transactions -------------------------------------------------------------------------------------------
    @rule()
    def mark(self) -> None:
        self.marks.append((self.journal.mark(), deepcopy(self.model), len(self.kept)))

    @precondition(lambda self: self.marks)
    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.marks) - 1))
        mark, model, kept = self.marks[place]
        del self.marks[place:]
        del self.kept[kept:]
        self.journal.rollback(mark)
        self.model = deepcopy(model)

    @rule()
    def keep_mark(self) -> None:
        self.kept.append((self.journal.keep_mark(), deepcopy(self.model)))

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def return_to(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.kept) - 1))
        mark, model = self.kept[place]
        del self.kept[place + 1 :]
        self.marks.clear()
        self.journal.return_to(mark)
        self.model = deepcopy(model)

    @rule(delete_empty=st.booleans())
    def end_and_begin_transaction(self, delete_empty: bool) -> None:
        self.journal.end_transaction(delete_empty=delete_empty)
        self.model.end(delete_empty=delete_empty)
        self.compare()
        self.journal.end_transaction(delete_empty=delete_empty)
        self.compare()
        self.begin_transaction()

    @rule()
    def begin_transaction(self) -> None:
        self.journal.begin_transaction()
        self.model.begin()
        self.marks.clear()

    @rule()
    def forget_marks(self) -> None:
        self.journal.forget_marks()
        self.kept.clear()

    @rule()
    def settle(self) -> None:
        """The changes go into the view; all that was cached stays right."""
        self.journal.begin_transaction()
        self.model.begin()
        self.view.apply(self.journal.changes())
        self.journal.rebase()
        self.marks.clear()
        self.kept.clear()
        assert not self.journal.changes()

    # What must be true ------------------------------------------------------------------------------------------------
    @invariant()
    def compare(self) -> None:
        journal, model = self.journal, self.model
        for address in ADDRESSES:
            account = model.accounts.get(address)
            assert journal.account(address) == account
            assert journal.is_dead(address) is (account in (None, EMPTY_ACCOUNT))
            assert (journal.balance(address), journal.nonce(address)) == ((account or EMPTY_ACCOUNT)[1::-1])
            assert journal.code(address) == CODE_OF[(account or EMPTY_ACCOUNT).code_hash]
            assert journal.is_created(address) is (address in model.created)
            assert journal.is_destroyed(address) is (address in model.destroyed)
            for key in KEYS:
                assert journal.slot(address, key) == model.slots.get(address, {}).get(key, 0)
                assert journal.read_transient(address, key) == model.transient.get((address, key), 0)
            # It may be told so for slots that are zero by now, never the other way round.
            assert journal.has_storage(address) or not any(model.slots.get(address, {}).values())
        assert journal.destroyed() == tuple(model.destroyed)
        assert journal.logs == model.logs
        assert journal.refund == model.refund

    @invariant()
    def changes_lead_to_the_same_root_as_a_state_built_anew(self) -> None:
        changes = self.journal.changes()
        applied = deepcopy(self.view)
        applied.roots()
        applied.apply(changes)
        expected = self.model.memory().roots().root()
        assert applied.roots().root() == expected
        for address, change in changes.accounts.items():
            assert change.before == self.view.account(address)
            assert change.after == self.model.accounts.get(address)
        if not any(change.wiped for change in changes.accounts.values()):
            applied.apply(changes.inverted())
            assert applied.roots().root() == deepcopy(self.view).roots().root()


TestJournalAgainstModel = JournalAgainstModel.TestCase
TestJournalAgainstModel.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)

A, B = ADDRESSES[:2]


def journal_of() -> Journal:
    view = MemoryState()
    view.set_account(A, nonce=1, balance=100, code=b"\x00", storage={1: 10})
    return Journal(view)


def test_rolling_back_costs_what_changed_since_the_mark() -> None:
    """A mark copies nothing: the undo list grows by the same few entries whatever came before."""
    journal = journal_of()
    for number in range(1_000):
        journal.set_slot(A, number, 1)
    before = len(journal._undo)
    mark = journal.mark()
    assert len(journal._undo) == before
    journal.set_slot(A, 5, 2)
    assert len(journal._undo) - before <= 6
    journal.rollback(mark)
    assert (len(journal._undo), journal.slot(A, 5)) == (before, 1)


def test_without_kept_marks_a_transaction_leaves_no_undo() -> None:
    journal = journal_of()
    journal.set_balance(B, 1)
    journal.begin_transaction()
    assert journal._undo == []
    journal.keep_mark()
    journal.set_balance(B, 2)
    journal.begin_transaction()
    assert journal._undo != []
    journal.forget_marks()
    journal.begin_transaction()
    assert journal._undo == []


@pytest.mark.parametrize("void", [Journal.rebase, Journal.forget_marks], ids=["rebase", "forget_marks"])
def test_a_mark_that_is_void_is_refused(void: Callable[[Journal], None]) -> None:
    journal = journal_of()
    mark = journal.keep_mark()
    journal.set_balance(B, 1)
    void(journal)
    with pytest.raises(InvalidInput, match="mark is void"):
        journal.return_to(mark)
    assert journal.balance(B) == 1


def test_a_mark_beyond_one_that_was_returned_to_is_refused() -> None:
    journal = journal_of()
    first = journal.keep_mark()
    journal.set_balance(B, 1)
    second = journal.keep_mark()
    journal.return_to(first)
    with pytest.raises(InvalidInput, match="mark is void"):
        journal.return_to(second)
    journal.return_to(first)


def test_changes_say_before_and_after() -> None:
    journal = journal_of()
    journal.begin_transaction()
    journal.move(A, B, 40)
    journal.set_slot(A, 1, 0)
    journal.set_slot(A, 2, 7)
    journal.set_slot(A, 3, 7)
    journal.set_slot(A, 3, 0)
    journal.set_code(B, b"\x01")
    changes = journal.changes()
    code = keccak256(b"\x00")
    assert set(changes.accounts) == {A, B}
    assert (changes.accounts[A].before, changes.accounts[A].after) == (Account(1, 100, code), Account(1, 60, code))
    assert dict(changes.accounts[A].slots) == {1: (10, 0), 2: (0, 7)}
    assert (changes.accounts[B].before, changes.accounts[B].after) == (None, Account(0, 40, keccak256(b"\x01")))
    assert dict(changes.codes) == {keccak256(b"\x01"): b"\x01"}
    assert changes


def test_a_creation_that_is_undone_leaves_the_old_storage() -> None:
    journal = journal_of()
    journal.begin_transaction()
    mark = journal.mark()
    journal.create_account(A, 1)
    assert journal.slot(A, 1) == 0
    journal.rollback(mark)
    assert journal.slot(A, 1) == 10
    assert not journal.changes()


def test_what_is_changed_and_changed_back_is_no_change() -> None:
    journal = journal_of()
    journal.set_balance(A, 5)
    journal.set_slot(A, 1, 11)
    journal.begin_transaction()
    journal.set_balance(A, 100)
    journal.set_slot(A, 1, 10)
    assert journal.changes() == StateChanges({}, {})
    assert not journal.changes()


def test_a_touch_of_ripemd160_outlives_the_failure_of_its_call() -> None:
    """EIP-161's note on mainnet's block 2,675,119."""
    for address, outlives in ((RIPEMD160_ADDRESS, True), (B, False)):
        view = MemoryState()
        view.set_account(address)
        journal = Journal(view)
        journal.begin_transaction()
        mark = journal.mark()
        journal.touch(address)
        journal.undo_call(mark)
        journal.end_transaction(delete_empty=True)
        assert (journal.account(address) is None) is outlives


def test_no_touch_outlives_a_call_that_never_was() -> None:
    view = MemoryState()
    view.set_account(RIPEMD160_ADDRESS)
    journal = Journal(view)
    journal.begin_transaction()
    mark = journal.mark()
    journal.touch(RIPEMD160_ADDRESS)
    journal.rollback(mark)
    journal.end_transaction(delete_empty=True)
    assert not journal.changes()


class NothingYet:
    """A view that has nothing."""

    def account(self, address: bytes) -> Account | None:
        raise Missing("account", (address,))

    def code(self, code_hash: bytes) -> bytes:
        raise Missing("code", (code_hash,))

    def slot(self, address: bytes, key: int) -> int:
        raise Missing("slot", (address, key))

    def block_hash(self, number: int) -> bytes:
        raise Missing("block_hash", (number,))


def test_a_read_that_must_wait_changes_nothing() -> None:
    journal = Journal(NothingYet())
    journal.begin_transaction()
    for act in (
        lambda: journal.account(A),
        lambda: journal.set_balance(A, 5),
        lambda: journal.set_code(A, b"\x07"),
        lambda: journal.increment_nonce(A),
        lambda: journal.touch(A),
        lambda: journal.create_account(A, 1),
        lambda: journal.peek_slot(A, 1),
        lambda: journal.set_slot(A, 1, 2),
        lambda: journal.credit(A, 1),
        lambda: journal.move(A, B, 1),
        lambda: journal.burn(A),
    ):
        with pytest.raises(Missing):
            act()
        assert (journal._undo, journal.changes()) == ([], StateChanges({}, {}))


def test_moving_to_an_account_that_must_be_waited_for_changes_nothing() -> None:
    class OnlyA(NothingYet):
        def account(self, address: bytes) -> Account | None:
            return Account(0, 10, EMPTY_HASH) if address == A else super().account(address)

    journal = Journal(OnlyA())
    with pytest.raises(Missing):
        journal.move(A, B, 3)
    assert journal.balance(A) == 10


def test_a_balance_stays_a_word() -> None:
    """No chain has so much wei; a view that says so must not make an account that can't be written."""
    journal = Journal(MemoryState())
    for address in ADDRESSES[:2]:
        journal.set_balance(address, 2**256 - 1)
    with pytest.raises(InvalidInput, match="no word"):
        journal.move(ADDRESSES[0], ADDRESSES[1], 1)
    with pytest.raises(InvalidInput, match="no word"):
        journal.credit(ADDRESSES[1], 1)


def test_changes_name_codes_of_accounts_whose_code_changed_alone() -> None:
    view = MemoryState()
    view.set_account(ADDRESSES[0], code=CODES[2])
    journal = Journal(view)
    mark = journal.keep_mark()
    journal.set_code(ADDRESSES[1], CODES[2])
    journal.return_to(mark)
    journal.set_balance(ADDRESSES[0], 5)
    journal.set_code(ADDRESSES[2], b"")
    journal.set_balance(ADDRESSES[2], 5)
    assert journal.changes().codes == {}
    journal.set_code(ADDRESSES[2], CODES[1])
    assert journal.changes().codes == {keccak256(CODES[1]): CODES[1]}
