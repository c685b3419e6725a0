"""A state held in dictionaries: the plainest backend, and the one that tests start from."""

from collections.abc import Iterable, Iterator, Mapping

from evmthread.errors import InvalidInput
from evmthread.merkle.accounts import StateRoots
from evmthread.merkle.eip1186 import account_proof
from evmthread.primitives.arguments import address_bytes, byte_string, number_of_bits
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import ZERO_HASH
from evmthread.state.locks import OwnLock
from evmthread.state.view import (
    Account,
    StateChanges,
    UnknownCode,
    apply_to_roots,
    check_before,
    check_changes,
)

__all__ = ["MemoryState", "apply_to_roots"]


class MemoryState:
    """Accounts, codes and slots in memory; once asked for, Merkle roots are kept up to date with what is applied.

    Threads may read while another applies: they see the state before it or the one after.
    """

    def __init__(self) -> None:
        self._lock = OwnLock()
        self._version = 0  # odd while something is written; who reads and finds it changed reads again under the lock
        self._accounts: dict[bytes, Account] = {}
        self._codes: dict[bytes, bytes] = {EMPTY_HASH: b""}
        self._storage: dict[bytes, dict[int, int]] = {}
        self._block_hashes: dict[int, bytes] = {}
        self._roots: StateRoots | None = None

    def set_account(
        self,
        address: bytes,
        *,
        nonce: int = 0,
        balance: int = 0,
        code: bytes = b"",
        storage: Mapping[int, int] | None = None,
    ) -> None:
        """Puts a whole account, replacing what was there. Zero slots are left out. Raises InvalidInput."""
        address, code = address_bytes(address), byte_string(code, "code")
        nonce, balance = number_of_bits(nonce, 64, "nonce"), number_of_bits(balance, 256, "balance")
        for number in (*(storage or {}), *(storage or {}).values()):
            number_of_bits(number, 256, "a storage key or value")
        code_hash = keccak256(code)
        slots = {key: value for key, value in (storage or {}).items() if value}
        with self._lock.lock:
            self._version += 1
            self._codes[code_hash] = code
            self._accounts[address] = Account(nonce, balance, code_hash)
            self._storage[address] = slots
            self._roots = None
            self._version += 1

    def set_block_hash(self, number: int, block_hash: bytes) -> None:
        """Makes a block's hash (32 bytes) known. Raises InvalidInput."""
        number, block_hash = number_of_bits(number, 256, "a block's number"), byte_string(block_hash, "a block's hash")
        if len(block_hash) != 32:
            raise InvalidInput(f"a block's hash is 32 bytes, not {len(block_hash)}")
        self._block_hashes[number] = block_hash

    def account(self, address: bytes) -> Account | None:
        version = self._version
        account = self._accounts.get(address)
        if version & 1 or version != self._version:
            with self._lock.lock:
                return self._accounts.get(address)
        return account

    def code(self, code_hash: bytes) -> bytes:
        code = self._codes.get(code_hash)
        if code is None:
            raise UnknownCode(code_hash)
        return code

    def slot(self, address: bytes, key: int) -> int:
        version = self._version
        slots = self._storage.get(address)
        value = slots.get(key, 0) if slots else 0
        if version & 1 or version != self._version:
            with self._lock.lock:
                slots = self._storage.get(address)
                return slots.get(key, 0) if slots else 0
        return value

    def has_storage(self, address: bytes) -> bool:
        """True when the account has a slot that isn't zero."""
        return bool(self._storage.get(address))

    def block_hash(self, number: int) -> bytes:
        return self._block_hashes.get(number, ZERO_HASH)

    def accounts(self) -> Iterator[tuple[bytes, Account]]:
        """All accounts that exist, in the order of their addresses."""
        return iter(sorted(self._accounts.items()))

    def slots(self, address: bytes) -> Iterator[tuple[int, int]]:
        """An account's slots that aren't zero, in order."""
        return iter(sorted(self._storage.get(address, {}).items()))

    def addresses(self) -> Iterator[bytes]:
        """All accounts that exist."""
        return iter(self._accounts)

    def storage(self, address: bytes) -> dict[int, int]:
        """A copy of an account's non-zero slots."""
        return dict(self._storage.get(address, {}))

    def apply(self, changes: StateChanges, *, check: bool = False) -> None:
        """Makes the changes, all or none. `check`: only if their values before are those of this state.

        Raises InvalidInput for what is no change of a state, ConflictingChanges when checked.
        """
        check_changes(changes)
        with self._lock.lock:
            if check:
                check_before(self, changes)
            try:
                if self._roots is not None:
                    apply_to_roots(self._roots, changes)
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
            slots = self._storage.setdefault(address, {})
            if change.wiped:
                slots.clear()
            for key, (_, value) in change.slots.items():
                if value:
                    slots[key] = value
                else:
                    slots.pop(key, None)
            if change.after is None:
                self._accounts.pop(address, None)
                self._storage.pop(address, None)
            else:
                self._accounts[address] = change.after

    def proof(self, address: bytes, keys: Iterable[int] = ()) -> dict[str, object]:
        """The proof of an account and some of its slots under the state root, as eth_getProof's answer (EIP-1186)."""
        return account_proof(self.roots(), address, keys).to_json()

    def roots(self) -> StateRoots:
        """The tries of this state; callers that change them work on a copy."""
        if self._roots is None:
            roots = StateRoots()
            for address, account in self._accounts.items():
                roots.set_account(address, account.nonce, account.balance, account.code_hash)
                for key, value in self._storage.get(address, {}).items():
                    roots.set_slot(address, key, value)
            self._roots = roots
        return self._roots
