"""Who is blamed and convicted for what it sent, and what of ours that is shown stops us."""

from dataclasses import replace

import pytest

from evmthread.channel.closing import PATIENCE
from evmthread.channel.events import (
    Adopted,
    Convicted,
    Diverged,
    PeerFault,
    Stopped,
    StopReason,
)
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import (
    Accept,
    Agreed,
    Propose,
    RejectCode,
    Request,
)
from evmthread.channel.phases import Phase
from evmthread.channel.proposals import EMPTY_BATCHES, EXECUTION_TIMERS, EXECUTIONS, MAX_DIVERGENT
from evmthread.channel.watch import MAX_REMEMBERED
from evmthread.commit import DIALECT, Batch, SignatureSet, SignedBatch, SignedCommitment, Suspension, digest
from tests.channel.endpoints import ASKS, OUTSIDER, Table, empty_batch, proposals, word
from tests.channel.test_rounds import rejects


@pytest.mark.parametrize("field", ["state_root", "storage_root", "receipts_root", "gas_used", "fee", "balances"])
def test_what_does_not_execute_so_is_refused_and_convicts(field: str) -> None:
    """C23, C24."""
    table = Table(operator=OUTSIDER, rules={"fee_per_gigagas": 10**6}, terms={"max_fee": 100})
    proposal = table.proposal(1)
    commitment = proposal.commitment
    first, second = commitment.balances
    assert commitment.fee
    changed = {"gas_used": commitment.gas_used + 1, "balances": (first - 1, second + 1), "fee": commitment.fee - 1}
    value: object = changed.get(field, b"\x11" * 32)
    table.tell(0, 1, table.signed(1, proposal, **{field: value}))
    table.ends[0].flush()
    (event,) = table.told(0, Diverged)
    assert isinstance(event, Diverged)
    assert event.party == 1
    (reject,) = rejects(table, 0)
    assert reject.code == RejectCode.DIVERGENT
    assert table.channel(0).phase == Phase.READY
    assert [each.kind for each in table.stores[0].look(table.id).evidence()] == ["Divergence"]
    assert table.channel(0).thread.storage(0) == 0


def test_too_many_wrong_proposals_are_not_executed_any_more() -> None:
    table = Table()
    proposal = table.proposal(1)
    for number in range(MAX_DIVERGENT + 2):
        nonce = proposal.commitment.nonce + 2 * number
        table.tell(0, 1, table.signed(1, proposal, nonce=nonce, state_root=word(number)))
    table.ends[0].flush()
    assert len(table.told(0, Diverged)) == MAX_DIVERGENT
    assert rejects(table, 0)[-1].code == RejectCode.UNWANTED


def test_what_comes_beside_a_commitment_blames_nobody() -> None:
    """The signature is on the commitment: another batch, or another Suspension, may come from anybody on the way."""
    table = Table()
    proposal = table.proposal(1)
    batch = proposal.batch
    empty = SignedBatch(Batch(batch.batch.environment, ()), ())
    strange = Suspension(bytes(32), (), 0, table.terms.owners[0], b"")
    unsigned = SignedBatch(batch.batch, (bytes(65),))
    for changed in (
        replace(proposal, batch=empty),
        replace(proposal, batch=unsigned),
        replace(proposal, suspension=strange),
    ):
        table.tell(0, 1, changed)
    table.ends[0].flush()
    assert len(table.told(0, PeerFault)) == 3
    assert table.told(0, Diverged) == []
    table.tell(0, 1, proposal)
    assert table.channel(0).agreement is not None
    table.pump()
    assert len(table.told(0, Adopted)) == 2


def test_two_proposals_under_one_nonce_convict_their_leader() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    other = table.signed(1, proposal, state_root=word(1))
    table.tell(0, 1, proposal)
    table.tell(0, 1, other)
    table.ends[0].flush()
    (event,) = table.told(0, Convicted)
    assert isinstance(event, Convicted)
    assert event.party == 1
    signed = [record.digest for record in table.stores[0].look(table.id).load().signed]
    assert signed == [table.digest(proposal.commitment)], "the second isn't signed"
    assert rejects(table, 0)[-1].code == RejectCode.STALE


def executions(table: Table) -> list[int]:
    """Gets an item for each batch that party 0 executes from now on."""
    thread, executed = table.channel(0).thread, []
    prepare = thread.prepare
    thread.prepare = lambda *given, **named: executed.append(1) or prepare(*given, **named)  # type: ignore[method-assign]
    return executed


def test_what_is_not_signed_is_executed_so_often_as_an_honest_leader_needs() -> None:
    """The same bytes cost their sender nothing: executing them has its measure, which time fills up again."""
    table = Table(3, rules={"clock_drift": 1000})
    proposal = table.proposal(1)
    table.ends[0].do(lambda channel: channel.close())
    executed = executions(table)
    most = EXECUTIONS * table.rules.open_proposals
    for _ in range(most + 5):
        table.tell(0, 2, proposal)
    assert len(executed) == most
    assert {(reject.code, reject.where) for reject in rejects(table, 0)} == {(RejectCode.UNWANTED, "closing")}
    table.tell(0, 1, proposal)
    assert len(executed) == most + 1, "who sends too much is counted, and nobody else"
    another = EXECUTION_TIMERS * table.options[0].base_timer
    for seconds, more in ((1, 2), (another - 1, 2), (another + 1, 3)):
        table.ends[0].tick(table.now + seconds)
        table.ends[0].do(lambda channel: channel.close())
        table.tell(0, 2, proposal)
        assert len(executed) == most + more, seconds
    table.sent()
    table.ends[0].tick(table.now + another + 1 + PATIENCE * table.options[0].base_timer)
    table.tell(0, 1, proposal)
    assert table.channel(0).phase == Phase.PENDING, "now that closing has failed it is signed"


def test_on_each_agreement_executions_are_counted_anew() -> None:
    table = Table(3, rules={"clock_drift": 1000})
    most = EXECUTIONS * table.rules.open_proposals
    for leader in (1, 2):
        proposal = table.proposal(leader)
        table.ends[0].do(lambda channel: channel.close())
        executed = executions(table)
        for _ in range(most + 5):
            table.tell(0, 1, proposal)
        assert len(executed) == most
        table.sent()
        table.wait(PATIENCE * table.options[0].base_timer, pump=False)
        table.sent()
        for receiver in {0, 1, 2} - {leader}:
            table.tell(receiver, leader, proposal)
        table.pump()
        assert len(table.tips()) == 1
        agreement = table.channel(0).agreement
        assert agreement is not None
        assert agreement.commitment.nonce == leader


def test_nothing_at_or_below_what_is_signed_is_executed() -> None:
    """It can't be signed any more, whatever it leads to."""
    table = Table(3)
    first = table.proposal(1)
    higher = table.signed(2, first, nonce=2)
    executed = executions(table)
    table.tell(0, 2, higher)
    assert [record.nonce for record in table.stores[0].look(table.id).load().signed] == [2]
    executed.clear()
    table.tell(0, 1, first)
    assert rejects(table, 0)[-1].code == RejectCode.STALE
    table.restart(0)
    assert executed == []
    executed = executions(table)
    table.tell(0, 2, table.signed(2, higher, state_root=word(1)))
    assert rejects(table, 0)[-1].code == RejectCode.STALE
    assert executed == []


def test_an_operator_takes_up_a_proposal_before_it_knows_what_others_have() -> None:
    """It signs nothing, so the signer law doesn't ask that of it."""
    table = Table(2, operator=OUTSIDER)
    proposal = table.proposal(1)
    table.restart(2, start=False)
    table.tell(2, 1, proposal)
    assert proposal.commitment.nonce in table.channel(2)._desk.ballot.standing


def test_empty_batches_are_signed_at_a_leaders_pace_and_no_faster() -> None:
    """No openProposals bound them, and each signature takes its place in the store."""
    table = Table(3)
    commitment, batch = empty_batch(table, nonce=1)
    proposal = Propose(commitment, batch, None, b"")

    def propose(*places: int) -> int:
        for place in places:
            table.tell(0, 1, table.signed(1, proposal, nonce=1 + 3 * place))
        table.sent()
        return len(table.channel(0)._desk.ballot.signed)

    assert propose(*range(EMPTY_BATCHES + 5)) == EMPTY_BATCHES
    assert propose(EMPTY_BATCHES + 5) == EMPTY_BATCHES
    table.ends[0].tick(table.now + table.options[0].base_timer)
    assert propose(EMPTY_BATCHES + 6, EMPTY_BATCHES + 7) == EMPTY_BATCHES + 1
    table.ends[0].tick(table.now + 2 * table.options[0].base_timer)
    assert propose(EMPTY_BATCHES + 8, EMPTY_BATCHES + 9) == EMPTY_BATCHES + 2


def stopped_after_5(table: Table) -> tuple[Propose, Suspension]:
    """Party 1 proposes a call that stops after 5 instructions: that, and where it is said to stand; nobody has it."""
    table.ask(1)
    table.pump()
    table.ends[1].do(lambda channel: channel.propose(steps=5))
    proposal = proposals(table)[0]
    assert proposal.suspension is not None
    return proposal, proposal.suspension


@pytest.mark.parametrize("transcript", [True, False])
def test_a_suspension_that_its_leader_never_sent_is_not_held_against_it(transcript: bool) -> None:
    """Party 2 passes on what party 1 signed, with another Suspension, as often as it likes."""
    table = Table(3, rules={"transcript": transcript}, automatic=False)
    proposal, suspension = stopped_after_5(table)
    for steps in (0, 3, 4, 6, 999, 1000, 1001):
        table.tell(0, 2, replace(proposal, suspension=replace(suspension, steps=steps)))
    table.ends[0].flush()
    assert table.told(0, Diverged) == []
    table.sent()
    table.tell(0, 1, proposal)
    assert table.channel(0).phase == Phase.PENDING


def test_a_suspension_beside_an_empty_batch_is_not_its_leaders() -> None:
    table = Table(3, code=ASKS, rules={"dialect": DIALECT, "transcript": False})
    table.play(0, 5, rest=bytes(12) + table.terms.owners[1])
    opened = table.channel(0).thread.agreed_call
    assert opened is not None
    leader = table.channel(0)._desk.free_nonce % 3
    table.ends[leader].do(lambda channel: channel.propose(empty=True))
    proposal = next(message for _, _, message in table.sent() if isinstance(message, Propose))
    assert proposal.suspension == opened.suspension
    other, judge = (index for index in range(3) if index != leader)
    wrong = replace(proposal, suspension=replace(opened.suspension, question=b"another"))
    table.tell(judge, other, wrong)
    table.ends[judge].flush()
    assert table.told(judge, Diverged) == []
    assert len(table.told(judge, PeerFault)) == 1
    assert table.stores[judge].look(table.id).evidence() == []


def test_who_passes_on_what_does_not_execute_is_muted_where_nobody_else_signed_it() -> None:
    """What a leader signed is its own fault whoever shows it; where a machine is found, whoever says so."""
    table = Table(3)
    proposal = table.proposal(1)
    for number in range(MAX_DIVERGENT):
        table.tell(0, 2, table.signed(1, proposal, nonce=1 + 3 * number, state_root=word(1)))
    table.ends[0].flush()
    assert len(table.told(0, Diverged)) == MAX_DIVERGENT
    table.sent()
    table.tell(0, 1, table.signed(1, proposal, nonce=31))
    assert [reject.code for reject in rejects(table, 0)] == [RejectCode.UNWANTED]
    assert table.told(0, PeerFault) == []
    suspends = Table(3, rules={"transcript": False}, automatic=False)
    made, suspension = stopped_after_5(suspends)
    for steps in range(10, 10 + MAX_DIVERGENT + 1):
        suspends.tell(0, 2, replace(made, suspension=replace(suspension, steps=steps)))
    faults = [event for event in suspends.told(0, PeerFault) if isinstance(event, PeerFault)]
    assert [str(event.error) for event in faults[-1:]] == ["too many proposals that don't execute to what was signed"]
    suspends.sent()
    suspends.tell(0, 1, made)
    assert suspends.channel(0).phase == Phase.PENDING


def test_who_was_muted_is_heard_again_on_the_next_agreement() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    for number in range(MAX_DIVERGENT):
        table.tell(0, 1, table.signed(1, proposal, nonce=1 + 3 * number, state_root=word(1)))
    divergent = table.channel(0)._desk.ballot.divergent
    assert divergent == {1: MAX_DIVERGENT}
    table.sent()
    signatures = SignatureSet.of({index: table.sign(index, proposal.commitment) for index in range(3)})
    table.channel(0)._desk.ballot.signed[1] = table.digest(proposal.commitment)
    agreed = Agreed(SignedCommitment(proposal.commitment, signatures), proposal.batch, None)
    table.tell(0, 2, agreed)
    assert table.channel(0)._desk.tip_nonce == 1
    assert divergent == {}


def test_the_highest_that_we_saw_of_a_party() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    rounds = table.channel(0)._rounds
    assert rounds.highest_of(3) is None
    assert rounds.seen_of(3) == -1
    table.tell(0, 1, proposal)
    signature = table.sign(1, proposal.commitment)
    assert rounds.highest_of(1) == (1, proposal.commitment, signature)
    assert rounds.seen_of(1) == 1
    other = replace(proposal.commitment, nonce=7)
    early = table.sign(1, other)
    table.tell(0, 1, Accept(7, table.digest(other), early))
    assert rounds.highest_of(1) == (7, None, early)
    table.channel(0)._desk.ballot.tip_moved(9)
    assert rounds.highest_of(1) == (1, proposal.commitment, signature)


def test_batches_that_cannot_be_executed_are_tried_a_few_times() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    (each,) = proposal.batch.batch.inputs
    bad = replace(each, nonce=7)
    batch = Batch(proposal.batch.batch.environment, (each, bad))
    signed = SignedBatch(batch, (*proposal.batch.signatures, table.sign(1, bad)))
    for number in range(MAX_DIVERGENT + 1):
        lie = table.signed(1, replace(proposal, batch=signed), nonce=1 + 3 * number, batch_hash=batch.hash_struct())
        table.tell(0, 1, lie)
    codes = [reject.code for reject in rejects(table, 0)]
    assert codes == [RejectCode.INVALID] * MAX_DIVERGENT + [RejectCode.UNWANTED]


def test_our_own_signature_on_what_we_do_not_have_stops_us() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    strange = replace(proposal.commitment, nonce=3, state_root=word(9))
    alone = SignedCommitment(strange, SignatureSet.of({0: table.sign(2, strange)}))
    table.tell(0, 2, Agreed(alone, proposal.batch, None))
    assert isinstance(table.events[0][-1], PeerFault)
    alone = SignedCommitment(strange, SignatureSet.of({0: table.sign(0, strange)}))
    table.tell(0, 2, Agreed(alone, proposal.batch, None))
    (event,) = table.told(0, Stopped)
    assert isinstance(event, Stopped)
    assert event.reason == StopReason.STALE_STORE
    assert table.channel(0).phase == Phase.STOPPED
    table.tell(0, 1, proposal)
    assert table.sent() == []


def test_our_own_signature_beside_a_nonce_that_it_does_not_name_stops_nobody() -> None:
    """Whoever has a signature of ours can put any nonce beside its digest."""
    table = Table()
    table.play(0)
    agreement = table.channel(0).agreement
    assert agreement is not None
    table.tell(1, 0, Accept(77, agreement.digest, agreement.signatures.signatures[1]))
    table.ask(1)
    (request,) = [message for _, _, message in table.sent() if isinstance(message, Request)]
    table.tell(1, 0, Accept(79, digest(LOCAL_DOMAIN, request.signed.input), request.signed.signature))
    assert table.told(1, Stopped) == []


def test_what_we_signed_in_another_thread_stops_nobody_and_hides_nothing() -> None:
    """One key may sign in several threads, and a peer of two of them shows what it likes."""
    table = Table()
    proposal = table.proposal(1)
    for leader, nonce in ((1, 51), (0, 50)):
        elsewhere = table.signed(leader, proposal, thread_id=word(9), nonce=nonce)
        table.tell(1, 0, elsewhere)
        assert isinstance(table.events[1][-1], PeerFault)
        alone = SignedCommitment(elsewhere.commitment, SignatureSet.of({1: table.sign(1, elsewhere.commitment)}))
        table.tell(1, 0, Agreed(alone, elsewhere.batch, None))
        assert isinstance(table.events[1][-1], PeerFault)
    assert table.told(1, Stopped) == []
    for root in (word(1), word(2)):
        table.tell(1, 0, table.signed(0, proposal, nonce=50, state_root=root))
    table.ends[1].flush()
    assert len(table.told(1, Convicted)) == 1


def test_a_proposal_that_we_lead_and_never_made_stops_us() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, table.signed(0, proposal, nonce=3))
    assert table.channel(0).phase == Phase.STOPPED
    other = Table(3)
    other.tell(1, 2, proposal)
    assert other.channel(1).phase == Phase.STOPPED


def test_peers_may_show_us_what_we_know() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(1, 0, proposal)
    assert table.channel(1).phase == Phase.PENDING
    assert table.told(1, PeerFault) == []
    table.tell(1, 0, replace(proposal, signature=table.sign(0, proposal.commitment)))
    assert len(table.told(1, PeerFault)) == 1


def test_who_signs_a_lot_makes_us_forget_its_own_alone() -> None:
    """Party 1 signed one thing; party 2 signs all that it can, so that the other one of party 1's isn't seen as one."""
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, table.signed(1, proposal, nonce=4, state_root=word(1)))
    for number in range(MAX_REMEMBERED + 5):
        table.tell(0, 2, table.signed(2, proposal, nonce=5 + 3 * number, parent=word(1)))
    table.tell(0, 1, table.signed(1, proposal, nonce=4, state_root=word(2)))
    table.ends[0].flush()
    assert [event.party for event in table.told(0, Convicted) if isinstance(event, Convicted)] == [1]


def test_a_signature_of_ours_that_is_shown_is_one_that_we_know() -> None:
    """Signer law, 5; what lies at or below the agreement or the floor of a restored store is no surprise."""

    def shown(nonce: int, digest: bytes, *, floor: int = 0, wants_floor: bool = False) -> bool:
        table = Table(3)
        table.tell(0, 1, table.proposal(1))
        channel = table.channel(0)
        channel._desk.own_floor, channel._desk.wants_floor = floor, wants_floor
        channel._rounds.check_known(nonce, digest)
        return channel._desk.stopped is None

    table = Table(3)
    known = table.digest(table.proposal(1).commitment)
    assert shown(1, known)
    assert not shown(1, word(1))
    assert shown(1, word(1), wants_floor=True)
    assert shown(0, word(1))
    assert not shown(2, known)
    assert shown(5, word(1), floor=5)
    assert not shown(6, word(1), floor=5)
    fresh = Table(3, begin=False).channel(0)
    fresh._rounds.check_known(0, word(1))
    assert fresh._desk.stopped is not None, "the genesis, too"


def test_who_is_ready_to_close_refuses_and_still_finds_out_who_lies() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.ends[0].do(lambda channel: channel.close())
    table.sent()
    table.tell(0, 1, proposal)
    (reject,) = rejects(table, 0)
    assert (reject.code, reject.where) == (RejectCode.UNWANTED, "closing")
    table.tell(0, 1, table.signed(1, proposal, nonce=4, state_root=word(1)))
    table.ends[0].flush()
    assert len(table.told(0, Diverged)) == 1
    (reject,) = rejects(table, 0)
    assert reject.code == RejectCode.DIVERGENT


def test_what_a_party_accepts_is_remembered_against_it() -> None:
    table = Table(4)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    signature = table.sign(2, proposal.commitment)
    table.tell(0, 2, Accept(1, table.digest(proposal.commitment), signature))
    seen = table.channel(0)._rounds._watch._commitments
    assert seen[2, 1] == (proposal.commitment, signature)
