"""Writes out, for one struct, what is done to all of its members: whether they are plain, their RLP, what RLP says.

Hot: a dozen records are made in a round of two parties, and as many are written and read; going through their members
one by one takes four times as long. It is the members' own handling (members.py), written out in one expression for
the plain types; whatever isn't as it nearly always is goes there, which says what is wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from evmthread.commit.members import Bytes, Member, Uint
from evmthread.primitives import rlp


@dataclass(frozen=True, slots=True)
class StructCode:
    """The functions of one struct."""

    is_plain: Callable[[Any], bool]
    """Whether all members of a record are plain."""
    write: Callable[[Any], bytes]
    """The RLP list of a record's members in order."""
    read: Callable[[Sequence[rlp.Decoded]], tuple[object, ...]]
    """The members of a decoded RLP list, which has as many items. Raises DecodingError."""


def written_out(members: Sequence[Member]) -> StructCode:
    """The functions of the struct with these members."""
    known: dict[str, object] = {name: getattr(rlp, name) for name in ("encode_int", "encode_bytes", "encode_list")}
    for place, each in enumerate(members):
        handling = each.handling
        known |= {
            f"is_plain{place}": handling.is_plain,
            f"write{place}": handling.to_rlp,
            f"read{place}": handling.from_rlp,
        }
    places = range(len(members))
    checks = " and ".join([_check(place, each) for place, each in enumerate(members)])
    written = ", ".join([_written(place, each) for place, each in enumerate(members)])
    read = ", ".join([_read(place, each) for place, each in enumerate(members)])
    values = [f"    value{place} = record.{each.attribute}" for place, each in enumerate(members)]
    lines = [
        "def is_plain(record):",
        *values,
        f"    return {checks}",
        "def write(record):",
        *values,
        f"    return encode_list(({written},))",
        "def read(items):",
        f"    {', '.join([f'item{place}' for place in places])}, = items",
        f"    return ({read},)",
    ]
    exec("\n".join(lines), known)  # noqa: S102 - of our own type strings; nothing in it comes from outside
    is_plain: Any = known["is_plain"]
    write: Any = known["write"]
    read_all: Any = known["read"]
    return StructCode(is_plain, write, read_all)


def _check(place: int, each: Member) -> str:
    value, handling = f"value{place}", each.handling
    if isinstance(handling, Uint):
        return f"type({value}) is int and 0 <= {value} < {handling.limit}"
    if isinstance(handling, Bytes):
        are_bytes = f"type({value}) is bytes"
        return are_bytes if handling.size is None else f"{are_bytes} and len({value}) == {handling.size}"
    return f"is_plain{place}({value})"


def _written(place: int, each: Member) -> str:
    value, handling = f"value{place}", each.handling
    if isinstance(handling, Uint):
        return f"encode_int({value})"
    if isinstance(handling, Bytes):
        return f"encode_bytes({value})" if handling.size is None else f"{handling.head!r} + {value}"
    return f"write{place}({value})"


def _read(place: int, each: Member) -> str:
    item, handling = f"item{place}", each.handling
    asked = f"read{place}({item}, {each.where!r})"
    if isinstance(handling, Uint):
        fits = f"{item}[:1] != b'\\x00' and len({item}) <= {handling.bits >> 3}"
        return f"int.from_bytes({item}, 'big') if type({item}) is bytes and {fits} else {asked}"
    if isinstance(handling, Bytes):  # its size is checked with all other members of the record
        return f"{item} if type({item}) is bytes else {asked}"
    return asked
