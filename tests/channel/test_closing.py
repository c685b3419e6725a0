"""Ending together: who is ready, who leads the end, what can't be taken back."""

import pytest

from evmthread.channel.catch_up import END_TRIES
from evmthread.channel.closing import PATIENCE
from evmthread.channel.desk import ChainHead, ChannelOptions, Mode
from evmthread.channel.errors import LocalProtocolError, NotNow
from evmthread.channel.events import Adopted, CloseAsked, Closed, CloseFailed
from evmthread.channel.messages import Accept, Agreed, Close, CloseReady, Propose
from evmthread.channel.pacing import MOST_DOUBLINGS
from evmthread.channel.phases import Phase
from evmthread.commit import Status
from tests.channel.endpoints import GAS, OUTSIDER, Table, word
from tests.channel.games import START


def close(table: Table, *parties: int) -> None:
    for index in parties:
        table.ends[index].do(lambda channel: channel.close())
    table.pump()


def finals(table: Table) -> list[Propose]:
    return [
        message
        for _, _, message in table.sent()
        if isinstance(message, Propose) and message.commitment.status == Status.FINAL
    ]


@pytest.mark.parametrize(("parties", "threshold"), [(2, 2), (3, 2), (5, 5)])
def test_all_close_and_hold_the_same_end(parties: int, threshold: int) -> None:
    table = Table(parties, threshold=threshold)
    table.play(0)
    close(table, *range(parties))
    assert {table.channel(index).phase for index in range(parties)} == {Phase.CLOSED}
    assert len(table.tips()) == 1
    tip = table.channel(0).agreement
    assert tip is not None
    assert tip.commitment.status == Status.FINAL
    assert len(tip.signatures.signatures) == parties, "all sign the end, whatever the threshold"
    assert len(table.told(0, Closed)) == 1
    with pytest.raises(NotNow):
        table.ask(0)


def test_others_are_asked_and_nobody_is_signed_for() -> None:
    table = Table(3)
    close(table, 0)
    assert {event.party for event in table.told(1, CloseAsked)} == {0}  # type: ignore[attr-defined]
    assert table.channel(0).phase == Phase.CLOSING
    assert table.channel(1).phase == Phase.READY
    close(table, 1)
    assert finals(table) == []
    assert table.stores[0].look(table.id).load().highest == 0


def test_an_operator_ends_nothing_but_may_lead_the_end() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    with pytest.raises(LocalProtocolError, match="only a party"):
        table.ends[2].do(lambda channel: channel.close())
    close(table, 0, 1)
    assert [table.channel(index).phase for index in range(3)] == [Phase.CLOSED] * 3
    table.tell(0, 2, CloseReady(bytes(32)))


def test_who_is_ready_signs_nothing_else() -> None:
    table = Table(3, threshold=2)
    proposal = table.proposal(1)
    close(table, 0)
    table.tell(0, 1, proposal)
    assert [record.nonce for record in table.stores[0].look(table.id).load().signed] == []
    table.ask(0, 10)
    table.sent()
    assert table.stores[0].look(table.id).load().inputs == (), "no input either"


def test_a_signature_above_the_agreement_has_to_go_first() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    table.sent()
    table.ends[0].do(lambda channel: channel.close())
    assert table.channel(0).phase == Phase.PENDING
    assert [message for _, _, message in table.sent() if isinstance(message, CloseReady)] == []
    table.wait(30)
    assert table.channel(0).phase == Phase.CLOSING
    close(table, 1, 2)
    assert table.channel(0).phase == Phase.CLOSED


def test_a_close_that_takes_too_long_has_failed_and_play_goes_on() -> None:
    table = Table(3)
    close(table, 0)
    table.wait(2 * PATIENCE + 1)
    assert len(table.told(0, CloseFailed)) == 1
    assert table.channel(0).phase == Phase.READY
    table.play(0, 20)
    assert table.channel(2).thread.storage(0) == 21
    close(table, 0, 1, 2)
    assert table.channel(0).phase == Phase.CLOSED


def test_the_final_word_binds_for_ever() -> None:
    """Signer law, 3: the leader of the end crashes after it signed, and signs nothing but that afterwards."""
    table = Table(3)
    table.lost = lambda sender, receiver, message: isinstance(message, Propose)
    close(table, 0, 1, 2)
    assert table.channel(1).phase == Phase.CLOSING
    table.wait(3 * PATIENCE)
    assert table.channel(1).phase == Phase.CLOSING, "it waits for ever"
    assert table.channel(0).phase == Phase.READY
    table.restart(1)
    table.lost = lambda sender, receiver, message: False
    table.pump()
    with pytest.raises(NotNow):
        table.ends[1].do(lambda channel: channel.propose(empty=True))
    with pytest.raises(LocalProtocolError, match="signed the end"):
        table.ask(1, lasting=True)
    assert table.stores[1].look(table.id).load().final is not None
    close(table, 0, 2)
    table.wait(30)
    assert {table.channel(index).phase for index in range(3)} == {Phase.CLOSED}


def test_a_moved_agreement_makes_all_say_it_again() -> None:
    table = Table(3, threshold=2)
    table.lost = lambda sender, receiver, message: receiver == 0
    table.play(1)
    close(table, 0)
    assert table.channel(0).phase == Phase.CLOSING
    table.lost = lambda sender, receiver, message: False
    tip = table.channel(1)._desk.tip
    assert tip is not None
    table.tell(0, 1, tip)
    said = [message.digest for _, _, message in table.sent() if isinstance(message, CloseReady)]
    assert set(said) == {table.channel(1).thread.parent}


def test_the_end_is_held_until_all_are_ready() -> None:
    table = Table(3)
    held = []
    table.lost = lambda sender, receiver, message: receiver == 0 and isinstance(message, CloseReady) and sender == 2
    close(table, 0, 1, 2)
    assert table.channel(0).phase == Phase.CLOSING
    assert table.stores[0].look(table.id).load().final is None
    table.lost = lambda sender, receiver, message: bool(held)
    table.tell(0, 2, CloseReady(table.channel(0).thread.parent))
    assert table.stores[0].look(table.id).load().final is not None
    table.pump()
    assert table.channel(0).phase == Phase.CLOSED


def test_forged_readiness_is_not_enough() -> None:
    table = Table(3)
    close(table, 1)
    tip = table.channel(1).thread.parent
    table.tell(1, 0, CloseReady(tip))
    table.tell(1, 2, CloseReady(word(1)))
    assert finals(table) == []
    assert table.stores[1].look(table.id).load().final is None


def test_whoever_missed_the_end_is_shown_it() -> None:
    table = Table(3)
    table.lost = lambda sender, receiver, message: receiver == 2 and isinstance(message, Accept | Agreed)
    close(table, 0, 1, 2)
    assert table.channel(0).phase == Phase.CLOSED
    assert table.channel(2).phase == Phase.CLOSING
    table.lost = lambda sender, receiver, message: False
    table.wait(10)
    assert table.channel(2).phase == Phase.CLOSED
    for message in (Close(), CloseReady(bytes(32))):
        table.tell(0, 1, message)
        assert [type(each) for _, _, each in table.sent()] == [Agreed]


def test_a_restart_forgets_that_we_were_ready() -> None:
    table = Table(2)
    close(table, 0)
    assert table.channel(0).phase == Phase.CLOSING
    channel = table.restart(0)
    table.pump()
    assert channel.phase == Phase.READY
    table.play(0, 30)
    assert table.channel(1).thread.storage(0) == 31
    assert len(table.told(0, Adopted)) >= 2


def test_readiness_waits_until_nothing_of_ours_can_stand_above() -> None:
    table = Table(3)
    channel = table.channel(0)
    desk, closing = channel._desk, channel._closing
    desk.wants_end = True
    desk.heard = {1}
    closing.try_ready()
    assert desk.ready_to_close is None, "not greeted"
    desk.heard = {1, 2}
    desk.ballot.highest_signed = 3
    closing.try_ready()
    assert desk.ready_to_close is None, "a signature that we don't know of any more"
    desk.ballot.highest_signed, desk.own_floor = 0, 3
    closing.try_ready()
    assert desk.ready_to_close is None, "nothing is agreed above the floor"
    desk.own_floor, desk.floors = 0, {2: {3}}
    closing.try_ready()
    assert desk.ready_to_close is None, "nor above another's"
    desk.floors = {2: {-1}}
    closing.try_ready()
    assert desk.ready_to_close == desk.thread.parent
    assert desk.close_answers == {0: desk.thread.parent}
    assert closing.deadline == desk.now + PATIENCE * desk.options.base_timer
    desk.now += 1
    closing.try_ready()
    assert closing.deadline == desk.now - 1 + PATIENCE * desk.options.base_timer, "said once"


def test_what_we_signed_and_know_keeps_us_from_being_ready() -> None:
    table = Table(3)
    table.tell(0, 1, table.proposal(1))
    channel = table.channel(0)
    desk = channel._desk
    desk.ballot.highest_signed = 0
    desk.wants_end = True
    channel._closing.try_ready()
    assert desk.ready_to_close is None
    desk.ballot.own_standing = None
    channel._closing.try_ready()
    assert desk.ready_to_close == desk.thread.parent


def test_an_operator_clears_the_way_for_parties_who_want_to_end() -> None:
    table = Table(2, operator=OUTSIDER)
    for index, clears in ((0, False), (2, True)):
        table.tell(index, 1, Close())
        assert table.channel(index)._desk.others_want_end == clears


def test_who_is_asked_answers_with_what_it_has_said() -> None:
    table = Table(3)
    table.tell(0, 1, Close())
    assert [event.party for event in table.told(0, CloseAsked)] == [1]  # type: ignore[attr-defined]
    assert table.sent() == []
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    table.ends[0].do(lambda channel: channel.close())
    assert {type(message) for _, _, message in table.sent() if not isinstance(message, Accept)} == {Close}
    table.tell(0, 1, Close())
    table.tell(0, 2, CloseReady(word(1)))
    assert len(table.told(0, CloseAsked)) == 1, "our user wants it already"
    table.tell(1, 2, CloseReady(word(1)))
    assert [event.party for event in table.told(1, CloseAsked)] == [2]  # type: ignore[attr-defined]
    other = Table(3)
    other.ends[0].do(lambda channel: channel.close())
    other.sent()
    other.tell(0, 1, Close())
    assert [(to, message) for _, to, message in other.sent()] == [(1, CloseReady(other.channel(0).thread.parent))]


def test_a_wish_to_end_is_told_once_on_each_agreement_and_again_where_an_end_failed() -> None:
    table = Table(3)
    tip = table.channel(0).thread.parent

    def say() -> list[int]:
        """What our user is told of when the others say it in every way."""
        before = len(table.told(0, CloseAsked))
        for _ in range(3):
            for peer in (1, 2):
                table.tell(0, peer, Close())
                table.tell(0, peer, CloseReady(table.channel(0).thread.parent))
        table.sent()
        return [event.party for event in table.told(0, CloseAsked)[before:]]  # type: ignore[attr-defined]

    assert say() == [1, 2]
    assert say() == []
    table.ends[0].do(lambda channel: channel.close())
    table.sent()
    table.channel(0)._desk.close_answers.clear()
    table.wait(100, pump=False)
    assert len(table.told(0, CloseFailed)) == 1
    assert say() == [1, 2]
    table.sent()
    table.play(1)
    assert table.channel(0).thread.parent != tip
    assert say() == [1, 2]


def test_a_close_fails_at_its_time_and_not_when_the_end_is_signed() -> None:
    table = Table(3)
    close(table, 0)
    channel = table.channel(0)
    desk, closing = channel._desk, channel._closing
    due = closing.deadline
    assert due is not None
    desk.close_answers[1] = desk.thread.parent
    closing.tick(due - 0.001)
    assert desk.wants_end
    desk.ballot.final = word(1)
    closing.tick(due)
    assert desk.wants_end
    desk.ballot.final = None
    closing.tick(due)
    assert (desk.wants_end, desk.ready_to_close, desk.close_answers, closing.deadline) == (False, None, {}, None)


def test_an_agreement_in_between_takes_back_our_own_word_alone() -> None:
    table = Table(3)
    close(table, 0)
    channel = table.channel(0)
    desk, closing = channel._desk, channel._closing
    tip = desk.thread.parent
    closing.after_event()
    assert desk.ready_to_close == tip
    desk.ready_to_close = desk.close_answers[0] = desk.close_answers[1] = word(1)
    desk.wants_end = False
    closing.after_event()
    assert (desk.ready_to_close, desk.close_answers) == (None, {1: word(1)}), "and is silent who no longer wants to"
    desk.wants_end = True
    closing.after_event()
    assert (desk.ready_to_close, desk.close_answers) == (tip, {0: tip, 1: word(1)}), "else it says it again at once"


def test_a_close_fails_at_its_time_whatever_is_agreed_meanwhile() -> None:
    """Who is ready on one agreement after the other has waited all that time, and so has what its user asked for."""
    table = Table(3, threshold=2)
    close(table, 0)
    table.ask(0, 30, lasting=True)
    for _ in range(PATIENCE // 4):
        table.wait(8)
        leader = table.channel(1)._desk.free_nonce % 3
        if leader:
            table.ends[leader].do(lambda channel: channel.propose(empty=True))
        table.pump()
    table.wait(8)
    assert table.channel(0)._desk.tip_nonce > 3
    assert len(table.told(0, CloseFailed)) == 1
    table.wait(20)
    assert table.channel(1).thread.storage(0) == 31


def test_only_who_leads_what_follows_the_agreement_leads_the_end() -> None:
    """No other, whatever nonce is free: two finals could be signed on one agreement."""
    table = Table(3)
    for index in (0, 2):
        desk = table.channel(index)._desk
        desk.close_answers = {1: desk.thread.parent, 2 - index: desk.thread.parent}
        table.ends[index].do(lambda channel: channel.close())
    assert finals(table) == []
    desk = table.channel(1)._desk
    desk.close_answers = dict.fromkeys((0, 2), desk.thread.parent)
    table.ends[1].do(lambda channel: channel.close())
    assert {propose.commitment.nonce for propose in finals(table)} == {1}
    table.tell(1, 0, CloseReady(desk.thread.parent))
    assert finals(table) == [], "once"


def test_an_operator_that_leads_clears_the_way_for_who_wants_to_end() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    table.lost = lambda sender, receiver, message: isinstance(message, Accept | Agreed)
    table.play(0)
    table.channel(2)._desk.ballot.standing.clear()  # as if the operator had begun anew, and its input had lapsed
    table.channel(0)._desk.pool.own.clear()
    table.lost = lambda sender, receiver, message: False
    close(table, 0, 1)
    table.wait(60)
    assert {table.channel(index).phase for index in range(3)} == {Phase.CLOSED}


def test_nothing_ends_before_it_has_begun() -> None:
    """A challenge is seen, and goes, before we have the genesis."""
    table = Table(on_chain=True, begin=False)
    table.greet()
    end = table.ends[1]
    end.head(ChainHead(9, START, Mode.CHALLENGED, 8, Mode.LIVE))
    with pytest.raises(LocalProtocolError, match="nothing is agreed on"):
        end.do(lambda channel: channel.close())
    end.head(ChainHead(19, START, Mode.LIVE, 18, Mode.LIVE))
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    assert table.channel(1).phase == Phase.READY


def test_a_wish_to_end_is_said_again_until_we_are_ready() -> None:
    table = Table(3)
    table.tell(0, 1, table.proposal(1))
    table.ends[0].do(lambda channel: channel.close())
    table.sent()
    channel = table.channel(0)
    channel._closing.say()
    channel._desk.wants_end = False
    channel._closing.say()
    table.ends[0].do(lambda each: each._desk.outbox.take())
    assert [(to, message) for _, to, message in table.sent()] == [(1, Close()), (2, Close())]


def test_an_operator_has_no_say_in_the_end() -> None:
    table = Table(2, operator=OUTSIDER)
    tip = table.channel(0).thread.parent
    table.tell(0, 2, CloseReady(tip))
    assert table.told(0, CloseAsked) == []
    assert table.channel(0)._desk.close_answers == {}


def test_an_operator_that_lost_the_end_is_told_of_it_until_it_has_it() -> None:
    """It signed nothing that it would ask for again; all others rest when it has greeted them with the end."""
    table = Table(2, operator=OUTSIDER)
    table.lost = lambda sender, receiver, message: receiver == 2
    close(table, 0, 1)
    table.wait(4)
    assert {table.channel(0).phase, table.channel(1).phase} == {Phase.CLOSED}
    assert table.channel(2).phase == Phase.READY
    table.lost = lambda sender, receiver, message: sender == 2
    table.wait(30)
    assert table.channel(2).phase == Phase.CLOSED
    assert table.ends[0].timer is not None
    table.lost = lambda sender, receiver, message: False
    table.wait(150)
    assert [end.timer for end in table.ends] == [None] * 3
    table.wait(100)
    assert table.sent() == []


def test_an_operator_that_is_silent_is_told_of_the_end_so_often_and_no_more() -> None:
    table = Table(2, operator=OUTSIDER)
    table.lost = lambda sender, receiver, message: 2 in (sender, receiver)
    close(table, 0, 1)
    told = 0
    for _ in range(100):
        table.wait(100, pump=False)
        sent = table.sent()
        assert {(to, type(message)) for _, to, message in sent} <= {(2, Agreed)}
        told += len(sent)
    assert told == 2 * END_TRIES
    assert [table.ends[index].timer for index in (0, 1)] == [None, None]


def test_a_proposal_that_waits_for_our_user_is_decided_before_we_are_ready() -> None:
    """Its leader has signed it, and can't be ready beside it; who is ready would refuse it until the close fails."""
    table = Table(2, each={0: ChannelOptions(manual=True)})
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    table.pump()
    close(table, 0, 1)
    assert table.channel(0)._desk.wants_end
    assert table.channel(0)._desk.ready_to_close is None
    table.ends[0].do(lambda channel: channel.accept(1))
    table.pump()
    table.wait(8)
    assert {table.channel(0).phase, table.channel(1).phase} == {Phase.CLOSED}


def test_who_rejects_what_it_had_to_decide_on_is_ready_at_once() -> None:
    table = Table(2, each={0: ChannelOptions(manual=True)})
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    table.pump()
    close(table, 0)
    assert table.channel(0).phase is Phase.READY
    table.ends[0].do(lambda channel: channel.reject(1))
    assert table.channel(0).phase is Phase.CLOSING


def test_an_end_is_signed_as_soon_as_the_thread_was_live_and_in_a_dispute_but_not_while_deposits_are_awaited() -> None:
    table = Table(on_chain=True)
    for end in table.ends:
        end.head(ChainHead(5, START, Mode.LIVE, 4, Mode.FUNDING))
        end.do(lambda channel: channel.close())
    table.pump()
    table.wait(20)
    assert all(channel.agreement.commitment.nonce == 0 for channel in map(table.channel, range(2)) if channel.agreement)
    assert all(table.channel(index)._desk.ready_to_close is None for index in range(2))
    for end in table.ends:
        end.head(ChainHead(9, START, Mode.CHALLENGED, 8, Mode.CHALLENGED))
    table.wait(90)
    for index in range(2):
        agreement = table.channel(index).agreement
        assert agreement is not None
        assert agreement.commitment.status == Status.FINAL


def test_nobody_is_ready_before_ground_above_a_floor_was_given() -> None:
    for ours in (True, False):
        table = Table(3, trusts_others=True)
        desk = table.channel(0)._desk
        if ours:
            desk.own_floor = 7
        else:
            desk.floors = {1: {7}}
        table.ends[0].do(lambda channel: channel.close())
        assert desk.wants_end
        assert desk.ready_to_close is None
        desk.own_floor, desk.floors = 0, {}
        table.channel(0)._closing.try_ready()
        assert desk.ready_to_close == desk.thread.parent


def test_who_asks_and_closes_at_once_is_not_kept_waiting_for_what_it_asked() -> None:
    """An operator clears the way for an end: who asked for that doesn't refuse it as passing its request over."""
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    end = table.ends[0]
    end.do(lambda channel: channel.request(word(5), gas=GAS, lasting=True))
    end.do(lambda channel: channel.close())
    table.pump()
    table.wait(PATIENCE * table.options[0].base_timer)
    assert len(table.told(0, CloseFailed)) == 1
    table.wait(1.5 * 2**MOST_DOUBLINGS * table.options[0].base_timer)
    assert [each.channel.thread.storage(0) for each in table.ends] == [6, 6, 6]
