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
from typing import Any, ClassVar, Self, TypeVar

from evmthread.commit.members import Array, Json, Member, list_item, plain_type, plain_types
from evmthread.commit.struct_code import StructCode, written_out
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.arguments import show
from evmthread.primitives.keccak import keccak256

VERSION_BYTE = b"\x01"
_BYTES = plain_type("bytes")
MAX_DEPTH = 8
SMALL_RECORD_BYTES = 4096
"""The default bound of decoders. Sixteen parties' terms or agreement need less than 2 KiB."""


class _Struct:
    def __init__(self, record: "type[Record]") -> None:
        self.record = record

    def is_plain(self, value: object) -> bool:
        return type(value) is self.record

    def plain(self, value: object, where: str) -> "Record":
        if type(value) is not self.record:
            raise InvalidInput(f"{where}: {show(value)} where a {self.record.__name__} is wanted")
        return value

    def to_json(self, value: "Record") -> Json:
        return value.to_json()

    def from_json(self, value: Json, where: str) -> object:  # noqa: ARG002 - its own members are named instead
        return self.record.from_json(value)

    def to_rlp(self, value: "Record") -> bytes:
        return value.to_rlp()

    def from_rlp(self, item: rlp.Decoded, where: str) -> object:  # noqa: ARG002 - its own members are named instead
        return self.record.from_rlp(item)


@dataclass(frozen=True, slots=True)
class StructType:
    """A struct's name, members, full EIP-712 encoding (referenced types follow alphabetically) and type hash."""

    name: str
    members: tuple[Member, ...]
    signature: str
    referenced: "tuple[StructType, ...]"
    type_hash: bytes
    code: StructCode
    """What is done to all members, written out."""

    @classmethod
    def parse(cls, signature: str, *records: "type[Record]") -> Self:
        """The struct of a type string such as `Mail(address from,bytes body)`; `records` are those it refers to."""
        name, _, body = signature.removesuffix(")").partition("(")
        types = plain_types() | {record.STRUCT.name: _Struct(record) for record in records}
        members = []
        for part in body.split(","):
            type_name, member_name = part.split(" ")
            inner = types[type_name.removesuffix("[]")]
            handling = Array(inner) if type_name.endswith("[]") else inner
            attribute = re.sub(r"[A-Z]", lambda capital: "_" + capital[0].lower(), member_name)
            members.append(Member(member_name, type_name, attribute, f"{name}.{member_name}", handling))
        referenced = tuple(sorted((record.STRUCT for record in records), key=lambda struct: struct.name))
        encoded = signature + "".join(struct.signature for struct in referenced)
        type_hash = keccak256(encoded.encode())
        return cls(name, tuple(members), signature, referenced, type_hash, written_out(members))


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


def remember_rlp(record: object, encoded: bytes) -> None:
    """The record was read from these bytes of RLP, of which there is one form: it is written as them."""
    object.__setattr__(record, "_to_rlp", encoded)


def _rebuild(make: "Callable[..., Record]", values: dict[str, object]) -> "Record":
    return make(**values)


class Record:
    """What all signed structs share. A record that exists has plain members of the right types, widths and lengths."""

    __slots__ = ()
    STRUCT: ClassVar[StructType]
    BY_NAME: ClassVar[bool] = False
    """Whether the constructor takes the members by name alone, and not in their order."""

    def __post_init__(self) -> None:
        struct = self.STRUCT
        if struct.code.is_plain(self):
            return
        for member in struct.members:
            value = getattr(self, member.attribute)
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
        return self.STRUCT.code.write(self)

    @classmethod
    def from_rlp(cls, item: rlp.Decoded) -> Self:
        """The record of a decoded RLP list. Raises DecodingError."""
        struct = cls.STRUCT
        values = struct.code.read(decoded_list(item, struct.name, len(struct.members)))
        try:
            if cls.BY_NAME:
                return cls(**{member.attribute: value for member, value in zip(struct.members, values, strict=True)})
            return cls(*values)
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
        raise InvalidInput(f"{what}: {show(value)} where a JSON object is wanted")
    if missing := [name for name in names if name not in value]:
        raise InvalidInput(f"{what}: member {missing[0]!r} is missing")
    if unknown := [name for name in value if name not in names]:
        raise InvalidInput(f"{what}: unknown member {show(unknown[0])}")


def decoded_list(item: rlp.Decoded, what: str, size: int) -> list[rlp.Decoded]:
    """The items of an RLP list of exactly `size` items. Raises DecodingError."""
    items = item if type(item) is list else list_item(item, what)
    if len(items) != size:
        raise DecodingError(f"{what}: {len(items)} items where {size} are wanted")
    return items


def decode_versioned(data: bytes, what: str, *, max_bytes: int) -> rlp.Decoded:
    """The RLP item of `0x01 ++ rlp(item)`. Raises DecodingError as Record.decode does."""
    data = _BYTES.plain(data, what)
    if len(data) > max_bytes:
        raise DecodingError(f"{what}: {len(data)} bytes where at most {max_bytes} are accepted")
    if data[:1] != VERSION_BYTE:
        raise DecodingError(f"{what}: version byte 0x{data[:1].hex()} where 0x01 is wanted")
    return rlp.decode(data[1:], max_depth=MAX_DEPTH)
