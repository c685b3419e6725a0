"""A state on top of another: writes stay here, what isn't here is read below.

A fork of any view costs nothing to make, and what is changed in it costs what it changes. The view below must not
change as long as the overlay is used.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge

from evmthread.errors import BackendError
from evmthread.merkle.accounts import StateRoots
from evmthread.merkle.eip1186 import account_proof
from evmthread.state.locks import OwnLock
from evmthread.state.view import (
    Account,
    AccountChange,
    KeepsRoots,
    ListsAccounts,
    ListsSlots,
    StateChanges,
    StateView,
    apply_to_roots,
    check_before,
    check_changes,
    has_storage,
)


@dataclass(slots=True)
class _Entry:
    """An account as it is here. `cleared`: of its storage only `slots` is there, nothing from below."""

    account: Account | None
    slots: dict[int, int] = field(default_factory=dict)
    cleared: bool = False


class OverlayState:
    """Copy-on-write on any view, and a backend itself. Its reads raise what those of the view below raise.

    Threads may read while another applies: they see the state before it or the one after.
    """

    def __init__(self, below: StateView) -> None:
        self.below = below
        self._lock = OwnLock()
        self._version = 0  # odd while something is written; who reads and finds it changed reads again under the lock
        self._entries: dict[bytes, _Entry] = {}
        self._codes: dict[bytes, bytes] = {}
        self._roots: StateRoots | None = None

    def copy(self) -> "OverlayState":
        """The same state, to be changed apart from this one; costs what was changed here."""
        other = OverlayState(self.below)
        with self._lock.lock:
            for address, entry in self._entries.items():
                other._entries[address] = _Entry(entry.account, dict(entry.slots), entry.cleared)
            other._codes = dict(self._codes)
            other._roots = self._roots and self._roots.copy()
        return other

    def account(self, address: bytes) -> Account | None:
        version = self._version
        entry = self._entries.get(address)
        account = None if entry is None else entry.account
        if version & 1 or version != self._version:
            with self._lock.lock:
                entry = self._entries.get(address)
                account = None if entry is None else entry.account
        return self.below.account(address) if entry is None else account

    def code(self, code_hash: bytes) -> bytes:
        code = self._codes.get(code_hash)
        return self.below.code(code_hash) if code is None else code

    def slot(self, address: bytes, key: int) -> int:
        version = self._version
        value = self._slot_here(address, key)
        if version & 1 or version != self._version:
            with self._lock.lock:
                value = self._slot_here(address, key)
        return self.below.slot(address, key) if value is None else value

    def _slot_here(self, address: bytes, key: int) -> int | None:
        entry = self._entries.get(address)
        if entry is None:
            return None
        value = entry.slots.get(key)
        return 0 if value is None and entry.cleared else value

    def block_hash(self, number: int) -> bytes:
        return self.below.block_hash(number)

    def has_storage(self, address: bytes) -> bool:
        """True when the account has a slot that isn't zero, as far as the view below can tell."""
        entry = self._entries.get(address)
        if entry is None:
            return has_storage(self.below, address)
        if any(entry.slots.values()):
            return True
        if entry.cleared:
            return False
        if entry.slots and isinstance(self.below, ListsSlots):
            return any(key not in entry.slots for key, _ in self.below.slots(address))
        return has_storage(self.below, address)

    def slots(self, address: bytes) -> Iterator[tuple[int, int]]:
        """An account's slots that aren't zero, in order. Raises BackendError when the view below lists none."""
        entry = self._entries.get(address) or _Entry(None)
        here = sorted([(key, value) for key, value in entry.slots.items() if value])
        if entry.cleared:
            return iter(here)
        slots = entry.slots
        return merge(here, (pair for pair in self._lister().slots(address) if pair[0] not in slots))

    def accounts(self) -> Iterator[tuple[bytes, Account]]:
        """All accounts, in the order of their addresses. Raises BackendError when the view below lists none."""
        if not isinstance(self.below, ListsAccounts):
            raise BackendError(f"a {type(self.below).__name__} doesn't list its accounts")
        entries = self._entries
        here = sorted([(address, entry.account) for address, entry in entries.items() if entry.account is not None])
        return merge(here, (pair for pair in self.below.accounts() if pair[0] not in entries))

    def _lister(self) -> ListsSlots:
        if not isinstance(self.below, ListsSlots):
            raise BackendError(f"a {type(self.below).__name__} doesn't list its slots")
        return self.below

    def roots(self) -> StateRoots:
        """The tries of this state. Raises BackendError when the view below keeps none."""
        if self._roots is None:
            if not isinstance(self.below, KeepsRoots):
                raise BackendError(f"a {type(self.below).__name__} keeps no Merkle tries")
            roots = self.below.roots().copy()
            apply_to_roots(roots, self.changes())
            self._roots = roots
        return self._roots

    def proof(self, address: bytes, keys: Iterable[int] = ()) -> dict[str, object]:
        """The proof of an account and some of its slots under the state root, as eth_getProof's answer (EIP-1186).

        Raises BackendError when the view below keeps no tries.
        """
        return account_proof(self.roots(), address, keys).to_json()

    def apply(self, changes: StateChanges, *, check: bool = False) -> None:
        """Makes the changes here, all or none. `check`: only if their values before are those of this state.

        Raises InvalidInput for what is no change of a state, ConflictingChanges when checked.
        """
        check_changes(changes)
        with self._lock.lock:
            if check:
                check_before(self, changes)
            roots = None if self._roots is None else self._roots.copy()
            if roots is not None:
                apply_to_roots(roots, changes)  # may fail where nodes are still to be read
            try:
                self._roots = roots
                self._version += 1
                self._write(changes)
                self._version += 1
            except BaseException:  # a signal's: what is written twice is as if written once
                self._roots = None
                self._version |= 1
                self._write(changes)
                self._version += 1
                raise

    def _write(self, changes: StateChanges) -> None:
        self._codes.update(changes.codes)
        for address, change in changes.accounts.items():
            entry = self._entries.setdefault(address, _Entry(None))
            entry.account = change.after
            if change.wiped or change.after is None:
                entry.slots.clear()
                entry.cleared = True
            if change.after is not None:
                entry.slots.update([(key, value) for key, (_, value) in change.slots.items()])

    def changes(self) -> StateChanges:
        """What differs from the view below: applied to it, they make it this state."""
        accounts: dict[bytes, AccountChange] = {}
        for address, entry in self._entries.items():
            before = self.below.account(address)
            wiped = False
            if entry.cleared and before is None:
                old: dict[int, int] = {}
            elif entry.cleared and isinstance(self.below, ListsSlots):
                old = dict(self.below.slots(address))
            elif entry.cleared:
                old, wiped = {}, True
            else:
                old = {key: self.below.slot(address, key) for key in entry.slots}
            slots = {
                key: (old.get(key, 0), entry.slots.get(key, 0))
                for key in old.keys() | entry.slots.keys()
                if old.get(key, 0) != entry.slots.get(key, 0)
            }
            change = AccountChange(before, entry.account, slots, wiped)
            if not change.is_idle:
                accounts[address] = change
        return StateChanges(accounts, dict(self._codes))
