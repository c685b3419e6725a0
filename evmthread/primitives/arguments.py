"""What callers give at the library's doors: addresses, numbers and bytes, checked for type as well as size.

A float or a hex text that gets past the door fails far inside, or not at all and becomes part of a state. Each check
gives back a plain value, whatever subclass it was given.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_
from types import UnionType
from typing import TypeVar

from evmthread.errors import InvalidInput

T = TypeVar("T")


def show(value: object) -> str:
    """A short rendering for error messages, safe for integers and bytes of any size."""
    if type(value) is int and value.bit_length() > 300:
        return f"an integer of {value.bit_length()} bits"
    if type(value) is bytes:
        return "0x" + value[:40].hex() + ("..." if len(value) > 40 else "")
    text = repr(value) if value is None or type(value) in (bool, int, str, float) else f"a {type(value).__name__}"
    return text if len(text) <= 100 else text[:100] + "..."


def is_a(value: object, kind: type | UnionType) -> bool:
    """As isinstance, for values whose declared type says that they are: whoever doesn't check types gives others."""
    return isinstance(value, kind)


def instance_of(value: T, kind: type[T], what: str) -> T:
    """The value, if it is of this class; `what` says what that is. Raises InvalidInput."""
    if not is_a(value, kind):
        raise InvalidInput(f"{what} is wanted, not {show(value)}")
    return value


def address_bytes(address: bytes, what: str = "an address") -> bytes:
    """The address, if it is one. Raises InvalidInput."""
    if type(address) is bytes and len(address) == 20:
        return address
    if not is_a(address, bytes):
        hint = "; Address(text) makes them of hex" if is_a(address, str) else ""
        raise InvalidInput(f"{what} is 20 bytes, not {show(address)}{hint}")
    if len(address) != 20:
        raise InvalidInput(f"{what} is 20 bytes, not {len(address)}")
    return bytes(address)


def number_of_bits(value: int, bits: int, what: str) -> int:
    """The number, if it is in range. Raises InvalidInput."""
    if type(value) is int and not value >> bits:  # of a negative number something is left
        return value
    number = unsigned(value, what)
    if number >> bits:
        raise InvalidInput(f"{what}: {show(number)} is a number of more than {bits} bits")
    return number


def unsigned(value: int, what: str) -> int:
    """The number, if it is an integer from 0 on. Raises InvalidInput."""
    if not is_a(value, int) or is_a(value, bool) or value < 0:
        raise InvalidInput(f"{what}: {show(value)} where an integer from 0 on is wanted")
    return int.__index__(value)


def are_unsigned(values: Iterable[int], bits: int | None = None) -> bool:
    """Whether all are integers from 0 on, of so many bits. Hot: nearly always so, and quicker than to look at each."""
    try:
        joined = reduce(or_, values)  # an integer only of integers; as long as the longest, negative if one is
    except TypeError:
        return False
    return type(joined) is int and (joined >= 0 if bits is None else not joined >> bits)


def byte_string(value: bytes | bytearray | memoryview, what: str) -> bytes:
    """The bytes, of whatever holds bytes: never so many zeros as a number says. Raises InvalidInput."""
    if type(value) is bytes:
        return value
    if not is_a(value, bytes | bytearray | memoryview):
        hint = "; bytes.fromhex makes them of hex" if is_a(value, str) else ""
        raise InvalidInput(f"{what}: {show(value)} where bytes are wanted{hint}")
    return bytes(value)
