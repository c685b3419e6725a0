"""Pieces of fixed size of which a journal's bytes are made: accounts, slots, addresses; written, and read strictly.

Knows no journal. docs/snapshot.md is the specification.
"""

from collections.abc import Iterator, Mapping

from evmthread.errors import DecodingError
from evmthread.state.scope import ABSENT
from evmthread.state.view import Account

ACCOUNT_BYTES = 73  # present (1), nonce (8), balance (32), code hash (32)

Slots = dict[int, int]


def account_bytes(account: Account | None) -> bytes:
    """An account, or all zero where there is none."""
    if account is None:
        return bytes(ACCOUNT_BYTES)
    return b"\x01" + account.nonce.to_bytes(8, "big") + account.balance.to_bytes(32, "big") + account.code_hash


def word(value: int) -> bytes:
    """A storage key or value."""
    return value.to_bytes(32, "big")


def flag(old: object) -> bytes:
    """Whether something was there."""
    return b"\x00" if old is ABSENT else b"\x01"


def optional_word(value: object) -> bytes:
    """A word that may be absent."""
    return b"\x01" + word(value) if isinstance(value, int) else bytes(33)


def table(slots: Mapping[int, int]) -> bytes:
    """Slots of one account, with how many they are in front."""
    return len(slots).to_bytes(4, "big") + b"".join([word(key) + word(slots[key]) for key in sorted(slots)])


def rows(slots: Mapping[bytes, Mapping[int, int]]) -> bytes:
    """Slots of all accounts, each with its address."""
    return b"".join(
        [address + word(key) + word(inner[key]) for address, inner in sorted(slots.items()) for key in sorted(inner)]
    )


class Reader:
    """Takes pieces of fixed size from bytes. Raises DecodingError where there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __bool__(self) -> bool:
        return self._position < len(self._data)

    def take(self, size: int) -> bytes:
        """So many bytes."""
        start = self._position
        self._position += size
        if self._position > len(self._data):
            raise DecodingError("pending state ends in the middle of an entry")
        return self._data[start : self._position]

    def number(self, size: int) -> int:
        """A number of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def flag(self) -> bool:
        """Whether something was there."""
        value = self.number(1)
        if value > 1:
            raise DecodingError(f"a flag of {value} in pending state")
        return bool(value)

    def account(self) -> Account | None:
        """An account, or None."""
        present = self.flag()
        account = Account(self.number(8), self.number(32), self.take(32))
        return account if present else None

    def table(self) -> Slots:
        """Slots of one account."""
        return {self.number(32): self.number(32) for _ in range(self.number(4))}


def addresses(data: bytes) -> list[bytes]:
    """Addresses one after the other. Raises DecodingError."""
    if len(data) % 20:
        raise DecodingError("addresses of pending state aren't 20 bytes each")
    return [data[start : start + 20] for start in range(0, len(data), 20)]


def slot_rows(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """What `rows` wrote: (address, key, value). Raises DecodingError."""
    reader = Reader(data)
    while reader:
        yield reader.take(20), reader.number(32), reader.number(32)
