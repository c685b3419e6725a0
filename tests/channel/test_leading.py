"""Proposing: who leads, when, and above what."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from evmthread.channel.desk import ChainHead, ChannelOptions, Desk, Mode
from evmthread.channel.effects import Persist
from evmthread.channel.errors import LocalProtocolError, NotNow, ProposalPending, TooManyOpenProposals
from evmthread.channel.events import Adopted, Proposed, Undone
from evmthread.channel.kept import SignedRecord
from evmthread.channel.messages import Accept, Agreed, Fetch, Propose, Reject, RejectCode, Request
from evmthread.channel.party import SignedInput
from evmthread.channel.phases import Phase
from evmthread.channel.pool import Own, Wish
from evmthread.channel.rounds import Rounds
from evmthread.commit import (
    Batch,
    Input,
    InputKind,
    SignatureSet,
    SignedBatch,
    SignedCommitment,
)
from evmthread.commit.commitment import MAX_NONCE_STEP
from evmthread.store.endpoint import Endpoint
from tests.channel.endpoints import GAS, OUTSIDER, Table, empty_batch, inputs_of, proposals, table_by_hand, word
from tests.channel.games import DEPOSIT, START


def test_only_who_leads_proposes_and_others_ask_it() -> None:
    table = Table(3)
    table.ask(0)
    sent = table.sent()
    assert {type(message) for _, _, message in sent} == {Request}
    table.ask(1)
    assert {propose.commitment.nonce for propose in proposals(table)} == {1}


def test_a_silent_leader_is_skipped_after_a_while() -> None:
    table = Table(3, threshold=2)
    table.lost = lambda sender, receiver, message: 1 in (sender, receiver)
    table.ask(0)
    table.wait(30)
    tip = table.channel(0).agreement
    assert tip is not None
    assert tip.commitment.nonce in (2, 3)
    assert table.channel(0).thread.storage(0) == 6
    assert table.channel(2).thread.parent == table.channel(0).thread.parent


def test_who_leads_nothing_can_not_propose() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    for index in (0, 1):
        with pytest.raises(LocalProtocolError, match="another participant leads"):
            table.ends[index].do(lambda channel: channel.propose())
    table.ask(0)
    table.ends[2]._send = lambda to, data: None
    table.wait(60)
    assert table.channel(0).agreement is not None, "and nobody hangs in looking for a nonce"
    outside = Table(2, operator=OUTSIDER)
    with pytest.raises(LocalProtocolError, match="another participant leads"):
        outside.ends[2].do(lambda channel: channel.propose())


def test_the_genesis_is_party_0s() -> None:
    table = Table(begin=False)
    with pytest.raises(LocalProtocolError, match="not every party has said"):
        table.ends[0].do(lambda channel: channel.propose())
    table.greet()
    with pytest.raises(LocalProtocolError, match="the genesis is participant 0's"):
        table.ends[1].do(lambda channel: channel.propose())
    table.ends[0].do(lambda channel: channel.propose())
    with pytest.raises(NotNow):
        table.ends[0].do(lambda channel: channel.close())


def test_nothing_to_propose_is_said() -> None:
    table = Table()
    with pytest.raises(LocalProtocolError, match="no input"):
        table.ends[1].do(lambda channel: channel.propose())
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    assert inputs_of(proposals(table)[0]) == []


def test_what_bars_a_nonce_is_passed_by_an_empty_batch() -> None:
    """An input that was signed and undone bars its nonce on this agreement; a lasting wish goes on with the next."""
    table = Table(2)
    table.channel(0)._desk.balance = 10 * DEPOSIT
    table.ask(0, 10, value=2 * DEPOSIT)
    table.pump()
    assert len(table.told(0, Undone)) == 1
    table.ask(0, 30, lasting=True)
    table.wait(40)
    assert table.channel(1).thread.storage(0) == 31
    assert len(table.tips()) == 1


def test_eight_signatures_above_the_agreement_are_enough() -> None:
    """C11: typed stop, freed by an agreed empty batch."""
    table = Table(2, rules={"open_proposals": 3})
    table.lost = lambda sender, receiver, message: isinstance(message, Accept | Propose)
    table.ask(1)
    table.pump()
    for _ in range(2):
        table.ends[1].do(lambda channel: channel.propose(above=True))
    with pytest.raises(TooManyOpenProposals, match="3 of our signatures"):
        table.ends[1].do(lambda channel: channel.propose(above=True))
    table.ends[1].do(lambda channel: channel.propose(empty=True, above=True))
    table.lost = lambda sender, receiver, message: False
    table.net.clear()
    table.wait(10)
    assert len(table.tips()) == 1
    tip = table.channel(0).agreement
    assert tip is not None
    assert tip.commitment.nonce == 7
    table.play(0, 50)
    table.wait(20)
    assert table.channel(0).thread.storage(0) == 51


def test_a_lost_proposal_is_sent_again_as_the_same_bytes() -> None:
    table = Table(2)
    table.ask(1)
    first = [data for _, _, data in table.net if isinstance(table.read(data), Propose)]
    table.net.clear()
    for _ in range(50):
        table.wait(100, pump=False)
        again = {data for _, _, data in table.net if isinstance(table.read(data), Propose)}
        assert again <= set(first)
        table.net.clear()
    table.wait(1, pump=False)
    assert table.stores[1].look(table.id).load().highest == 1


def test_nothing_above_the_genesis_before_the_chain_says_live() -> None:
    table = Table(2, on_chain=True)
    assert len(table.told(0, Adopted)) == 1
    table.ask(1)
    assert proposals(table) == []
    with pytest.raises(LocalProtocolError, match="doesn't say that the thread is live"):
        table.ends[1].do(lambda channel: channel.propose())
    table.ends[1].head(ChainHead(5, int(START), Mode.LIVE, 4, Mode.FUNDING))
    assert proposals(table) == []
    table.ends[1].head(ChainHead(6, int(START), Mode.LIVE, 5, Mode.LIVE))
    assert proposals(table) != []


def test_lingering_waits_for_more() -> None:
    table = Table(2, linger=3.0)
    table.ask(1, 10)
    assert proposals(table) == []
    table.ask(1, 11)
    table.wait(2, pump=False)
    assert proposals(table) == []
    table.wait(2, pump=False)
    assert inputs_of(proposals(table)[0]) == [10, 11]


def test_a_party_that_is_not_automatic_proposes_when_told_to() -> None:
    table = Table(2, each={1: ChannelOptions(automatic=False)})
    table.ask(1, 10)
    table.wait(30, pump=False)
    assert proposals(table) == []


def test_nobody_proposes_above_what_waits_for_answers() -> None:
    """Ours, another's that we signed, or one that our user has to decide on; unless so wanted, or its time is over."""
    table = table_by_hand(3, 2, automatic=False)
    table.ask(0, 10)
    table.pump()
    table.ends[1].do(lambda channel: channel.propose())
    table.pump()
    for end in table.ends:
        with pytest.raises(ProposalPending, match="nonce 1 waits") as refused:
            end.do(lambda channel: channel.propose(empty=True))
        assert refused.value.nonce == 1
    assert table.channel(2)._desk.ballot.undecided
    assert table.sent() == []
    table.ends[1].do(lambda channel: channel.propose(above=True))
    assert {each.commitment.nonce for each in proposals(table)} == {4}
    table.channel(0)._rounds.may_skip = True
    table.ends[0].do(lambda channel: channel.propose(empty=True))
    assert {each.commitment.nonce for each in proposals(table)} == {3}


def test_what_was_refused_is_followed_at_once() -> None:
    table = table_by_hand(2, automatic=False)
    table.ask(1, 10)
    table.ends[1].do(lambda channel: channel.propose())
    standing = table.channel(1)._desk.ballot.own_standing
    assert standing is not None
    table.tell(1, 0, Reject(standing.nonce, standing.digest, RejectCode.UNWANTED, ""))
    table.ends[1].do(lambda channel: channel.propose())
    assert {each.commitment.nonce for each in proposals(table)} == {1, 3}


def test_three_who_propose_all_the_time_agree_nevertheless() -> None:
    """Each wants to propose every second, and decides on what another proposed after two and a half."""
    table = table_by_hand(3, 0, 1, 2, automatic=False)
    decisions: list[tuple[float, int, int]] = []
    for index in range(3):
        table.ask(index, index)
    for _ in range(30):
        for end in table.ends:
            for empty in (False, True):
                with suppress(LocalProtocolError):
                    end.do(lambda channel: channel.propose(empty=empty))  # noqa: B023 - it is called here
        table.pump()
        for index in range(3):
            told = [event.proposal.commitment.nonce for event in table.told(index, Proposed)]  # type: ignore[attr-defined]
            table.events[index].clear()
            decisions += [(table.now + 2.5, index, nonce) for nonce in told]
        table.wait(1)
        for _, whose, nonce in [each for each in decisions if each[0] <= table.now]:
            with suppress(LocalProtocolError):
                table.ends[whose].do(lambda channel: channel.accept(nonce))  # noqa: B023 - it is called here
        decisions = [each for each in decisions if each[0] > table.now]
        table.pump()
    assert len(table.tips()) == 1
    assert table.channel(0).thread.storage(0) in (1, 2, 3), "one of the calls was executed"


def test_a_nonce_too_far_above_is_not_proposed() -> None:
    table = Table(3)
    table.channel(1)._desk.ballot.highest_signed = MAX_NONCE_STEP
    with pytest.raises(LocalProtocolError, match="more than 2\\^40"):
        table.ends[1].do(lambda channel: channel.propose(empty=True))
    assert table.stores[1].look(table.id).load().signed == ()
    table.channel(1)._desk.ballot.highest_signed = 1 << 33
    with pytest.raises(LocalProtocolError, match="the highest that is signed now"):
        table.ends[1].do(lambda channel: channel.propose(empty=True))


def test_whose_turn_it_is() -> None:
    table = Table(3, automatic=False)
    assert [table.channel(index)._leading.is_our_turn for index in range(3)] == [False, True, False]
    leading, rounds = table.channel(1)._leading, table.channel(1)._rounds
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    assert not leading.is_our_turn, "something of ours stands"
    rounds.may_skip = True
    assert leading.is_our_turn
    table.channel(2)._rounds.may_skip = True
    assert table.channel(2)._leading.is_our_turn
    outside = Table(2, operator=OUTSIDER)
    outside.channel(2)._rounds.may_skip = True
    assert not outside.channel(2)._leading.is_our_turn


def test_nothing_is_led_that_is_not_wanted() -> None:
    table = Table(3, automatic=False)
    table.ask(0, 10)
    table.pump()
    channel = table.channel(1)
    desk, leading = channel._desk, channel._leading

    def led() -> bool:
        leading.lead_if_wanted()
        return desk.ballot.own_standing is not None

    desk.ready_to_close = desk.thread.parent
    assert not led()
    desk.ready_to_close, desk.ballot.final = None, word(1)
    assert not led()
    desk.ballot.final = None
    desk.heard.clear()
    assert not led(), "what can't be signed is no error"
    desk.heard = {0, 2}
    assert led()


def test_a_leader_signs_what_follows_its_agreement_with_its_own_nonce() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    assert proposal.commitment.parent == table.channel(1).thread.parent
    standing = table.channel(1)._desk.ballot.own_standing
    assert standing is not None
    assert standing.propose == proposal
    assert standing.signatures == {1: table.sign(1, proposal.commitment)} == {1: proposal.signature}
    assert table.channel(1)._desk.ballot.highest_signed == 1
    (record,) = table.stores[1].look(table.id).load().signed
    assert (record.nonce, record.digest, record.final) == (1, table.digest(proposal.commitment), False)


def test_what_is_kept_too_late_lets_others_go_on() -> None:
    """Party 1's proposal waits for the disk; meanwhile others agree on another, and ask."""
    table = Table(3, threshold=2)
    end, held = table.ends[1], []

    def keep(_: Endpoint, effect: Persist) -> None:
        if isinstance(effect.records[0], SignedRecord):
            held.append(effect.token)
        else:
            end.kept(effect.token, None)

    end._keep = keep
    table.ask(1)
    assert len(held) == 1
    thread = table.channel(1).thread
    empty = SignedBatch(Batch(thread.environment(), ()), ())
    commitment = table.channel(0).thread.execute(empty, nonce=3)
    signatures = SignatureSet.of({index: table.sign(index, commitment) for index in (0, 2)})
    table.tell(1, 0, Agreed(SignedCommitment(commitment, signatures), empty, None))
    values = (thread.thread_id, 0, thread.parent, 0, table.terms.owners[0], thread.address, 0, GAS, word(9))
    asked = Input(*values)
    table.tell(1, 0, Request(SignedInput(asked, table.sign(0, asked))))
    assert table.channel(1).phase == Phase.READY
    end.kept(held[0], None)
    assert table.channel(1).phase == Phase.PENDING
    table.tell(1, 0, Fetch(bytes(32)))
    assert len(held) == 2


def test_what_can_not_be_proposed_leaves_everything_as_it_was() -> None:
    table = Table(2, automatic=False, each={1: ChannelOptions(manual=True, automatic=False)})
    table.ends[1].do(lambda channel: channel.accept(0))
    table.pump()
    table.tell(1, 0, table.signed(0, Propose(*empty_batch(table, nonce=2), None, b"")))
    desk, rounds = table.channel(1)._desk, table.channel(1)._rounds
    rounds.may_skip = rounds.empty_next = True
    assert desk.ballot.undecided
    with pytest.raises(LocalProtocolError, match="no input"):
        table.ends[1].do(lambda channel: channel.propose())
    assert desk.ballot.undecided
    assert rounds.may_skip
    assert rounds.empty_next
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    assert not any((desk.ballot.undecided, rounds.may_skip, rounds.empty_next))


def test_new_ground_is_an_empty_batchs_by_who_alone_leads() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True, automatic=False)
    operator = table.channel(2)
    operator._desk.note_floor(0, 5000)
    operator._leading.lead_if_wanted()
    table.ask(0, 10)
    table.pump()
    table.ends[2].do(lambda channel: channel.propose())
    assert proposals(table)[0].commitment.nonce == 1
    operator._leading.lead_if_wanted()
    assert operator._desk.outbox.take() == [], "something of ours stands, and nobody is silent"
    fresh = Table(2, operator=OUTSIDER, operator_leads=True, automatic=False)
    operator = fresh.channel(2)
    fresh.ends[2].do(lambda channel: channel.propose(empty=True))
    assert proposals(fresh)[0].commitment.nonce == 1
    operator._rounds.may_skip = True
    operator._leading.lead_if_wanted()
    assert operator._desk.ballot.highest_signed == 1, "nothing is wanted"
    operator._desk.note_floor(0, 5000)
    operator._leading.lead_if_wanted()
    assert operator._desk.ballot.highest_signed == 5001
    assert operator._desk.ballot.own_standing is not None
    assert not operator._desk.ballot.own_standing.counts


def test_new_ground_is_given_by_who_leads_without_being_told_to() -> None:
    """With its own nonces where all lead in turn; what waits is left for when its user says so."""
    table = Table(3, automatic=False)
    table.channel(1)._desk.note_floor(0, 5000)
    table.ask(2, 10)
    table.pump()
    assert proposals(table) == []
    table.wait(8, pump=False)
    (proposal, *again) = proposals(table)
    assert proposal.commitment.nonce == 5002
    assert inputs_of(proposal) == []
    assert set(again) <= {proposal}


def test_an_end_takes_no_room_among_open_proposals() -> None:
    table = Table(2, automatic=False, rules={"open_proposals": 1})
    table.ask(0, 10)
    table.pump()
    table.ends[1].do(lambda channel: channel.propose())
    desk = table.channel(1)._desk
    assert desk.ballot.open_proposals == 1
    desk.ready_to_close = desk.thread.parent
    desk.close_answers = {0: desk.thread.parent, 1: desk.thread.parent}
    table.channel(1)._leading.lead(final=True)
    assert desk.ballot.final is not None


def test_the_genesis_is_proposed_when_its_leader_says_so() -> None:
    table = Table(begin=False)
    table.greet()
    table.ask(1, 7)
    table.pump()
    assert table.channel(0)._desk.pool
    table.wait(30)
    assert table.channel(0).agreement is None


def test_nothing_is_led_while_a_proposal_waits_for_our_user() -> None:
    table = Table(2, each={0: ChannelOptions(manual=True)})
    proposal = table.proposal(1)
    table.ask(0, 7)
    table.sent()
    channel = table.channel(0)
    table.tell(0, 1, proposal)
    assert channel._desk.ballot.undecided
    channel._rounds.may_skip = True
    channel._leading.lead_if_wanted()
    assert channel._desk.ballot.own_standing is None
    table.ends[0].do(lambda each: each.reject(1))
    assert channel._desk.ballot.own_standing is not None


def test_an_empty_batch_is_led_where_one_is_needed() -> None:
    """Not otherwise, and only where a leader is silent or refused, or something waits."""

    def led(change: Callable[[Desk, Rounds], None], *, ask: bool = False, may_skip: bool = True) -> list[int] | None:
        table = Table(3, automatic=False)
        if ask:
            table.ask(0, 10)
            table.pump()
        channel = table.channel(1)
        desk, rounds = channel._desk, channel._rounds
        rounds.may_skip = may_skip
        change(desk, rounds)
        channel._leading.lead_if_wanted()
        standing = desk.ballot.own_standing
        assert rounds.may_skip == (may_skip and standing is None)
        return None if standing is None else inputs_of(standing.propose)

    def wants_end(desk: Desk, rounds: Rounds) -> None:
        desk.wants_end, desk.ballot.highest_signed = True, 3

    def empty_next(desk: Desk, rounds: Rounds) -> None:
        rounds.empty_next = True

    def barred(desk: Desk, rounds: Rounds) -> None:
        desk.pool.barred = True

    def empty_and_barred(desk: Desk, rounds: Rounds) -> None:
        rounds.empty_next = desk.pool.barred = True

    def unsigned(desk: Desk, rounds: Rounds) -> None:
        wish = Wish(InputKind.CALL, desk.thread.address, 0, GAS, b"", desk.thread.parent, lasting=False)
        desk.pool.own.append(Own(wish, wish.as_input(desk.thread.thread_id, desk.owner, 0, desk.thread.parent)))

    def unsigned_and_barred(desk: Desk, rounds: Rounds) -> None:
        unsigned(desk, rounds)
        desk.pool.barred = True

    def nothing(desk: Desk, rounds: Rounds) -> None:
        return

    assert led(nothing) is None
    assert led(nothing, ask=True, may_skip=False) == [10]
    for change in (wants_end, empty_next, barred):
        assert led(change) == []
        assert led(change, may_skip=False) is None
    assert led(empty_next, ask=True) == led(wants_end, ask=True) == led(empty_and_barred, ask=True) == []
    assert led(barred, ask=True, may_skip=False) == [10]
    assert led(unsigned) is None
    assert led(unsigned_and_barred) == []


def test_an_empty_batch_is_led_where_no_other_may_be() -> None:
    table = Table(2, rules={"open_proposals": 2})
    table.lost = lambda sender, receiver, message: isinstance(message, Accept | Propose)
    table.ask(1)
    table.pump()
    table.ends[1].do(lambda channel: channel.propose(above=True))
    table.channel(1)._rounds.may_skip = True
    table.channel(1)._leading.lead_if_wanted()
    standing = table.channel(1)._desk.ballot.own_standing
    assert standing is not None
    assert standing.nonce == 5
    assert not standing.counts


def test_a_restored_party_proposes_nothing_and_an_operator_that_is_none_goes_on_above_its_floor() -> None:
    for index, leads in ((1, False), (2, True)):
        table = Table(2, operator=OUTSIDER, operator_leads=leads, trusts_others=True)
        desk = table.channel(index)._desk
        desk.own_floor = desk.ballot.highest_signed = 7
        if not leads:
            with pytest.raises(LocalProtocolError, match="signs only what others have signed"):
                table.ends[index].do(lambda channel: channel.propose(empty=True))
            assert table.sent() == []
            continue
        table.ends[index].do(lambda channel: channel.propose(empty=True))
        table.pump()
        assert desk.tip_nonce == 8
