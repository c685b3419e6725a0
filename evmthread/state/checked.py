"""A store's rows, checked as they are read: what is damaged raises an error and is never read as something else.

It must not know which state is the present one.
"""

from evmthread.errors import DecodingError
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import ZERO_HASH
from evmthread.state.records import decode_account, unsealed
from evmthread.state.store import CorruptState, Store
from evmthread.state.view import Account, UnknownCode


class Nodes:
    """The trie nodes of a store, counting how many were read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read = 0

    def get(self, digest: bytes, /) -> bytes | None:
        self.read += 1
        return self._store.get("node", digest)


class CheckedStore:
    """Reads of a store. They raise CorruptState, and what the store raises."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def damaged(self, reason: str) -> CorruptState:
        """The error that says so."""
        return CorruptState(self.store.place, reason)

    def unsealed(self, table: str, key: bytes, record: bytes) -> bytes:
        """What a row's record holds."""
        try:
            return unsealed(table, key, record)
        except DecodingError as error:
            raise self.damaged(str(error)) from error

    def row(self, table: str, key: bytes) -> bytes | None:
        """What a table holds under a key."""
        record = self.store.get(table, key)
        return None if record is None else self.unsealed(table, key, record)

    def account(self, address: bytes) -> Account | None:
        """The present account."""
        value = self.row("account", address)
        return None if value is None else self.decoded_account(value)

    def decoded_account(self, value: bytes) -> Account:
        """The account that a row holds."""
        try:
            return decode_account(value)
        except DecodingError as error:
            raise self.damaged(str(error)) from error

    def code(self, code_hash: bytes) -> bytes:
        """The code with a hash. Raises UnknownCode."""
        if code_hash == EMPTY_HASH:
            return b""
        code = self.store.get("code", code_hash)
        if code is None:
            raise UnknownCode(code_hash)
        if keccak256(code) != code_hash:
            raise self.damaged(f"the code 0x{code_hash.hex()} has another hash")
        return code

    def block_hash(self, number: int) -> bytes:
        """A block's hash, ZERO_HASH for one that isn't known."""
        if number >> 64:  # a contract may ask, in a block of such a number; none is ever told
            return ZERO_HASH
        value = self.row("block", number.to_bytes(8, "big"))
        return ZERO_HASH if value is None else value

    def keys_of(self, tables: tuple[str, ...], prefix: bytes, start: bytes, count: int) -> tuple[list[bytes], bool]:
        """The first keys from `start` on that any of the tables has, in order; and whether these are all."""
        keys: set[bytes] = set()
        last: bytes | None = None
        for table in tables:
            found: list[bytes] = []
            for key, _ in self.store.scan(table, prefix, start=start):
                found.append(key)
                if len(found) == count:
                    last = key if last is None else min(last, key)
                    break
            keys.update(found)
        return sorted(key for key in keys if last is None or key <= last), last is None
