"""The bytes of a durable state's records. Each carries a checksum of its table, its key and itself.

The checksum tells accidents, not lies: what must be proven is proven by the Merkle tries. Trie nodes and codes have no
checksum, since their keys are their hashes.
"""

from dataclasses import dataclass
from zlib import crc32

from evmthread.errors import DecodingError
from evmthread.state.view import Account

_CHECKSUM_BYTES = 4
_TIP_BYTES = 8 + 32


def sealed(table: str, key: bytes, value: bytes) -> bytes:
    """A value with its checksum before it."""
    return crc32(value, crc32(key, crc32(table.encode()))).to_bytes(_CHECKSUM_BYTES, "big") + value


def unsealed(table: str, key: bytes, record: bytes) -> bytes:
    """The value of a record. Raises DecodingError when the checksum is wrong."""
    value = record[_CHECKSUM_BYTES:]
    if sealed(table, key, value) != record:
        raise DecodingError(f"the checksum of a row of table {table} is wrong: key 0x{key.hex()}")
    return value


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a state stands: its nonce (how many changes were applied, unless they were numbered) and its root."""

    nonce: int
    root: bytes


def encode_tip(tip: Tip) -> bytes:
    return tip.nonce.to_bytes(8, "big") + tip.root


def decode_tip(data: bytes) -> Tip:
    """Raises DecodingError."""
    if len(data) != _TIP_BYTES:
        raise DecodingError(f"a tip of {len(data)} bytes")
    return Tip(int.from_bytes(data[:8], "big"), data[8:])


def encode_account(account: Account) -> bytes:
    """Nonce (8 bytes), code hash, and the balance in as few bytes as it needs."""
    return account.nonce.to_bytes(8, "big") + account.code_hash + encode_word(account.balance)


def decode_account(data: bytes) -> Account:
    """Raises DecodingError."""
    if not 40 <= len(data) <= 72:
        raise DecodingError(f"an account of {len(data)} bytes")
    return Account(int.from_bytes(data[:8], "big"), int.from_bytes(data[40:], "big"), data[8:40])


def encode_word(value: int) -> bytes:
    """In as few bytes as it needs."""
    return value.to_bytes((value.bit_length() + 7) >> 3, "big")
