"""How one member of a signed struct is checked, written and read: the plain EIP-712 types, and arrays of them.

Knows no struct; records.py says what a struct is made of, and what its JSON and RLP look like.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeGuard, TypeVar

from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.arguments import show
from evmthread.primitives.types import parse_hex

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")
_NUMBER_BITS = 32
_ALL = slice(None)


class MemberType(Protocol):
    """How one EIP-712 member type is checked, written and read. Values handed to the writers were checked before."""

    def plain(self, value: object, where: str) -> Any:
        """The value as int, bytes, str, bool, tuple or record of exactly that type; else InvalidInput naming `where`.

        What a record keeps is plain, whatever subclass it was given: one that compares in one way and encodes in
        another would pass a check as one value and be signed as another. Its own methods are never asked.
        """

    def is_plain(self, value: object) -> bool:
        """Whether `plain` would give this very value. Hot: nearly all are, and need no name for an error."""

    def to_json(self, value: Any) -> Json:
        """The canonical JSON of a checked value."""

    def from_json(self, value: Json, where: str) -> object:
        """The value of its JSON form. Raises InvalidInput naming `where`."""

    @property
    def to_rlp(self) -> Callable[[Any], bytes]:
        """The function that gives the RLP of a checked value."""

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:
        """The value of an RLP item. Raises DecodingError naming `where`."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a struct: its EIP-712 name and type, the attribute that holds it, and how it is handled."""

    name: str
    type_name: str
    attribute: str
    where: str
    handling: MemberType


V = TypeVar("V")


def _is(value: object, kind: type[V]) -> TypeGuard[V]:
    """As isinstance, but not taken in by an object whose __class__ says what it isn't."""
    return issubclass(type(value), kind)


def _byte_item(item: rlp.Decoded, where: str) -> bytes:
    if _is(item, bytes):
        return bytes.__getitem__(item, _ALL)
    raise DecodingError(f"{where}: a list where bytes are wanted")


def list_item(item: rlp.Decoded, where: str) -> list[rlp.Decoded]:
    if type(item) is list:
        return item
    if _is(item, list):
        return list.__getitem__(item, _ALL)
    raise DecodingError(f"{where}: bytes where a list is wanted")


class Uint:
    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.limit = 1 << bits
        self.to_rlp: Callable[[int], bytes] = rlp.encode_int

    def is_plain(self, value: object) -> bool:
        return type(value) is int and 0 <= value < self.limit

    def plain(self, value: object, where: str) -> int:
        if not _is(value, int) or _is(value, bool):
            raise InvalidInput(f"{where}: {show(value)} where an integer is wanted")
        number = int.__index__(value)
        if not 0 <= number < self.limit:
            raise InvalidInput(f"{where}: {show(number)} doesn't fit uint{self.bits}")
        return number

    def to_json(self, value: int) -> Json:
        return value if self.bits <= _NUMBER_BITS else str(value)

    def from_json(self, value: Json, where: str) -> object:
        if self.bits <= _NUMBER_BITS:
            return value  # the record's own check refuses what is no integer
        if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
            raise InvalidInput(f"{where}: {show(value)} where a decimal string is wanted")
        return int(value)

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:
        if type(item) is bytes and item[:1] != b"\x00" and len(item) << 3 <= self.bits:
            return int.from_bytes(item, "big")
        raw = _byte_item(item, where)
        try:
            return rlp.bytes_integer(raw, bits=self.bits)
        except DecodingError as error:
            raise DecodingError(f"{where}: {error}") from None


class Bytes:
    """Byte strings of 2 to 55 bytes, all of one size, or, where that is None, of any."""

    def __init__(self, size: int | None) -> None:
        self.size = size
        # A byte string of 2 to 55 bytes is its length's byte and itself (Yellow Paper, appendix B).
        self.head = b"" if size is None else bytes((0x80 + size,))
        self.to_rlp: Callable[[bytes], bytes] = self.head.__add__ if self.head else rlp.encode_bytes

    def is_plain(self, value: object) -> TypeGuard[bytes]:
        return type(value) is bytes and (self.size is None or len(value) == self.size)

    def plain(self, value: object, where: str) -> bytes:
        if self.is_plain(value):
            return value
        if not _is(value, bytes):
            raise InvalidInput(f"{where}: {show(value)} where bytes are wanted")
        data = bytes.__getitem__(value, _ALL)
        if self.size is not None and len(data) != self.size:
            raise InvalidInput(f"{where}: {len(data)} bytes where {self.size} are wanted")
        return data

    def to_json(self, value: bytes) -> Json:
        return "0x" + value.hex()

    def from_json(self, value: Json, where: str) -> object:
        if not isinstance(value, str) or value[:2] != "0x":
            raise InvalidInput(f"{where}: {show(value)} where 0x-prefixed hex is wanted")
        return parse_hex(value, what=where)

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:
        return item if type(item) is bytes else _byte_item(item, where)


class _Text:
    def is_plain(self, value: object) -> bool:
        return type(value) is str and value.isascii()

    def plain(self, value: object, where: str) -> str:
        if not _is(value, str):
            raise InvalidInput(f"{where}: {show(value)} where a string is wanted")
        text = str.__str__(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"{where}: {show(text)} has no UTF-8 form") from None
        return text

    def to_json(self, value: str) -> Json:
        return value

    def from_json(self, value: Json, where: str) -> object:  # noqa: ARG002 - the record's own check refuses what is no text
        return value

    def to_rlp(self, value: str) -> bytes:
        return rlp.encode_bytes(value.encode())

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:
        try:
            return _byte_item(item, where).decode()
        except UnicodeDecodeError:
            raise DecodingError(f"{where}: bytes that are no UTF-8") from None


class _Bool:
    def is_plain(self, value: object) -> bool:
        return type(value) is bool

    def plain(self, value: object, where: str) -> bool:
        if not _is(value, bool):
            raise InvalidInput(f"{where}: {show(value)} where a bool is wanted")
        return value

    def to_json(self, value: bool) -> Json:
        return value

    def from_json(self, value: Json, where: str) -> object:  # noqa: ARG002 - the record's own check refuses what is no bool
        return value

    def to_rlp(self, value: bool) -> bytes:
        return rlp.encode_int(int(value))

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:
        raw = _byte_item(item, where)
        if raw not in (b"", b"\x01"):
            raise DecodingError(f"{where}: {show(raw)} where 0 or 1 is wanted")
        return raw == b"\x01"


class Array:
    def __init__(self, inner: MemberType) -> None:
        self.inner = inner

    def is_plain(self, value: object) -> bool:
        return type(value) is tuple and all(map(self.inner.is_plain, value))

    def plain(self, value: object, where: str) -> tuple[Any, ...]:
        if not _is(value, tuple):
            raise InvalidInput(f"{where}: {show(value)} where a tuple is wanted")
        items = tuple.__getitem__(value, _ALL)
        return tuple([self.inner.plain(item, f"{where}[{index}]") for index, item in enumerate(items)])

    def to_json(self, value: tuple[object, ...]) -> Json:
        return [self.inner.to_json(item) for item in value]

    def from_json(self, value: Json, where: str) -> object:
        if not isinstance(value, list):
            raise InvalidInput(f"{where}: {show(value)} where a list is wanted")
        return tuple([self.inner.from_json(item, f"{where}[{index}]") for index, item in enumerate(value)])

    def to_rlp(self, value: tuple[object, ...]) -> bytes:
        return rlp.encode_list([self.inner.to_rlp(item) for item in value])

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:
        items, read = list_item(item, where), self.inner.from_rlp
        try:
            return tuple([read(child, where) for child in items])
        except DecodingError:  # the first that is wrong is named
            return tuple([read(child, f"{where}[{index}]") for index, child in enumerate(items)])


def plain_types() -> dict[str, MemberType]:
    types: dict[str, MemberType] = {f"uint{bits}": Uint(bits) for bits in (8, 16, 32, 64, 256)}
    return types | {
        "address": Bytes(20),
        "bytes32": Bytes(32),
        "bytes": Bytes(None),
        "string": _Text(),
        "bool": _Bool(),
    }


def plain_type(name: str) -> MemberType:
    """How a value of a plain EIP-712 type ("uint16", "bytes[]") is handled, for records that aren't structs."""
    inner = plain_types()[name.removesuffix("[]")]
    return Array(inner) if name.endswith("[]") else inner
