"""What a record remembers of itself is what it is, under the domain that is asked for, and nobody else's word."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import commit_samples as samples
import pytest

from evmthread.commit import (
    Commitment,
    Domain,
    Input,
    KeyGrant,
    Resume,
    Suspension,
    Terms,
    TypedData,
    check_terms,
    digest,
    thread_address,
    thread_id,
)
from evmthread.commit.batch import SignedBatch
from evmthread.commit.refusals import IllFormedTerms
from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import keccak256

TERMS = samples.terms_of()
COMMITMENT = samples.commitment_of(samples.DOMAIN, TERMS)
INPUT = samples.input_of(samples.DOMAIN, TERMS)
KEEPERS = pytest.mark.parametrize("record", [TERMS, COMMITMENT, INPUT], ids=["Terms", "Commitment", "Input"])
DOMAINS = [Domain(chain, registry) for chain in (1, 2, 1 << 255) for registry in (samples.REGISTRY, b"\x07" * 20)]
COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda record: pickle.loads(pickle.dumps(record)),
    replace,
    lambda record: type(record).decode(record.encode()),
    lambda record: type(record).from_json(record.to_json()),
]


def values_of(record: Any) -> dict[str, Any]:
    return {member.attribute: getattr(record, member.attribute) for member in record.STRUCT.members}


def computed(domain: Domain, record: Any) -> bytes:
    """The digest of a record that remembers nothing."""
    fresh = type(record)(**values_of(record))
    return keccak256(b"\x19\x01" + domain.separator + fresh.hash_struct())


@KEEPERS
def test_each_domain_has_a_digest_of_its_own(record: Any) -> None:
    expected = {domain: computed(domain, record) for domain in DOMAINS}
    assert len(set(expected.values())) == len(DOMAINS)
    for first in DOMAINS:
        for second in DOMAINS:
            for domain in (first, second, second, first):
                assert digest(domain, record) == expected[domain]
                assert TypedData(domain, record).digest() == expected[domain]
            assert thread_id(second, TERMS) == computed(second, TERMS)


@KEEPERS
def test_a_digest_is_computed_once_for_a_domain(record: Any) -> None:
    fresh, domain = replace(record), Domain(1, samples.REGISTRY)
    assert digest(samples.DOMAIN, fresh) is digest(domain, fresh)
    assert fresh.hash_struct() is fresh.hash_struct()


@KEEPERS
def test_what_is_signed_stays_what_it_was(record: Any) -> None:
    data = [TypedData(domain, record) for domain in DOMAINS]
    assert [each.digest() for each in data] == [computed(domain, record) for domain in DOMAINS]


@KEEPERS
@pytest.mark.parametrize("make", COPIES)
def test_a_copy_remembers_nothing_of_its_model(record: Any, make: Callable[[Any], Any]) -> None:
    digest(samples.DOMAIN, record)
    record.to_rlp()
    made = make(record)
    assert made is not record
    assert (made._hash_struct, made._digest) == (None, None)
    assert digest(samples.DOMAIN, made) == digest(samples.DOMAIN, record)


@KEEPERS
def test_another_value_has_another_digest(record: Any) -> None:
    digests = {digest(samples.DOMAIN, record)}
    for name, value in values_of(record).items():
        if type(value) is tuple:
            other: Any = value[::-1]
        else:
            other = value ^ 1 if type(value) is int else value[:-1] + bytes((value[-1] ^ 1,))
        changed = replace(record, **{name: other})
        assert digest(samples.DOMAIN, changed) == computed(samples.DOMAIN, changed)
        digests.add(digest(samples.DOMAIN, changed))
    assert len(digests) == 1 + len(values_of(record))


@KEEPERS
def test_what_is_remembered_is_given_by_nobody(record: Any) -> None:
    for name in ("_digest", "_hash_struct"):
        with pytest.raises(TypeError):
            type(record)(**values_of(record), **{name: b""})
        with pytest.raises((TypeError, ValueError)):
            replace(record, **{name: b""})


KEPT: tuple[Any, ...] = (
    *(TERMS, COMMITMENT, INPUT, samples.DOMAIN, TypedData(samples.DOMAIN, INPUT), samples.environment()),
    *(KeyGrant(bytes(32), bytes(20), b"\1" * 20), Resume(bytes(32), 5)),
    *(Suspension(bytes(32), (), 0, bytes(20), b""), SignedBatch(samples.Batch(samples.environment(), ()), ())),
)


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: type(kept).__name__)
def test_one_that_exists_never_changes(kept: Any) -> None:
    before = {each.name: getattr(kept, each.name) for each in fields(kept)}
    for name in (*before, "__class__", "other"):
        with pytest.raises((FrozenInstanceError, TypeError)):
            setattr(kept, name, 1)
        with pytest.raises((FrozenInstanceError, TypeError)):
            delattr(kept, name)
    kept.__init__(*[1 for _ in before])
    assert not hasattr(kept, "__setstate__")
    assert not hasattr(kept, "__dict__")
    assert {each.name: getattr(kept, each.name) for each in fields(kept)} == before


class SameSeparator(bytes):
    """Compares as every other, and says what it is joined to."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __radd__(self, other: object) -> bytes:
        return b"chosen"


class OtherDomain(Domain):
    __slots__ = ()


class NoDomain:
    """Says that it is a Domain."""

    separator = SameSeparator(samples.DOMAIN.separator)
    __class__ = Domain  # type: ignore[assignment]


@KEEPERS
def test_a_digest_is_asked_for_with_a_domain_alone(record: Any) -> None:
    fresh = replace(record)
    for wrong in (NoDomain(), OtherDomain(1, samples.REGISTRY), None):
        for ask in (digest, TypedData):
            with pytest.raises(InvalidInput, match="Domain"):
                ask(wrong, fresh)
    assert fresh._digest is None
    assert digest(samples.DOMAIN, fresh) == computed(samples.DOMAIN, fresh)


class NoRecord:
    """Says that it is a Commitment."""

    __class__ = Commitment  # type: ignore[assignment]

    def hash_struct(self) -> bytes:
        return bytes(32)


def test_typed_data_are_of_records() -> None:
    for wrong in (NoRecord(), None, samples.DOMAIN):
        with pytest.raises(InvalidInput, match="where a record is wanted"):
            TypedData(samples.DOMAIN, wrong)  # type: ignore[arg-type]


class SameTerms(Terms):
    """Hashes and compares as other terms, and is well-formed and hashed as it likes."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(BAD)

    def hash_struct(self) -> bytes:
        return bytes(32)


BAD = samples.terms_of(threshold=0, salt=99)


def test_terms_are_not_judged_by_what_others_say() -> None:
    same = SameTerms(**values_of(samples.terms_of(salt=99)))
    with pytest.raises(InvalidInput, match="a SameTerms where Terms are wanted"):
        check_terms(same)
    with pytest.raises(IllFormedTerms, match="threshold"):
        check_terms(BAD)
    assert thread_id(samples.DOMAIN, same) != thread_id(samples.DOMAIN, BAD)
    assert thread_id(samples.DOMAIN, BAD) == computed(samples.DOMAIN, BAD)


def test_a_thread_has_the_address_of_its_plain_id() -> None:
    registry, thread = keccak256(b"a registry")[12:], keccak256(b"a thread")

    class Same(bytes):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return hash(thread)

    other = bytes.__new__(Same, keccak256(b"another"))
    assert thread_address(registry, other) == thread_address(registry, keccak256(b"another"))
    assert thread_address(registry, thread) != thread_address(registry, other)
    for wrong in ((registry, registry), (thread, thread), (registry, None)):
        with pytest.raises(InvalidInput):
            thread_address(*wrong)  # type: ignore[arg-type]


def test_subclasses_remember_for_themselves() -> None:
    class Other(Input):
        __slots__ = ()

        def hash_struct(self) -> bytes:
            return bytes(32)

    other = Other(**values_of(INPUT))
    assert digest(samples.DOMAIN, other) != digest(samples.DOMAIN, INPUT)
    assert digest(samples.DOMAIN, INPUT) == computed(samples.DOMAIN, INPUT)
