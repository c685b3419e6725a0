"""Proposing: whose turn it is, what goes into a batch, and what is dropped."""

import pytest

from evmthread.channel.desk import ChainHead, ChannelOptions, Mode
from evmthread.channel.effects import Persist
from evmthread.channel.errors import LocalProtocolError, NotNow, TooManyOpenProposals
from evmthread.channel.events import Adopted, Lapsed, Undone
from evmthread.channel.kept import SignedRecord
from evmthread.channel.messages import Accept, Agreed, Fetch, Propose, Request
from evmthread.channel.party import SignedInput
from evmthread.channel.phases import Phase
from evmthread.commit import Batch, Input, SignatureSet, SignedBatch, SignedCommitment
from evmthread.commit.commitment import MAX_NONCE_STEP
from evmthread.store.endpoint import Endpoint
from tests.assembler import assemble
from tests.channel.endpoints import GAS, OUTSIDER, Table, word
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
        table.ends[1].do(lambda channel: channel.propose())
    with pytest.raises(TooManyOpenProposals, match="3 of our signatures"):
        table.ends[1].do(lambda channel: channel.propose())
    table.ends[1].do(lambda channel: channel.propose(empty=True))
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
