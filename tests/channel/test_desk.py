"""What the parts of a channel share, and what follows from it."""

from dataclasses import replace

from evmthread.channel.desk import MAX_FAULTS, MAX_FLOORS, NEVER, ChainHead, Desk, Mode, operator_index
from evmthread.channel.effects import Notify, Send
from evmthread.channel.errors import RemoteProtocolError
from evmthread.channel.events import CloseAsked, PeerFault, Stopped, StopReason
from evmthread.channel.messages import Close, Fetch, encode_message
from evmthread.channel.phases import Phase
from evmthread.channel.review import highest_nonce
from evmthread.commit import Status
from tests.channel.endpoints import OUTSIDER, Table, word
from tests.channel.games import DEPOSIT, START, signers


def desk_of(table: Table, index: int = 0) -> Desk:
    return table.channel(index)._desk


def test_who_takes_part_and_with_which_key() -> None:
    table = Table(3)
    desk = desk_of(table, 1)
    assert (desk.parties, desk.others, desk.is_party) == (3, (0, 2), True)
    assert [desk.key_of(index) for index in range(3)] == list(table.terms.keys)
    with_operator = Table(2, operator=OUTSIDER)
    for index, others in ((0, (1, 2)), (2, (0, 1))):
        desk = desk_of(with_operator, index)
        assert (desk.others, desk.is_party) == (others, index < 2)
        assert desk.key_of(2) == OUTSIDER
        assert desk.key_of(1) == with_operator.terms.keys[1]


def test_an_operator_leads_as_whom_it_is() -> None:
    keys = sorted(signer.address for signer in signers(2))
    for operator, index in ((keys[1], 1), (keys[0], 0), (OUTSIDER, 2)):
        table = Table(2, operator=operator, operator_leads=True, begin=False)
        assert operator_index(table.channel(0).thread) == index
        assert desk_of(table).ballot.leader(7) == index
    owners = {"owners": (b"\1" * 20, b"\2" * 20), "operator": b"\2" * 20}
    assert operator_index(Table(2, terms=owners, begin=False).channel(0).thread) == 1
    assert desk_of(Table(2)).ballot.leader(7) == 1


def test_all_are_ready_when_each_said_so_on_the_latest_agreement() -> None:
    table = Table(2, operator=OUTSIDER)
    tip = table.channel(0).thread.parent
    desk, operator = desk_of(table), desk_of(table, 2)
    for own, answers, ready in (
        (tip, {0: tip, 1: tip}, True),
        (None, {0: tip, 1: tip}, False),
        (tip, {0: tip}, False),
        (tip, {0: tip, 1: word(1)}, False),
        (word(1), {0: word(1), 1: word(1)}, False),
    ):
        desk.ready_to_close, desk.close_answers = own, answers
        assert desk.all_ready == ready
    assert not operator.all_ready
    operator.close_answers = {0: tip, 1: tip}
    assert operator.all_ready, "an operator need not say so"


def test_where_the_line_stands() -> None:
    early = desk_of(Table(2, begin=False))
    assert (early.tip_nonce, early.rank, early.is_ended) == (-1, (-1, bytes(32)), False)
    table = Table(2)
    assert desk_of(table).rank == (0, table.channel(0).thread.parent)
    assert not desk_of(table).is_ended
    for end in table.ends:
        end.do(lambda channel: channel.close())
    table.pump()
    assert table.channel(0).agreement.commitment.status == Status.FINAL  # type: ignore[union-attr]
    assert desk_of(table).is_ended


def test_the_chain_lets_us_sign_when_it_finally_says_live_and_no_dispute_was_seen_since() -> None:
    assert desk_of(Table(2)).is_live, "there is no chain"
    desk = desk_of(Table(2, on_chain=True))
    assert not desk.is_live
    live = ChainHead(6, int(START), Mode.LIVE, 5, Mode.LIVE)
    desk.head = live
    assert desk.is_live
    desk.head = replace(live, finalized=Mode.FUNDING)
    assert not desk.is_live
    desk.head, desk.disputed_at = live, 6
    assert not desk.is_live


def test_enough_have_greeted_us() -> None:
    """The genesis takes all; after it as many as decide. An operator who is no party has no part in that."""
    table = Table(3, threshold=2, operator=OUTSIDER)
    tip = desk_of(table).tip
    for index, heard, genesis, later in (
        (0, set(), False, False),
        (0, {1}, False, True),
        (0, {1, 2}, True, True),
        (0, {1, 3}, False, True),
        (0, {3}, False, False),
        (3, {0, 1}, False, True),
        (3, {0}, False, False),
        (3, {0, 1, 2}, True, True),
    ):
        desk = desk_of(table, index)
        desk.heard = heard  # type: ignore[assignment]
        desk.tip = None
        assert desk.is_greeted == genesis
        desk.tip = tip
        assert desk.is_greeted == later


def test_nothing_is_signed_by_who_may_not_or_waits_for_others() -> None:
    desk = desk_of(Table(2))
    assert desk.may_sign
    desk.hears_until = desk.now + 1
    assert not desk.may_sign
    desk.hears_until = desk.now
    assert desk.may_sign, "but not for ever"
    desk.wants_floor = True
    assert not desk.may_sign
    desk.wants_floor = False
    desk.heard.clear()
    assert not desk.may_sign
    desk.heard.add(1)
    desk.stop(StopReason.REFUSED, "once")
    desk.stop(StopReason.FORKED, "twice")
    assert not desk.may_sign
    assert desk.outbox.take() == [Notify(Stopped(StopReason.REFUSED, "once"))]


def test_how_high_nonces_are_by_now() -> None:
    desk = desk_of(Table(2))
    drift = desk.thread.ruleset.clock_drift
    assert drift
    desk.begun, desk.now = int(START), START + 50.0
    assert desk.highest_now == highest_nonce(START, START + 50)
    assert desk.highest_claimed == highest_nonce(START, START + 50 + 2 * drift)
    desk.begun = None
    assert desk.highest_now == highest_nonce(START, START)
    assert desk.highest_claimed == highest_nonce(START, START + 2 * drift)


def test_what_a_restored_party_may_ask_for() -> None:
    desk = desk_of(Table(2))
    assert desk.may_ask
    desk.own_floor = 7
    assert not desk.may_ask
    tip, desk.tip = desk.tip, None
    assert desk.may_ask
    assert not desk.may_lack_genesis
    desk.wants_floor = True
    assert desk.may_lack_genesis
    desk.tip = tip
    assert not desk.may_lack_genesis
    table = Table(2, trusts_others=True)
    table.play(1)
    desk = desk_of(table)
    desk.own_floor = 1
    assert not desk.may_ask, "on that the lost store may have asked"
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    table.pump()
    assert desk.tip_nonce > 1
    assert desk.may_ask


def test_when_an_empty_batch_clears_the_way_to_an_end() -> None:
    desk = desk_of(Table(2))
    desk.ballot.highest_signed = 3
    for ours, others, floor, clears in (
        (False, False, 0, False),
        (True, False, 0, True),
        (False, True, 0, True),
        (True, False, 3, False),
        (True, False, 2, True),
    ):
        desk.wants_end, desk.others_want_end, desk.own_floor = ours, others, floor
        assert desk.has_to_clear == clears
    desk.own_floor, desk.ballot.highest_signed = 0, 0
    assert not desk.has_to_clear


def test_new_ground_lies_above_the_lowest_floor_that_is_not_reached() -> None:
    table = Table(2, operator=OUTSIDER, operator_leads=True)
    desk = desk_of(table, 2)
    assert desk.new_ground is None
    desk.note_floor(0, 0)
    assert not desk.floors, "who says 0 has none"
    assert desk.new_ground is None
    for floor in (9, 5, 7):
        desk.note_floor(0, floor)
    assert MAX_FLOORS == 2
    assert desk.floors[0] == {9, 5}
    assert desk.new_ground == 6
    desk.note_floor(1, 1 << 60)
    assert desk.floors[1] == {desk.highest_claimed}, "as far as anybody can be"
    desk.floors = {0: {0}}
    assert desk.new_ground == 1, "the latest agreement is the floor"
    desk.floors = {0: {5}, 1: {3}}
    party = desk_of(table)
    party.floors = desk.floors
    assert (desk.new_ground, party.new_ground) == (4, None)
    desk.own_floor = 5
    assert desk.new_ground == 4, "an operator that is no party goes on above its own floor"
    in_turn = desk_of(Table(2))
    in_turn.floors = desk.floors
    assert in_turn.new_ground == 4, "it leads some of what lies there"
    in_turn.own_floor = 5
    assert in_turn.new_ground is None, "it signs nothing first"
    table.ask(0)
    table.pump()
    desk.floors = {0: {0}}
    assert desk.tip_nonce == 1
    assert desk.new_ground is None, "that is behind us"


def test_what_is_not_here_is_asked_for() -> None:
    table = Table(2)
    table.play(1)
    desk = desk_of(table)
    first = table.stores[0].look(table.id).line_after(-1, 1)[0].digest
    for digest in (bytes(32), desk.thread.parent, first):
        desk.fetch_unknown(1, digest)
    assert desk.outbox.take() == []
    desk.fetch_unknown(1, word(1))
    assert desk.outbox.take() == [Send(1, encode_message(table.id, Fetch(word(1))))]


def test_answers_are_sent_and_counted_while_anything_is_left() -> None:
    table = Table(2, answer_rate=1.0)
    desk = desk_of(table)
    desk.answer(1, Close())
    sent = Send(1, encode_message(table.id, Close()))
    assert desk.outbox.take() == [sent]
    assert not desk.may_answer(1), "it is longer than what 16 seconds give"
    desk.answer(1, Close())
    assert desk.outbox.take() == []
    desk.now += len(sent.data) - 15.5
    assert desk.may_answer(1)
    desk.charge(1, 1)
    assert not desk.may_answer(1)


def test_a_wish_to_end_is_told_once_on_each_agreement_unless_it_is_our_users() -> None:
    table = Table(3)
    desk = desk_of(table)
    desk.wants_end = True
    desk.tell_close(1)
    assert desk.outbox.take() == []
    desk.wants_end = False
    for peer in (1, 2, 1, 2):
        desk.tell_close(peer)
    assert desk.outbox.take() == [Notify(CloseAsked(1)), Notify(CloseAsked(2))]
    table.play(1)
    desk.tell_close(1)
    assert desk.outbox.take() == [Notify(CloseAsked(1))]


def test_what_our_owner_has_is_known_where_we_have_one() -> None:
    table = Table(2, operator=OUTSIDER)
    table.play(0, value=5)
    assert [(desk_of(table, index).owner_nonce, desk_of(table, index).balance) for index in range(3)] == [
        (1, DEPOSIT - 5),
        (0, DEPOSIT),
        (0, 0),
    ]


def test_a_peer_that_floods_us_with_nonsense_does_not_flood_our_user() -> None:
    table = Table(3)
    error = RemoteProtocolError("nonsense")
    desk = desk_of(table)

    def told() -> list[tuple[int, int]]:
        faults = [effect.event for effect in desk.outbox.take() if isinstance(effect, Notify)]
        assert all(isinstance(each, PeerFault) and each.error is error for each in faults)
        return [(each.peer, each.count) for each in faults if isinstance(each, PeerFault)]

    for _ in range(1000):
        desk.tell_fault(1, error)
    assert told() == [(1, count) for count in (*range(1, MAX_FAULTS + 1), 128, 256, 512)]
    desk.tell_fault(2, error)
    assert told() == [(2, 1)], "of another one it is told"
    table.play(1)
    desk.tell_fault(1, error)
    assert told() == [(1, 1)], "on the next agreement, too"
    for _ in range(1000):
        table.ends[0].receive(1, b"nonsense")
    assert [event.count for event in table.told(0, PeerFault)][-1] == 512  # type: ignore[attr-defined]
    assert len(table.told(0, PeerFault)) == MAX_FAULTS - 1 + 3


def test_a_store_is_restored_until_something_is_agreed_above_its_floor() -> None:
    desk = desk_of(Table(2, trusts_others=True))
    for floor, wants_floor, restored in ((0, False, False), (0, True, True), (1, False, True)):
        desk.own_floor, desk.wants_floor = floor, wants_floor
        assert desk.is_restored == restored
        assert desk.waits_for_ground == (floor > 0)
    table = Table(2, trusts_others=True)
    table.play(1)
    desk = desk_of(table)
    assert desk.tip_nonce == 1
    for floor, restored in ((1, True), (2, True), (0, False)):
        desk.own_floor = floor
        assert desk.is_restored == desk.waits_for_ground == restored
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    table.pump()
    desk.own_floor = 1
    assert desk.tip_nonce > 1
    assert not desk.is_restored
    assert not desk.waits_for_ground


def test_who_waits_for_ground_can_sign_again_some_day() -> None:
    table = Table(2, operator=OUTSIDER)
    party, operator = desk_of(table), desk_of(table, 2)
    for floor, waits in ((0, False), (5, True), (NEVER, False), (NEVER - 1, True)):
        party.own_floor = operator.own_floor = floor
        assert (party.waits_for_ground, operator.waits_for_ground) == (waits, False)


def test_when_a_store_is_to_get_a_floor() -> None:
    desk = desk_of(Table(2))
    tip = desk.tip
    for wants_floor, here, lost_end, floor, needs in (
        (False, tip, False, 0, False),
        (True, tip, False, 0, True),
        (True, None, False, 0, False),
        (False, tip, True, 0, True),
        (True, None, True, 5, True),
        (True, tip, True, NEVER, False),
    ):
        desk.wants_floor, desk.tip, desk.lost_end, desk.own_floor = wants_floor, here, lost_end, floor
        assert desk.needs_floor == needs


def test_who_only_reads() -> None:
    """A party whose store is restored, unless it trusts the others, can sign after them, and isn't bound by an end."""
    key = Table(2, begin=False).terms.keys[1]

    def only_reads(index: int, floor: int, *, trusts: bool, leads: bool = False) -> bool:
        table = Table(2, operator=key if leads else OUTSIDER, operator_leads=leads, begin=False, trusts_others=trusts)
        desk = desk_of(table, index)
        desk.own_floor = floor
        desk.look_at_store()
        stopped = desk.stopped is not None and desk.stopped.reason == StopReason.RESTORED
        assert stopped == desk.only_reads
        return stopped

    assert not only_reads(0, 0, trusts=False)
    assert only_reads(0, 5, trusts=False)
    assert not only_reads(0, 5, trusts=True)
    assert only_reads(0, NEVER, trusts=True)
    assert only_reads(1, 5, trusts=True, leads=True)
    assert not only_reads(0, 5, trusts=True, leads=True)
    assert not only_reads(2, 5, trusts=False), "an operator that is no party"


def test_a_floor_is_told_where_others_can_give_ground_above_it() -> None:
    for threshold, trusts, floor, told in (
        (2, False, 0, 0),
        (2, False, 5, 5),
        (3, False, 5, 0),
        (3, True, 5, 5),
        (2, False, NEVER, 0),
        (3, True, NEVER, 0),
    ):
        desk = desk_of(Table(3, threshold=threshold, trusts_others=trusts))
        desk.own_floor = floor
        assert desk.hello(-1).floor == told


def test_what_is_signed_of_an_end_follows_the_finalized_block() -> None:
    desk = desk_of(Table(2))
    assert desk.may_sign_above_genesis(final=False), "without a chain"
    desk = desk_of(Table(2, on_chain=True))
    assert not desk.may_sign_above_genesis(final=True), "nothing is known of it"
    for mode in Mode:
        desk.head = ChainHead(7, int(START), Mode.LIVE, 6, mode)
        desk.disputed_at = 5
        assert not desk.may_sign_above_genesis(final=False)
        assert desk.may_sign_above_genesis(final=True) == (mode in (Mode.LIVE, Mode.CHALLENGED, Mode.SETTLED))
        desk.disputed_at = None
        assert desk.may_sign_above_genesis(final=False) == (mode == Mode.LIVE)


def test_who_waits_for_others() -> None:
    desk = desk_of(Table(2))
    assert not desk.waits_for_others
    desk.own_floor = 5
    assert desk.waits_for_others, "ground above its floor"
    desk.own_floor = 0
    desk.floors = {1: {5}}
    assert desk.waits_for_others, "and another one for that"
    desk.floors = {}
    desk.ballot.signed[1] = word(1)
    assert desk.waits_for_others, "what we signed on another agreement"
    desk.ballot.signed.clear()
    table = Table(2)
    desk_of(table).hears_until = table.now + 1
    table.ask(0)
    assert desk_of(table).pool.wishes
    assert not desk_of(table).pool
    assert desk_of(table).waits_for_others, "what isn't signed yet"
    table = Table(2)
    table.ask(0)
    assert desk_of(table).waits_for_others, "who leads it"
    assert desk_of(table).ballot.own_standing is None
    table = Table(2)
    table.ends[1].do(lambda channel: channel.propose(empty=True))
    assert not desk_of(table, 1).pool
    assert desk_of(table, 1).waits_for_others, "who may sign it"


def test_in_which_phase_a_channel_is() -> None:
    """What ends it, or stops it, comes before what goes on in it."""
    assert desk_of(Table(2, begin=False)).phase == Phase.OPENING
    table = Table(2)
    desk = desk_of(table)
    assert desk.phase == Phase.READY
    table.proposal(1)
    assert desk_of(table, 1).phase == Phase.PENDING
    desk.ready_to_close = word(1)
    assert desk.phase == Phase.CLOSING
    desk.ready_to_close, desk.ballot.final = None, word(1)
    assert desk.phase == Phase.CLOSING
    desk.disputed_at = 0
    assert desk.phase == Phase.DISPUTED
    desk.stop(StopReason.FORKED, "")
    assert desk.phase == Phase.STOPPED
    early = desk_of(Table(2, begin=False))
    early.disputed_at = 0
    assert early.phase == Phase.DISPUTED
    table = Table(2)
    for end in table.ends:
        end.do(lambda channel: channel.close())
    table.pump()
    desk_of(table).stop(StopReason.FORKED, "")
    assert desk_of(table).phase == Phase.CLOSED
