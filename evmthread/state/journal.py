"""The journal: what an execution has changed, over a view that it never writes.

Reads are cached; writes go to dictionaries and leave their old values in one flat undo list, so that a mark is an
integer and rolling back costs what changed. A transaction has a scope of its own (warm sets, transient storage, logs,
refund); the scope is replaced, never emptied, so that marks hold across transactions too.
"""

from collections.abc import Mapping
from types import MappingProxyType

from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import LOG_OF
from evmthread.state.scope import ABSENT, Mark, Scope, new_scope
from evmthread.state.view import (
    ACCOUNT_OF,
    EMPTY_ACCOUNT,
    Account,
    AccountChange,
    ListsSlots,
    StateChanges,
    StateView,
    balance_with,
    has_storage,
)

RIPEMD160_ADDRESS = (3).to_bytes(20, "big")
_NO_SLOTS: Mapping[int, tuple[int, int]] = MappingProxyType({})


class Journal:
    """Cached reads, undo log, warm sets, transient storage, logs and refund over a StateView.

    Reads may raise Missing; nothing has changed then.
    """

    def __init__(self, view: StateView) -> None:
        self.view = view
        self.refund = 0
        self.returns = 0  # how often it went back to a mark
        self._undo: list[object] = []
        self._accounts: dict[bytes, Account | None] = {}
        self._loaded: dict[bytes, Account | None] = {}
        self._changed: set[bytes] = set()
        self._codes: dict[bytes, bytes] = {EMPTY_HASH: b""}
        self._new_codes: dict[bytes, bytes] = {}
        # Per account: its slots at the start of the transaction, as far as known; which ones may differ from the view.
        self._stored: dict[bytes, dict[int, int]] = {}
        self._changed_slots: dict[bytes, set[int]] = {}
        self._wiped: dict[bytes, bool] = {}
        self._marks_kept = False
        self._era = object()  # marks of an earlier one, or of another journal, are void
        self._enter_scope(new_scope(0, {}))

    def _enter_scope(self, scope: Scope) -> None:
        self._scope = scope
        self.warm = scope.warm  # accounts (EIP-2929)
        self._opened = scope.opened
        self._transient = scope.transient
        self._touched = scope.touched
        self._created = scope.created
        self._destroyed = scope.destroyed
        self.logs = scope.logs

    # Accounts ---------------------------------------------------------------------------------------------------------
    def account(self, address: bytes) -> Account | None:
        """The account as it is now."""
        try:
            return self._accounts[address]
        except KeyError:
            account = self.view.account(address)
            self._accounts[address] = self._loaded[address] = account
            return account

    def _set_account(self, address: bytes, account: Account | None) -> None:
        self._replace_account(address, self.account(address), account)

    def _replace_account(self, address: bytes, old: Account | None, account: Account | None) -> None:
        self._undo.extend((self._accounts, address, old))
        self._accounts[address] = account
        self._changed.add(address)

    def balance(self, address: bytes) -> int:
        try:
            account = self._accounts[address]
        except KeyError:
            account = self.account(address)
        return account[1] if account is not None else 0

    def nonce(self, address: bytes) -> int:
        account = self.account(address)
        return account.nonce if account is not None else 0

    def is_dead(self, address: bytes) -> bool:
        """True for an account that is absent or empty (EIP-161)."""
        account = self.account(address)
        return account is None or account == EMPTY_ACCOUNT

    def code(self, address: bytes) -> bytes:
        try:
            account = self._accounts[address]
        except KeyError:
            account = self.account(address)
        if account is None:
            return b""
        try:
            return self._codes[account[2]]
        except KeyError:
            code = self._codes[account.code_hash] = self.view.code(account.code_hash)
            return code

    def set_code(self, address: bytes, code: bytes) -> None:
        code_hash = keccak256(code)
        if code_hash not in self._codes:
            self._codes[code_hash] = code
        if code:
            self._new_codes[code_hash] = self._codes[code_hash]
        nonce, balance, _ = self.account(address) or EMPTY_ACCOUNT
        self._set_account(address, ACCOUNT_OF((nonce, balance, code_hash)))

    def set_balance(self, address: bytes, balance: int) -> None:
        nonce, _, code_hash = self.account(address) or EMPTY_ACCOUNT
        self._set_account(address, ACCOUNT_OF((nonce, balance, code_hash)))

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self._set_account(address, (self.account(address) or EMPTY_ACCOUNT)._replace(nonce=nonce))

    def increment_nonce(self, address: bytes) -> None:
        nonce, balance, code_hash = self.account(address) or EMPTY_ACCOUNT
        self._set_account(address, ACCOUNT_OF((nonce + 1, balance, code_hash)))

    def move(self, sender: bytes, receiver: bytes, amount: int) -> None:
        """Moves wei and touches both accounts; the sender has enough."""
        if amount and sender != receiver:
            taker, giver = self.account(receiver), self.account(sender)  # may raise Missing, so before anything changes
            nonce, balance, code_hash = giver or EMPTY_ACCOUNT
            self._replace_account(sender, giver, ACCOUNT_OF((nonce, balance - amount, code_hash)))
            nonce, balance, code_hash = taker or EMPTY_ACCOUNT
            after = ACCOUNT_OF((nonce, balance_with(receiver, balance, amount), code_hash))
            self._replace_account(receiver, taker, after)
        self.touch(receiver)

    def credit(self, address: bytes, amount: int) -> None:
        """Adds wei and touches the account."""
        if amount:
            self.set_balance(address, balance_with(address, self.balance(address), amount))
        self.touch(address)

    def burn(self, address: bytes) -> None:
        """Sets the balance to zero."""
        self.set_balance(address, 0)

    def touch(self, address: bytes) -> None:
        """The account comes into being, empty, where there was none; an empty one is remembered (EIP-161)."""
        account = self._accounts.get(address) or self.account(address)
        if account is not None and (account[0] or account[1]):
            return
        if account is None or account == EMPTY_ACCOUNT:
            if account is None:
                self._set_account(address, EMPTY_ACCOUNT)
            if address not in self._touched:
                self._undo.extend((self._touched, address, ABSENT))
                self._touched[address] = True

    def create_account(self, address: bytes, nonce: int) -> None:
        """A contract comes into being: no code, no storage, this nonce, the balance that was there."""
        self._set_account(address, ACCOUNT_OF((nonce, self.balance(address), EMPTY_HASH)))
        self._wipe(address)
        undo = self._undo
        slots = self._opened.get(address)
        undo.extend((self._opened, address, ABSENT if slots is None else slots))
        # Slots that an access list made warm stay warm; a new contract's are zero.
        self._opened[address] = dict.fromkeys(slots or (), 0)
        self._stored[address].update(self._opened[address])
        undo.extend((self._created, address, self._created.get(address, ABSENT)))
        self._created[address] = True

    def _wipe(self, address: bytes) -> None:
        undo = self._undo
        undo.extend((self._stored, address, self._stored.get(address, ABSENT)))
        self._stored[address] = {}
        undo.extend((self._wiped, address, self._wiped.get(address, ABSENT)))
        self._wiped[address] = True

    def is_created(self, address: bytes) -> bool:
        return address in self._created

    def is_destroyed(self, address: bytes) -> bool:
        return address in self._destroyed

    def destroyed(self) -> tuple[bytes, ...]:
        """The accounts that are to be deleted at the end of the transaction."""
        return tuple(self._destroyed)

    def destroy(self, address: bytes) -> None:
        """Marks the account for deletion at the end of the transaction."""
        if address not in self._destroyed:
            self._undo.extend((self._destroyed, address, ABSENT))
            self._destroyed[address] = True

    def note_breakpoint(self, address: bytes) -> None:
        """The account asks for a commitment after this transaction."""
        noted = self._scope.breakpoints
        if address not in noted:
            self._undo.extend((noted, address, ABSENT))
            noted[address] = True

    @property
    def breakpoints(self) -> frozenset[bytes]:
        """The accounts that asked for a commitment, as far as it stands."""
        return frozenset(self._scope.breakpoints)

    @property
    def created(self) -> tuple[bytes, ...]:
        """The accounts that this transaction created, as far as they stand, in order."""
        return tuple(self._created)

    # Warm sets, storage -----------------------------------------------------------------------------------------------
    def warm_account(self, address: bytes) -> bool:
        """Makes the account warm; True when it was cold (EIP-2929)."""
        if address in self.warm:
            return False
        self._undo.extend((self.warm, address, ABSENT))
        self.warm[address] = True
        return True

    def open_storage(self, address: bytes) -> tuple[dict[int, int], dict[int, int]]:
        """(warm slots with their present values, values at the start of the transaction)."""
        slots, stored = self._opened.get(address), self._stored.get(address)
        if slots is None or stored is None:  # no exception: each outermost call opens its first account anew
            return self._opened.setdefault(address, {}), self._stored.setdefault(address, {})
        return slots, stored

    def peek_slot(self, address: bytes, key: int) -> int:
        """The value of a slot that isn't warm."""
        stored = self._stored.get(address)
        if stored is None:
            stored = self._stored[address] = {}
        value = stored.get(key)
        if value is None:
            value = 0 if address in self._wiped else self.view.slot(address, key)
            stored[key] = value
        return value

    def warm_slot(self, slots: dict[int, int], key: int, value: int) -> None:
        self._undo.extend((slots, key, ABSENT))
        slots[key] = value

    def write_slot(self, address: bytes, slots: dict[int, int], key: int, old: int, value: int) -> None:  # noqa: ARG002 - Host has it
        self._undo.extend((slots, key, old))
        slots[key] = value

    def slot(self, address: bytes, key: int) -> int:
        """The value of a slot now, warm or not; it isn't warmed."""
        slots = self._opened.get(address)
        value = slots.get(key) if slots is not None else None
        return self.peek_slot(address, key) if value is None else value

    def set_slot(self, address: bytes, key: int, value: int) -> None:
        """Writes a slot from outside of any call; it becomes warm."""
        slots, _ = self.open_storage(address)
        old = slots.get(key)
        if old is None:
            self.warm_slot(slots, key, self.peek_slot(address, key))
            old = slots[key]
        self.write_slot(address, slots, key, old, value)

    def has_storage(self, address: bytes) -> bool:
        """True when the account has a slot that isn't zero, as far as the view or what is cached can tell."""
        if any(self._opened.get(address, {}).values()) or any(self._stored.get(address, {}).values()):
            return True
        if address in self._wiped:
            return False
        return has_storage(self.view, address)

    def read_transient(self, address: bytes, key: int) -> int:
        slots = self._transient.get(address)
        return slots.get(key, 0) if slots is not None else 0

    def write_transient(self, address: bytes, key: int, value: int) -> None:
        slots = self._transient.setdefault(address, {})
        self._undo.extend((slots, key, slots.get(key, ABSENT)))
        slots[key] = value

    @property
    def scope(self) -> object:
        """What is the same object as long as this transaction lasts."""
        return self._scope

    @property
    def transaction_start(self) -> int:
        """The length of the undo log when this transaction began: what its marks are counted from."""
        return self._scope.undo_start

    # Logs, marks ------------------------------------------------------------------------------------------------------
    def emit(self, address: bytes, topics: tuple[bytes, ...], data: bytes) -> None:
        self.logs.append(LOG_OF((address, topics, data)))

    def mark(self) -> tuple[int, int, int]:
        """A point inside this transaction to roll back to."""
        return len(self._undo), len(self.logs), self.refund

    def rollback(self, mark: tuple[int, int, int]) -> None:
        """Undoes all that happened since the mark, in this transaction."""
        undo_length, logs, self.refund = mark
        self._undo_to(undo_length)
        del self.logs[logs:]

    def undo_call(self, mark: tuple[int, int, int]) -> None:
        """Undoes what a failed call did since the mark, but for a touch of RIPEMD-160 (EIP-161, block 2675119)."""
        ripemd = RIPEMD160_ADDRESS in self._touched
        self.rollback(mark)
        if ripemd and RIPEMD160_ADDRESS not in self._touched:
            self._undo.extend((self._touched, RIPEMD160_ADDRESS, ABSENT))
            self._touched[RIPEMD160_ADDRESS] = True

    def _undo_to(self, length: int) -> None:
        undo = self._undo
        if len(undo) <= length:
            return
        for index in range(len(undo) - 3, length - 1, -3):
            mapping, key, old = undo[index : index + 3]
            if old is ABSENT:  # nor is it there where a signal's exception came between the entry and the write
                mapping.pop(key, None)  # type: ignore[attr-defined]
            else:
                mapping[key] = old  # type: ignore[index]
        del undo[length:]

    def keep_mark(self) -> Mark:
        """A point to which `return_to` goes back, also across transactions; undo is kept from now on."""
        self._marks_kept = True
        return Mark(self._era, len(self._undo), self._scope, len(self.logs), self.refund)

    @property
    def marks_kept(self) -> bool:
        """Whether some mark may still be returned to, for which undo is kept from transaction to transaction."""
        return self._marks_kept

    def return_to(self, mark: Mark) -> None:
        """Makes everything as it was at the mark, which stays good; marks made after it are void.

        Raises InvalidInput for a void mark, as far as it can be told.
        """
        if mark.era is not self._era or mark.undo > len(self._undo):
            raise InvalidInput("this mark is void: the changes since were applied, forgotten or undone")
        self._undo_to(mark.undo)
        self.returns += 1
        self._enter_scope(mark.scope)
        del self.logs[mark.logs :]
        self.refund = mark.refund

    def forget_marks(self) -> None:
        """No mark is needed any more: all are void, and transactions drop their undo again when they end."""
        self._marks_kept = False
        self._era = object()

    # Transactions -----------------------------------------------------------------------------------------------------
    def begin_transaction(self, warm: Mapping[bytes, bool] = MappingProxyType({})) -> None:
        """A new scope: no logs, no refund, everything cold but the accounts in `warm`.

        What the last scope wrote becomes the stored state.
        """
        undo = self._undo
        for address, slots in self._opened.items():
            if not slots:
                continue
            stored = self._stored.setdefault(address, {})
            for key, value in slots.items():
                old = stored.get(key)
                if old != value:
                    self._changed_slots.setdefault(address, set()).add(key)
                    undo.extend((stored, key, ABSENT if old is None else old))
                    stored[key] = value
        if not self._marks_kept:
            undo.clear()
        self._enter_scope(new_scope(len(undo), warm))
        self.refund = 0

    def end_transaction(self, *, delete_empty: bool) -> None:
        """Deletes destroyed accounts, and touched ones that are empty where the fork says so (EIP-161).

        What came to an end isn't ended again: a second time, with nothing in between, does nothing.
        """
        for address in self._destroyed:
            self._delete(address)
        for address in self._touched if delete_empty else ():
            if self.account(address) == EMPTY_ACCOUNT:
                self._delete(address)
        for ended in (self._destroyed, self._touched):
            for address in reversed(list(ended)):  # undone, they come back in their order
                self._undo.extend((ended, address, ended[address]))
                del ended[address]

    def _delete(self, address: bytes) -> None:
        self._set_account(address, None)
        self._wipe(address)
        self._undo.extend((self._opened, address, self._opened.get(address, ABSENT)))
        self._opened[address] = {}

    # Outcome ----------------------------------------------------------------------------------------------------------
    def changes(self) -> StateChanges:
        """What differs from the view now, with the values before and after."""
        slots_changed: dict[bytes, set[int]] = {address: set(keys) for address, keys in self._changed_slots.items()}
        for address, slots in self._opened.items():
            if slots:
                stored = self._stored[address]
                keys = {key for key, value in slots.items() if stored.get(key) != value}
                if keys:
                    slots_changed.setdefault(address, set()).update(keys)
        accounts: dict[bytes, AccountChange] = {}
        codes: dict[bytes, bytes] = {}
        for address in self._changed | slots_changed.keys() | self._wiped.keys():
            after = self.account(address)
            before = self._loaded[address]
            changed: dict[int, tuple[int, int]] = {}
            wiped = address in self._wiped
            keys = slots_changed.get(address, set())
            listed: dict[int, int] | None = None
            if wiped:
                # What is wiped is named, slot by slot, where that can be: such changes can be turned round.
                lister = self.view if before is not None and isinstance(self.view, ListsSlots) else None
                listed = dict(lister.slots(address)) if lister is not None else {}
                wiped = before is not None and lister is None
                keys = keys | listed.keys()
            for key in keys:
                value = self.slot(address, key)
                old = self.view.slot(address, key) if listed is None else listed.get(key, 0)
                if value != old:
                    changed[key] = (old, value)
            if before == after and not changed and not wiped:
                continue
            if before is None and after is None:
                continue
            accounts[address] = AccountChange(before, after, changed or _NO_SLOTS, wiped)
            if after is None or (before is not None and before.code_hash == after.code_hash):
                continue
            if after.code_hash in self._new_codes:
                codes[after.code_hash] = self._new_codes[after.code_hash]
        return StateChanges(accounts, codes)

    def rebase(self) -> None:
        """The view now holds all changes: what is cached is what it says. Right after a transaction has begun."""
        self._undo.clear()
        self._era = object()
        for address in self._changed:
            self._loaded[address] = self._accounts[address]
        self._changed.clear()
        self._changed_slots.clear()
        self._wiped.clear()
        self._new_codes.clear()
