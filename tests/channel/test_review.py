"""What has to hold before a party signs: each condition alone, at its boundary."""

from dataclasses import replace

import pytest

from evmthread.channel.errors import (
    ClockDrift,
    DivergentField,
    InvalidBatch,
    LocalProtocolError,
    NonceTooFar,
    RemoteProtocolError,
)
from evmthread.channel.party import Proposal
from evmthread.channel.review import (
    FLOOR_STEP,
    SECONDS_FACTOR,
    as_signed,
    check_batch_of,
    check_clock,
    check_fields,
    check_leader_signature,
    check_nonce_step,
    check_proposed,
    check_suspension,
    check_suspension_of,
    execute_proposed,
    highest_nonce,
    leader_of,
    steps_to_run,
    tells_steps,
)
from evmthread.channel.suspension import OpenCall
from evmthread.commit import Batch, Commitment, SignedBatch, Suspension
from evmthread.commit.commitment import MAX_NONCE_STEP, Status
from evmthread.commit.refusals import (
    BrokenParent,
    Decreased,
    IllFormedCommitment,
    MalformedSignature,
    NonceOrder,
    WrongSignature,
    WrongThread,
)
from tests.channel.endpoints import ADDS
from tests.channel.games import START, Match, ruleset


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def opened() -> Match:
    match = Match(ADDS, parties=3)
    match.agree()
    return match


def proposed(match: Match) -> Proposal:
    leader = leader_of(match.thread.next_nonce, 3)
    return match.parties[leader].propose([match.input(0, words(4))], match.environment())


def changed(match: Match, **changes: object) -> Commitment:
    return replace(proposed(match).commitment, **changes)  # type: ignore[arg-type]


def test_parties_lead_by_remainder() -> None:
    assert [leader_of(nonce, 3) for nonce in range(5)] == [0, 1, 2, 0, 1]


def test_the_highest_nonce_rises_with_the_time_since_the_genesis() -> None:
    assert highest_nonce(START, START) == FLOOR_STEP
    assert highest_nonce(START, START + 2.5) == FLOOR_STEP + 2 * SECONDS_FACTOR
    assert highest_nonce(START, START - 100) == FLOOR_STEP, "a clock that is behind takes nothing away"


def test_a_nonce_is_at_most_so_far_above_its_parents() -> None:
    tip = opened().tip
    check_nonce_step(None, 1 << 63)
    check_nonce_step(tip, MAX_NONCE_STEP)
    with pytest.raises(NonceTooFar):
        check_nonce_step(tip, MAX_NONCE_STEP + 1)


def test_only_what_can_follow_the_latest_agreement() -> None:
    match = opened()
    match.call(0, words(1))
    good = changed(match)
    check_proposed(match.thread, good)
    latest = match.tip
    used = latest.commitment.gas_used
    assert used
    for kind, changes in (
        (WrongThread, {"thread_id": words(1)}),
        (IllFormedCommitment, {"status": Status.REST, "awaiting": match.terms.owners[0]}),
        (NonceOrder, {"nonce": latest.commitment.nonce}),
        (NonceOrder, {"nonce": latest.commitment.nonce, "parent": words(3)}),
        (BrokenParent, {"parent": latest.commitment.parent}),
        (Decreased, {"gas_used": used - 1}),
        (NonceTooFar, {"nonce": latest.commitment.nonce + MAX_NONCE_STEP + 1}),
    ):
        with pytest.raises(kind):
            check_proposed(match.thread, replace(good, **changes))  # type: ignore[arg-type]
    check_proposed(match.thread, replace(good, nonce=latest.commitment.nonce + MAX_NONCE_STEP))


def test_before_the_genesis_nothing_else_can_follow() -> None:
    match = opened()
    fresh = match.open()
    check_proposed(fresh, match.tip.commitment)
    with pytest.raises(BrokenParent):
        check_proposed(fresh, changed(match))


def test_only_the_leaders_signature_on_this_digest() -> None:
    match = opened()
    proposal, key = proposed(match), match.terms.keys[1]
    digest = match.parties[1].thread.prepared.digest  # type: ignore[union-attr]
    check_leader_signature(match.thread, 1, key, digest, proposal.signature, 1)
    with pytest.raises(WrongSignature) as wrong:
        check_leader_signature(match.thread, 1, key, words(1), proposal.signature, 1)
    assert (wrong.value.index, wrong.value.nonce) == (1, 1)
    with pytest.raises(WrongSignature):
        check_leader_signature(match.thread, 0, match.terms.keys[0], digest, proposal.signature, 1)
    with pytest.raises(MalformedSignature) as malformed:
        check_leader_signature(match.thread, 1, key, digest, proposal.signature[:64], 1)
    assert (malformed.value.index, malformed.value.nonce) == (1, 1)


def test_a_batch_is_the_one_committed_to_with_its_actors_signatures() -> None:
    match = opened()
    proposal = proposed(match)
    commitment, signed = proposal.commitment, proposal.signed
    check_batch_of(match.thread, commitment, signed, None)
    other = SignedBatch(Batch(replace(signed.batch.environment, number=9), signed.batch.inputs), signed.signatures)
    with pytest.raises(RemoteProtocolError, match="another batch"):
        check_batch_of(match.thread, commitment, other, None)
    with pytest.raises(RemoteProtocolError):
        check_batch_of(match.thread, commitment, SignedBatch(signed.batch, (proposal.signature,)), None)


def test_a_batchs_time_is_near_ours_and_an_empty_ones_may_be_old() -> None:
    match = opened()
    signed, drift = proposed(match).signed, match.rules.clock_drift
    time = signed.batch.environment.timestamp
    for now in (time - drift, time, time + drift):
        check_clock(match.thread, signed, now, nonce=1)
    empty = match.line[0][1]
    assert not empty.batch.inputs
    for now in (time - drift - 1, time + drift + 1):
        with pytest.raises(ClockDrift):
            check_clock(match.thread, signed, now, nonce=1)
        check_clock(match.thread, empty, now, nonce=1)
        with pytest.raises(ClockDrift):
            check_clock(match.thread, empty, now, nonce=0)


def test_what_diverges_is_not_prepared() -> None:
    match = opened()
    proposal, thread = proposed(match), match.parties[0].thread
    execute_proposed(thread, proposal.commitment, proposal.signed, None, final=False)
    assert thread.prepared is not None
    assert thread.prepared.commitment is proposal.commitment, "whose hashes are known"
    with pytest.raises(LocalProtocolError):
        thread.stand_for(replace(proposal.commitment, state_root=words(1)))
    thread.discard()
    with pytest.raises(LocalProtocolError):
        thread.stand_for(proposal.commitment)
    strange = Suspension(bytes(32), (), 0, match.terms.owners[0], b"")
    for commitment, suspension in (
        (replace(proposal.commitment, state_root=words(1)), None),
        (proposal.commitment, strange),
    ):
        with pytest.raises(DivergentField):
            execute_proposed(thread, commitment, proposal.signed, suspension, final=False)
        assert thread.prepared is None
    with pytest.raises(InvalidBatch):
        execute_proposed(thread, proposal.commitment, proposal.signed, replace(strange, steps=10**6), final=False)
    assert thread.prepared is None


def test_every_field_is_compared() -> None:
    commitment = proposed(opened()).commitment
    check_fields(commitment, commitment)
    for member in Commitment.STRUCT.members:
        value = getattr(commitment, member.attribute)
        other: object = value + 1 if isinstance(value, int) else value[::-1] if len(set(value)) > 1 else b"\x05" * 32
        if member.attribute == "awaiting":
            other = b"\x05" * 20
        if member.attribute == "balances":
            other = (value[0] - 1, value[1] + 1, *value[2:])
        with pytest.raises(DivergentField) as error:
            check_fields(commitment, replace(commitment, **{member.attribute: other}))  # type: ignore[arg-type]
        assert (error.value.field, error.value.expected, error.value.got) == (member.name, value, other)


def test_an_open_call_stands_where_it_is_said_to_stand() -> None:
    match = opened()
    signed = match.input(0)
    suspension = Suspension(words(7), (b"a",), 3, match.terms.owners[1], b"?")
    open_call = OpenCall(signed.input, match.environment(), suspension, b"", bytes(32))
    check_suspension(None, None, 1)
    check_suspension(open_call, suspension, 1)
    for opened_call, said in ((None, suspension), (open_call, None)):
        with pytest.raises(DivergentField) as error:
            check_suspension(opened_call, said, 1)
        assert error.value.field == "suspension"
        assert (error.value.expected, error.value.got) == (opened_call is not None, said is not None)
    for changes in (
        {"steps": 4},
        {"question": b"!"},
        {"awaiting": match.terms.owners[0]},
        {"answers": ()},
    ):
        ((name, _),) = changes.items()
        with pytest.raises(DivergentField) as error:
            check_suspension(open_call, replace(suspension, **changes), 1)  # type: ignore[arg-type]
        assert error.value.field == f"suspension.{name}"


def test_only_a_batch_with_inputs_is_stopped_after_steps() -> None:
    match = opened()
    suspension = Suspension(words(7), (), 3, match.terms.owners[1], b"?")
    assert steps_to_run(suspension, proposed(match).signed) == 3
    assert steps_to_run(None, proposed(match).signed) == 0
    assert steps_to_run(suspension, match.line[0][1]) == 0


def test_a_suspension_comes_exactly_where_it_is_committed_to() -> None:
    for transcript in (True, False):
        match = Match(ADDS, parties=3, rules=ruleset(transcript=transcript))
        match.agree()
        thread, owner = match.thread, match.terms.owners[1]
        suspension = Suspension(words(7), (), 0, owner, b"?")
        rest = changed(match)
        hashed = suspension.hash_struct()
        suspended = replace(rest, status=Status.SUSPENDED, awaiting=owner, machine_hash=hashed)
        check_suspension_of(thread, rest, None)
        check_suspension_of(thread, suspended, suspension)
        for commitment, given in ((rest, suspension), (suspended, None)):
            with pytest.raises(IllFormedCommitment) as error:
                check_suspension_of(thread, commitment, given)
            assert error.value.value is (given is not None)
        other = replace(suspension, question=b"!")
        if transcript:
            with pytest.raises(IllFormedCommitment):
                check_suspension_of(thread, suspended, other)
        else:
            check_suspension_of(thread, suspended, other)
        with pytest.raises(RemoteProtocolError, match="exactly when"):
            check_batch_of(thread, rest, proposed(match).signed, suspension)


def test_only_a_machines_hash_does_not_tell_the_steps() -> None:
    for transcript in (True, False):
        match = Match(ADDS, parties=3, rules=ruleset(transcript=transcript))
        match.agree()
        proposal, empty = proposed(match), match.line[0][1]
        suspended = replace(proposal.commitment, status=Status.SUSPENDED)
        assert tells_steps(match.thread, proposal.commitment, proposal.signed)
        assert tells_steps(match.thread, suspended, proposal.signed) is transcript
        assert tells_steps(match.thread, suspended, empty)


def test_what_comes_beside_a_commitment_is_not_its_signers() -> None:
    beside = as_signed(DivergentField("suspension.question", b"", b"x"))
    assert isinstance(beside, RemoteProtocolError)
    assert "suspension.question" in str(beside)
    field = DivergentField("machineHash", b"", b"x")
    assert as_signed(field) is field
