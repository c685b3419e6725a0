"""Typed bytes and ints for the border of the library (JSON, EIP-712, RPC), and the log record.

The hot path works on plain `bytes` and `int`; these subclasses let serialisers tell an address from a hash.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Self

from evmthread.errors import InvalidInput


def parse_hex(text: str, *, what: str = "value") -> bytes:
    """Bytes of a 0x-prefixed (or bare) hex string.

    Raises InvalidInput when it has an odd number of digits or a character that is no hex digit.
    """
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if len(digits) % 2:
        raise InvalidInput(f"{what}: hex with an odd number of digits ({len(digits)})")
    if not digits.isalnum() and digits:
        raise InvalidInput(f"{what}: not hex: {text[:80]!r}")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise InvalidInput(f"{what}: not hex: {text[:80]!r}") from None


class _FixedBytes(bytes):
    """Bytes of one fixed length, made from bytes or a hex string; prints as 0x-prefixed hex."""

    __slots__ = ()
    SIZE = 0

    def __new__(cls, value: bytes | str) -> Self:
        raw = parse_hex(value, what=cls.__name__) if isinstance(value, str) else bytes(value)
        if len(raw) != cls.SIZE:
            raise InvalidInput(f"{cls.__name__}: {len(raw)} bytes where {cls.SIZE} are wanted")
        return super().__new__(cls, raw)

    def __str__(self) -> str:
        return "0x" + self.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}('0x{self.hex()}')"


class Address(_FixedBytes):
    """A 20-byte account address."""

    __slots__ = ()
    SIZE = 20


class Hash32(_FixedBytes):
    """A 32-byte hash or root."""

    __slots__ = ()
    SIZE = 32


class Data(bytes):
    """Bytes of any length, made from bytes or a hex string; prints as 0x-prefixed hex."""

    __slots__ = ()

    def __new__(cls, value: bytes | str) -> Self:
        return super().__new__(cls, parse_hex(value, what="Data") if isinstance(value, str) else value)

    def __str__(self) -> str:
        return "0x" + self.hex()

    def __repr__(self) -> str:
        return f"Data('0x{self.hex()}')"


class Wei(int):
    """An amount of the chain's coin, in its smallest unit."""

    __slots__ = ()


ZERO_ADDRESS = bytes(20)
ZERO_HASH = bytes(32)


class Log(NamedTuple):
    """One log entry: who emitted it (20 bytes), up to four topics of 32 bytes, data of any length."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


# Makes a Log of a tuple of all its fields; a third of what the class itself takes.
LOG_OF: Callable[[tuple[object, ...]], Log] = partial(tuple.__new__, Log)
