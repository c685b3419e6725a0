"""A view of a kept state, read from its tries and so checked by their hashes.

The tries know the hashes of keys only. To list a state, its keys are looked for among those of the present records and
of what is gone since.
"""

from collections.abc import Iterable, Iterator
from threading import RLock

from evmthread.merkle.accounts import StateRoots
from evmthread.merkle.eip1186 import account_proof
from evmthread.merkle.trie import EMPTY_ROOT
from evmthread.state.checked import CheckedStore, Nodes
from evmthread.state.records import Tip
from evmthread.state.view import Account

NODES_IN_MEMORY = 1 << 14  # a bound on memory: a branch with its sixteen stubs takes about 3 KB
_KEYS = 512  # looked up at once


class PastState:
    """The state as it was at a nonce, whatever is applied later, until it is pruned.

    Reads raise what those of a StoredState raise; MissingNodeError once it was pruned.
    """

    def __init__(self, checked: CheckedStore, lock: RLock, tip: Tip) -> None:
        self.nonce = tip.nonce
        self.root = tip.root
        self._checked = checked
        self._lock = lock
        self._nodes = Nodes(checked.store)
        self._roots = StateRoots.open(tip.root, self._nodes)

    def _fresh_roots(self) -> StateRoots:
        if self._nodes.read > NODES_IN_MEMORY:
            self._nodes.read = 0
            self._roots = StateRoots.open(self.root, self._nodes)
        return self._roots

    def account(self, address: bytes) -> Account | None:
        with self._lock:
            found = self._fresh_roots().account(address)
        return None if found is None else Account(found.nonce, found.balance, found.code_hash)

    def code(self, code_hash: bytes) -> bytes:
        return self._checked.code(code_hash)

    def slot(self, address: bytes, key: int) -> int:
        with self._lock:
            return self._fresh_roots().slot(address, key)

    def has_storage(self, address: bytes) -> bool:
        """True when the account has a slot that isn't zero."""
        with self._lock:
            return self._fresh_roots().storage_root(address) != EMPTY_ROOT

    def block_hash(self, number: int) -> bytes:
        return self._checked.block_hash(number)

    def accounts(self) -> Iterator[tuple[bytes, Account]]:
        """All accounts, in the order of their addresses; in bounded memory."""
        count = 0
        for address in self._keys("account", b""):
            account = self.account(address)
            if account is not None:
                count += 1
                yield address, account
        if count != (known := sum(1 for _ in self._fresh_roots().account_trie().items())):
            raise self._checked.damaged(f"nonce {self.nonce} has {known} accounts, and the keys of {count} are known")

    def slots(self, address: bytes) -> Iterator[tuple[int, int]]:
        """An account's slots that aren't zero, in order; in bounded memory."""
        count = 0
        for place in self._keys("slot", address):
            key = int.from_bytes(place[20:], "big")
            value = self.slot(address, key)
            if value:
                count += 1
                yield key, value
        if count != (known := sum(1 for _ in self._fresh_roots().storage_trie(address).items())):
            raise self._checked.damaged(
                f"nonce {self.nonce} has {known} slots of 0x{address.hex()}, and the keys of {count} are known"
            )

    def _keys(self, table: str, prefix: bytes) -> Iterator[bytes]:
        start = prefix
        is_last = False
        while not is_last:
            with self._lock:  # what an apply takes away must be found in one of the two
                keys, is_last = self._checked.keys_of((table, "gone_" + table), prefix, start, _KEYS)
            yield from keys
            if keys:
                start = keys[-1] + b"\x00"

    def roots(self) -> StateRoots:
        """The tries of this state; callers that change them work on a copy."""
        with self._lock:
            return self._fresh_roots()

    def proof(self, address: bytes, keys: Iterable[int] = ()) -> dict[str, object]:
        """The proof of an account and some of its slots under the state root, as eth_getProof's answer (EIP-1186)."""
        with self._lock:
            return account_proof(self._fresh_roots(), address, keys).to_json()
