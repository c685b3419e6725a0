"""Records: members are checked at the door; JSON and RLP have one form each and strict readers."""

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import commit_samples as samples
import pytest
from commit_strategies import any_record
from hypothesis import given, settings
from hypothesis import strategies as st
from liars import LyingBytes, LyingInt, LyingText, LyingTuple, NoInt

from evmthread.commit import (
    Batch,
    Commitment,
    Domain,
    Environment,
    Equivocation,
    Input,
    InputEquivocation,
    InputKind,
    KeyGrant,
    Resume,
    Ruleset,
    SignatureSet,
    SignedBatch,
    SignedCommitment,
    Suspension,
    Terms,
    TypedData,
)
from evmthread.commit.members import plain_type
from evmthread.commit.records import Record
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.types import Address, Hash32, Wei

TERMS = samples.terms_of()
COMMITMENT = samples.commitment_of(samples.DOMAIN, TERMS)
INPUT = samples.input_of(samples.DOMAIN, TERMS)
SUSPENSION = Suspension(bytes(32), (b"", b"\x01" * 40), 3, TERMS.owners[0], b"who?")
RECORDS: tuple[Record, ...] = (TERMS, samples.RULESET, COMMITMENT, INPUT, SUSPENSION)

WRONG = {
    "uint8": [-1, 256, True, 1.0, "1", None, b"\x01"],
    "uint32": [-1, 1 << 32, False, "1"],
    "uint64": [-1, 1 << 64, 1 << 20_000, "1"],
    "uint256": [-1, 1 << 256, None],
    "address": [b"", bytes(19), bytes(21), "0x" + "00" * 20, bytearray(20), 0, None],
    "bytes32": [b"", bytes(31), bytes(33), bytearray(32), memoryview(bytes(32))],
    "bytes": ["", None, bytearray(1)],
    "string": [b"", None, "\ud800"],
    "bool": [0, 1, None, "true"],
    "address[]": [[bytes(20)], (bytes(19),), None, bytes(20)],
    "uint256[]": [[1], (1, -1), (True,), (1 << 256,), 5],
    "bytes[]": [[b""], ("",), b""],
}


@pytest.mark.parametrize(
    ("record", "attribute", "where", "value"),
    [
        pytest.param(record, member.attribute, member.where, value, id=f"{member.where}-{number}")
        for record in RECORDS
        for member in record.STRUCT.members
        for number, value in enumerate(WRONG[member.type_name])
    ],
)
def test_a_malformed_member_is_refused_by_name(record: Record, attribute: str, where: str, value: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        replace(record, **{attribute: value})  # type: ignore[type-var]
    assert str(caught.value).startswith(where)
    assert len(str(caught.value)) < 250


def test_typed_bytes_and_ints_are_accepted() -> None:
    typed = replace(COMMITMENT, thread_id=Hash32(COMMITMENT.thread_id), awaiting=Address(bytes(20)), fee=Wei(5))
    assert typed.encode() == replace(COMMITMENT, fee=5).encode()
    assert typed.to_json()["fee"] == "5"


@settings(max_examples=150)
@given(any_record)
def test_json_and_bytes_round_trip(record: Record) -> None:
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record
    assert type(record).decode(record.encode()) == record
    assert pickle.loads(pickle.dumps(record)) == record
    assert copy.deepcopy(record) == record


def test_json_form() -> None:
    assert INPUT.to_json() == {
        "threadId": "0x" + INPUT.thread_id.hex(),
        "nonce": "3",
        "parent": "0x" + "00" * 32,
        "kind": 0,
        "actor": "0x" + INPUT.actor.hex(),
        "to": "0x" + INPUT.to.hex(),
        "value": "0",
        "gas": "200000",
        "data": "0x" + INPUT.data.hex(),
    }
    assert samples.RULESET.to_json()["transcript"] is True
    assert TERMS.to_json()["deposits"] == [str(deposit) for deposit in TERMS.deposits]


def test_json_hex_of_either_case_is_read() -> None:
    value = INPUT.to_json() | {"actor": "0x" + INPUT.actor.hex().upper()}
    assert Input.from_json(value) == INPUT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nonce", 3),
        ("nonce", "03"),
        ("nonce", "+3"),
        ("nonce", "1_0"),
        ("nonce", " 3"),
        ("nonce", "-1"),
        ("nonce", "٣"),
        ("nonce", ""),
        ("nonce", "9" * 5000),
        ("nonce", str(1 << 64)),
        ("kind", "0"),
        ("kind", 0.0),
        ("kind", True),
        ("kind", 256),
        ("actor", "00" * 20),
        ("actor", "0X" + "00" * 20),
        ("actor", "0x" + "00" * 19),
        ("actor", "0x" + "zz" * 20),
        ("actor", "0x" + "0 " * 20),
        ("actor", None),
        ("data", "0x0"),
        ("data", []),
    ],
)
def test_malformed_json_members_are_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        Input.from_json(INPUT.to_json() | {name: value})  # type: ignore[dict-item]


def test_json_objects_have_exactly_the_members() -> None:
    value = INPUT.to_json()
    with pytest.raises(InvalidInput, match="'extra'"):
        Input.from_json(value | {"extra": 1})
    del value["gas"]
    with pytest.raises(InvalidInput, match="'gas' is missing"):
        Input.from_json(value)
    with pytest.raises(InvalidInput, match="object"):
        Input.from_json([])
    with pytest.raises(InvalidInput, match="list"):
        Terms.from_json(TERMS.to_json() | {"keys": "0x"})


def test_every_truncation_and_extension_is_refused() -> None:
    for record in RECORDS:
        data = record.encode()
        for size in range(len(data)):
            with pytest.raises(DecodingError):
                type(record).decode(data[:size])
        with pytest.raises(DecodingError):
            type(record).decode(data + b"\x00")


def _encoded(items: list[object]) -> bytes:
    return b"\x01" + rlp.encode(items)  # type: ignore[arg-type]


def test_wrong_rlp_members_are_refused() -> None:
    good = rlp.decode(COMMITMENT.encode()[1:])
    assert isinstance(good, list)
    cases: list[tuple[int, object, str]] = [
        (0, bytes(31), "Commitment.threadId"),
        (0, [], "Commitment.threadId"),
        (1, b"\x00\x05", "Commitment.nonce: integer with a leading zero"),
        (1, b"\x00", "Commitment.nonce"),
        (1, b"\x01" * 9, "Commitment.nonce"),
        (1, [b"\x05"], "Commitment.nonce"),
        (3, b"\x01\x00", "Commitment.status"),
        (4, b"", "Commitment.awaiting"),
        (11, b"\x01", "Commitment.balances"),
        (11, [bytes(1)], "Commitment.balances"),
        (11, [b"\x01" * 33], "Commitment.balances"),
    ]
    for position, value, message in cases:
        with pytest.raises(DecodingError, match=message.replace("[", r"\[")):
            Commitment.decode(_encoded([*good[:position], value, *good[position + 1 :]]))
    with pytest.raises(DecodingError, match="12 items where 13"):
        Commitment.decode(_encoded(good[:12]))  # type: ignore[arg-type]
    with pytest.raises(DecodingError, match="14 items where 13"):
        Commitment.decode(_encoded([*good, b""]))


def test_wrong_bools_and_texts_are_refused() -> None:
    good = rlp.decode(samples.RULESET.encode()[1:])
    assert isinstance(good, list)
    with pytest.raises(DecodingError, match=r"Ruleset.transcript: 0x02"):
        Ruleset.decode(_encoded([*good[:13], b"\x02", *good[14:]]))
    with pytest.raises(DecodingError, match=r"Ruleset.fork: bytes that are no UTF-8"):
        Ruleset.decode(_encoded([*good[:1], b"\xff", *good[2:]]))


def test_version_size_and_depth_are_bounded() -> None:
    data = COMMITMENT.encode()
    with pytest.raises(DecodingError, match="version byte 0x02"):
        Commitment.decode(b"\x02" + data[1:])
    with pytest.raises(DecodingError, match="at most 100"):
        Commitment.decode(data, max_bytes=100)
    assert Commitment.decode(data, max_bytes=len(data)) == COMMITMENT
    with pytest.raises(DecodingError, match="at most 4096"):
        Commitment.decode(b"\x01" + b"\xc0" * 5000)
    nested: object = []
    for _ in range(8):
        nested = [nested]
    with pytest.raises(DecodingError, match="nested too deep"):
        Commitment.decode(b"\x01" + rlp.encode(nested))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        Commitment.decode("0x01")  # type: ignore[arg-type]


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_with_a_typed_error(data: bytes) -> None:
    for cls in (Terms, Ruleset, Commitment, Input, Suspension):
        with pytest.raises(DecodingError):
            cls.decode(b"\x01" + data)


def test_a_pickled_record_is_checked_again() -> None:
    rebuild, (cls, values) = COMMITMENT.__reduce__()
    assert isinstance(values, dict)
    with pytest.raises(InvalidInput):
        rebuild(cls, values | {"nonce": -1})


def test_records_keep_plain_values_whatever_subclass_they_are_given() -> None:
    lying = replace(COMMITMENT, nonce=LyingInt(5, 6), parent=LyingBytes(b"\x07" * 32))
    assert type(lying.nonce) is int
    assert type(lying.parent) is bytes
    assert lying == replace(COMMITMENT, nonce=5, parent=b"\x07" * 32)
    assert lying.encode() == replace(COMMITMENT, nonce=5, parent=b"\x07" * 32).encode()
    with pytest.raises(InvalidInput, match="uint64"):
        replace(COMMITMENT, nonce=LyingInt(1 << 64, 1))
    assert replace(COMMITMENT, nonce=LyingInt(1, 1 << 64)).nonce == 1
    balances = LyingTuple((LyingInt(1, 2), 3))
    assert type(replace(COMMITMENT, balances=balances).balances) is tuple
    assert replace(COMMITMENT, balances=balances).balances == (1, 3)
    assert type(replace(COMMITMENT, balances=balances).balances[0]) is int
    assert replace(samples.RULESET, fork=LyingText("none")).fork == "none"
    assert type(replace(samples.RULESET, fork=LyingText("none")).fork) is str
    assert type(replace(INPUT, kind=InputKind.ABORT).kind) is int
    assert type(Domain(LyingInt(1, 2), LyingBytes(samples.REGISTRY)).chain_id) is int
    assert Domain(LyingInt(1, 2), LyingBytes(samples.REGISTRY)).separator == samples.DOMAIN.separator
    assert type(Domain(1, LyingBytes(samples.REGISTRY)).verifying_contract) is bytes
    signatures = SignatureSet(LyingInt(1, 3), LyingTuple((LyingBytes(b"s" * 65),)))
    assert (type(signatures.bitmap), type(signatures.signatures), type(signatures.signatures[0])) == (int, tuple, bytes)
    assert signatures == SignatureSet(1, (b"s" * 65,))
    batch = SignedBatch(Batch(samples.environment(), (INPUT,)), LyingTuple((LyingBytes(b"s" * 65),)))
    assert (type(batch.signatures), type(batch.signatures[0]), batch.signatures[0]) == (tuple, bytes, b"s" * 65)


@pytest.mark.parametrize(
    ("attribute", "kind"),
    [("nonce", int), ("parent", bytes), ("balances", tuple), ("nonce", bool)],
)
def test_what_only_says_that_it_is_of_a_type_is_refused(attribute: str, kind: type) -> None:
    with pytest.raises(InvalidInput, match=f"Commitment.{attribute}"):
        replace(COMMITMENT, **{attribute: NoInt(kind)})
    with pytest.raises(InvalidInput, match=r"Ruleset\.transcript"):
        replace(samples.RULESET, transcript=NoInt(bool))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"Ruleset\.fork"):
        replace(samples.RULESET, fork=NoInt(str))  # type: ignore[arg-type]


FIRST = samples.signers(2)[0]
PAIR = [(each, FIRST.sign(TypedData(samples.DOMAIN, each))) for each in (COMMITMENT, replace(COMMITMENT, fee=0))]
BOUND = [replace(INPUT, parent=b"\x07" * 32, value=value) for value in (0, 1)]
MOVES = [(each, FIRST.sign(TypedData(samples.DOMAIN, each))) for each in BOUND]
READERS: dict[str, tuple[dict[str, Any], Callable[[Any], object]]] = {
    "Terms": (TERMS.to_json(), Terms.from_json),
    "Domain": (samples.DOMAIN.to_json(), Domain.from_json),
    "SignatureSet": (SignatureSet(1, (b"",)).to_json(), SignatureSet.from_json),
    "SignedCommitment": (
        SignedCommitment(COMMITMENT, SignatureSet(1, (b"",))).to_json(),
        SignedCommitment.from_json,
    ),
    "SignedBatch": (
        SignedBatch(Batch(samples.environment(), (INPUT,)), (b"",)).to_json(),
        SignedBatch.from_json,
    ),
    "Equivocation": (
        Equivocation(samples.DOMAIN, TERMS, 0, *PAIR[0], *PAIR[1]).to_json(),
        lambda value: Equivocation.from_json(samples.DOMAIN, TERMS, value),
    ),
    "InputEquivocation": (
        InputEquivocation(samples.DOMAIN, TERMS, *MOVES[0], *MOVES[1]).to_json(),
        lambda value: InputEquivocation.from_json(samples.DOMAIN, TERMS, value),
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_readers_of_json_take_exactly_their_members(name: str) -> None:
    value, read = READERS[name]
    read(json.loads(json.dumps(value)))
    with pytest.raises(InvalidInput, match="unknown member 'more'"):
        read(value | {"more": 1})
    for missing in value:
        with pytest.raises(InvalidInput, match=f"member '{missing}' is missing"):
            read({key: each for key, each in value.items() if key != missing})
    for other in (None, [], "{}", 5, list(value)):
        with pytest.raises(InvalidInput, match="where a JSON object is wanted"):
            read(other)


def test_numbers_and_lists_are_read_strictly() -> None:
    for bits, raw, message in (
        (8, b"\x01\x00", "more than 8 bits"),
        (16, b"\x01\x00\x00", "more than 16 bits"),
        (64, b"\x01" + bytes(8), "more than 64 bits"),
        (8, b"\x00", "leading zero"),
        (64, b"\x00\x01", "leading zero"),
        (64, [b"\x01"], "a list where bytes are wanted"),
    ):
        with pytest.raises(DecodingError, match=message):
            plain_type(f"uint{bits}").from_rlp(raw, "number")  # type: ignore[arg-type]
    for bits in (8, 16, 32, 64, 256):
        top = (1 << bits) - 1
        assert plain_type(f"uint{bits}").from_rlp(top.to_bytes(bits // 8, "big"), "number") == top
        assert plain_type(f"uint{bits}").from_rlp(b"", "number") == 0
    with pytest.raises(DecodingError, match="bytes where a list is wanted"):
        plain_type("bytes[]").from_rlp(b"\x01", "list")
    with pytest.raises(DecodingError, match="bytes where a list is wanted"):
        Terms.from_rlp(b"\x01")


def test_a_record_in_a_record_is_of_exactly_its_class() -> None:
    class Other(Input):
        __slots__ = ()

    values = {member.attribute: getattr(INPUT, member.attribute) for member in Input.STRUCT.members}
    for wrong in (Other(**values), COMMITMENT, None):
        with pytest.raises(InvalidInput, match=r"Batch\.inputs\[0\]: .* where a Input is wanted"):
            Batch(samples.environment(), (wrong,))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"Batch\.environment"):
        Batch(INPUT, ())  # type: ignore[arg-type]


def test_a_hash_is_computed_once_for_each_record() -> None:
    for record in (COMMITMENT, INPUT):
        assert record.hash_struct() is record.hash_struct()
        assert record.to_rlp() is record.to_rlp()
        assert copy.copy(record).hash_struct() == record.hash_struct()
    changed = replace(COMMITMENT, fee=COMMITMENT.fee + 1)
    assert changed.hash_struct() != COMMITMENT.hash_struct()
    with pytest.raises(NotImplementedError):
        Record().hash_struct()


@pytest.mark.parametrize("cls", [Batch, Commitment, Environment, Input, KeyGrant, Resume, Ruleset, Suspension, Terms])
def test_a_constructor_takes_the_members_in_their_order(cls: type[Record]) -> None:
    names = [member.attribute for member in cls.STRUCT.members]
    assert [each.name for each in fields(cls) if each.init] == names
    assert list(cls.__match_args__) == ([] if cls.BY_NAME else names)
