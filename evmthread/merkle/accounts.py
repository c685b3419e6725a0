"""Ethereum's state root, kept up to date: the secure trie of accounts, and one secure storage trie for each of them.

A caller tells what changed; a root costs what changed since the last one. It must not know where accounts come from,
what code does, or which accounts a fork considers empty: what it is told is what enters the root.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from evmthread.errors import DecodingError, InvalidInput
from evmthread.merkle.trie import EMPTY_ROOT, NodeSink, NodeStore, Trie
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.quick import quick
from evmthread.primitives.rlp import bytes_integer, decode, encode_int
from evmthread.primitives.words import WORD_MASK

MAX_NONCE = (1 << 64) - 1  # EIP-2681
# An account's RLP ends with two 32-byte strings, storage root and code hash, each after its one-byte head.
_STORAGE_ROOT = slice(-65, -33)
_HASH_HEAD = b"\xa0"
_REMEMBERED_HASHES = 4096  # of addresses and of storage keys each: a bound on memory, about a megabyte


@quick
@dataclass(frozen=True, slots=True)
class Account:
    """What the account trie holds under an address (Yellow Paper, section 4.1)."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


def encode_account(account: Account) -> bytes:
    """The RLP of an account. Raises InvalidInput for a number out of range or a hash that isn't 32 bytes."""
    if not 0 <= account.nonce <= MAX_NONCE:
        raise InvalidInput(f"nonce {account.nonce} is not within 64 bits")
    if not 0 <= account.balance <= WORD_MASK:
        raise InvalidInput(f"balance {account.balance} is not within 256 bits")
    if len(account.storage_root) != 32 or len(account.code_hash) != 32:
        raise InvalidInput("storage root and code hash are 32 bytes each")
    payload = b"".join(
        (
            encode_int(account.nonce),
            encode_int(account.balance),
            _HASH_HEAD,
            account.storage_root,
            _HASH_HEAD,
            account.code_hash,
        )
    )
    return bytes((0xF8, len(payload))) + payload  # 68 to 108 bytes


def decode_account(data: bytes) -> Account:
    """The account of canonical RLP. Raises DecodingError for anything else."""
    items = decode(data)
    if isinstance(items, bytes) or len(items) != 4:
        raise DecodingError("an account is a list of four items")
    nonce, balance, storage_root, code_hash = items
    if not (
        isinstance(nonce, bytes)
        and isinstance(balance, bytes)
        and isinstance(storage_root, bytes)
        and isinstance(code_hash, bytes)
    ):
        raise DecodingError("an item of an account is a list")
    if len(storage_root) != 32 or len(code_hash) != 32:
        raise DecodingError("storage root and code hash of an account are 32 bytes each")
    return Account(bytes_integer(nonce, bits=64), bytes_integer(balance), storage_root, code_hash)


def decode_slot(data: bytes) -> int:
    """The non-zero value of a storage slot from its canonical RLP. Raises DecodingError for anything else."""
    item = decode(data)
    if not isinstance(item, bytes):
        raise DecodingError("the value of a slot is a list")
    value = bytes_integer(item)
    if not value:
        raise DecodingError("a slot of value zero is not kept")
    return value


def hash_slot(key: int) -> bytes:
    """The trie key of a storage slot: the keccak-256 of its number as 32 bytes."""
    return keccak256(key.to_bytes(32, "big"))


class StateRoots:
    """The accounts and storage slots of a state, for their roots.

    Changes may come in any order; only root() needs them to make sense together. Addresses are 20 bytes, slots and
    their values integers of 256 bits; InvalidInput is raised for others. With a store (see `open`), every method may
    raise MissingNodeError and CorruptNodeError.
    """

    __slots__ = ("_accounts", "_changed", "_hash_address", "_hash_slot", "_is_shared", "_pending", "_settled", "_store")

    def __init__(self) -> None:
        self._accounts = Trie()  # as of the last root()
        # Storage tries that belong to the leaves of _accounts. They are not written to, but copied into _changed first,
        # so that copies of the state can share them, and the dict itself until root() has to write to it.
        self._settled: dict[bytes, Trie] = {}
        self._is_shared = False
        # What was told since the last root(): storage tries, and accounts (None: deleted).
        self._changed: dict[bytes, Trie] = {}
        self._pending: dict[bytes, tuple[int, int, bytes] | None] = {}
        self._store: NodeStore | None = None
        self._hash_address: Callable[[bytes], bytes] = lru_cache(_REMEMBERED_HASHES)(keccak256)
        self._hash_slot: Callable[[int], bytes] = lru_cache(_REMEMBERED_HASHES)(hash_slot)

    @classmethod
    def open(cls, root: bytes, store: NodeStore) -> Self:
        """The state with this root, read from `store` as needed."""
        state = cls()
        state._accounts = Trie.open(root, store)
        state._store = store
        return state

    def copy(self) -> Self:
        """The same state, to be changed apart from this one.

        Costs what changed since the last root(); the first root() after it, where storage changed, also copies a
        dict of the accounts whose storage is in memory.
        """
        other = object.__new__(type(self))  # every slot is set here; __init__ would make two caches in vain
        other._accounts = self._accounts.copy()
        other._settled = self._settled
        other._is_shared = self._is_shared = True
        other._changed = {address: trie.copy() for address, trie in self._changed.items()}
        other._pending = self._pending.copy()
        other._store = self._store
        other._hash_address = self._hash_address
        other._hash_slot = self._hash_slot
        return other

    def set_account(self, address: bytes, nonce: int, balance: int, code_hash: bytes) -> None:
        """Make or change an account; its storage stays as it is."""
        _check_address(address)
        if not 0 <= nonce <= MAX_NONCE or not 0 <= balance <= WORD_MASK or len(code_hash) != 32:
            raise InvalidInput(f"nonce {nonce}, balance {balance}, code hash of {len(code_hash)} bytes: no account")
        self._pending[address] = (nonce, balance, code_hash)

    def delete_account(self, address: bytes) -> None:
        """Take an account away with its storage, if it is there; set_account may make it anew."""
        self.clear_storage(address)
        self._pending[address] = None

    def set_slot(self, address: bytes, key: int, value: int) -> None:
        """Give a storage slot its value; zero takes it away."""
        trie = self._changed.get(address)
        if trie is None:
            _check_address(address)
            trie = self._changed[address] = self._storage(address).copy()
        if not (0 <= key <= WORD_MASK and 0 <= value <= WORD_MASK):
            raise InvalidInput(f"slot {key} or its value {value} is not within 256 bits")
        if value:
            trie.set(self._hash_slot(key), encode_int(value))
        else:
            trie.delete(self._hash_slot(key))

    def clear_storage(self, address: bytes) -> None:
        """Take all slots of an account away."""
        _check_address(address)
        self._changed[address] = Trie()

    def account(self, address: bytes) -> Account | None:
        """The account, or None."""
        _check_address(address)
        if address in self._pending:
            told = self._pending[address]
            return told and Account(told[0], told[1], self.storage_root(address), told[2])
        leaf = self._accounts.get(self._hash_address(address))
        if leaf is None:
            return None
        account = decode_account(leaf)
        return Account(account.nonce, account.balance, self.storage_root(address), account.code_hash)

    def slot(self, address: bytes, key: int) -> int:
        """The value of a storage slot, zero where there is none."""
        _check_address(address)
        if not 0 <= key <= WORD_MASK:
            raise InvalidInput(f"slot {key} is not within 256 bits")
        value = self._storage(address).get(self._hash_slot(key))
        return 0 if value is None else decode_slot(value)

    def storage_root(self, address: bytes) -> bytes:
        """The root of an account's storage; EMPTY_ROOT for an account without any, or that doesn't exist."""
        _check_address(address)
        return self._storage(address).root()

    def storage_trie(self, address: bytes) -> Trie:
        """A copy of an account's storage trie: hash_slot(key) to the RLP of the value."""
        _check_address(address)
        return self._storage(address).copy()

    def account_trie(self) -> Trie:
        """A copy of the account trie: keccak-256 of the address to the RLP of the account. Raises as root() does."""
        self.root()
        return self._accounts.copy()

    def root(self) -> bytes:
        """The state root (32 bytes).

        Raises InvalidInput, and changes nothing, while an account has storage that doesn't exist itself.
        """
        if not self._pending and not self._changed:
            return self._accounts.root()
        leaves: dict[bytes, bytes] = {}
        for address in {*self._pending, *self._changed}:
            hashed = self._hash_address(address)
            leaf = self._accounts.get(hashed)
            storage = self._changed.get(address)
            if storage is not None:
                storage_root = storage.root()
            else:
                storage_root = EMPTY_ROOT if leaf is None else leaf[_STORAGE_ROOT]
            if address in self._pending:
                told = self._pending[address]
                leaf = told and encode_account(Account(told[0], told[1], storage_root, told[2]))
            elif leaf is not None:
                leaf = leaf[: _STORAGE_ROOT.start] + storage_root + leaf[_STORAGE_ROOT.stop :]
            if leaf is None and storage_root != EMPTY_ROOT:
                raise InvalidInput(f"0x{address.hex()} has storage, but is no account")
            leaves[hashed] = leaf or b""
        self._accounts.update(leaves)
        if self._changed:
            settled = self._own_settled()
            for address, storage in self._changed.items():
                if storage.root() == EMPTY_ROOT:
                    settled.pop(address, None)  # the leaf says as much
                else:
                    settled[address] = storage
            self._changed = {}
        self._pending = {}
        return self._accounts.root()

    def commit(self, sink: NodeSink) -> bytes:
        """The state root, after handing `sink`, in one go, the nodes that are new since the last commit or `open`.

        Raises as root() does, and what the sink raises; then nothing counts as committed.
        """
        self.root()
        nodes: dict[bytes, bytes] = {}
        committed: dict[bytes, Trie] = {}
        for address, storage in self._settled.items():
            if not storage.is_committed:
                committed[address] = storage.copy()
                committed[address].commit(nodes)
        accounts = self._accounts.copy()
        root = accounts.commit(nodes)
        if nodes:
            sink.update(nodes)
        if committed:
            self._own_settled().update(committed)
        self._accounts = accounts
        return root

    def _storage(self, address: bytes) -> Trie:
        trie = self._changed.get(address)
        if trie is None:
            trie = self._settled.get(address)
        if trie is not None:
            return trie
        leaf = self._accounts.get(self._hash_address(address))
        if leaf is None or leaf[_STORAGE_ROOT] == EMPTY_ROOT or self._store is None:
            return Trie()
        # Keeping it is right for every copy that shares the dict: their leaves have this storage root too.
        trie = self._settled[address] = Trie.open(leaf[_STORAGE_ROOT], self._store)
        return trie

    def _own_settled(self) -> dict[bytes, Trie]:
        if self._is_shared:
            self._settled = self._settled.copy()
            self._is_shared = False
        return self._settled


def _check_address(address: bytes) -> None:
    if len(address) != 20:
        raise InvalidInput(f"an address is 20 bytes, not {len(address)}")
