"""C7: no bit of Commitment, Terms, Ruleset or Input can be changed under signatures, and no clause be broken."""

from dataclasses import replace
from typing import Any

import pytest

from evmthread.commit import (
    Batch,
    Commitment,
    Input,
    Ruleset,
    SignatureSet,
    SignedBatch,
    Terms,
    TypedData,
    check_input_signature,
    check_rules,
    check_signed_batch,
    thread_id,
)
from evmthread.commit.refusals import (
    IllFormedBatch,
    IllFormedCommitment,
    IllFormedRuleset,
    IllFormedTerms,
    MalformedSignature,
    WrongHash,
    WrongSignature,
    WrongThread,
)
from tests.acceptance.refusing import DOMAIN, VECTORS, Case, every_bit
from tests.commit import commit_samples as samples

OTHER_KEY = (WrongSignature, MalformedSignature)  # what recovers is another key, or none


def broken(section: str) -> list[Any]:
    return [pytest.param(each, id=each["clause"]) for each in VECTORS[section] if each["clause"]]


def test_c7_every_bit_of_a_commitment() -> None:
    case = Case(2)
    names = set()
    for name, changed in every_bit(case.commitment):
        names.add(name)
        refusal = WrongThread if name == "threadId" else (IllFormedCommitment, *OTHER_KEY)
        with pytest.raises(refusal):
            type(case.good)(DOMAIN, case.terms, changed, case.full)  # type: ignore[arg-type]
    assert names == {member.name for member in Commitment.STRUCT.members}


def test_c7_every_bit_of_the_terms() -> None:
    case = Case(2)
    names = set()
    for name, changed in every_bit(case.terms):
        names.add(name)
        assert isinstance(changed, Terms)
        with pytest.raises((WrongThread, IllFormedTerms)):
            type(case.good)(DOMAIN, changed, case.commitment, case.full)
    assert names == {member.name for member in Terms.STRUCT.members}


def test_c7_every_bit_of_the_ruleset() -> None:
    terms = samples.terms_of(2)
    check_rules(terms, samples.RULESET)
    case, names = Case(2), set()
    for name, changed in every_bit(samples.RULESET):
        names.add(name)
        assert isinstance(changed, Ruleset)
        with pytest.raises((WrongHash, IllFormedRuleset)):
            check_rules(terms, changed)
        other = replace(terms, ruleset=changed.hash_struct())  # terms that name it are another thread's
        assert thread_id(DOMAIN, other) != case.commitment.thread_id
    assert names == {member.name for member in Ruleset.STRUCT.members}


def test_c7_every_bit_of_an_input() -> None:
    terms = samples.terms_of(2)
    each = samples.input_of(DOMAIN, terms)
    commitment, signed = samples.committed_batch(DOMAIN, terms, (each,))
    check_signed_batch(DOMAIN, terms, samples.RULESET, commitment, signed)
    names = set()
    for name, changed in every_bit(each):
        names.add(name)
        assert isinstance(changed, Input)
        batch = Batch(signed.batch.environment, (changed,))
        moved = SignedBatch(batch, signed.signatures)
        with pytest.raises(WrongHash):  # the commitment names the batch
            check_signed_batch(DOMAIN, terms, samples.RULESET, commitment, moved)
        recommitted = replace(commitment, batch_hash=batch.hash_struct())
        with pytest.raises((WrongThread, IllFormedBatch, *OTHER_KEY)):  # and the input has its actor's signature
            check_signed_batch(DOMAIN, terms, samples.RULESET, recommitted, moved)
        with pytest.raises((IllFormedBatch, *OTHER_KEY)):
            check_input_signature(DOMAIN, terms, changed, signed.signatures[0])
    assert names == {member.name for member in Input.STRUCT.members}


def test_c7_every_bit_of_the_environment() -> None:
    terms = samples.terms_of(2)
    commitment, signed = samples.committed_batch(DOMAIN, terms, (samples.input_of(DOMAIN, terms),))
    for _, changed in every_bit(signed.batch.environment):
        moved = SignedBatch(Batch(changed, signed.batch.inputs), signed.signatures)  # type: ignore[arg-type]
        with pytest.raises(WrongHash):
            check_signed_batch(DOMAIN, terms, samples.RULESET, commitment, moved)


@pytest.mark.parametrize("entry", broken("commitments"))
def test_c7_each_clause_of_well_formed_commitments(entry: dict[str, Any]) -> None:
    """Signed by all, and yet no agreement."""
    case = Case(3, 2)
    commitment = Commitment.from_json(entry["value"])
    assert commitment.thread_id == case.commitment.thread_id
    signatures = samples.sign_all(DOMAIN, case.terms, commitment)
    case.refused(IllFormedCommitment, signatures, commitment=commitment)
    with pytest.raises(IllFormedCommitment) as caught:
        type(case.good)(DOMAIN, case.terms, commitment, signatures)
    assert (caught.value.clause, caught.value.nonce) == (entry["clause"], commitment.nonce)


@pytest.mark.parametrize("entry", broken("terms"))
def test_c7_each_clause_of_well_formed_terms(entry: dict[str, Any]) -> None:
    """Whoever has keys signs, and no agreement comes of it."""
    case = Case(3, 2)
    terms = Terms.from_json(entry["value"])
    commitment = samples.commitment_of(DOMAIN, terms, balances=(0,) * len(terms.owners), fee=0)
    by_address = {signer.address: signer for signer in samples.signers(16)}
    able = [(index, by_address[key]) for index, key in enumerate(terms.keys[:16]) if key in by_address]
    signatures = SignatureSet.of({index: signer.sign(TypedData(DOMAIN, commitment)) for index, signer in able})
    case.refused(IllFormedTerms, signatures, terms=terms, commitment=commitment)
    with pytest.raises(IllFormedTerms) as caught:
        type(case.good)(DOMAIN, terms, commitment, signatures)
    assert caught.value.clause == entry["clause"]


@pytest.mark.parametrize("entry", broken("rulesets"))
def test_c7_each_clause_of_usable_rulesets(entry: dict[str, Any]) -> None:
    ruleset = Ruleset.from_json(entry["value"])
    with pytest.raises(IllFormedRuleset) as caught:
        check_rules(samples.terms_of(2, ruleset=ruleset.hash_struct()), ruleset)
    assert caught.value.clause == entry["clause"]
