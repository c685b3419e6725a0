"""Rounds as a whole, and which proposals are refused, and why."""

from dataclasses import replace
from random import Random

from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChainHead, Mode
from evmthread.channel.effects import Notify, Send
from evmthread.channel.events import (
    Adopted,
    Diverged,
    PeerFault,
    Rejected,
    Unexecutable,
)
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import (
    Accept,
    Agreed,
    CloseReady,
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
from evmthread.channel.thread import Thread
from evmthread.commit import Batch, Commitment, SignedBatch, Status
from tests.channel.endpoints import Table, empty_batch, word
from tests.channel.games import START
from tests.channel.test_wishes import request_of


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


def test_only_the_leaders_signature_counts() -> None:
    table = Table()
    proposal = table.proposal(1)
    for wrong in (table.sign(0, proposal.commitment), b"\x00" * 65, proposal.signature[:64]):
        table.tell(0, 1, replace(proposal, signature=wrong))
    assert len(table.told(0, PeerFault)) == 3
    assert table.channel(0).phase == Phase.READY
    assert table.sent() == []


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


def test_a_final_that_nobody_asked_for_is_refused() -> None:
    table = Table(3)
    thread = table.channel(1).thread
    batch = SignedBatch(Batch(thread.environment(), ()), ())
    commitment = thread.execute(batch, nonce=1, final=True)
    assert commitment.status == Status.FINAL
    table.tell(0, 1, Propose(commitment, batch, None, table.sign(1, commitment)))
    (reject,) = rejects(table, 0)
    assert (reject.code, reject.where) == (RejectCode.UNWANTED, "not everyone is ready to close")


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


def test_a_proposal_is_not_executed_after_the_final_word() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    channel = table.channel(0)
    channel._desk.ballot.final = word(1)
    channel._proposals.on_propose(1, table.signed(1, proposal, state_root=word(1)))
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


def test_a_proposal_that_is_refused_is_counted_to_who_sent_it() -> None:
    """Not to its leader, whose signature anybody may show us again and again."""
    table = Table(4, threshold=3, answer_rate=100.0)
    proposal = table.proposal(1)
    table.tell(0, 3, table.signed(3, Propose(*empty_batch(table, nonce=7), None, b"")))
    assert table.channel(0)._desk.ballot.highest_signed == 7
    table.sent()
    signed = table.signed(1, proposal, parent=word(1), nonce=5)
    told = []
    for _ in range(30):
        table.tell(0, 2, signed)
        told.append([message for _, to, message in table.sent() if to == 1])
    assert [type(message) for message in told[0]] == [Fetch, Reject, Propose, Accept]
    rejects = [message for answer in told for message in answer if isinstance(message, Reject)]
    assert [type(message) for message in told[-1]] == [Fetch, Reject]
    assert rejects[0].agreed == table.channel(0)._desk.tip
    assert rejects[-1].agreed is None
    assert {each.code for each in rejects} == {RejectCode.STALE}
    assert len(rejects) == 30
    assert not table.channel(0)._desk.may_answer(2)
    assert table.channel(0)._desk.may_answer(1)


def test_what_our_user_wanted_in_the_genesis_alone_is_not_signed_later() -> None:
    table = Table(3)
    early = request_of(table, 0, parent=bytes(32)).signed
    signed = SignedBatch(Batch(table.channel(1).thread.environment(), (early.input,)), (early.signature,))
    commitment = table.channel(1).thread.execute(signed, nonce=1)
    proposal = Propose(commitment, signed, None, table.sign(1, commitment))
    table.tell(0, 1, proposal)
    assert [reject.code for reject in rejects(table, 0)] == [RejectCode.UNWANTED]
    table.tell(2, 1, proposal)
    assert [type(message) for _, _, message in table.sent()] == [Accept, Accept], "others can't know"


def test_what_is_signed_up_to_the_limit_is_not_executed_to_find_more() -> None:
    other = Table(3, rules={"open_proposals": 1})
    made = other.proposal(1)
    other.tell(0, 1, made)
    assert other.channel(0)._desk.ballot.open_proposals == 1
    other.sent()
    other.tell(0, 1, other.signed(1, made, nonce=4, state_root=word(1)))
    assert [reject.code for reject in rejects(other, 0)] == [RejectCode.TOO_MANY]
    assert other.told(0, Diverged) == []
    empty = other.signed(1, Propose(*empty_batch(other, nonce=7), None, b""))
    other.tell(0, 1, empty)
    assert {type(message) for _, _, message in other.sent()} == {Accept}, "an empty batch finds room"


def test_what_breaks_a_rule_is_no_reason_to_show_what_is_agreed() -> None:
    table = Table(3)
    table.tell(0, 1, table.signed(1, table.proposal(1), parent=word(1), status=9))
    (reject,) = [message for _, _, message in table.sent() if not isinstance(message, Request)]
    assert isinstance(reject, Reject)
    assert (reject.code, reject.agreed) == (RejectCode.INVALID, None)


def test_what_we_lead_is_shown_once_with_a_refusal() -> None:
    table = Table(3)
    made = table.proposal(1)
    table.channel(1)._rounds.may_skip = True
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    table.sent()
    table.tell(1, 0, table.signed(0, made, nonce=3))
    sent = [message for _, to, message in table.sent() if to == 0]
    assert [type(message) for message in sent] == [Reject, Propose]


def test_a_final_one_waits_until_all_are_ready() -> None:
    table = Table(3)
    table.ends[0].do(lambda channel: channel.close())
    table.tell(0, 1, CloseReady(table.channel(0).thread.parent))
    commitment, batch = final_of(table, 1)
    table.sent()
    table.tell(0, 1, Propose(commitment, batch, None, table.sign(1, commitment)))
    assert table.sent() == []
    table.tell(0, 2, CloseReady(table.channel(0).thread.parent))
    accept = Accept(1, table.digest(commitment), table.sign(0, commitment))
    assert {message for _, _, message in table.sent()} == {accept}
    table.channel(0)._proposals.review_held()
    assert table.sent() == [], "it is reviewed once"


def final_of(table: Table, nonce: int) -> tuple[Commitment, SignedBatch]:
    thread = table.channel(1).thread
    batch = SignedBatch(Batch(thread.environment(), ()), ())
    return thread.execute(batch, nonce=nonce, final=True), batch


def test_a_refusal_shows_what_was_signed_at_or_above_its_nonce_alone() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    table.sent()
    for nonce, shown in ((4, []), (1, [Propose, Accept])):
        other = table.signed(1, proposal, nonce=nonce, state_root=word(1))
        table.tell(0, 1, other)
        assert [type(message) for _, to, message in table.sent() if to == 1] == [Reject, *shown]
