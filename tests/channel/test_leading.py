"""Proposing: whose turn it is, what goes into a batch, and what is dropped."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from evmthread.channel.desk import ChainHead, ChannelOptions, Desk, Mode
from evmthread.channel.effects import Persist
from evmthread.channel.errors import InvalidBatch, LocalProtocolError, NotNow, ProposalPending, TooManyOpenProposals
from evmthread.channel.events import Adopted, Lapsed, Proposed, Undone
from evmthread.channel.kept import SignedRecord
from evmthread.channel.leading import _without
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Accept, Agreed, Fetch, Propose, Reject, RejectCode, Request
from evmthread.channel.party import SignedInput
from evmthread.channel.phases import Phase
from evmthread.channel.pool import Own, Wish
from evmthread.channel.rounds import Rounds
from evmthread.commit import (
    DIALECT,
    Batch,
    Input,
    InputKind,
    SignatureSet,
    SignedBatch,
    SignedCommitment,
    Status,
    digest,
)
from evmthread.commit.commitment import MAX_NONCE_STEP
from evmthread.commit.refusals import IllFormedBatch
from evmthread.store.endpoint import Endpoint
from tests.assembler import assemble
from tests.channel.endpoints import ASKS, GAS, OUTSIDER, Table, empty_batch, table_by_hand, word
from tests.channel.games import DEPOSIT, START
from tests.channel.test_wishes import request_of


def proposals(table: Table) -> list[Propose]:
    return [message for _, _, message in table.sent() if isinstance(message, Propose)]


def inputs_of(propose: Propose) -> list[int]:
    return [int.from_bytes(each.data[:32], "big") for each in propose.batch.batch.inputs]


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


def test_all_requests_that_are_known_make_one_batch() -> None:
    table = Table(3, automatic=False)
    for index, number in ((0, 10), (2, 12), (1, 11), (0, 13)):
        table.ask(index, number)
    table.pump()
    table.ends[1].do(lambda channel: channel.propose())
    assert inputs_of(proposals(table)[0]) == [10, 13, 12, 11]


def test_a_batch_holds_no_more_than_it_may() -> None:
    table = Table(2, automatic=False, rules={"batch_gas": 250_000})
    for number in range(10, 14):
        table.ask(0, number)
    table.pump()
    table.ends[1].do(lambda channel: channel.propose())
    assert 1 <= len(inputs_of(proposals(table)[0])) <= 4
    small = Table(2, automatic=False, rules={"batch_inputs": 2})
    for number in range(10, 12):
        small.ask(0, number)
    with pytest.raises(LocalProtocolError, match="2 inputs of this party wait"):
        small.ask(0, 12)
    small.ask(1, 20)
    small.pump()
    small.ends[1].do(lambda channel: channel.propose())
    assert len(inputs_of(proposals(small)[0])) == 2


def test_an_input_that_can_be_in_no_batch_is_dropped_and_its_owner_finds_out() -> None:
    table = Table(2)
    table.channel(0)._desk.balance = 10 * DEPOSIT
    table.ask(0, 10, value=DEPOSIT)
    table.ask(0, 11, value=1)
    table.ask(1, 20, lasting=True)
    table.wait(20)
    assert table.channel(0).thread.storage(0) == 21
    dear = Table(2)
    dear.ask(1, 10, value=DEPOSIT + 1)
    (event,) = dear.told(1, Undone)
    assert isinstance(event, Undone)
    assert event.wish.data == word(10)
    assert dear.stores[1].look(dear.id).load().inputs == (), "found out before it was signed"


def test_a_refused_request_is_undone_when_its_owner_has_looked() -> None:
    table = Table(2)
    table.channel(0)._desk.balance = 10 * DEPOSIT  # as if it were good: the leader finds out
    table.ask(0, 10, value=2 * DEPOSIT)
    table.pump()
    assert len(table.told(0, Undone)) == 1
    assert not table.channel(0)._desk.pool


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


def test_a_request_that_the_agreement_left_behind_lapses_or_lasts() -> None:
    table = Table(3, threshold=2)
    table.lost = lambda sender, receiver, message: sender == 0 and isinstance(message, Request)
    table.ask(0, 10)
    table.ask(0, 11, lasting=True)
    table.ask(1, 20)
    table.pump()
    table.lost = lambda sender, receiver, message: False
    (event,) = table.told(0, Lapsed)
    assert isinstance(event, Lapsed)
    assert event.wish.data == word(10)
    table.wait(10)
    assert table.channel(1).thread.storage(0) == 12


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


def test_nonsense_of_one_keeps_nobody_out() -> None:
    table = Table(3)
    for nonce in (50, 0, 51):
        table.tell(1, 2, request_of(table, 2, nonce, nonce=nonce))
    table.sent()
    other = Table(3, automatic=False)
    for nonce in (50, 51, 0):
        other.tell(1, 2, request_of(other, 2, nonce, nonce=nonce, value=10**9 * (nonce == 0)))
    other.now += 1
    for end in other.ends:
        end.tick(other.now)
    other.ask(0, 77)
    other.pump()
    other.ends[1].do(lambda channel: channel.propose())
    assert inputs_of(proposals(other)[0]) == [77]


def test_a_breakpoint_ends_the_batch_and_the_rest_waits_for_the_next() -> None:
    from evmthread.commit import DIALECT

    code = assemble("DATA 0xb0 PUSH0 CALLDATALOAD PUSH0 SSTORE STOP")
    table = Table(2, code=code, automatic=False, rules={"dialect": DIALECT})
    for number in (10, 11, 12):
        table.ask(0, number)
    table.pump()
    table.ends[1].do(lambda channel: channel.propose())
    assert inputs_of(proposals(table)[0]) == [10]


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


def test_an_empty_batch_is_empty_whatever_waits_and_so_is_an_end() -> None:
    table = Table(2, automatic=False)
    table.ask(0, 10)
    table.pump()
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    assert inputs_of(proposals(table)[0]) == []
    table = Table(2, automatic=False)
    table.ask(0, 10)
    table.pump()
    channel = table.channel(1)
    desk = channel._desk
    desk.ready_to_close = desk.thread.parent
    desk.close_answers = {0: desk.thread.parent, 1: desk.thread.parent}
    channel._leading.lead(final=True)
    standing = desk.ballot.own_standing
    assert standing is not None
    assert standing.propose.commitment.status == Status.FINAL
    assert inputs_of(standing.propose) == []
    assert desk.pool, "what waits, waits"


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


def test_a_suspended_call_is_proposed_with_where_it_stands() -> None:
    table = Table(2, automatic=False, code=ASKS, rules={"dialect": DIALECT})
    table.ask(0, 5, rest=bytes(12) + table.terms.owners[1])
    table.pump()
    table.ends[1].do(lambda channel: channel.propose())
    (propose,) = proposals(table)
    opened = table.channel(1).thread.open_call
    assert opened is not None
    assert propose.suspension == opened.suspension
    assert propose.commitment.status == Status.SUSPENDED


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


def test_a_call_that_waits_for_an_answer_is_passed_by_no_other_call() -> None:
    table = Table(2, automatic=False, code=ASKS, rules={"dialect": DIALECT})
    table.ask(0, 5, rest=bytes(12) + table.terms.owners[1])
    table.pump()
    table.ends[1].do(lambda channel: channel.propose())
    table.pump()
    table.ask(1, 9)
    table.pump()
    channel = table.channel(0)
    assert channel._desk.pool
    assert channel._leading.is_our_turn
    channel._leading.lead_if_wanted()
    assert channel._desk.ballot.own_standing is None
    channel._desk.pool.barred = True
    channel._leading.lead_if_wanted()
    standing = channel._desk.ballot.own_standing
    assert standing is not None
    assert inputs_of(standing.propose) == []


def test_an_empty_batch_that_is_invalid_is_our_callers_mistake() -> None:
    table = Table(2)
    with pytest.raises(LocalProtocolError, match="suspends nothing"):
        table.ends[1].do(lambda channel: channel.propose(empty=True, steps=5))
    assert table.stores[1].look(table.id).load().signed == ()


def test_too_much_in_all_is_halved_and_nothing_is_dropped() -> None:
    table = Table(3, automatic=False, rules={"batch_bytes": 1500})
    for index in (0, 2):
        table.ask(index, 10 + index, rest=bytes(300))
        table.now += 1
        for end in table.ends:
            end.tick(table.now)
        table.pump()
    table.ask(1, 20, rest=bytes(300))
    table.sent()
    table.ends[1].do(lambda channel: channel.propose())
    sent = table.sent()
    (propose,) = {message for _, _, message in sent if isinstance(message, Propose)}
    assert inputs_of(propose) == [10]
    assert not [message for _, _, message in sent if isinstance(message, Reject)]
    assert table.told(1, Undone) == []
    assert len(table.channel(1)._desk.pool.collect(suspended=False)) == 3


def test_what_can_be_in_no_batch_is_dropped_and_only_that() -> None:
    """Another's: it is told why. Our own: our user is. What stands further on keeps its place."""
    table = Table(3, automatic=False)
    bad = request_of(table, 2, 50, nonce=7)
    table.tell(1, 2, bad)
    table.now += 1
    for end in table.ends:
        end.tick(table.now)
    table.ask(0, 10)
    table.pump()
    table.ask(1, 20)
    table.sent()
    pool = table.channel(1)._desk.pool
    table.ends[1].do(lambda channel: channel.propose())
    sent = table.sent()
    (propose,) = {message for _, _, message in sent if isinstance(message, Propose)}
    assert inputs_of(propose) == [10, 20]
    ((to, reject),) = [(to, message) for _, to, message in sent if isinstance(message, Reject)]
    assert (to, reject.code, reject.nonce) == (2, RejectCode.INVALID, 7)
    assert reject.digest == digest(LOCAL_DOMAIN, bad.signed.input)
    assert "nonce too high" in reject.where
    assert bad.signed.input not in [each.input for each in pool.collect(suspended=False)]
    assert len(pool.collect(suspended=False)) == 2
    assert table.told(1, Undone) == []


def test_an_own_input_that_can_be_in_no_batch_is_dropped_alone() -> None:
    table = Table(3, automatic=False)
    table.channel(1)._desk.balance = 10 * DEPOSIT
    table.ask(1, 10, value=2 * DEPOSIT)
    table.ask(1, 11)
    table.sent()
    table.ends[1].do(lambda channel: channel.propose())
    assert [inputs_of(each) for each in proposals(table)] == []
    assert [event.wish.data for event in table.told(1, Undone) if isinstance(event, Undone)] == [word(10)]
    assert [own.wish.data for own in table.channel(1)._desk.pool.own] == [word(11)]


def test_of_own_inputs_the_one_that_is_meant_is_dropped() -> None:
    table = Table(3, automatic=False)
    table.ask(1, 10)
    table.ask(1, 11)
    table.sent()
    first, second = table.channel(1)._desk.pool.own
    error = InvalidBatch("nonce too high", 1, 0, 1)
    table.channel(1)._leading._drop(SignedInput(second.input, second.signature), error)
    assert table.channel(1)._desk.pool.own == [first]


def test_where_a_batch_ends_nothing_follows_and_nonsense_takes_its_own_with_it() -> None:
    table = Table(3, automatic=False)
    inputs = [request_of(table, index, number).signed for number, index in enumerate((0, 1, 0, 2, 1))]
    a, b, c, d, e = inputs
    ends = InvalidBatch("no input follows", 2, 2, 1, ends_batch=True)
    assert _without(inputs, 2, ends) == [a, b]
    assert _without(inputs, 0, ends) == [b, c, d, e]
    form = IllFormedBatch("at most 3 inputs", 5)
    assert _without(inputs, 2, form) == [a, b]
    assert _without(inputs, 0, form) == [b, c, d, e]
    rule = InvalidBatch("nonce too high", 7, 1, 1)
    assert _without(inputs, 1, rule) == [a, c, d]
    assert _without(inputs, 0, rule) == [b, d, e]
    assert _without(inputs, 2, rule) == [a, b, d, e]


def test_steps_are_the_last_inputs_also_when_others_are_dropped() -> None:
    def suspended(nonces: tuple[int, int]) -> bool:
        table = Table(3, automatic=False)
        for index, nonce in zip((0, 2), nonces, strict=True):
            table.tell(1, index, request_of(table, index, 10, nonce=nonce))
            table.now += 1
            for end in table.ends:
                end.tick(table.now)
        table.sent()
        table.ends[1].do(lambda channel: channel.propose(steps=3))
        (propose,) = {message for _, _, message in table.sent() if isinstance(message, Propose)}
        assert len(propose.batch.batch.inputs) == 1
        return propose.commitment.status == Status.SUSPENDED

    assert suspended((7, 0)), "the first can be in no batch, the last still is the last"
    assert not suspended((0, 7)), "the last is gone, and what is last now was never to be suspended"


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
