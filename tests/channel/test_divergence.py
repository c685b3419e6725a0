"""Evidence that takes execution: a signed commitment to which its batch doesn't lead."""

from dataclasses import replace

import pytest

from evmthread.channel.divergence import Divergence, NoDivergence, UnsignedSteps
from evmthread.channel.errors import DivergentField, InvalidBatch
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.commit import SignedBatch, TypedData
from evmthread.commit.commitment import Commitment, Suspension
from evmthread.commit.refusals import (
    BrokenParent,
    IllFormedBatch,
    IllFormedCommitment,
    MalformedSignature,
    WrongHash,
    WrongSignature,
    WrongThread,
)
from evmthread.errors import InvalidInput
from tests.channel.games import MORPION, MorpionMatch, ruleset, signers

PLAY = MORPION.function("play").encode(4)


@pytest.fixture
def match() -> MorpionMatch:
    return MorpionMatch().begin()


def proposal(match: MorpionMatch, data: bytes = PLAY) -> tuple[Commitment, SignedBatch]:
    """What an honest leader of the next nonce proposes."""
    signed = match.batch([match.input(match.x, data)])
    return match.thread.execute(signed), signed


def evidence(match: MorpionMatch, commitment: Commitment, batch: SignedBatch, *, party: int = 1) -> Divergence:
    """This commitment as party `party` signed it."""
    signature = match.signers[party].sign(TypedData(LOCAL_DOMAIN, commitment))
    return Divergence(party, commitment, signature, batch, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [("state_root", b"\x01" * 32), ("storage_root", b"\x02" * 32), ("gas_used", 2**63), ("receipts_root", bytes(32))],
)
def test_a_signed_field_that_execution_does_not_give(match: MorpionMatch, field: str, value: object) -> None:
    commitment, batch = proposal(match)
    before = match.thread.parent
    conviction = evidence(match, replace(commitment, **{field: value}), batch).check(match.thread)  # type: ignore[arg-type]
    assert isinstance(conviction, DivergentField)
    assert match.thread.parent == before
    assert match.thread.prepared is None


def test_a_batch_that_is_invalid(match: MorpionMatch) -> None:
    commitment, _ = proposal(match)
    for each, error in (
        (match.input(match.x, PLAY, nonce=77), InvalidBatch),
        (match.input(match.x, PLAY, parent=b"\x07" * 32), IllFormedBatch),
    ):
        batch = match.batch([each])
        lying = replace(commitment, batch_hash=batch.batch.hash_struct())
        assert isinstance(evidence(match, lying, batch).check(match.thread), error)


def test_what_is_so_convicts_nobody(match: MorpionMatch) -> None:
    commitment, batch = proposal(match)
    with pytest.raises(NoDivergence):
        evidence(match, commitment, batch).check(match.thread)
    assert match.thread.prepared is None


def test_evidence_that_does_not_hold(match: MorpionMatch) -> None:
    commitment, batch = proposal(match)
    lying = replace(commitment, gas_used=1)
    good = evidence(match, lying, batch)
    other = match.batch([match.input(match.x, PLAY, gas=999_999)])
    for bad, error in (
        (replace(good, party=0), WrongSignature),
        (replace(good, party=2), InvalidInput),
        (replace(good, party=-1), InvalidInput),
        (replace(good, commitment=replace(lying, gas_used=2)), WrongSignature),
        (replace(good, batch=other), WrongHash),
        (replace(good, batch=replace(batch, signatures=(bytes(64) + b"\x1b",))), MalformedSignature),
        (evidence(match, replace(lying, thread_id=bytes(32)), batch), WrongThread),
        (evidence(match, replace(lying, parent=b"\x07" * 32), batch), BrokenParent),
    ):
        with pytest.raises(error):
            bad.check(match.thread)


@pytest.mark.parametrize("transcript", [True, False])
def test_a_suspension_that_was_not_signed_convicts_nobody(transcript: bool) -> None:
    """Commitment and batch are an innocent party's; the Suspension beside them is the accuser's."""
    match = MorpionMatch(rules=ruleset(transcript=transcript)).begin()
    commitment, batch = proposal(match)
    strange = Suspension(bytes(32), (), 9, match.terms.owners[0], b"")
    with pytest.raises(IllFormedCommitment, match="exactly when status is 1"):
        replace(evidence(match, commitment, batch), suspension=strange).check(match.thread)
    suspended = match.thread.prepare(batch, steps=20)
    assert match.thread.open_call is not None
    true = match.thread.open_call.suspension
    match.thread.discard()
    with pytest.raises(IllFormedCommitment, match="exactly when status is 1"):
        evidence(match, suspended, batch).check(match.thread)
    for steps in (0, 19, 1_000_000):
        with pytest.raises(IllFormedCommitment if transcript else UnsignedSteps):
            replace(evidence(match, suspended, batch), suspension=replace(true, steps=steps)).check(match.thread)
    with pytest.raises(NoDivergence if transcript else UnsignedSteps):
        replace(evidence(match, suspended, batch), suspension=true).check(match.thread)
    assert match.thread.prepared is None


def test_a_lie_beside_a_signed_suspension_convicts(match: MorpionMatch) -> None:
    _, batch = proposal(match)
    suspended = match.thread.prepare(batch, steps=20)
    assert match.thread.open_call is not None
    suspension = replace(match.thread.open_call.suspension, awaiting=match.terms.owners[match.o])
    match.thread.discard()
    lying = replace(suspended, machine_hash=suspension.hash_struct())
    conviction = replace(evidence(match, lying, batch), suspension=suspension).check(match.thread)
    assert isinstance(conviction, DivergentField)


def test_an_operator_who_leads_and_lies_is_convicted_under_the_number_of_parties() -> None:
    operator = signers(16)[9]
    match = MorpionMatch(operator=operator.address).begin()
    commitment, batch = proposal(match)
    lying = replace(commitment, gas_used=1)
    signature = operator.sign(TypedData(LOCAL_DOMAIN, lying))
    conviction = Divergence(2, lying, signature, batch, None).check(match.thread)
    assert isinstance(conviction, DivergentField)
    for party, error in ((1, WrongSignature), (3, InvalidInput)):
        with pytest.raises(error):
            Divergence(party, lying, signature, batch, None).check(match.thread)


def test_json_there_and_back(match: MorpionMatch) -> None:
    good = evidence(match, *proposal(match))
    assert Divergence.from_json(good.to_json()) == good
    suspends = replace(good, suspension=Suspension(bytes(32), (b"a",), 9, match.terms.owners[0], b"q"))
    assert Divergence.from_json(suspends.to_json()) == suspends
    with pytest.raises(InvalidInput):
        Divergence.from_json({**good.to_json(), "more": 1})
    with pytest.raises(InvalidInput):
        Divergence.from_json({**good.to_json(), "party": "1"})
