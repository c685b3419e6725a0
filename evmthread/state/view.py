"""The seam to storage: four reads, and one atomic apply of what an execution did.

What a view can do beyond the four reads is a protocol of its own here, and asked for with isinstance: nothing else may
be expected of a view.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

from evmthread.errors import BackendError, InvalidInput
from evmthread.merkle.accounts import MAX_NONCE, StateRoots
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.quick import quick
from evmthread.primitives.words import WORD_MASK


class Account(NamedTuple):
    """An account that exists, without its storage (Yellow Paper, section 4.1). Balance in wei."""

    nonce: int = 0
    balance: int = 0
    code_hash: bytes = EMPTY_HASH

    @property
    def is_empty(self) -> bool:
        """No nonce, no balance, no code (EIP-161)."""
        return self == EMPTY_ACCOUNT


EMPTY_ACCOUNT = Account()
# Makes an Account of a tuple of all its fields; a third of what the class itself takes.
ACCOUNT_OF: Callable[[tuple[object, ...]], Account] = partial(tuple.__new__, Account)


class StateView(Protocol):
    """Read access to one state. Addresses and hashes are bytes, storage keys and values are words.

    Each read may raise Missing when the answer must be fetched first, and BackendError when it can't be had.
    """

    def account(self, address: bytes) -> Account | None:
        """The account, or None where there is none."""

    def code(self, code_hash: bytes) -> bytes:
        """The code of a hash that some account has."""

    def slot(self, address: bytes, key: int) -> int:
        """The value of a storage slot, 0 where nothing is stored."""

    def block_hash(self, number: int) -> bytes:
        """The hash (32 bytes) of a block of this chain."""


def balance_with(address: bytes, balance: int, amount: int) -> int:
    """A balance with an amount added. Raises InvalidInput where it is no word: no chain has so much wei."""
    total = balance + amount
    if total > WORD_MASK:
        raise InvalidInput(f"0x{address.hex()} has {balance} wei and can't get {amount} more: that is no word")
    return total


@quick
@dataclass(frozen=True, slots=True)
class AccountChange:
    """One account before and after. None means absent; an account that goes takes its storage along.

    `slots` maps a key to its values (before, after). `wiped`: the account had storage that could not be listed; what
    `slots` doesn't name is gone too, and a before value in it is 0 where it isn't known. Without `wiped` the change is
    exact: it names every slot that it changes.
    """

    before: Account | None
    after: Account | None
    slots: Mapping[int, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
    wiped: bool = False

    @property
    def is_idle(self) -> bool:
        """Nothing differs."""
        return self.before == self.after and not self.slots and not self.wiped

    def inverted(self) -> "AccountChange":
        """The change that leads back. Raises InvalidInput for a wiped storage, which it doesn't know."""
        if self.wiped:
            raise InvalidInput("a change that wiped a storage without listing it can't be turned round")
        slots = {key: (after, before) for key, (before, after) in self.slots.items()}
        return AccountChange(self.after, self.before, slots)

    def then(self, later: "AccountChange") -> "AccountChange":
        """This change and the one after it, as one. Raises InvalidInput when they don't follow each other."""
        both = _Growing(self)
        both.add(later)
        return both.change()


class _Growing:
    """An account's changes, one after another, while they become one: what there is isn't copied for each."""

    __slots__ = ("after", "before", "slots", "wiped")

    def __init__(self, first: AccountChange) -> None:
        self.before = first.before
        self.after = first.after
        self.slots = dict(first.slots)
        self.wiped = first.wiped

    def add(self, later: AccountChange) -> None:
        """Raises InvalidInput for a change that doesn't follow."""
        slots, wipes = self.slots, later.wiped
        if self.after != later.before:
            raise InvalidInput(f"a change of {later.before} can't follow one that leaves {self.after}")
        if wipes:
            slots = self.slots = {key: (before, 0) for key, (before, _) in slots.items()}
        for key, (before, after) in later.slots.items():
            known = slots.get(key)
            if known is None:
                slots[key] = (before, after)
                continue
            first, left = known
            if left != before and not wipes:
                raise InvalidInput(f"slot {key:#x} is left {left:#x} by one change and found {before:#x} by the next")
            slots[key] = (first, after)
        self.after = later.after
        self.wiped = self.wiped or wipes

    def change(self) -> AccountChange:
        """All as one."""
        slots = self.slots
        if not self.wiped:
            slots = {key: values for key, values in slots.items() if values[0] != values[1]}
        return AccountChange(self.before, self.after, slots, self.wiped)


@quick
@dataclass(frozen=True, slots=True)
class StateChanges:
    """What an execution did to a state: accounts by address, and the codes (by hash) that are new in it."""

    accounts: Mapping[bytes, AccountChange]
    codes: Mapping[bytes, bytes]

    def __bool__(self) -> bool:
        return bool(self.accounts)

    @property
    def is_exact(self) -> bool:
        """Every slot that changes is named, so that the changes can be inverted."""
        return not any(change.wiped for change in self.accounts.values())

    def inverted(self) -> "StateChanges":
        """The changes that lead back; codes stay, since a code is never wrong. Raises InvalidInput unless exact."""
        return StateChanges({address: change.inverted() for address, change in self.accounts.items()}, {})

    def then(self, later: "StateChanges") -> "StateChanges":
        """These changes and those after them, as one. Raises InvalidInput when they don't follow each other."""
        return joined((self, later))


def joined(changes: Sequence[StateChanges]) -> StateChanges:
    """Changes that follow each other, as one. Raises InvalidInput when they don't follow each other."""
    growing: dict[bytes, _Growing] = {}
    codes: dict[bytes, bytes] = {}
    for each in changes:
        codes.update(each.codes)
        for address, change in each.accounts.items():
            known = growing.get(address)
            if known is None:
                growing[address] = _Growing(change)
            else:
                known.add(change)
    all_of_them = {address: each.change() for address, each in growing.items()}
    return StateChanges({address: change for address, change in all_of_them.items() if not change.is_idle}, codes)


class StateBackend(StateView, Protocol):
    """A state that can be changed, all or nothing."""

    def apply(self, changes: StateChanges) -> None:
        """Makes the changes, atomically and, where the backend is durable, durably.

        Threads that read meanwhile see the state before or the one after. Raises InvalidInput for what is no change of
        a state, and BackendError; then nothing has changed.
        """


@runtime_checkable
class TellsStorage(Protocol):
    """A view that knows whether an account has any slot that isn't zero (EIP-7610)."""

    def has_storage(self, address: bytes) -> bool: ...


@runtime_checkable
class ListsSlots(Protocol):
    """A view that can list an account's slots that aren't zero, in order; so that wiping them can be undone."""

    def slots(self, address: bytes) -> Iterator[tuple[int, int]]: ...


@runtime_checkable
class ListsAccounts(Protocol):
    """A view that can list its accounts, in the order of their addresses."""

    def accounts(self) -> Iterator[tuple[bytes, Account]]: ...


@runtime_checkable
class KeepsRoots(Protocol):
    """A view with Merkle tries; callers that change them work on a copy."""

    def roots(self) -> StateRoots: ...


class UnknownCode(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """No account of this state ever had the code that was asked for."""

    def __init__(self, code_hash: bytes) -> None:
        super().__init__(f"no code with hash 0x{code_hash.hex()} in this state")


class ConflictingChanges(BackendError):  # noqa: N818 - see above
    """Changes whose values before are not those of the state they are applied to; nothing was applied."""


def has_storage(view: StateView, address: bytes) -> bool:
    """Whether an account has a slot that isn't zero; False when the view can't tell."""
    if isinstance(view, TellsStorage):
        return view.has_storage(address)
    return isinstance(view, ListsSlots) and any(True for _ in view.slots(address))


def check_changes(changes: StateChanges) -> None:
    """Raises InvalidInput for what is no change of a state: a wrong length, a number out of range, a foreign code."""
    for address, change in changes.accounts.items():
        if len(address) != 20:
            raise InvalidInput(f"an address is 20 bytes, not {len(address)}")
        after = change.after
        if after is not None and not (
            0 <= after.nonce <= MAX_NONCE and 0 <= after.balance <= WORD_MASK and len(after.code_hash) == 32
        ):
            raise InvalidInput(f"0x{address.hex()}: nonce, balance or code hash out of range")
        for key, (_, value) in change.slots.items():
            if not (0 <= key <= WORD_MASK and 0 <= value <= WORD_MASK):
                raise InvalidInput(f"0x{address.hex()}: a storage key or value is no word: {key}, {value}")
            if value and after is None:
                raise InvalidInput(f"0x{address.hex()} has storage, but is no account")
    for code_hash, code in changes.codes.items():
        if keccak256(code) != code_hash:
            raise InvalidInput(f"a code of {len(code)} bytes has not the hash 0x{code_hash.hex()}")


def check_before(view: StateView, changes: StateChanges) -> None:
    """Raises ConflictingChanges unless the values before are those of `view`, as far as the changes know them."""
    for address, change in changes.accounts.items():
        account = view.account(address)
        if account != change.before:
            raise ConflictingChanges(f"0x{address.hex()} is {account}, where the changes begin with {change.before}")
        if change.wiped:
            continue
        for key, (before, _) in change.slots.items():
            value = view.slot(address, key)
            if value != before:
                raise ConflictingChanges(
                    f"slot {key:#x} of 0x{address.hex()} is {value:#x}, where the changes begin with {before:#x}"
                )
        if change.after is None and isinstance(view, ListsSlots):
            for key, _ in view.slots(address):
                if key not in change.slots:
                    raise ConflictingChanges(f"0x{address.hex()} goes, and its slot {key:#x} is not named")


def apply_to_roots(roots: StateRoots, changes: StateChanges) -> None:
    """Enters changes into the tries."""
    for address, change in changes.accounts.items():
        if change.wiped:
            roots.clear_storage(address)
        after = change.after
        if after is None:
            roots.delete_account(address)
            continue
        if after != change.before or change.wiped:
            roots.set_account(address, after.nonce, after.balance, after.code_hash)
        for key, (_, value) in change.slots.items():
            roots.set_slot(address, key, value)
