"""Replay: finds what parties that sign anything agreed on against the rules of execution."""

from dataclasses import replace

import pytest

from evmthread.channel.errors import DivergentField, InvalidBatch
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.replay import replay
from evmthread.commit import (
    Agreement,
    Batch,
    Commitment,
    InputKind,
    SignatureSet,
    SignedBatch,
    SignedCommitment,
    Status,
    TypedData,
)
from evmthread.commit.refusals import BrokenParent, Refusal, WrongSignature, WrongThread
from tests.channel.games import Match, MorpionMatch, finished_game, ruleset


def signed_by_all(match: Match, commitment: Commitment) -> Agreement:
    """An agreement on anything well-formed: all parties sign without looking."""
    signatures = {i: signer.sign(TypedData(LOCAL_DOMAIN, commitment)) for i, signer in enumerate(match.signers)}
    return Agreement(LOCAL_DOMAIN, match.terms, commitment, SignatureSet.of(signatures))


def _lying(commitment: Commitment, name: str, lie: object) -> Commitment:
    return replace(commitment, **{name: lie})  # type: ignore[arg-type]


def test_a_whole_game_replays_and_every_prefix() -> None:
    match = finished_game()
    for length in range(len(match.line) + 1):
        thread = match.open()
        replayed = list(replay(thread, match.line[:length]))
        assert [each.agreement for each in replayed] == [agreement for agreement, _ in match.line[:length]]
        assert thread.agreement == (match.line[length - 1][0] if length else None)
    assert replayed[0].outcome.inputs[0].result.success


def test_replay_goes_on_from_where_a_thread_stands() -> None:
    match = finished_game()
    thread = match.open()
    assert len(list(replay(thread, match.line[:4]))) == 4
    assert len(list(replay(thread, match.line[4:]))) == len(match.line) - 4
    assert thread.agreement == match.tip


def test_plain_signed_commitments_are_verified_on_the_way() -> None:
    match = finished_game()
    line = [(agreement.signed, batch) for agreement, batch in match.line]
    assert len(list(replay(match.open(), line))) == len(line)
    signed, batch = line[3]
    swapped = SignatureSet(signed.signatures.bitmap, tuple(reversed(signed.signatures.signatures)))
    line[3] = (SignedCommitment(signed.commitment, swapped), batch)
    with pytest.raises(WrongSignature, match="nonce 3"):
        list(replay(match.open(), line))


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("state_root", b"\1" * 32),
        ("storage_root", b"\1" * 32),
        ("receipts_root", b"\1" * 32),
        ("gas_used", 10**9),
        ("balances", (1, 2)),
    ],
)
def test_a_lie_that_all_signed_is_found(name: str, lie: object) -> None:
    match = finished_game()
    agreement, batch = match.line[5]
    truth = getattr(agreement.commitment, name)
    line = [*match.line[:5], (signed_by_all(match, _lying(agreement.commitment, name, lie)), batch)]
    thread = match.open()
    with pytest.raises(DivergentField) as caught:
        list(replay(thread, line))
    error = caught.value
    assert (error.nonce, error.expected, error.got) == (5, truth, lie)
    assert thread.agreement == match.line[4][0]
    assert thread.prepared is None


def test_a_fee_that_all_signed_is_found() -> None:
    match = Match(b"\0", rules=ruleset(fee_per_gigagas=10**6), operator=b"\7" * 20, max_fee=1000)
    match.agree()
    agreement = match.call(0)
    lie = signed_by_all(match, replace(agreement.commitment, fee=agreement.commitment.fee + 1, balances=(4900, 4900)))
    with pytest.raises(DivergentField, match="balances"):
        list(replay(match.open(), [match.line[0], (lie, match.line[1][1])]))
    balances = agreement.commitment.balances
    lie = signed_by_all(match, replace(agreement.commitment, fee=0, balances=balances))
    with pytest.raises(DivergentField, match=f"fee: executed {agreement.commitment.fee}, committed 0"):
        list(replay(match.open(), [match.line[0], (lie, match.line[1][1])]))


def test_an_input_that_all_signed_against_the_rules_is_found() -> None:
    match = MorpionMatch().begin()
    bad = match.batch([match.input(0, nonce=7)])
    commitment = replace(
        match.tip.commitment, nonce=3, parent=match.tip.digest, batch_hash=bad.batch.hash_struct(), gas_used=10**7
    )
    with pytest.raises(InvalidBatch, match="nonce 3: input 0: nonce too high"):
        list(replay(match.open(), [*match.line, (signed_by_all(match, commitment), bad)]))


def test_dropped_repeated_and_reordered_agreements_are_found() -> None:
    match = finished_game()
    for line in (
        match.line[1:],
        [*match.line[:3], *match.line[4:]],
        [*match.line[:3], match.line[2], *match.line[3:]],
        [*match.line[:3], match.line[4], match.line[3], *match.line[5:]],
    ):
        with pytest.raises(BrokenParent):
            list(replay(match.open(), line))


def test_a_batch_of_another_commitment_is_found() -> None:
    match = finished_game()
    line = list(match.line)
    line[4] = (line[4][0], line[5][1])
    with pytest.raises(Refusal, match=r"nonce 4: (batchHash|input 0|stateRoot)"):
        list(replay(match.open(), line))


def test_a_call_that_never_suspended_is_found() -> None:
    match = MorpionMatch().begin()
    batch = match.batch([match.input(0)])
    commitment = replace(
        match.tip.commitment,
        nonce=3,
        parent=match.tip.digest,
        status=Status.SUSPENDED,
        awaiting=match.terms.owners[0],
        machine_hash=b"\1" * 32,
        batch_hash=batch.batch.hash_struct(),
    )
    with pytest.raises(DivergentField, match="nonce 3: status"):
        list(replay(match.open(), [*match.line, (signed_by_all(match, commitment), batch)]))


def test_an_answer_without_a_question_is_found() -> None:
    match = MorpionMatch().begin()
    answer = match.input(0, bytes(32), kind=InputKind.ANSWER, nonce=0)
    batch = SignedBatch(Batch(match.environment(), (answer.input,)), (answer.signature,))
    commitment = replace(match.tip.commitment, nonce=3, parent=match.tip.digest, batch_hash=batch.batch.hash_struct())
    with pytest.raises(InvalidBatch, match="nonce 3: input 0: no call is open"):
        list(replay(match.open(), [*match.line, (signed_by_all(match, commitment), batch)]))


def test_agreements_of_another_thread_are_found() -> None:
    other = finished_game(salt=8)
    with pytest.raises(WrongThread):
        list(replay(finished_game().open(), other.line))
