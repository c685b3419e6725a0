"""C9: a signature over one type of record is none over another."""

import itertools

import pytest

from evmthread.commit import (
    KeyGrant,
    Resume,
    check_input_signature,
    check_signatures,
    digest,
    thread_id,
    verify_key_grant,
    verify_resume,
)
from evmthread.commit.records import Record
from evmthread.commit.refusals import MalformedSignature, WrongSignature
from tests.acceptance.refusing import DOMAIN, Case
from tests.commit import commit_samples as samples

TERMS = samples.terms_of(2)
THREAD = thread_id(DOMAIN, TERMS)
OTHER_KEY = (WrongSignature, MalformedSignature)
RECORDS: dict[str, Record] = {
    "Commitment": samples.commitment_of(DOMAIN, TERMS),
    "Input": samples.input_of(DOMAIN, TERMS),
    "KeyGrant": KeyGrant(THREAD, TERMS.owners[0], TERMS.keys[0]),
    "Resume": Resume(THREAD, 5),
    "Terms": TERMS,
    "Ruleset": samples.RULESET,
    "Environment": samples.environment(),
}


def test_c9_no_two_types_share_a_digest() -> None:
    assert len({digest(DOMAIN, record) for record in RECORDS.values()}) == len(RECORDS)
    assert len({record.STRUCT.type_hash for record in RECORDS.values()}) == len(RECORDS)
    # A Resume and a KeyGrant with the same first member and zeros behind it differ by their types' hashes.
    assert KeyGrant(THREAD, bytes(20), bytes(20)).hash_struct() != Resume(THREAD, 0).hash_struct()


@pytest.mark.parametrize(("signed", "claimed"), list(itertools.permutations(RECORDS, 2)))
def test_c9_each_type_for_each_other(signed: str, claimed: str) -> None:
    signatures = samples.sign_record(DOMAIN, TERMS, RECORDS[signed])
    with pytest.raises(OTHER_KEY):
        check_signatures(TERMS, digest(DOMAIN, RECORDS[claimed]), signatures, 2)


@pytest.mark.parametrize("signed", RECORDS)
def test_c9_on_the_ways_that_parties_use(signed: str) -> None:
    signatures = samples.sign_record(DOMAIN, TERMS, RECORDS[signed])
    first = signatures.signatures[0]
    commitment, each, grant, resume = (RECORDS[name] for name in ("Commitment", "Input", "KeyGrant", "Resume"))
    if signed != "Commitment":
        Case(2).refused(OTHER_KEY, signatures, commitment=commitment)  # type: ignore[arg-type]
    if signed != "Input":
        with pytest.raises(OTHER_KEY):
            check_input_signature(DOMAIN, TERMS, each, first)  # type: ignore[arg-type]
    if signed != "KeyGrant":
        with pytest.raises(OTHER_KEY):
            verify_key_grant(DOMAIN, TERMS, grant, first)  # type: ignore[arg-type]
    if signed != "Resume":
        with pytest.raises(OTHER_KEY):
            verify_resume(DOMAIN, TERMS, resume, signatures)  # type: ignore[arg-type]


def test_c9_a_struct_that_is_only_contained_is_never_signed_alone() -> None:
    """hashStruct without the domain is no digest: a signature over it is none over the record."""
    commitment = samples.commitment_of(DOMAIN, TERMS)
    full = samples.sign_record(DOMAIN, TERMS, commitment)
    check_signatures(TERMS, digest(DOMAIN, commitment), full, 2)
    with pytest.raises(OTHER_KEY):
        check_signatures(TERMS, commitment.hash_struct(), full, 2)
