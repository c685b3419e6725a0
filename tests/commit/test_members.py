"""Members of signed structs: what one handler refuses, every record refuses in the same words, however it is made."""

from collections.abc import Callable, Iterator
from typing import Any

import commit_samples as samples
import pytest
from liars import LyingBytes, LyingInt, LyingList, LyingText, LyingTuple, NoInt

import evmthread.commit as commit
from evmthread.commit import (
    Batch,
    Environment,
    Input,
    InputKind,
    KeyGrant,
    Resume,
    Suspension,
)
from evmthread.commit.members import Array, Bytes, Member, MemberType, Uint, plain_type
from evmthread.commit.records import Record
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.arguments import show
from evmthread.primitives.types import Hash32, Wei

TERMS = samples.terms_of()
INPUT = samples.input_of(samples.DOMAIN, TERMS)
ENVIRONMENT = samples.environment()
RECORDS: tuple[Record, ...] = (
    TERMS,
    samples.RULESET,
    KeyGrant(bytes(32), bytes(20), b"\1" * 20),
    Resume(bytes(32), 5),
    samples.commitment_of(samples.DOMAIN, TERMS),
    Suspension(bytes(32), (b"", b"\1" * 40), 3, TERMS.owners[0], b"who?"),
    INPUT,
    ENVIRONMENT,
    Batch(ENVIRONMENT, (INPUT, INPUT)),
)
MEMBERS = [pytest.param(record, member, id=member.where) for record in RECORDS for member in record.STRUCT.members]


class OtherInput(Input):
    __slots__ = ()


class OtherEnvironment(Environment):
    __slots__ = ()


def values_of(record: Record) -> dict[str, Any]:
    return {member.attribute: getattr(record, member.attribute) for member in record.STRUCT.members}


OTHER_INPUT, OTHER_ENVIRONMENT = OtherInput(**values_of(INPUT)), OtherEnvironment(**values_of(ENVIRONMENT))


def wrong_values(handling: MemberType, good: object) -> Iterator[object]:
    """Values that a member mustn't take."""
    yield from (None, 1.0, object(), bytearray(32), memoryview(bytes(32)), [good], {}, range(3), ..., NoInt(type(good)))
    if not isinstance(handling, Uint):
        yield from (0, 1, 1 << 300, LyingInt(1, 1))
    if type(good) is not bool:
        yield from (True, False)
    if type(good) is not bytes:
        yield from (b"", bytes(20), bytes(32), LyingBytes(bytes(20)))
    if type(good) is not str:
        yield from ("", "1", "0x" + "00" * 20, LyingText("1"))
    if type(good) is not tuple:
        yield from ((), (good,))
    if isinstance(handling, Uint):
        yield from (-1, -(1 << 300), handling.limit, handling.limit + 1, handling.limit << 8, 1 << 20_000)
        yield from (LyingInt(-1, 1), LyingInt(handling.limit, 1))
    elif isinstance(handling, Bytes) and handling.size is not None:
        size = handling.size
        yield from (b"", bytes(size - 1), bytes(size + 1), LyingBytes(bytes(size - 1)), LyingBytes(bytes(size + 1)))
    elif isinstance(handling, Array):
        assert isinstance(good, tuple)
        for wrong in wrong_values(handling.inner, good[0]):
            yield from ((wrong,), (*good, wrong), (wrong, *good), LyingTuple((wrong,)))
    elif type(good) is str:
        yield from ("\ud800", LyingText("\udfff"))
    elif isinstance(good, Record):
        yield from (record for record in (*RECORDS, OTHER_INPUT, OTHER_ENVIRONMENT) if type(record) is not type(good))


def right_values(handling: MemberType, good: object) -> Iterator[object]:
    """Values that it takes, plain or not."""
    yield good
    if isinstance(handling, Uint):
        yield from (0, 1, handling.limit - 1, Wei(1), InputKind.ABORT, LyingInt(1, -1), LyingInt(1, handling.limit))
    elif isinstance(handling, Bytes):
        size = 20 if handling.size is None else handling.size
        yield from (bytes(size), b"\xff" * size, LyingBytes(b"\7" * size))
        if size == 32:
            yield Hash32(bytes(32))
    elif isinstance(handling, Array):
        assert isinstance(good, tuple)
        yield from ((), LyingTuple(good), tuple([item for each in good for item in right_values(handling.inner, each)]))
    elif type(good) is str:
        yield from ("", "\N{EURO SIGN}", LyingText("a"))
    elif type(good) is bool:
        yield from (True, False)


def outcome(make: Callable[[], Any]) -> tuple[type, object]:
    """What is made, and of which type; or the error's class and words."""
    try:
        made = make()
    except (InvalidInput, DecodingError) as error:
        return type(error), str(error)
    return type(made), [(type(item), item) for item in made] if type(made) is tuple else made


def made_with(record: Record, member: Member, value: object) -> Any:
    """What a record keeps that was made with this value for a member."""
    return getattr(type(record)(**(values_of(record) | {member.attribute: value})), member.attribute)


def test_all_records_are_here() -> None:
    classes = [getattr(commit, name) for name in commit.__all__]
    named = {each for each in classes if isinstance(each, type) and issubclass(each, Record) and each is not Record}
    assert {type(record) for record in RECORDS} == named


@pytest.mark.parametrize(("record", "member"), MEMBERS)
def test_wrong_values_are_refused_in_the_same_words(record: Record, member: Member) -> None:
    for value in wrong_values(member.handling, getattr(record, member.attribute)):
        alone = outcome(lambda value=value: member.handling.plain(value, member.where))  # type: ignore[misc]
        assert alone[0] is InvalidInput, f"{show(value)} is taken"
        assert str(alone[1]).startswith(member.where)
        assert outcome(lambda value=value: made_with(record, member, value)) == alone  # type: ignore[misc]
        assert not member.handling.is_plain(value)


@pytest.mark.parametrize(("record", "member"), MEMBERS)
def test_right_values_are_kept_as_the_member_says(record: Record, member: Member) -> None:
    assert member.handling.is_plain(getattr(record, member.attribute))
    for value in right_values(member.handling, getattr(record, member.attribute)):
        alone = outcome(lambda value=value: member.handling.plain(value, member.where))  # type: ignore[misc]
        assert alone[0] is type(getattr(record, member.attribute))
        assert outcome(lambda value=value: made_with(record, member, value)) == alone  # type: ignore[misc]
        if member.handling.is_plain(value):
            assert member.handling.plain(value, "") == value
            assert type(value) is alone[0]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_of_several_wrong_values_the_first_is_named(record: Record) -> None:
    for number, member in enumerate(record.STRUCT.members):
        after = {each.attribute: None for each in record.STRUCT.members[number:]}
        with pytest.raises(InvalidInput, match=f"{member.where}: None where "):
            type(record)(**(values_of(record) | after))


ITEMS: tuple[Any, ...] = (
    *(b"", b"\0", b"\0\1", b"\1", b"\2", b"\xff", b"\xc3\x28", [], [b""], [b"\0"], [b"\1" * 33], [[]]),
    *(bytes(20), b"\1" * 20, [bytes(19)], [b"\1" * 20]),
    *[b"\1" * size for size in (2, 4, 5, 8, 9, 19, 21, 31, 32, 33)],
    *(LyingBytes(b"\1"), LyingBytes(b"\1" * 20), LyingBytes(b"\1" * 32), LyingBytes(b"\0"), LyingBytes(b"\1" * 40)),
    *(LyingList([b"\1"]), LyingList([b"\1" * 20]), LyingList([LyingBytes(b"\1" * 20)]), LyingList([[]])),
    *(NoInt(bytes), NoInt(list), None, 1, "", bytearray(20), memoryview(bytes(20)), (b"\1",)),
)


@pytest.mark.parametrize(("record", "member"), MEMBERS)
def test_items_are_read_and_refused_as_by_the_member(record: Record, member: Member) -> None:
    written: Any = rlp.decode(record.to_rlp())
    place = record.STRUCT.members.index(member)

    def alone(item: Any) -> object:
        try:
            return member.handling.plain(member.handling.from_rlp(item, member.where), member.where)
        except InvalidInput as error:
            raise DecodingError(str(error)) from None

    def in_record(item: Any) -> object:
        return getattr(type(record).from_rlp([*written[:place], item, *written[place + 1 :]]), member.attribute)

    found = []
    for item in ITEMS:
        expected = outcome(lambda item=item: alone(item))  # type: ignore[misc]
        assert outcome(lambda item=item: in_record(item)) == expected, show(item)  # type: ignore[misc]
        found.append(expected[0])
    assert DecodingError in found


def test_liars_are_read_as_what_they_are() -> None:
    assert plain_type("uint8").from_rlp(LyingBytes(b"\5"), "n") == 5
    assert plain_type("bytes[]").from_rlp(LyingList([b"a"]), "n") == (b"a",)
    assert type(plain_type("bytes").from_rlp(LyingBytes(b"\5"), "n")) is bytes
    written: Any = rlp.decode(INPUT.to_rlp())
    assert Input.from_rlp(LyingList(written)) == INPUT
    assert Input.decode(LyingBytes(INPUT.encode())) == INPUT
    for cls in (bytes, list):
        with pytest.raises(DecodingError, match="bytes where a list is wanted"):
            Input.from_rlp(NoInt(cls))  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="where bytes are wanted"):
            Input.decode(NoInt(cls))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        (True, "True"),
        (5, "5"),
        (1.5, "1.5"),
        ("a", "'a'"),
        ((1 << 300) - 1, str((1 << 300) - 1)),
        (1 << 300, "an integer of 301 bits"),
        (-(1 << 20_000), "an integer of 20001 bits"),
        (b"", "0x"),
        (bytes(40), "0x" + "00" * 40),
        (bytes(41), "0x" + "00" * 40 + "..."),
        ("a" * 98, "'" + "a" * 98 + "'"),
        ("a" * 99, "'" + "a" * 99 + "..."),
        ((1,), "a tuple"),
        (Wei(5), "a Wei"),
        (LyingInt(1, 2), "a LyingInt"),
        (Hash32(bytes(32)), "a Hash32"),
        (OTHER_INPUT, "a OtherInput"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_values_are_shown_shortly(value: object, shown: str) -> None:
    assert show(value) == shown


@pytest.mark.parametrize(("bits", "is_number"), [(8, True), (16, True), (32, True), (64, False), (256, False)])
def test_integers_that_javascript_rounds_are_decimal_strings(bits: int, *, is_number: bool) -> None:
    handling, top = plain_type(f"uint{bits}"), (1 << bits) - 1
    assert handling.to_json(top) == (top if is_number else str(top))
    assert handling.from_json(handling.to_json(top), "n") == top
    if not is_number:
        for wrong in (top, "", "01", "+1", "0x1", None, "1" * 79):
            with pytest.raises(InvalidInput, match=r"n: .* where a decimal string is wanted"):
                handling.from_json(wrong, "n")
