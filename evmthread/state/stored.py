"""A durable state over any Store: flat records for quick reads, trie nodes for roots, proofs and past states.

What is read is either checked by its record's checksum, or, where there is no record, by the trie, which must not have
it either: so a damaged file raises an error and never gives wrong data in silence. An apply is one write of the store.
"""

from collections.abc import Iterable, Iterator, Mapping
from threading import RLock
from types import TracebackType
from typing import Self

from evmthread.errors import BackendError, InvalidInput
from evmthread.merkle.accounts import StateRoots
from evmthread.merkle.eip1186 import account_proof
from evmthread.merkle.trie import EMPTY_ROOT
from evmthread.state.checked import CheckedStore, Nodes
from evmthread.state.past import NODES_IN_MEMORY, PastState
from evmthread.state.pruning import Progress, live_nodes, unheard
from evmthread.state.records import (
    Tip,
    decode_tip,
    encode_account,
    encode_tip,
    encode_word,
    sealed,
)
from evmthread.state.store import CorruptState, Expected, Store, Write
from evmthread.state.view import (
    Account,
    StateChanges,
    apply_to_roots,
    check_before,
    check_changes,
)

_TIP_KEY = b"tip"
_MAX_NONCE = (1 << 64) - 1
_BATCH = 4096


class StateNotKept(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The state of this nonce was pruned, or never kept."""

    def __init__(self, nonce: int) -> None:
        super().__init__(f"the state of nonce {nonce} is not kept")
        self.nonce = nonce


class StoredState:
    """A state in a Store, a StateBackend. For one process that writes; its threads may share it.

    `history`: what every apply leaves stays readable by its nonce (`at`), until pruned. All methods may raise
    CorruptState, MissingNodeError, CorruptNodeError and other BackendErrors.
    """

    def __init__(self, store: Store, *, history: bool = False) -> None:
        self.store = store
        self.keeps_history = history
        self._lock = RLock()
        self._checked = CheckedStore(store)
        self._nodes = Nodes(store)
        self._closed = False
        try:
            self._tip_record = store.get("meta", _TIP_KEY)
            if self._tip_record is None and any(
                True for table in ("account", "slot", "node") for _ in store.scan(table)
            ):
                self._tip_record = store.get("meta", _TIP_KEY)  # another process may have written meanwhile
                if self._tip_record is None:
                    raise CorruptState(store.place, "the record of its tip is lost")
            if self._tip_record is None:
                self._tip = Tip(0, EMPTY_ROOT)
            else:
                self._tip = decode_tip(self._checked.unsealed("meta", _TIP_KEY, self._tip_record))
            self._roots = StateRoots.open(self._tip.root, self._nodes)
            if self._tip.root != EMPTY_ROOT and store.get("node", self._tip.root) is None:
                raise CorruptState(store.place, f"the root node 0x{self._tip.root.hex()} is lost")
            self._has_past = history or any(True for _ in store.scan("history"))
        except BaseException:
            store.close()
            raise

    # Reads ------------------------------------------------------------------------------------------------------------
    @property
    def nonce(self) -> int:
        """How many changes were applied, unless their caller numbered them."""
        return self._tip.nonce

    @property
    def root(self) -> bytes:
        """The state root (32 bytes)."""
        return self._tip.root

    def _lost(self, what: str) -> CorruptState:
        return self._checked.damaged(f"{what} is in the trie, and its record is lost")

    def account(self, address: bytes) -> Account | None:
        with self._lock:
            account = self._checked.account(address)
            if account is None and len(address) == 20 and self._fresh_roots().account(address) is not None:
                raise self._lost(f"account 0x{address.hex()}")
            return account

    def code(self, code_hash: bytes) -> bytes:
        return self._checked.code(code_hash)

    def slot(self, address: bytes, key: int) -> int:
        place = address + key.to_bytes(32, "big")
        with self._lock:
            value = self._checked.row("slot", place)
            if value is None:
                if len(address) == 20 and self._fresh_roots().slot(address, key):
                    raise self._lost(f"slot {key:#x} of 0x{address.hex()}")
                return 0
            return int.from_bytes(value, "big")

    def has_storage(self, address: bytes) -> bool:
        """True when the account has a slot that isn't zero."""
        with self._lock:
            return self._fresh_roots().storage_root(address) != EMPTY_ROOT

    def block_hash(self, number: int) -> bytes:
        """The hash of a block, ZERO_HASH for one that wasn't told with set_block_hash."""
        return self._checked.block_hash(number)

    def accounts(self) -> Iterator[tuple[bytes, Account]]:
        """All accounts, in the order of their addresses; in bounded memory. The state must not change meanwhile."""
        count = 0
        for address, record in self.store.scan("account"):
            count += 1
            yield address, self._checked.decoded_account(self._checked.unsealed("account", address, record))
        # A record that was lost left no trace but in the trie.
        if count != (known := sum(1 for _ in self.roots().account_trie().items())):
            raise self._lost(f"one of {known} accounts")

    def slots(self, address: bytes) -> Iterator[tuple[int, int]]:
        """An account's slots that aren't zero, in order; in bounded memory. The state must not change meanwhile."""
        count = 0
        for place, record in self.store.scan("slot", address):
            count += 1
            value = self._checked.unsealed("slot", place, record)
            yield int.from_bytes(place[20:], "big"), int.from_bytes(value, "big")
        if count != (known := sum(1 for _ in self.roots().storage_trie(address).items())):
            raise self._lost(f"one of {known} slots of 0x{address.hex()}")

    def roots(self) -> StateRoots:
        """The tries of this state; callers that change them work on a copy."""
        with self._lock:
            return self._fresh_roots()

    def proof(self, address: bytes, keys: Iterable[int] = ()) -> dict[str, object]:
        """The proof of an account and some of its slots under the state root, as eth_getProof's answer (EIP-1186)."""
        with self._lock:
            return account_proof(self.roots(), address, keys).to_json()

    def _fresh_roots(self) -> StateRoots:
        if self._nodes.read > NODES_IN_MEMORY:
            self._nodes.read = 0
            self._roots = StateRoots.open(self._tip.root, self._nodes)
        return self._roots

    # Writes -----------------------------------------------------------------------------------------------------------
    def apply(self, changes: StateChanges, *, check: bool = False, nonce: int | None = None) -> None:
        """Makes the changes, all or none; they are durable when it returns.

        `check`: only if their values before are those of this state. `nonce` numbers what they lead to, by default
        one more than the last. Raises InvalidInput for what is no change of a state, ConflictingChanges when checked,
        StateBusy when another process wrote meanwhile.
        """
        check_changes(changes)
        with self._lock:
            nonce = self._tip.nonce + 1 if nonce is None else nonce
            if not self._tip.nonce < nonce <= _MAX_NONCE:
                raise InvalidInput(f"nonce {nonce} doesn't come after {self._tip.nonce}")
            if check:
                check_before(self, changes)
            roots = self._fresh_roots().copy()
            apply_to_roots(roots, changes)
            nodes: dict[bytes, bytes] = {}
            tip = Tip(nonce, roots.commit(nodes))
            records = list(self._records(changes))
            self._write(tip, [*records, *self._gone(nonce, records), *self._node_writes(nodes)])
            self._roots = roots
            self._nodes.read += len(nodes)

    def _write(self, tip: Tip, writes: list[Write]) -> None:
        record = sealed("meta", _TIP_KEY, encode_tip(tip))
        if self.keeps_history:
            for each in (self._tip, tip):
                key = each.nonce.to_bytes(8, "big")
                writes.append(("history", key, sealed("history", key, each.root)))
        writes.append(("meta", _TIP_KEY, record))
        self.store.write(writes, expected=Expected("meta", _TIP_KEY, self._tip_record))
        self._tip, self._tip_record = tip, record

    def _records(self, changes: StateChanges) -> Iterator[Write]:
        # Tables one after the other, keys in order: what a B-tree likes best.
        yield from [("code", code_hash, code) for code_hash, code in sorted(changes.codes.items()) if code]
        for address, change in sorted(changes.accounts.items()):
            if change.after is None:
                yield "account", address, None
            elif change.after != change.before or change.wiped:
                yield "account", address, sealed("account", address, encode_account(change.after))
        slots: list[Write] = []
        for address, change in sorted(changes.accounts.items()):
            if change.wiped or change.after is None:
                slots += [("slot", place, None) for place, _ in self.store.scan("slot", address)]
            for key, (_, value) in sorted(change.slots.items()):
                place = address + key.to_bytes(32, "big")
                if value:
                    slots.append(("slot", place, sealed("slot", place, encode_word(value))))
                elif not change.wiped:
                    slots.append(("slot", place, None))
        yield from slots

    def _gone(self, nonce: int, records: list[Write]) -> list[Write]:
        # The keys of what kept states may have and later ones don't; see past.py.
        if not self._has_past:
            return []
        gone = [("gone_" + table, key) for table, key, value in records if value is None]
        return [(table, key, sealed(table, key, nonce.to_bytes(8, "big"))) for table, key in gone]

    @staticmethod
    def _node_writes(nodes: Mapping[bytes, bytes]) -> list[Write]:
        return [("node", digest, node) for digest, node in sorted(nodes.items())]

    def renumber(self, nonce: int) -> None:
        """Gives the present state another nonce, as after an import. Raises InvalidInput where states are kept."""
        if not 0 <= nonce <= _MAX_NONCE:
            raise InvalidInput(f"{nonce} is no nonce")
        with self._lock:
            if self._has_past:
                raise InvalidInput(f"{self.store.place} keeps states by their nonces: it can't be numbered anew")
            self._write(Tip(nonce, self._tip.root), [])

    def set_block_hash(self, number: int, block_hash: bytes) -> None:
        """Makes a block's hash known."""
        if not 0 <= number <= _MAX_NONCE or len(block_hash) != 32:
            raise InvalidInput(f"no block: number {number}, a hash of {len(block_hash)} bytes")
        key = number.to_bytes(8, "big")
        self.store.write([("block", key, sealed("block", key, block_hash))])

    # The past ---------------------------------------------------------------------------------------------------------
    def kept(self) -> Iterator[int]:
        """The nonces whose states can be had with `at`, in order; the present one is the last."""
        with self._lock:
            nonces = [int.from_bytes(key, "big") for key, _ in self.store.scan("history")]
            return iter([*[nonce for nonce in nonces if nonce < self._tip.nonce], self._tip.nonce])

    def at(self, nonce: int) -> "PastState":
        """The state as it was at a kept nonce; it stays so, whatever is applied later, until it is pruned.

        Raises StateNotKept.
        """
        with self._lock:
            if nonce == self._tip.nonce:
                self._has_past = True  # as long as this process lives, what goes is written down for this view
                return PastState(self._checked, self._lock, self._tip)
            key = nonce.to_bytes(8, "big") if 0 <= nonce <= _MAX_NONCE else b""
            record = self.store.get("history", key)
            if record is None:
                raise StateNotKept(nonce)
            return PastState(self._checked, self._lock, Tip(nonce, self._checked.unsealed("history", key, record)))

    def prune(self, *, keep_from: int | None = None, progress: Progress = unheard) -> int:
        """Forgets the states before nonce `keep_from` (by default all but the present one); how many nodes went.

        Reads every node of what is kept, and holds 32 bytes of each in memory. A crash on the way loses nothing.
        """
        with self._lock:
            keep_from = self._tip.nonce if keep_from is None else min(max(keep_from, 0), self._tip.nonce)
            kept = [self.at(nonce).root for nonce in self.kept() if nonce >= keep_from]
            live = live_nodes(self.store, {*kept, self._tip.root}, progress)
            writes: list[Write] = [
                ("history", key, None) for key, _ in self.store.scan("history") if key < keep_from.to_bytes(8, "big")
            ]
            for table in ("gone_account", "gone_slot"):
                for key, record in self.store.scan(table):
                    if int.from_bytes(self._checked.unsealed(table, key, record), "big") <= keep_from:
                        writes.append((table, key, None))
                    if len(writes) >= _BATCH:
                        self._sweep(writes)
            gone = 0
            for digest, _ in self.store.scan("node"):
                if digest not in live:
                    writes.append(("node", digest, None))
                    gone += 1
                if len(writes) >= _BATCH:
                    self._sweep(writes)
                    progress("nodes removed", gone)
            self._sweep(writes)
            return gone

    def _sweep(self, writes: list[Write]) -> None:
        # Whoever wrote meanwhile may have brought back a node that is to go.
        self.store.write(writes, expected=Expected("meta", _TIP_KEY, self._tip_record))
        writes.clear()

    def verify(self, *, progress: Progress = unheard) -> None:
        """Reads everything: records, codes and tries must say the same. Raises CorruptState or a node's error."""
        with self._lock:
            self.store.check()
            place = self.store.place
            count = 0
            listed = 0
            for count, (address, account) in enumerate(self.accounts(), 1):
                leaf = self._fresh_roots().account(address) if len(address) == 20 else None
                if leaf is None or (leaf.nonce, leaf.balance, leaf.code_hash) != tuple(account):
                    raise CorruptState(place, f"account 0x{address.hex()} is not what the trie says")
                self.code(account.code_hash)
                for key, value in self.slots(address):
                    if self._fresh_roots().slot(address, key) != value:
                        raise CorruptState(place, f"slot {key:#x} of 0x{address.hex()} is not what the trie says")
                    listed += 1
                    if not listed % _BATCH:
                        progress("slots verified", listed)
                progress("accounts verified", count)
            rows = sum(1 for _ in self.store.scan("slot"))
            if rows != listed:
                raise CorruptState(place, f"{rows - listed} slots belong to no account")

    # Closing ----------------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """Lets go of the file. A second time does nothing."""
        if not self._closed:
            self._closed = True
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
