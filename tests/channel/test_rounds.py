"""Reviewing, signing, agreeing; what is refused and why, and what convicts whom."""

from dataclasses import replace
from random import Random

import pytest

from evmthread.channel.ballot import MAX_EARLY, Standing
from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChainHead, ChannelOptions, Mode
from evmthread.channel.effects import Notify, Persist, Send, Sign
from evmthread.channel.errors import LocalProtocolError, RemoteProtocolError
from evmthread.channel.events import (
    Adopted,
    CloseAsked,
    Convicted,
    Diverged,
    PeerFault,
    Proposed,
    Rejected,
    Stopped,
    StopReason,
    Unexecutable,
)
from evmthread.channel.kept import SignedRecord
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import (
    Accept,
    Agreed,
    Fetch,
    Hello,
    Propose,
    Reject,
    RejectCode,
    Request,
    encode_message,
)
from evmthread.channel.phases import Phase
from evmthread.channel.review import FLOOR_STEP, SECONDS_FACTOR
from evmthread.channel.rounds import MAX_DIVERGENT
from evmthread.channel.thread import Thread
from evmthread.channel.watch import MAX_REMEMBERED
from evmthread.commit import Batch, SignatureSet, SignedBatch, SignedCommitment, Status, Suspension, digest
from evmthread.store.endpoint import Endpoint
from tests.channel.endpoints import OUTSIDER, Table, word
from tests.channel.games import START


def rejects(table: Table, sender: int) -> list[Reject]:
    return [message for one, _, message in table.sent() if one == sender and isinstance(message, Reject)]


def test_a_round_leads_all_to_one_agreement() -> None:
    for parties, threshold in ((2, 2), (3, 2), (4, 4)):
        table = Table(parties, threshold=threshold)
        for number in range(parties):
            table.play(number, 10 + number)
        assert len(table.tips()) == 1
        tip = table.channel(0).agreement
        assert tip is not None
        assert tip.commitment.nonce == parties
        assert table.channel(0).thread.storage(0) == 10 + parties
        assert len(table.told(0, Adopted)) == parties + 1


def test_nothing_leaves_before_it_is_kept() -> None:
    table = Table()
    proposal = table.proposal(1)
    kept = table.stores[1].look(table.id).load()
    assert [record.nonce for record in kept.signed] == [1]
    assert proposal.commitment.nonce == 1


def test_a_proposal_is_signed_once_and_shown_again_as_the_same_bytes() -> None:
    table = Table()
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    first = table.sent()
    accepts = [message for _, _, message in first if isinstance(message, Accept)]
    assert len(accepts) == 1
    table.tell(0, 1, proposal)
    again = [message for _, _, message in table.sent() if isinstance(message, Accept)]
    assert again in ([], accepts)


def test_only_the_leaders_signature_counts() -> None:
    table = Table()
    proposal = table.proposal(1)
    for wrong in (table.sign(0, proposal.commitment), b"\x00" * 65, proposal.signature[:64]):
        table.tell(0, 1, replace(proposal, signature=wrong))
    assert len(table.told(0, PeerFault)) == 3
    assert table.channel(0).phase == Phase.READY
    assert table.sent() == []


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


def test_an_accept_needs_a_partys_signature() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    digest = table.digest(proposal.commitment)
    stranger = table.signers[0]
    assert stranger
    table.tell(1, 0, Accept(1, digest, b"\x01" * 65))
    table.tell(1, 0, Accept(1, bytes(32), table.sign(0, proposal.commitment)))
    assert len(table.told(1, PeerFault)) == 2
    good = Accept(1, digest, table.sign(0, proposal.commitment))
    table.tell(1, 2, good)
    table.tell(1, 2, good)
    agreement = table.channel(1).agreement
    assert agreement is not None
    assert agreement.commitment.nonce == 0, "one signature told twice is one"
    table.tell(1, 0, Accept(1, digest, table.sign(2, proposal.commitment)))
    agreement = table.channel(1).agreement
    assert agreement is not None
    assert agreement.commitment.nonce == 1, "whoever brings it"


def test_signatures_that_come_before_the_proposal_count() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 2, Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment)))
    table.tell(0, 1, proposal)
    agreement = table.channel(0).agreement
    assert agreement is not None
    assert agreement.commitment.nonce == 1
    agreed = [(to, message) for _, to, message in table.sent() if isinstance(message, Agreed)]
    assert agreed == [], "all have signed"


def test_whoever_has_not_signed_is_told_what_is_agreed() -> None:
    table = Table(3, threshold=2)
    table.lost = lambda sender, receiver, message: receiver == 2 and isinstance(message, Propose)
    table.ask(1)
    went = table.pump()
    assert any(receiver == 2 and isinstance(message, Agreed) for _, receiver, message in went)
    assert len(table.tips()) == 1


def test_an_older_proposal_is_answered_with_the_agreement() -> None:
    table = Table()
    old = table.proposal(1)
    other = table.restart(1)
    assert other
    table.pump()
    table.wait(10)
    table.play(0)
    table.play(1)
    table.tell(0, 1, old)
    answers = [message for _, _, message in table.sent()]
    assert any(isinstance(message, Agreed | Reject) for message in answers)
    assert table.channel(0).phase == Phase.READY


def test_nonces_of_the_far_future_are_refused_and_remembered_by_nobody() -> None:
    """C19: 2^64 - 1."""
    table = Table(3, threshold=2)
    proposal = table.proposal(1)
    for nonce in ((1 << 64) - 2, 1 << 40, FLOOR_STEP + SECONDS_FACTOR * 10_000):
        nonce += (1 - nonce) % 3
        if nonce < 1 << 64:
            table.tell(0, 1, table.signed(1, proposal, nonce=nonce))
    table.tell(0, 1, proposal)
    table.pump()
    table.wait(4)
    table.play(2)
    table.play(0)
    agreement = table.channel(0).agreement
    assert agreement is not None
    assert agreement.commitment.nonce < 20


def test_a_time_far_from_ours_is_refused() -> None:
    table = Table()
    table.ends[1].tick(table.now + 500)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    (reject,) = rejects(table, 0)
    assert reject.code == RejectCode.CLOCK
    assert table.channel(0).phase == Phase.READY


@pytest.mark.parametrize("transcript", [True, False])
def test_a_suspension_that_its_leader_never_sent_is_not_held_against_it(transcript: bool) -> None:
    """Party 2 passes on what party 1 signed, with another Suspension, as often as it likes."""
    table = Table(3, rules={"transcript": transcript}, automatic=False)
    table.ask(1)
    table.pump()
    table.ends[1].do(lambda channel: channel.propose(steps=5))
    proposal = next(message for _, _, message in table.sent() if isinstance(message, Propose))
    assert proposal.suspension is not None
    for steps in (0, 3, 4, 6, 999, 1000, 1001):
        table.tell(0, 2, replace(proposal, suspension=replace(proposal.suspension, steps=steps)))
    table.ends[0].flush()
    assert table.told(0, Diverged) == []
    table.sent()
    table.tell(0, 1, proposal)
    assert table.channel(0).phase == Phase.PENDING


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


def test_nobody_uses_up_the_nonces_of_others() -> None:
    """A signature of party 2's that everybody has, and a nonce of party 1's choice beside it."""
    table = Table(3, threshold=2)
    table.play(0)
    agreement = table.channel(0).agreement
    assert agreement is not None
    (old,) = [
        each
        for index, each in zip(agreement.signatures.indexes(), agreement.signatures.signatures, strict=True)
        if index == 2
    ] or [table.sign(2, agreement.commitment)]
    far = table.channel(0)._desk.highest_claimed
    table.tell(0, 1, Hello(far, agreement.commitment.nonce, agreement.digest))
    for number in range(MAX_EARLY):
        table.tell(0, 1, Accept(far - number, agreement.digest, old))
    ballot = table.channel(0)._desk.ballot
    assert ballot.lowest_free(agreement.commitment.nonce, 0) == agreement.commitment.nonce + 1
    assert ballot.highest_of(2) is None


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


def test_rejections_do_not_set_our_pace() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    nonces = [proposal.commitment.nonce]
    for _ in range(10):
        last = nonces[-1]
        digest = table.channel(1)._desk.ballot.standing[last].digest
        table.tell(1, 0, Reject(last, digest, RejectCode.CLOCK, ""))
        made = [message.commitment.nonce for _, _, message in table.sent() if isinstance(message, Propose)]
        nonces += sorted(set(made) - set(nonces))
    assert len(nonces) == 2, "one more at once, then by the clock"
    assert len(table.told(1, Rejected)) == 2


def test_only_a_rejection_of_what_stands_is_told() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(1, 0, Reject(1, bytes(32), 0, ""))
    table.tell(1, 0, Reject(4, table.digest(proposal.commitment), 0, ""))
    assert table.told(1, Rejected) == []
    table.tell(1, 0, Reject(1, table.digest(proposal.commitment), 99, "because"))
    table.tell(1, 2, Reject(1, table.digest(proposal.commitment), 0, ""))
    assert [(event.party, event.code, event.where) for event in table.told(1, Rejected)] == [(0, 99, "because")]  # type: ignore[attr-defined]


def test_a_user_decides() -> None:
    manual = ChannelOptions(manual=True)
    table = Table(3, each={0: manual})
    table.ends[0].do(lambda channel: channel.accept(0)) if table.told(0, Proposed) else None
    table.pump()
    table.ask(1)
    table.pump()
    (event,) = [each for each in table.told(0, Proposed) if each.proposal.commitment.nonce == 1]  # type: ignore[attr-defined]
    assert event
    with pytest.raises(LocalProtocolError, match="no proposal of nonce 2"):
        table.ends[0].do(lambda channel: channel.accept(2))
    table.ends[0].do(lambda channel: channel.reject(1, "too dear"))
    table.pump()
    assert [each.where for each in table.told(1, Rejected)][-1:] == ["too dear"]  # type: ignore[attr-defined]
    with pytest.raises(LocalProtocolError):
        table.ends[0].do(lambda channel: channel.accept(1))
    assert table.stores[0].look(table.id).load().highest == 0


def test_a_signature_that_comes_too_late_is_dropped() -> None:
    """A slow disk: others agree without us meanwhile, and what we were about to sign is void."""
    table = Table(3, threshold=2)
    waiting = []
    table.ends[0]._keep = lambda endpoint, persist: waiting.append(persist)
    table.ask(1)
    table.pump()
    assert len(table.tips()) == 1
    for persist in waiting:
        table.ends[0]._keep = None
        table.ends[0]._store.write([(table.ends[0].lease, persist.records)])
        table.ends[0].kept(persist.token, None)
    assert table.channel(0).phase == Phase.READY
    assert table.told(0, Stopped) == []


def test_while_a_signature_is_on_its_way_it_is_not_asked_for_again() -> None:
    """A second request would overtake what is being kept, and the store would refuse that then."""
    table = Table(3)
    waiting = []
    table.ends[0]._keep = lambda endpoint, persist: waiting.append(persist)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    table.tell(0, 1, proposal)
    table.ends[1].start()
    table.pump()
    assert table.stores[0].look(table.id).load().highest == 0
    assert len([persist for persist in waiting if persist.urgent]) == 1


def test_a_store_that_refuses_stops_us() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.ends[0]._keep = lambda endpoint, persist: None
    table.tell(0, 1, proposal)
    table.ends[0].kept(max(table.channel(0)._desk.outbox._waiting), RemoteProtocolError("full"))
    (event,) = table.told(0, Stopped)
    assert isinstance(event, Stopped)
    assert (event.reason, event.detail) == (StopReason.REFUSED, "full")


def test_a_final_that_nobody_asked_for_is_refused() -> None:
    table = Table(3)
    thread = table.channel(1).thread
    batch = SignedBatch(Batch(thread.environment(), ()), ())
    commitment = thread.execute(batch, nonce=1, final=True)
    assert commitment.status == Status.FINAL
    table.tell(0, 1, Propose(commitment, batch, None, table.sign(1, commitment)))
    (reject,) = rejects(table, 0)
    assert (reject.code, reject.where) == (RejectCode.UNWANTED, "not everyone is ready to close")


def test_floods_of_signatures_stay_bounded() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    for number in range(3 * MAX_EARLY):
        commitment = replace(proposal.commitment, nonce=2 + number, state_root=word(number))
        table.tell(0, 2, Accept(2 + number, table.digest(commitment), table.sign(2, commitment)))
    assert sum(map(len, table.channel(0)._desk.ballot._early.values())) == MAX_EARLY
    assert table.now == START


def test_a_decision_that_can_not_be_taken_now_waits() -> None:
    table = Table(3, each={0: ChannelOptions(manual=True)}, begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    table.ask(1)
    table.pump()
    table.ends[0].do(lambda channel: channel.close())
    with pytest.raises(LocalProtocolError, match="closing"):
        table.ends[0].do(lambda channel: channel.accept(1))
    table.wait(80)
    asked = [event for event in table.told(0, Proposed) if event.proposal.commitment.nonce == 1]  # type: ignore[attr-defined]
    assert len(asked) > 1, "asked again with each try"
    last = table.told(0, Proposed)[-1].proposal.commitment.nonce  # type: ignore[attr-defined]
    table.ends[0].do(lambda channel: channel.accept(last))
    table.pump()
    assert len(table.tips()) == 1
    assert table.channel(0)._desk.tip_nonce == last


def test_a_block_ahead_of_a_chain_that_we_do_not_know_is_not_signed() -> None:
    """A number never falls again: a leader could take the contract's clock away for ever."""
    table = Table(on_chain=True, begin=False)
    table.greet()
    thread = table.channel(0).thread
    environment = thread.environment(number=2**64 - 1, timestamp=START)
    batch = SignedBatch(Batch(environment, ()), ())
    commitment = thread.execute(batch, nonce=0)
    table.tell(1, 0, Propose(commitment, batch, None, table.sign(0, commitment)))
    (reject,) = rejects(table, 1)
    assert reject.code == RejectCode.UNWANTED
    table.ends[0].head(ChainHead(9, START, Mode.FUNDING, 8, Mode.FUNDING))
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    assert table.channel(1).phase == Phase.OPENING
    table.ends[1].head(ChainHead(9, START, Mode.FUNDING, 8, Mode.FUNDING))
    table.wait(20)
    assert table.channel(1).phase == Phase.READY


def test_a_genesis_for_which_we_lack_the_code_is_not_signed() -> None:
    table = Table(begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    thread = Thread.open(LOCAL_DOMAIN, table.terms, table.rules)
    history = table.stores[1].look(table.id)
    channel = Channel(thread, table.terms.keys[1], history=history, random=Random(1), now=table.now)
    channel.start()
    channel.receive(0, encode_message(table.id, Hello(-1, -1, bytes(32))))
    ((_, _, data),) = table.net
    (reject,) = [table.read(each.data) for each in channel.receive(0, data) if isinstance(each, Send)]
    assert isinstance(reject, Reject)
    table.pump()
    agreed = table.channel(0)._desk.tip
    assert agreed is not None
    told = [each.event for each in channel.receive(0, encode_message(table.id, agreed)) if isinstance(each, Notify)]
    assert isinstance(told[-1], Unexecutable)
    assert channel.agreement is None


def test_what_is_void_when_it_is_kept_is_not_signed() -> None:
    """Another agreement came first: no signature is made on what can't be agreed any more."""
    table = Table(3, threshold=2)
    end, waiting = table.ends[0], []
    end._keep = lambda endpoint, persist: waiting.append(persist)
    table.ask(1)
    table.pump()
    assert table.channel(0)._desk.tip_nonce == 1
    for persist in waiting:
        end._store.write([(end.lease, persist.records)])
        effects = end.channel.persisted(persist.token)
        assert not any(isinstance(each, Sign) for each in effects)
    assert [persist.urgent for persist in waiting] == [True, False]
    assert table.channel(0).phase == Phase.READY


def test_a_signer_that_refuses_stops_us_unless_it_is_void_by_then() -> None:
    for moved, reasons in ((False, [StopReason.REFUSED]), (True, [])):
        table = Table(3, threshold=2)
        proposal = table.proposal(1)
        outbox = table.channel(0)._desk.outbox
        effects = table.channel(0).receive(1, encode_message(table.id, proposal))
        (persist,) = [each for each in effects if isinstance(each, Persist)]
        (sign,) = [each for each in table.channel(0).persisted(persist.token) if isinstance(each, Sign)]
        if moved:
            table.tell(0, 2, Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment)))
            assert table.channel(0)._desk.tip_nonce == 1
        table.channel(0).not_signed(sign.token, "locked")
        outbox.take()
        stopped = table.channel(0)._desk.stopped
        assert [each.reason for each in (stopped,) if each is not None] == reasons
        assert stopped is None or stopped.detail == "locked"


def test_a_decision_is_on_what_still_stands() -> None:
    table = Table(3, manual=True, begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    for index in (1, 2):
        table.ends[index].do(lambda channel: channel.accept(0))
    table.pump()
    table.ask(1)
    table.pump()
    assert table.channel(0)._rounds.waits_for_user
    del table.channel(0)._desk.ballot.standing[1]
    assert not table.channel(0)._rounds.waits_for_user
    with pytest.raises(LocalProtocolError, match="no proposal of nonce 1"):
        table.ends[0].do(lambda channel: channel.accept(1))
    assert table.stores[0].look(table.id).load().highest == 0


def test_what_we_accept_stays_as_its_leader_signed_it() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    standing = table.channel(0)._desk.ballot.standing[1]
    assert standing.propose == proposal
    assert standing.signatures == {0: table.sign(0, proposal.commitment), 1: proposal.signature}
    assert not standing.signing


def test_a_signature_that_comes_after_another_agreement_is_not_sent() -> None:
    table = Table(3, threshold=2)
    proposal = table.proposal(1)
    channel = table.channel(0)
    effects = channel.receive(1, encode_message(table.id, proposal))
    (persist,) = [each for each in effects if isinstance(each, Persist)]
    (sign,) = [each for each in channel.persisted(persist.token) if isinstance(each, Sign)]
    table.tell(0, 2, Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment)))
    assert channel._desk.tip_nonce == 1
    table.sent()
    assert [
        each for each in channel.signed(sign.token, table.sign(0, proposal.commitment)) if isinstance(each, Send)
    ] == []


def test_a_proposal_is_sent_to_those_whose_signature_is_missing() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(1, 2, Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment)))
    table.sent()
    rounds = table.channel(1)._rounds
    standing = table.channel(1)._desk.ballot.standing[1]
    rounds.send_standing(standing, (0, 2))
    table.ends[1].do(lambda channel: channel._desk.outbox.take())
    assert [(to, message) for _, to, message in table.sent()] == [(0, proposal)]
    standing.signing = True
    rounds.send_standing(standing, (0, 2))
    assert table.channel(1)._desk.outbox.take() == []


def test_a_final_proposal_of_another_counts_its_leader_as_bound() -> None:
    table = Table(3)
    thread = table.channel(1).thread
    batch = SignedBatch(Batch(thread.environment(), ()), ())
    final = thread.execute(batch, nonce=1, final=True)
    rest = thread.execute(batch, nonce=1)
    strange = replace(final, parent=word(7))
    bound = table.channel(0)._desk.ballot._bound
    expected: set[int] = set()
    for commitment, parties in ((rest, expected), (strange, expected), (final, {1})):
        table.tell(0, 1, Propose(commitment, batch, None, table.sign(1, commitment)))
        assert bound == parties
        assert {event.party for event in table.told(0, CloseAsked)} == parties  # type: ignore[attr-defined]
    asking = Table(3)
    asking.channel(0)._desk.wants_end = True
    asking.tell(0, 1, Propose(final, batch, None, asking.sign(1, final)))
    assert asking.told(0, CloseAsked) == []
    table.tell(0, 2, Accept(1, table.digest(final), table.sign(2, final)))
    assert bound == {1}, "nobody, where it isn't known what it accepts"


def test_who_accepts_a_final_one_is_bound() -> None:
    table = Table(4)
    table.lost = lambda sender, receiver, message: (
        isinstance(message, Accept) or (isinstance(message, Propose) and receiver != 0)
    )
    for index in range(4):
        table.ends[index].do(lambda channel: channel.close())
    table.pump()
    ballot = table.channel(0)._desk.ballot
    final = ballot.standing[1].propose.commitment
    assert final.status == Status.FINAL
    assert ballot._bound == {1}
    table.tell(0, 2, Accept(1, table.digest(final), table.sign(2, final)))
    assert ballot._bound == {1, 2}
    playing = Table(4)
    proposal = playing.proposal(1)
    playing.tell(0, 1, proposal)
    playing.tell(0, 2, Accept(1, playing.digest(proposal.commitment), playing.sign(2, proposal.commitment)))
    assert playing.channel(0)._desk.ballot._bound == set()


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


def test_the_highest_that_enough_have_signed_is_adopted() -> None:
    table = Table(3, threshold=2)
    first = table.proposal(1)
    second = table.signed(1, first, nonce=4)
    channel = table.channel(0)
    ballot = channel._desk.ballot
    for proposal in (first, second):
        standing = Standing(proposal, table.digest(proposal.commitment))
        standing.signatures = {1: proposal.signature, 2: table.sign(2, proposal.commitment)}
        ballot.add(standing)
    channel._rounds.settle()
    agreement = channel.agreement
    assert agreement is not None
    assert agreement.commitment == second.commitment
    assert ballot.standing == {}


def test_what_we_lead_is_not_agreed_before_we_have_signed_it() -> None:
    """Two of three have signed; without the leader's signature nobody else could take it up."""
    table = Table(3, threshold=2)
    commitment = table.channel(1).thread.execute(
        SignedBatch(Batch(table.channel(1).thread.environment(), ()), ()), nonce=1
    )
    channel = table.channel(1)
    (persist,) = [each for each in channel.propose(empty=True) if isinstance(each, Persist)]
    (sign,) = [each for each in channel.persisted(persist.token) if isinstance(each, Sign)]
    for index in (0, 2):
        accept = Accept(1, table.digest(commitment), table.sign(index, commitment))
        table.tell(1, index, accept)
        assert channel._desk.tip_nonce == 0
    channel.signed(sign.token, table.sign(1, commitment))
    assert channel._desk.tip_nonce == 1
    agreement = channel.agreement
    assert agreement is not None
    assert len(agreement.signatures.signatures) == 3


def test_an_operators_signature_is_no_partys_however_often_it_is_shown() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    table.ask(0)
    table.pump()
    table.lost = lambda sender, receiver, message: isinstance(message, Accept)
    table.ends[2].do(lambda channel: channel.propose(empty=True))
    table.pump()
    standing = table.channel(0)._desk.ballot.own_standing
    assert standing is not None
    for _ in range(2):
        table.tell(0, 2, standing.propose)
        assert set(standing.signatures) == {0}
    agreement = table.channel(0).agreement
    assert agreement is not None
    assert agreement.commitment.nonce < standing.nonce


def test_a_leaders_signature_that_is_missing_comes_with_its_proposal() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    signatures = table.channel(0)._desk.ballot.standing[1].signatures
    del signatures[1]
    table.tell(0, 1, proposal)
    assert signatures[1] == proposal.signature
    assert table.channel(0)._desk.tip_nonce == 0
    del signatures[1]
    signatures[2] = table.sign(2, proposal.commitment)
    table.tell(0, 1, proposal)
    assert table.channel(0)._desk.tip_nonce == 1, "and enough have signed then"


def test_whoever_shows_its_proposal_again_gets_our_signature_again() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    accept = Accept(1, table.digest(proposal.commitment), table.sign(0, proposal.commitment))
    table.tell(0, 1, proposal)
    assert [(to, message) for _, to, message in table.sent()] == [(1, accept), (2, accept)]
    table.tell(0, 2, proposal)
    assert [(to, message) for _, to, message in table.sent()] == [(1, accept)]


def test_showing_a_proposal_again_decides_nothing() -> None:
    table = Table(3, manual=True, begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    for index in (1, 2):
        table.ends[index].do(lambda channel: channel.accept(0))
    table.pump()
    proposal = table.proposal(1)
    for _ in range(2):
        table.tell(0, 1, proposal)
    assert table.sent() == []
    assert table.stores[0].look(table.id).load().signed == ()
    assert len([event for event in table.told(0, Proposed) if event.proposal == proposal]) == 2  # type: ignore[attr-defined]


def test_who_proposes_what_is_agreed_or_older_gets_the_agreement() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    older = table.signed(0, proposal, nonce=0)
    table.tell(0, 1, proposal)
    table.tell(0, 2, Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment)))
    tip = table.channel(0)._desk.tip
    assert tip is not None
    table.sent()
    table.tell(0, 2, proposal)
    assert [(to, message) for _, to, message in table.sent()] == [(2, tip)]
    other = table.signed(1, proposal, state_root=word(1))
    table.tell(0, 2, other)
    reject = Reject(1, table.digest(other.commitment), RejectCode.STALE, "nonce 1 is agreed", tip)
    assert [(to, message) for _, to, message in table.sent()] == [(2, reject)]
    table.tell(2, 1, older)
    assert table.channel(2)._desk.tip_nonce == 0
    assert table.channel(0)._desk.ballot.refused == set()


def test_what_a_signature_shows_as_used_is_believed_as_far_as_it_can_be_honest() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    highest = table.channel(0)._desk.highest_claimed
    leader = highest % 3
    receiver = (leader + 1) % 3
    used = table.channel(receiver)._desk.ballot._used
    table.tell(receiver, leader, table.signed(leader, proposal, nonce=highest))
    assert used[leader] == highest
    other = (highest + 1) % 3
    reader = (other + 1) % 3
    table.tell(reader, other, table.signed(other, proposal, nonce=highest + 1))
    assert table.channel(reader)._desk.ballot._used.get(other, -1) < highest
    accepting = Table(3)
    used = accepting.channel(0)._desk.ballot._used
    for nonce, known in ((highest + 1, False), (highest, True)):
        commitment = replace(proposal.commitment, nonce=nonce)
        accepting.tell(0, 2, Accept(nonce, accepting.digest(commitment), accepting.sign(2, commitment)))
        assert (used.get(2, -1) == nonce) is known


def test_what_we_signed_stands_whatever_else_comes_under_its_nonce() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    other = table.signed(1, proposal, nonce=1, gas_used=proposal.commitment.gas_used + 1)
    table.tell(0, 1, proposal)
    ballot = table.channel(0)._desk.ballot
    standing = ballot.own_standing
    table.sent()
    table.tell(0, 1, other)
    assert ballot.own_standing is standing is ballot.standing[1]
    accept = Accept(1, table.digest(proposal.commitment), table.sign(0, proposal.commitment))
    answers = [message for _, to, message in table.sent() if to == 1]
    assert [type(each) for each in answers] == [Reject, Propose, Accept], "and proves that the nonce is used up"
    assert answers[1:] == [proposal, accept]
    assert isinstance(answers[0], Reject)
    assert answers[0].agreed is None, "it has our agreement, whose child this is"
    assert ballot.refused == set()
    assert table.told(0, Diverged) == [], "it isn't even executed"


def test_what_may_not_be_signed_does_not_stand() -> None:
    table = Table(3, rules={"open_proposals": 1})
    first = table.proposal(1)
    table.tell(0, 1, first)
    second = table.signed(1, first, nonce=4)
    table.sent()
    table.tell(0, 1, second)
    ballot = table.channel(0)._desk.ballot
    assert set(ballot.standing) == {1}
    assert ballot.refused == {4}
    (reject,) = rejects(table, 0)
    assert (reject.nonce, reject.digest, reject.code) == (4, table.digest(second.commitment), RejectCode.TOO_MANY)
    assert reject.agreed is None
    assert [record.nonce for record in table.stores[0].look(table.id).load().signed] == [1]


def test_who_builds_on_what_we_do_not_have_is_asked_for_it() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    strange = table.signed(1, proposal, parent=word(7), nonce=4)
    table.tell(0, 1, strange)
    sent = [(to, message) for _, to, message in table.sent()]
    assert [(to, message) for to, message in sent if isinstance(message, Fetch)] == [(1, Fetch(word(7)))]
    (reject,) = [message for _, message in sent if isinstance(message, Reject)]
    assert (reject.code, reject.agreed) == (RejectCode.STALE, table.channel(0)._desk.tip)
    assert table.channel(0)._desk.ballot.refused == set()


def test_an_operators_proposal_has_no_partys_signature() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    table.lost = lambda sender, receiver, message: isinstance(message, Accept)
    table.ends[2].do(lambda channel: channel.propose(empty=True))
    table.pump()
    for index in (0, 1):
        standing = table.channel(index)._desk.ballot.own_standing
        assert standing is not None
        assert set(standing.signatures) == {index}
    own = table.channel(2)._desk.ballot.own_standing
    assert own is not None
    assert own.signatures == {}, "it leads, and is no party"
    assert own.propose.signature == table.sign(2, own.propose.commitment)


def test_a_final_one_needs_no_decision_of_the_user() -> None:
    """The user has wanted the end."""
    table = Table(2, manual=True, begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    table.ends[1].do(lambda channel: channel.accept(0))
    table.pump()
    for index in (0, 1):
        table.ends[index].do(lambda channel: channel.close())
    table.pump()
    assert table.channel(0).phase == table.channel(1).phase == Phase.CLOSED
    assert [event.proposal.commitment.nonce for event in table.told(0, Proposed)] == []  # type: ignore[attr-defined]


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


def test_a_proposal_is_not_executed_after_the_final_word() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    channel = table.channel(0)
    channel._desk.ballot.final = word(1)
    channel._rounds.on_propose(1, table.signed(1, proposal, state_root=word(1)))
    assert channel.thread.prepared is None
    (reject,) = [effect for effect in channel._desk.outbox.take() if isinstance(effect, Send)]
    message = table.read(reject.data)
    assert isinstance(message, Reject)
    assert message.code == RejectCode.FINAL


def test_a_batch_that_passes_over_our_request_is_not_signed() -> None:
    table = Table(3, automatic=False)
    table.ask(0, 10)
    table.pump()
    table.wait(3, pump=False)
    table.sent()
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    table.pump()
    assert [event.code for event in table.told(1, Rejected)] == [RejectCode.PASSED_OVER]  # type: ignore[attr-defined]
    assert table.stores[0].look(table.id).load().signed == ()
    assert table.channel(0)._desk.ballot.standing == {}


def test_an_operator_that_does_not_lead_signs_nothing() -> None:
    table = Table(2, operator=OUTSIDER)
    table.lost = lambda sender, receiver, message: isinstance(message, Accept) and receiver != 2
    table.ask(1)
    went = table.pump()
    assert [message for sender, _, message in went if sender == 2 and isinstance(message, Accept | Propose)] == []
    assert table.stores[2].look(table.id).load().highest == -1
    ballot = table.channel(2)._desk.ballot
    assert (ballot.highest_signed, ballot.own_standing) == (-1, None)
    assert len(table.tips()) == 2, "it has both signatures, and knows that they agree"


def test_who_signs_nothing_adopts_what_all_had_signed_before_the_proposal_came() -> None:
    table = Table(2, operator=OUTSIDER)
    proposal = table.proposal(1)
    table.tell(2, 0, Accept(1, table.digest(proposal.commitment), table.sign(0, proposal.commitment)))
    assert table.channel(2)._desk.tip_nonce == 0
    table.tell(2, 1, proposal)
    assert table.channel(2)._desk.tip_nonce == 1


def test_a_user_can_not_accept_what_may_not_be_signed_any_more() -> None:
    table = Table(3, each={0: ChannelOptions(manual=True)}, begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    channel = table.channel(0)
    assert channel._rounds.waits_for_user
    channel._desk.ready_to_close = channel.thread.parent
    with pytest.raises(LocalProtocolError, match="closing"):
        channel._rounds.decide(1, accept=True)
    assert channel._desk.ballot.signed == {}
    assert channel._desk.outbox.take() == []


def test_what_a_user_rejects_is_refused() -> None:
    table = Table(3, each={0: ChannelOptions(manual=True)}, begin=False)
    table.greet()
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    table.tell(0, 1, table.proposal(1))
    table.ends[0].do(lambda channel: channel.reject(1, "no"))
    ballot = table.channel(0)._desk.ballot
    assert (ballot.refused, ballot.standing) == ({1}, {})


def test_a_refusal_shows_what_was_signed_at_or_above_its_nonce_alone() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    table.sent()
    for nonce, shown in ((4, []), (1, [Propose, Accept])):
        other = table.signed(1, proposal, nonce=nonce, state_root=word(1))
        table.tell(0, 1, other)
        assert [type(message) for _, to, message in table.sent() if to == 1] == [Reject, *shown]


def test_who_accepts_what_is_agreed_is_told_of_it_and_nobody_else() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    accept = Accept(1, table.digest(proposal.commitment), table.sign(2, proposal.commitment))
    table.tell(0, 2, accept)
    tip = table.channel(0)._desk.tip
    assert table.channel(0)._desk.tip_nonce == 1
    table.sent()
    table.tell(0, 2, accept)
    assert [(to, message) for _, to, message in table.sent()] == [(2, tip)]
    table.tell(0, 1, accept)
    assert table.sent() == [], "another's word for it"
    other = replace(proposal.commitment, state_root=word(1))
    table.tell(0, 2, Accept(1, table.digest(other), table.sign(2, other)))
    assert table.sent() == []


def test_what_a_party_accepts_is_remembered_against_it() -> None:
    table = Table(4)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    signature = table.sign(2, proposal.commitment)
    table.tell(0, 2, Accept(1, table.digest(proposal.commitment), signature))
    seen = table.channel(0)._rounds._watch._commitments
    assert seen[2, 1] == (proposal.commitment, signature)


def live(number: int, latest: Mode = Mode.LIVE) -> ChainHead:
    return ChainHead(number, START, latest, number - 1, Mode.LIVE)


def test_what_was_kept_before_a_restart_is_not_signed_again_before_the_chain_says_live() -> None:
    """Whether its signature was made before, the store doesn't know; the chain may show a challenge by now."""
    table = Table(on_chain=True)
    for end in table.ends:
        end.head(live(5))
    table.ask(1)
    (first,) = [message for _, _, message in table.sent() if isinstance(message, Propose)]
    table.restart(1)
    table.lost = lambda sender, receiver, message: isinstance(message, Propose)
    table.pump()

    def again() -> list[Propose]:
        return [message for sender, _, message in table.sent() if sender == 1 and isinstance(message, Propose)]

    for head in (None, live(6, Mode.CHALLENGED)):
        if head is not None:
            table.ends[1].head(head)
        table.wait(20, pump=False)
        assert again() == []
    table.ends[1].head(live(8))
    table.wait(90, pump=False)
    proposals = again()
    assert proposals
    assert set(proposals) == {first}


def test_what_becomes_durable_after_a_challenge_was_seen_is_not_signed() -> None:
    table, kept = Table(on_chain=True), list[Persist]()
    table.stores[0] = table.stores[0].crash()
    table.ends[0] = end = Endpoint.open(
        table.stores[0],
        table.id,
        table.signers[0],
        now=table.now,
        random=Random(0),
        send=lambda to, data: table.net.append((0, to, data)),
        notify=table.events[0].append,
        options=table.options[0],
        keep=lambda _, persist: kept.append(persist),
    )
    end.start()
    for each in table.ends:
        each.head(live(5))
    table.pump()
    table.ask(1)
    table.pump()
    (persist,) = [each for each in kept if any(isinstance(record, SignedRecord) for record in each.records)]
    end.head(live(6, Mode.CHALLENGED))
    table.stores[0].write([(end.lease, persist.records)])
    end.kept(persist.token, None)
    table.wait(20, pump=False)
    assert not [message for sender, _, message in table.sent() if sender == 0 and isinstance(message, Accept)]
    end.head(live(8))
    table.wait(90, pump=False)
    assert [message for sender, _, message in table.sent() if sender == 0 and isinstance(message, Accept)]
