"""What a signed struct is made of: its EIP-712 type string, and the JSON and RLP forms that follow from it.

One line of the specification, the type string, is the only list of a struct's members: names, order, widths. A record
class is a frozen dataclass whose attributes are these members in snake case. It knows nothing of domains or signatures.

**JSON**: an object with exactly the EIP-712 member names. Addresses and bytes are 0x-prefixed lowercase hex. Integers
of a type wider than 32 bits (uint64, uint256) are decimal strings without leading zeros, because JavaScript rounds
numbers above 2^53; uint8 and uint32 are numbers. Readers take hex digits of either case and are otherwise as strict.

**RLP**: a list of the members in order. Integers are minimal big-endian bytes, bool is 0 or 1, addresses and bytes32
keep their 20 and 32 bytes, string is UTF-8, arrays and structs are lists. Bytes that stand alone begin with 0x01.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar, Protocol, Self, TypeAlias, TypeGuard, TypeVar

from evmthread.commit.plainness import PlainMembers
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import parse_hex

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

VERSION_BYTE = b"\x01"
MAX_DEPTH = 8
SMALL_RECORD_BYTES = 4096
"""The default bound of decoders. Sixteen parties' terms or agreement need less than 2 KiB."""

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


V = TypeVar("V")


def _is(value: object, kind: type[V]) -> TypeGuard[V]:
    """As isinstance, but not taken in by an object whose __class__ says what it isn't."""
    return issubclass(type(value), kind)


def _show(value: object) -> str:
    """A short rendering for error messages, safe for integers and bytes of any size."""
    if type(value) is int and value.bit_length() > 300:
        return f"an integer of {value.bit_length()} bits"
    if type(value) is bytes:
        return "0x" + value[:40].hex() + ("..." if len(value) > 40 else "")
    text = repr(value) if value is None or type(value) in (bool, int, str, float) else f"a {type(value).__name__}"
    return text if len(text) <= 100 else text[:100] + "..."


def _byte_item(item: rlp.Decoded, where: str) -> bytes:
    if isinstance(item, bytes):
        return item
    raise DecodingError(f"{where}: a list where bytes are wanted")


def _list_item(item: rlp.Decoded, where: str) -> list[rlp.Decoded]:
    if isinstance(item, list):
        return item
    raise DecodingError(f"{where}: bytes where a list is wanted")


class _Uint:
    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.limit = 1 << bits
        self.to_rlp: Callable[[int], bytes] = rlp.encode_int

    def is_plain(self, value: object) -> bool:
        return type(value) is int and 0 <= value < self.limit

    def plain(self, value: object, where: str) -> int:
        if not _is(value, int) or _is(value, bool):
            raise InvalidInput(f"{where}: {_show(value)} where an integer is wanted")
        number = int.__index__(value)
        if not 0 <= number < self.limit:
            raise InvalidInput(f"{where}: {_show(number)} doesn't fit uint{self.bits}")
        return number

    def to_json(self, value: int) -> Json:
        return value if self.bits <= _NUMBER_BITS else str(value)

    def from_json(self, value: Json, where: str) -> object:
        if self.bits <= _NUMBER_BITS:
            return value  # the record's own check refuses what is no integer
        if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
            raise InvalidInput(f"{where}: {_show(value)} where a decimal string is wanted")
        return int(value)

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:
        if type(item) is bytes and item[:1] != b"\x00" and len(item) << 3 <= self.bits:
            return int.from_bytes(item, "big")
        raw = _byte_item(item, where)
        try:
            return rlp.bytes_integer(raw, bits=self.bits)
        except DecodingError as error:
            raise DecodingError(f"{where}: {error}") from None


class _Bytes:
    def __init__(self, size: int | None) -> None:
        self.size = size
        # A byte string of 2 to 55 bytes is its length's byte and itself (Yellow Paper, appendix B).
        self.to_rlp: Callable[[bytes], bytes] = rlp.encode_bytes if size is None else bytes((0x80 + size,)).__add__

    def is_plain(self, value: object) -> bool:
        return type(value) is bytes and (self.size is None or len(value) == self.size)

    def plain(self, value: object, where: str) -> bytes:
        if not _is(value, bytes):
            raise InvalidInput(f"{where}: {_show(value)} where bytes are wanted")
        data = bytes.__getitem__(value, _ALL)
        if self.size is not None and len(data) != self.size:
            raise InvalidInput(f"{where}: {len(data)} bytes where {self.size} are wanted")
        return data

    def to_json(self, value: bytes) -> Json:
        return "0x" + value.hex()

    def from_json(self, value: Json, where: str) -> object:
        if not isinstance(value, str) or value[:2] != "0x":
            raise InvalidInput(f"{where}: {_show(value)} where 0x-prefixed hex is wanted")
        return parse_hex(value, what=where)

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:
        return item if type(item) is bytes else _byte_item(item, where)


class _Text:
    def is_plain(self, value: object) -> bool:
        return type(value) is str and value.isascii()

    def plain(self, value: object, where: str) -> str:
        if not _is(value, str):
            raise InvalidInput(f"{where}: {_show(value)} where a string is wanted")
        text = str.__str__(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidInput(f"{where}: {_show(text)} has no UTF-8 form") from None
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
            raise InvalidInput(f"{where}: {_show(value)} where a bool is wanted")
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
            raise DecodingError(f"{where}: {_show(raw)} where 0 or 1 is wanted")
        return raw == b"\x01"


class _Array:
    def __init__(self, inner: MemberType) -> None:
        self.inner = inner

    def is_plain(self, value: object) -> bool:
        return type(value) is tuple and all(map(self.inner.is_plain, value))

    def plain(self, value: object, where: str) -> tuple[Any, ...]:
        if not _is(value, tuple):
            raise InvalidInput(f"{where}: {_show(value)} where a tuple is wanted")
        items = tuple.__getitem__(value, _ALL)
        return tuple([self.inner.plain(item, f"{where}[{index}]") for index, item in enumerate(items)])

    def to_json(self, value: tuple[object, ...]) -> Json:
        return [self.inner.to_json(item) for item in value]

    def from_json(self, value: Json, where: str) -> object:
        if not isinstance(value, list):
            raise InvalidInput(f"{where}: {_show(value)} where a list is wanted")
        return tuple([self.inner.from_json(item, f"{where}[{index}]") for index, item in enumerate(value)])

    def to_rlp(self, value: tuple[object, ...]) -> bytes:
        return rlp.encode_list([self.inner.to_rlp(item) for item in value])

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:
        items, read = _list_item(item, where), self.inner.from_rlp
        try:
            return tuple([read(child, where) for child in items])
        except DecodingError:  # the first that is wrong is named
            return tuple([read(child, f"{where}[{index}]") for index, child in enumerate(items)])


class _Struct:
    def __init__(self, record: "type[Record]") -> None:
        self.record = record

    def is_plain(self, value: object) -> bool:
        return type(value) is self.record

    def plain(self, value: object, where: str) -> "Record":
        if type(value) is not self.record:
            raise InvalidInput(f"{where}: {_show(value)} where a {self.record.__name__} is wanted")
        return value

    def to_json(self, value: "Record") -> Json:
        return value.to_json()

    def from_json(self, value: Json, where: str) -> object:  # noqa: ARG002 - its own members are named instead
        return self.record.from_json(value)

    def to_rlp(self, value: "Record") -> bytes:
        return value.to_rlp()

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:  # noqa: ARG002 - its own members are named instead
        return self.record.from_rlp(item)


def _plain_types() -> dict[str, MemberType]:
    types: dict[str, MemberType] = {f"uint{bits}": _Uint(bits) for bits in (8, 16, 32, 64, 256)}
    return types | {
        "address": _Bytes(20),
        "bytes32": _Bytes(32),
        "bytes": _Bytes(None),
        "string": _Text(),
        "bool": _Bool(),
    }


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a struct: its EIP-712 name and type, the attribute that holds it, and how it is handled."""

    name: str
    type_name: str
    attribute: str
    where: str
    handling: MemberType


@dataclass(frozen=True, slots=True)
class StructType:
    """A struct's name, members, full EIP-712 encoding (referenced types follow alphabetically) and type hash."""

    name: str
    members: tuple[Member, ...]
    signature: str
    referenced: "tuple[StructType, ...]"
    type_hash: bytes
    fixed: PlainMembers
    """The integers and byte strings of a fixed size, checked together."""
    varying: tuple[Member, ...]
    """All other members."""
    readers: tuple[tuple[str, Callable[[rlp.Decoded, str], object], str], ...]
    """Of each member the attribute, what reads its RLP, and how errors call it."""
    writers: tuple[tuple[str, Callable[[Any], bytes]], ...]
    """Of each member the attribute, and what writes its RLP."""

    @classmethod
    def parse(cls, signature: str, *records: "type[Record]") -> Self:
        """The struct of a type string such as `Mail(address from,bytes body)`; `records` are those it refers to."""
        name, _, body = signature.removesuffix(")").partition("(")
        types = _plain_types() | {record.STRUCT.name: _Struct(record) for record in records}
        members = []
        for part in body.split(","):
            type_name, member_name = part.split(" ")
            inner = types[type_name.removesuffix("[]")]
            handling = _Array(inner) if type_name.endswith("[]") else inner
            attribute = re.sub(r"[A-Z]", lambda capital: "_" + capital[0].lower(), member_name)
            members.append(Member(member_name, type_name, attribute, f"{name}.{member_name}", handling))
        referenced = tuple(sorted((record.STRUCT for record in records), key=lambda struct: struct.name))
        encoded = signature + "".join(struct.signature for struct in referenced)
        numbers = [(each.attribute, each.handling.limit) for each in members if isinstance(each.handling, _Uint)]
        sizes = [(each.attribute, each.handling.size) for each in members if isinstance(each.handling, _Bytes)]
        fixed = PlainMembers(numbers, [(attribute, size) for attribute, size in sizes if size is not None])
        varying = tuple([each for each in members if not _has_fixed_size(each.handling)])
        readers = tuple([(each.attribute, each.handling.from_rlp, each.where) for each in members])
        writers = tuple([(each.attribute, each.handling.to_rlp) for each in members])
        type_hash = keccak256(encoded.encode())
        return cls(name, tuple(members), signature, referenced, type_hash, fixed, varying, readers, writers)


def _has_fixed_size(handling: MemberType) -> bool:
    return isinstance(handling, _Uint) or (isinstance(handling, _Bytes) and handling.size is not None)


R = TypeVar("R")


def remembered(compute: Callable[[R], bytes]) -> Callable[[R], bytes]:
    """A method of a frozen record whose result is computed once; the record has a `remembered_slot` for it.

    Hot: a proposal's records are hashed and written several times on their way, and these take a fifth of a round.
    """
    slot = f"_{compute.__name__}"

    @wraps(compute)
    def method(self: R) -> bytes:
        known: bytes | None = getattr(self, slot)
        if known is None:
            known = compute(self)
            object.__setattr__(self, slot, known)
        return known

    return method


def remembered_slot() -> Any:
    """The field that holds what `remembered` computed: no part of the record's value."""
    return field(init=False, repr=False, compare=False, default=None)


def _rebuild(make: "Callable[..., Record]", values: dict[str, object]) -> "Record":
    return make(**values)


class Record:
    """What all signed structs share. A record that exists has plain members of the right types, widths and lengths."""

    __slots__ = ()
    STRUCT: ClassVar[StructType]

    def __post_init__(self) -> None:
        struct = self.STRUCT
        for member in struct.varying if struct.fixed.hold(self) else struct.members:
            value = getattr(self, member.attribute)
            if not member.handling.is_plain(value):
                object.__setattr__(self, member.attribute, member.handling.plain(value, member.where))

    def __reduce__(self) -> tuple[Callable[..., "Record"], tuple[object, ...]]:
        # Through the constructor, so that unpickled and copied records are checked as all others are.
        return _rebuild, (
            type(self),
            {member.attribute: getattr(self, member.attribute) for member in self.STRUCT.members},
        )

    def hash_struct(self) -> bytes:
        """The EIP-712 hashStruct of this record: 32 bytes."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Json]:
        """The canonical JSON object (see the module's docstring)."""
        return {m.name: m.handling.to_json(getattr(self, m.attribute)) for m in self.STRUCT.members}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """The record of its JSON object. Raises InvalidInput for missing, unknown or malformed members."""
        members = cls.STRUCT.members
        check_object(value, cls.STRUCT.name, [member.name for member in members])
        assert isinstance(value, dict)
        return cls(**{m.attribute: m.handling.from_json(value[m.name], m.where) for m in members})

    def to_rlp(self) -> bytes:
        """The RLP list of the members in order, without a version byte."""
        return rlp.encode_list([write(getattr(self, name)) for name, write in self.STRUCT.writers])

    @classmethod
    def from_rlp(cls, item: rlp.Decoded) -> Self:
        """The record of a decoded RLP list. Raises DecodingError."""
        readers = cls.STRUCT.readers
        items = decoded_list(item, cls.STRUCT.name, len(readers))
        values = {name: read(each, where) for (name, read, where), each in zip(readers, items, strict=True)}
        try:
            return cls(**values)
        except InvalidInput as error:
            raise DecodingError(str(error)) from None

    def encode(self) -> bytes:
        """The canonical bytes that stand alone: 0x01 ++ RLP."""
        return VERSION_BYTE + self.to_rlp()

    @classmethod
    def decode(cls, data: bytes, *, max_bytes: int = SMALL_RECORD_BYTES) -> Self:
        """The record of its canonical bytes.

        Raises DecodingError for another version, non-minimal RLP, missing or trailing bytes, lists nested deeper than
        eight, wrong members, and more than `max_bytes` bytes.
        """
        return cls.from_rlp(decode_versioned(data, cls.STRUCT.name, max_bytes=max_bytes))


def check_object(value: Json, what: str, names: list[str]) -> None:
    """Nothing, or InvalidInput: the JSON value is no object with exactly these member names."""
    if not isinstance(value, dict):
        raise InvalidInput(f"{what}: {_show(value)} where a JSON object is wanted")
    if missing := [name for name in names if name not in value]:
        raise InvalidInput(f"{what}: member {missing[0]!r} is missing")
    if unknown := [name for name in value if name not in names]:
        raise InvalidInput(f"{what}: unknown member {_show(unknown[0])}")


def decoded_list(item: rlp.Decoded, what: str, size: int) -> list[rlp.Decoded]:
    """The items of an RLP list of exactly `size` items. Raises DecodingError."""
    items = _list_item(item, what)
    if len(items) != size:
        raise DecodingError(f"{what}: {len(items)} items where {size} are wanted")
    return items


def decode_versioned(data: bytes, what: str, *, max_bytes: int) -> rlp.Decoded:
    """The RLP item of `0x01 ++ rlp(item)`. Raises DecodingError as Record.decode does."""
    if not isinstance(data, bytes):
        raise InvalidInput(f"{what}: {_show(data)} where bytes are wanted")
    if len(data) > max_bytes:
        raise DecodingError(f"{what}: {len(data)} bytes where at most {max_bytes} are accepted")
    if data[:1] != VERSION_BYTE:
        raise DecodingError(f"{what}: version byte 0x{data[:1].hex()} where 0x01 is wanted")
    return rlp.decode(data[1:], max_depth=MAX_DEPTH)


def plain_type(name: str) -> MemberType:
    """How a value of a plain EIP-712 type ("uint16", "bytes[]") is handled, for records that aren't structs."""
    inner = _plain_types()[name.removesuffix("[]")]
    return _Array(inner) if name.endswith("[]") else inner
