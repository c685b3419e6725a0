"""Evidence that verifies, and what is no evidence."""

import json
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import commit_samples as samples
import pytest
from vector_forms import VECTORS, verdict

from evmthread.commit import Commitment, Equivocation, Input, InputEquivocation, Terms, TypedData, thread_id
from evmthread.commit.refusals import (
    IllFormedBatch,
    IllFormedTerms,
    MalformedSignature,
    NoEquivocation,
    UnknownSigner,
    WrongSignature,
    WrongThread,
)
from evmthread.errors import InvalidInput

DOMAIN = samples.DOMAIN
TERMS = samples.terms_of(2)
LIAR, HONEST = samples.signers(2)
FIRST = samples.commitment_of(DOMAIN, TERMS)
SECOND = replace(FIRST, state_root=bytes(32))


def signed(record: Commitment | Input) -> bytes:
    return LIAR.sign(TypedData(DOMAIN, record))


def convict(first: Commitment, second: Commitment, index: int = 0) -> Equivocation:
    return Equivocation(DOMAIN, TERMS, index, first, signed(first), second, signed(second))


def test_two_commitments_for_one_nonce_convict() -> None:
    evidence = convict(FIRST, SECOND)
    assert (evidence.index, evidence.first, evidence.second) == (0, FIRST, SECOND)
    assert Equivocation.from_json(DOMAIN, TERMS, json.loads(json.dumps(evidence.to_json()))) == evidence
    assert pickle.loads(pickle.dumps(evidence)) == evidence
    assert replace(evidence) == evidence


def test_they_convict_although_ill_formed() -> None:
    convict(FIRST, replace(FIRST, status=9))


def test_an_operator_who_is_no_party_is_convicted_under_the_number_of_parties() -> None:
    operator = samples.LocalSigner(samples.private_key(9))

    def convicts(index: int, changes: dict[str, object], signer: samples.LocalSigner) -> Equivocation:
        terms = samples.terms_of(2, **changes)  # type: ignore[arg-type]
        first = replace(FIRST, thread_id=thread_id(DOMAIN, terms))
        second = replace(first, state_root=bytes(32))
        signatures = [signer.sign(TypedData(DOMAIN, each)) for each in (first, second)]
        return Equivocation(DOMAIN, terms, index, first, signatures[0], second, signatures[1])

    changes: dict[str, object] = {"operator": operator.address}
    assert convicts(2, changes, operator).index == 2
    with pytest.raises(WrongSignature):
        convicts(1, changes, operator)
    with pytest.raises(UnknownSigner):
        convicts(3, changes, operator)
    for address in (bytes(20), TERMS.keys[0], TERMS.owners[1]):  # nobody, and parties, who go under their own index
        with pytest.raises(UnknownSigner):
            convicts(2, {"operator": address, "max_fee": 0}, LIAR)


def test_what_convicts_nobody() -> None:
    with pytest.raises(NoEquivocation, match="the same"):
        convict(FIRST, FIRST)
    with pytest.raises(NoEquivocation, match="nonces differ: 5 and 6"):
        convict(FIRST, replace(SECOND, nonce=6))
    with pytest.raises(WrongSignature):
        convict(FIRST, SECOND, index=1)
    with pytest.raises(WrongSignature):
        convict(FIRST, SECOND, index=2)
    with pytest.raises(UnknownSigner):
        convict(FIRST, SECOND, index=3)
    with pytest.raises(WrongThread):
        convict(FIRST, replace(SECOND, thread_id=bytes(32)))
    with pytest.raises(WrongSignature):
        Equivocation(DOMAIN, TERMS, 0, FIRST, signed(FIRST), SECOND, signed(FIRST))
    with pytest.raises(WrongSignature):
        Equivocation(DOMAIN, TERMS, 0, FIRST, HONEST.sign(TypedData(DOMAIN, FIRST)), SECOND, signed(SECOND))
    with pytest.raises(MalformedSignature):
        Equivocation(DOMAIN, TERMS, 0, FIRST, signed(FIRST), SECOND, b"")
    with pytest.raises(IllFormedTerms):
        Equivocation(DOMAIN, replace(TERMS, threshold=0), 0, FIRST, signed(FIRST), SECOND, signed(SECOND))
    with pytest.raises(InvalidInput):
        convict(FIRST, SECOND, index=-1)
    for pair in ((INPUT, SECOND), (SECOND, INPUT)):
        with pytest.raises(InvalidInput, match="two Commitments are wanted"):
            Equivocation(DOMAIN, TERMS, 0, pair[0], b"", pair[1], b"")  # type: ignore[arg-type]
    for domain, terms in ((None, TERMS), (DOMAIN, None)):
        with pytest.raises(InvalidInput, match="a Domain and Terms"):
            Equivocation(domain, terms, 0, FIRST, signed(FIRST), SECOND, signed(SECOND))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        Equivocation.from_json(DOMAIN, TERMS, convict(FIRST, SECOND).to_json() | {"index": "0"})


def test_evidence_cant_be_forged() -> None:
    evidence = convict(FIRST, SECOND)
    with pytest.raises(NoEquivocation):
        replace(evidence, second=FIRST)
    with pytest.raises(FrozenInstanceError):
        evidence.index = 1  # type: ignore[misc]
    with pytest.raises(NoEquivocation):
        evidence.__init__(DOMAIN, TERMS, 0, FIRST, b"", FIRST, b"")  # type: ignore[misc]
    with pytest.raises(InvalidInput):
        Equivocation.__new__(Equivocation).__setstate__([])
    with pytest.raises(InvalidInput):
        InputEquivocation.__new__(InputEquivocation).__setstate__([])
    for cls in (Equivocation, InputEquivocation):
        with pytest.raises(TypeError):
            type("Fake", (cls,), {})
    assert evidence == convict(FIRST, SECOND)


PARENT = b"\x05" * 32
INPUT = samples.input_of(DOMAIN, TERMS, parent=PARENT)
OTHER = replace(INPUT, value=1)


def convict_inputs(first: Input, second: Input) -> InputEquivocation:
    return InputEquivocation(DOMAIN, TERMS, first, signed(first), second, signed(second))


def test_two_inputs_on_one_parent_convict() -> None:
    evidence = convict_inputs(INPUT, OTHER)
    assert InputEquivocation.from_json(DOMAIN, TERMS, json.loads(json.dumps(evidence.to_json()))) == evidence
    assert pickle.loads(pickle.dumps(evidence)) == evidence
    for changes in ({"to": bytes(20)}, {"gas": 1}, {"data": b""}):
        convict_inputs(INPUT, replace(INPUT, **changes))


def test_two_answers_to_one_question_convict() -> None:
    answer = replace(INPUT, kind=2, nonce=0, data=bytes(33))
    convict_inputs(answer, replace(answer, data=bytes(34)))


def test_inputs_that_convict_nobody() -> None:
    with pytest.raises(NoEquivocation, match="the same"):
        convict_inputs(INPUT, INPUT)
    with pytest.raises(NoEquivocation, match="parent is zero"):
        convict_inputs(replace(INPUT, parent=bytes(32)), replace(OTHER, parent=bytes(32)))
    for changes in ({"actor": TERMS.owners[1]}, {"kind": 3}, {"nonce": 4}, {"parent": b"\x06" * 32}):
        (name,) = changes
        with pytest.raises(NoEquivocation, match=f"differ in {name}"):
            convict_inputs(INPUT, replace(OTHER, **changes))  # type: ignore[arg-type]
    with pytest.raises(WrongThread):
        convict_inputs(replace(INPUT, thread_id=bytes(32)), OTHER)
    with pytest.raises(WrongSignature):
        InputEquivocation(DOMAIN, TERMS, INPUT, signed(INPUT), OTHER, HONEST.sign(TypedData(DOMAIN, OTHER)))
    with pytest.raises(WrongSignature):
        InputEquivocation(DOMAIN, TERMS, INPUT, signed(OTHER), OTHER, signed(OTHER))
    stranger = samples.LocalSigner(samples.private_key(9)).address
    with pytest.raises(IllFormedBatch, match="actor is an owner"):
        convict_inputs(replace(INPUT, actor=stranger), replace(OTHER, actor=stranger))
    for pair in ((FIRST, OTHER), (OTHER, FIRST)):
        with pytest.raises(InvalidInput, match="two Inputs are wanted"):
            InputEquivocation(DOMAIN, TERMS, pair[0], b"", pair[1], b"")  # type: ignore[arg-type]
    unfit = replace(TERMS, threshold=0)
    here = [replace(each, thread_id=thread_id(DOMAIN, unfit)) for each in (INPUT, OTHER)]
    with pytest.raises(IllFormedTerms, match="threshold"):
        InputEquivocation(DOMAIN, unfit, here[0], signed(here[0]), here[1], signed(here[1]))
    for domain, terms in ((None, TERMS), (DOMAIN, None)):
        with pytest.raises(InvalidInput, match="a Domain and Terms"):
            InputEquivocation(domain, terms, INPUT, signed(INPUT), OTHER, signed(OTHER))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "entry", [*VECTORS["equivocations"], *VECTORS["inputEquivocations"]], ids=lambda each: each["what"]
)
def test_the_vectors_convict_whom_they_say(entry: dict[str, Any]) -> None:
    read: Any = Equivocation if "index" in entry["value"] else InputEquivocation
    terms = Terms.from_json(VECTORS["namedTerms"][entry["terms"]])
    assert verdict(lambda: read.from_json(DOMAIN, terms, entry["value"])) == {
        name: entry[name] for name in ("check", "clause", "message")
    }
    for wrong in (entry["value"] | {"more": 1}, []):
        with pytest.raises(InvalidInput, match=f"{read.__name__}: "):
            read.from_json(DOMAIN, terms, wrong)
