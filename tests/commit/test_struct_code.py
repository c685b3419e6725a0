"""What is written out for a struct is what its members do one by one."""

from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from commit_strategies import any_record
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.commit.members import Member, plain_type
from evmthread.commit.records import Record
from evmthread.commit.struct_code import StructCode, written_out
from evmthread.errors import DecodingError
from evmthread.primitives import rlp
from evmthread.primitives.types import Hash32, Wei


class Low(int):
    """Says that it is below every limit, and not below zero."""

    def __lt__(self, other: int) -> bool:
        return False

    def __ge__(self, other: int) -> bool:
        return False


class Short(bytes):
    """Says that it has 32 bytes."""

    def __len__(self) -> int:
        return 32


TYPES = {"small": "uint8", "large": "uint64", "name": "address", "root": "bytes32", "data": "bytes"} | {
    "text": "string",
    "flag": "bool",
    "many": "uint8[]",
}
GOOD = {"small": 255, "large": 0, "name": bytes(20), "root": bytes(32), "data": b"", "text": "", "flag": True} | {
    "many": (1, 2)
}
All = make_dataclass("All", list(TYPES))


def code(**types: str) -> StructCode:
    return written_out([Member(name, kind, name, f"All.{name}", plain_type(kind)) for name, kind in types.items()])


CODE = code(**TYPES)


def plain(**changes: object) -> bool:
    return CODE.is_plain(All(**(GOOD | changes)))


def test_what_is_plain() -> None:
    assert plain()
    assert plain(small=0, large=(1 << 64) - 1, name=b"\xff" * 20, root=b"\xff" * 32, data=bytes(99), many=())


@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize(
    "value", [-1, 1 << 64, 1 << 300, True, False, 1.0, None, "1", b"\1", Wei(1), Low(5), Low(1 << 65)]
)
def test_numbers_that_are_not(name: str, value: object) -> None:
    assert not plain(**{name: value})


def test_each_number_has_a_limit_of_its_own() -> None:
    assert not plain(small=256)
    assert plain(large=256)


@pytest.mark.parametrize("name", ["name", "root"])
@pytest.mark.parametrize(
    "value",
    [b"", bytes(19), bytes(21), bytes(31), bytes(33), bytearray(32), "name", None, Short(bytes(3)), Short(bytes(32))],
)
def test_bytes_that_are_not(name: str, value: object) -> None:
    assert not plain(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("root", Hash32(bytes(32))),
        ("root", memoryview(bytes(32))),
        ("data", Short(b"")),
        ("data", ""),
        ("text", b""),
        ("text", "\N{EURO SIGN}"),  # which its own handling looks at
        ("flag", 1),
        ("many", [1, 2]),
        ("many", (1, 256)),
        ("many", (1, Wei(2))),
    ],
)
def test_others_that_are_not(name: str, value: object) -> None:
    assert not plain(**{name: value})


def test_one_member() -> None:
    one = code(number="uint8")
    assert one.is_plain(SimpleNamespace(number=4))
    assert not one.is_plain(SimpleNamespace(number=Wei(4)))
    assert one.write(SimpleNamespace(number=4)) == rlp.encode([b"\4"])
    assert one.read([b"\4"]) == (4,)


@settings(max_examples=200)
@given(any_record)
def test_it_does_what_the_members_do(record: Record) -> None:
    members = record.STRUCT.members
    values = [getattr(record, each.attribute) for each in members]
    assert all(each.handling.plain(value, "") == value for each, value in zip(members, values, strict=True))
    written = rlp.encode_list([each.handling.to_rlp(value) for each, value in zip(members, values, strict=True)])
    assert record.STRUCT.code.write(record) == written
    items: Any = rlp.decode(written)
    assert list(record.STRUCT.code.read(items)) == values


ITEMS = st.one_of(
    st.binary(max_size=33),
    st.sampled_from([b"", b"\0", b"\0\1", b"\1", b"\xff", bytes(8), b"\1" * 8, b"\1" * 9, bytes(20), b"\xc3\x28"]),
    st.lists(st.binary(max_size=2), max_size=3),
)


def outcome(read: Callable[[], Sequence[object]]) -> list[object] | str:
    try:
        return list(read())
    except DecodingError as error:
        return str(error)


@settings(max_examples=300)
@given(st.fixed_dictionaries(dict.fromkeys(TYPES, ITEMS)))
def test_it_reads_and_refuses_what_the_members_do(items: dict[str, rlp.Decoded]) -> None:
    def one_by_one() -> list[object]:
        return [plain_type(TYPES[name]).from_rlp(items[name], f"All.{name}") for name in TYPES]

    assert outcome(lambda: CODE.read([items[name] for name in TYPES])) == outcome(one_by_one)


@pytest.mark.parametrize("name", list(TYPES))
@given(item=ITEMS)
def test_each_member_is_read_alone_as_by_itself(name: str, item: rlp.Decoded) -> None:
    one, handling = code(**{name: TYPES[name]}), plain_type(TYPES[name])
    assert outcome(lambda: one.read([item])) == outcome(lambda: [handling.from_rlp(item, f"All.{name}")])
