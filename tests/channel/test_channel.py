"""One endpoint: what comes in goes where it belongs, and what has to follow each event follows."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from evmthread.channel.channel import Channel
from evmthread.channel.desk import NEVER, ChainHead, ChannelOptions, Mode
from evmthread.channel.effects import Effect, Notify, Persist, Send, SetTimer, Sign
from evmthread.channel.errors import LocalProtocolError, NotNow
from evmthread.channel.events import ChallengeDue, CloseFailed, PeerFault, Stopped, StopReason
from evmthread.channel.messages import (
    Accept,
    Agreed,
    Close,
    CloseReady,
    Fetch,
    Hello,
    Message,
    Propose,
    Reject,
    Request,
    decode_message,
    encode_message,
)
from evmthread.channel.phases import Phase, What
from evmthread.channel.pool import Own, Wish
from evmthread.channel.restoring import restored_floor
from evmthread.channel.thread import Thread
from evmthread.commit import DIALECT, InputKind, Status
from evmthread.commit.refusals import ContractTimeoutTooShort
from evmthread.errors import InvalidInput
from tests.channel.endpoints import ASKS, GAS, OUTSIDER, Table, empty_batch, word
from tests.channel.games import START
from tests.channel.test_wishes import request_of


def new(table: Table, address: bytes, options: ChannelOptions | None = None) -> Channel:
    """An endpoint of the table's thread, before its genesis."""
    thread = Thread.open(table.head.domain, table.terms, table.rules, code=table.head.code)
    history = table.stores[0].look(table.id)
    return Channel(thread, address, history=history, random=Random(1), now=table.now, options=options)


def sent(table: Table, effects: list[Effect]) -> list[tuple[int, Message]]:
    return [
        (effect.to, decode_message(effect.data, batch_bytes=table.rules.batch_bytes)[1])
        for effect in effects
        if isinstance(effect, Send)
    ]


# Who it is ------------------------------------------------------------------------------------------------------------
def test_an_endpoint_is_a_partys_or_the_operators() -> None:
    table = Table(2, operator=OUTSIDER, begin=False)
    for index, key in enumerate((*table.terms.keys, OUTSIDER)):
        channel = new(table, key)
        assert channel.index == index
        assert channel._desk.options == ChannelOptions()
    for stranger in (b"\7" * 20, bytes(20)):
        with pytest.raises(InvalidInput, match="neither a session key nor the operator"):
            new(table, stranger)
    owners = {"owners": (b"\1" * 20, b"\2" * 20), "operator": b"\2" * 20}
    owned = Table(2, terms=owners, begin=False)
    with pytest.raises(InvalidInput, match="neither"):
        new(owned, b"\2" * 20)  # it signs with its key
    nobody = Table(2, begin=False)
    with pytest.raises(InvalidInput, match="neither"):
        new(nobody, bytes(20))


def test_an_operator_leads_where_there_is_one() -> None:
    leads = ChannelOptions(operator_leads=True)
    table = Table(2, begin=False)
    with pytest.raises(InvalidInput, match="can't lead a thread that has none"):
        new(table, table.terms.keys[0], leads)
    assert new(table, table.terms.keys[0], ChannelOptions()).index == 0
    other = Table(2, operator=OUTSIDER, begin=False)
    assert new(other, other.terms.keys[0], leads)._desk.ballot.leader(5) == 2


def test_a_thread_that_leaves_no_time_to_come_back_is_not_begun_but_gone_on_with() -> None:
    table = Table(2, begin=False)
    long = ChannelOptions(inclusion=10**9)
    with pytest.raises(ContractTimeoutTooShort):
        new(table, table.terms.keys[0], long)
    begun = Table(2)
    begun.options[0] = long
    assert begun.restart(0).agreement is not None


# Phases ---------------------------------------------------------------------------------------------------------------
def test_the_phase_follows_from_what_it_holds() -> None:
    early = Table(2, begin=False).channel(0)
    assert early.phase == Phase.OPENING
    table = Table(3)
    channel = table.channel(0)
    desk = channel._desk
    assert channel.phase == Phase.READY
    table.tell(0, 1, table.proposal(1))
    assert channel.phase == Phase.PENDING
    desk.ready_to_close = word(1)
    assert channel.phase == Phase.CLOSING
    desk.ready_to_close, desk.ballot.final = None, word(1)
    assert channel.phase == Phase.CLOSING
    desk.disputed_at = 7
    assert channel.phase == Phase.DISPUTED
    desk.stop(StopReason.REFUSED, "")
    assert channel.phase == Phase.STOPPED
    closed = closed_table()
    closed.channel(0)._desk.stop(StopReason.REFUSED, "")
    assert closed.channel(0).phase == Phase.CLOSED


def closed_table() -> Table:
    table = Table(2)
    for end in table.ends:
        end.do(lambda channel: channel.close())
    table.pump()
    return table


def test_whether_enough_have_greeted_it_is_told() -> None:
    table = Table(2, begin=False)
    assert not table.channel(0).is_greeted
    table.greet()
    assert table.channel(0).is_greeted


def test_floors_of_a_restored_store() -> None:
    table = Table(2)
    channel = table.channel(0)
    desk = channel._desk
    assert not channel.wants_floor
    desk.wants_floor = True
    assert channel.wants_floor
    table.now += 10
    desk.now = table.now
    assert channel.lowest_floor == restored_floor(0, START, START + 10)
    desk.ballot.highest_signed = 1 << 50
    assert channel.lowest_floor == 1 << 50
    desk.ballot.highest_signed = 3
    channel.set_floor(9)
    assert (channel.wants_floor, desk.own_floor, desk.ballot.highest_signed) == (False, 9, 9)
    desk.ballot.highest_signed = 20
    channel.set_floor(10)
    assert (desk.own_floor, desk.ballot.highest_signed) == (10, 20)
    desk.lost_end = True
    assert channel.wants_floor
    assert channel.lowest_floor == NEVER
    early = Table(2, begin=False).channel(0)
    early._desk.wants_floor = True
    assert not early.wants_floor, "before the genesis it isn't known how high"
    assert early.lowest_floor == restored_floor(-1, START, START)


# Decisions ------------------------------------------------------------------------------------------------------------
def test_a_start_greets_all_and_sends_again_what_was_signed() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    channel = table.restart(1, start=False)
    effects = channel.start()
    assert [to for to, message in sent(table, effects) if isinstance(message, Hello)] == [0, 2]
    (sign,) = [effect for effect in effects if isinstance(effect, Sign)]
    assert sign.typed_data.record == proposal.commitment
    assert channel._desk.pacing.next_at is not None


def test_who_only_reads_greets_all_and_sends_nothing_again() -> None:
    table = Table(3)
    table.proposal(1)
    channel = table.restart(1, start=False)
    channel._desk.own_floor = 7
    effects = channel.start()
    assert [to for to, message in sent(table, effects) if isinstance(message, Hello)] == [0, 2]
    assert not [effect for effect in effects if isinstance(effect, Sign)]
    (event,) = [effect.event for effect in effects if isinstance(effect, Notify)]
    assert isinstance(event, Stopped)
    assert event.reason == StopReason.RESTORED


def test_a_request_is_a_call_of_the_root_contract_or_what_it_says() -> None:
    table = Table(2, automatic=False)
    channel = table.channel(0)
    table.ends[0].do(lambda each: each.request(b"x", gas=GAS, value=3))
    table.ends[0].do(lambda each: each.request(gas=GAS, to=b"\5" * 20, lasting=True))
    first, second = channel._desk.pool.own
    assert (first.input.kind, first.input.to, first.input.value) == (InputKind.CALL, channel.thread.address, 3)
    assert (first.input.data, first.wish.lasting) == (b"x", False)
    assert (second.input.to, second.wish.lasting) == (b"\5" * 20, True)


def test_answers_and_aborts_are_of_the_open_call_by_whom_it_concerns() -> None:
    table = Table(3, code=ASKS, rules={"dialect": DIALECT}, automatic=False, operator=OUTSIDER)
    table.ask(0, 5, rest=bytes(12) + table.terms.owners[1])
    table.pump()
    opened_by: list[Callable[[Channel], list[Effect]]] = [Channel.answer, Channel.abort]
    for decide in opened_by:
        with pytest.raises(LocalProtocolError, match="no call is open"):
            table.ends[1].do(decide)
    table.ends[1].do(lambda channel: channel.propose())
    table.pump()
    call = table.channel(0).thread.agreed_call
    assert call is not None
    for index, decide in ((0, Channel.answer), (2, Channel.answer), (2, Channel.abort)):
        with pytest.raises(LocalProtocolError, match=r"waits for|may abort"):
            table.ends[index].do(decide)
    with pytest.raises(LocalProtocolError, match="no call is open that this party"):
        table.ends[3].do(Channel.abort)
    table.ends[1].do(lambda channel: channel.answer(b"yes"))
    for index in (0, 1):
        table.ends[index].do(Channel.abort)
    made = [own.input for index in (1, 0) for own in table.channel(index)._desk.pool.own]
    assert [(each.kind, each.data, each.to, each.gas) for each in made] == [
        (InputKind.ANSWER, call.machine_hash + b"yes", bytes(20), 0),
        (InputKind.ABORT, call.machine_hash, bytes(20), 0),
        (InputKind.ABORT, call.machine_hash, bytes(20), 0),
    ]


@pytest.mark.parametrize(
    "decide",
    [
        lambda channel: channel.request(gas=GAS),
        lambda channel: channel.answer(),
        lambda channel: channel.abort(),
        lambda channel: channel.propose(),
        lambda channel: channel.accept(1),
        lambda channel: channel.reject(1),
        lambda channel: channel.close(),
    ],
)
def test_nothing_is_decided_in_a_phase_that_has_no_room_for_it(decide: Callable[[Channel], list[Effect]]) -> None:
    channel = closed_table().channel(0)
    with pytest.raises(NotNow):
        decide(channel)


# What comes in --------------------------------------------------------------------------------------------------------
def test_only_others_are_heard() -> None:
    table = Table(2)
    for peer in (0, 2, -1):
        with pytest.raises(InvalidInput, match="no other participant"):
            table.channel(0).receive(peer, encode_message(table.id, Close()))
    with pytest.raises(InvalidInput):
        table.channel(0).receive(1, "bytes")  # type: ignore[arg-type]


def test_what_no_honest_one_sends_is_told_with_its_bytes() -> None:
    table = Table(2)
    channel = table.channel(0)
    elsewhere = encode_message(word(1), Close())
    forged = Request(replace(request_of(table, 1).signed, signature=bytes(65)))
    for data in (b"", b"\1\2\3", elsewhere, encode_message(table.id, forged)):
        (fault,) = [effect.event for effect in channel.receive(1, data) if isinstance(effect, Notify)]
        assert isinstance(fault, PeerFault)
        assert (fault.peer, fault.error.data) == (1, data)


def test_whoever_still_speaks_when_all_is_over_is_shown_the_end() -> None:
    table = closed_table()
    (answer,) = sent(table, table.channel(0).receive(1, encode_message(table.id, Close())))
    assert answer == (1, table.channel(0)._desk.tip)
    disputed = Table(2)
    disputed.channel(0)._desk.disputed_at = 3
    request = request_of(disputed, 1)
    assert disputed.channel(0).receive(1, encode_message(disputed.id, request)) == []
    assert not disputed.channel(0)._desk.pool


def test_each_message_goes_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(2)
    channel = table.channel(0)
    tip = channel._desk.tip
    assert tip is not None
    propose = Propose(*empty_batch(table, nonce=1), None, bytes(65))
    accept = Accept(1, word(1), bytes(65))
    request = request_of(table, 1)
    reject, bare = Reject(1, word(2), 0, "", tip), Reject(1, word(3), 0, "")
    hello, close, ready, fetch = Hello(0, 0, word(1)), Close(), CloseReady(word(4)), Fetch(word(5))
    heard: list[tuple[object, ...]] = []
    parts: dict[str, tuple[str, ...]] = {
        "_catch_up": ("on_hello", "on_agreed", "on_fetch"),
        "_wishes": ("on_request", "on_doubt"),
        "_proposals": ("on_propose",),
        "_rounds": ("on_accept", "on_reject"),
        "_closing": ("on_close", "on_close_ready"),
    }
    for part, names in parts.items():
        for name in names:

            def hear(*values: object, name: str = name) -> None:
                heard.append((name, *values))

            monkeypatch.setattr(getattr(channel, part), name, hear)
    for message, expected in (
        (hello, [("on_hello", 1, hello)]),
        (request, [("on_request", 1, request)]),
        (propose, [("on_propose", 1, propose)]),
        (accept, [("on_accept", 1, accept)]),
        (reject, [("on_reject", 1, reject), ("on_doubt", word(2)), ("on_agreed", 1, tip)]),
        (bare, [("on_reject", 1, bare), ("on_doubt", word(3))]),
        (tip, [("on_agreed", 1, tip)]),
        (fetch, [("on_fetch", 1, word(5))]),
        (close, [("on_close", 1)]),
        (ready, [("on_close_ready", 1, word(4))]),
    ):
        heard.clear()
        channel.receive(1, encode_message(table.id, message))
        assert heard == expected


def test_what_is_answered_goes_on() -> None:
    table = Table(3)
    channel = table.channel(1)
    channel._desk.pool.wishes.append(wish_of(channel))
    (persist,) = [effect for effect in channel.tick(table.now) if isinstance(effect, Persist)]
    (sign,) = [effect for effect in channel.persisted(persist.token) if isinstance(effect, Sign)]
    effects = channel.signed(sign.token, table.sign(1, sign.typed_data.record))  # type: ignore[arg-type]
    assert any(isinstance(effect, Persist) for effect in effects), "and is proposed at once"
    for answer in (channel.persisted, lambda token: channel.signed(token, bytes(65))):
        with pytest.raises(LocalProtocolError, match="nothing waits"):
            answer(99)
    refused = Table(3).channel(0)
    for fail in ("not_persisted", "not_signed"):
        refused._desk.pool.wishes.append(wish_of(refused, fail.encode()))
        (persist,) = [effect for effect in refused.tick(table.now) if isinstance(effect, Persist)]
        token = persist.token
        if fail == "not_signed":
            (sign,) = [effect for effect in refused.persisted(token) if isinstance(effect, Sign)]
            token = sign.token
        (notice,) = [effect for effect in getattr(refused, fail)(token, "no room") if isinstance(effect, Notify)]
        assert notice.event.reason == "no room"  # type: ignore[union-attr]
        refused._desk.pool.used.clear()


def wish_of(channel: Channel, data: bytes = b"") -> Wish:
    return Wish(InputKind.CALL, channel.thread.address, 0, GAS, data, channel.thread.parent, lasting=False)


def test_what_is_kept_is_followed_by_a_look_at_the_whole_where_nothing_else_is_waited_for() -> None:
    """Where it was to be signed, that is waited for next; where it was only to be told, nothing hung on it."""
    channel = Table(2).channel(0)
    looked: list[bool] = []
    channel._lead = lambda: looked.append(True)  # type: ignore[method-assign]
    outbox = channel._desk.outbox

    def kept(*, urgent: bool, then: Callable[[], None] = lambda: None) -> bool:
        looked.clear()
        outbox.persist(urgent=urgent, then=then, failed=lambda _: None)
        (persist,) = [effect for effect in outbox.take() if isinstance(effect, Persist)]
        channel.persisted(persist.token)
        return bool(looked)

    assert kept(urgent=True)
    assert not kept(urgent=False)
    assert not kept(urgent=True, then=lambda: outbox.persist(urgent=True, then=lambda: None, failed=lambda _: None))
    assert not kept(urgent=False), "something is still waited for"


def test_a_tick_tries_again_when_that_is_due_and_looks_at_the_contracts_clock() -> None:
    channel = Table(2).channel(0)
    called: list[str] = []
    channel._try_again = lambda: called.append("again")  # type: ignore[method-assign]
    channel._look_at_turn = lambda: called.append("turn")  # type: ignore[method-assign]
    channel._desk.pacing.next_at = START + 5.0
    channel._desk.wants_end = True
    channel.tick(START + 4.0)
    assert called == ["turn"]
    channel.tick(START + 5.0)
    assert called == ["turn", "again", "turn"]


def test_time_never_goes_back() -> None:
    channel = Table(2).channel(0)
    channel.tick(START + 5.0)
    channel.tick(START + 3.0)
    assert channel._desk.now == START + 5.0


def test_a_dispute_is_over_when_the_finalized_chain_is_past_it() -> None:
    table = Table(2, on_chain=True)
    channel = table.channel(0)
    desk = channel._desk
    live = ChainHead(6, int(START), Mode.LIVE, 5, Mode.LIVE)
    for head, since in (
        (live, None),
        (replace(live, number=7, latest=Mode.CHALLENGED), 7),
        (replace(live, number=8, finalized_number=6), 7),
        (replace(live, number=9, finalized_number=7), None),
        (replace(live, number=10, latest=Mode.SETTLED), 10),
        (replace(live, number=12, finalized_number=10), None),
        (replace(live, number=13, finalized=Mode.CHALLENGED), 13),
        (replace(live, number=15, finalized_number=13), None),
        (replace(live, number=16, finalized=Mode.SETTLED), 16),
    ):
        channel.head(head)
        assert desk.head == head
        assert desk.disputed_at == since


# What follows each event ----------------------------------------------------------------------------------------------
def test_after_each_event_the_whole_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Table(2).channel(0)
    called: list[str] = []
    for part, name in (
        (channel._closing, "after_event"),
        (channel._wishes, "sign_waiting"),
        (channel._leading, "lead_if_wanted"),
        (channel._desk.outbox, "set_timer"),
    ):

        def call(*_: object, name: str = name, **_more: object) -> None:
            called.append(name)

        monkeypatch.setattr(part, name, call)
    channel.tick(START + 0.5)
    assert called == ["after_event", "sign_waiting", "lead_if_wanted", "set_timer"]


def test_a_phase_that_no_event_leads_to_is_a_bug_of_ours() -> None:
    channel = Table(2).channel(0)
    with pytest.raises(AssertionError, match="STOPPED"):
        channel._happen(What.ASK, lambda: channel._desk.stop(StopReason.REFUSED, ""))


def led(change: Callable[[Channel], None], **options: object) -> bool:
    """Whether party 1, whose turn it is and who has an input, leads after a change."""
    table = Table(3, **options)  # type: ignore[arg-type]
    channel = table.channel(1)
    channel._desk.pool.add(request_of(table, 0).signed, table.now)
    change(channel)
    channel._lead()
    return channel._desk.ballot.own_standing is not None


def test_who_leads_waits_for_its_disk_and_for_what_it_may_sign() -> None:
    assert led(lambda channel: None)
    assert not led(lambda channel: None, automatic=False)
    assert not led(lambda channel: setattr(channel._desk, "hears_until", channel._desk.now + 1))

    def waits(channel: Channel) -> None:
        channel._desk.outbox.persist(urgent=True, then=lambda: None, failed=lambda _: None)

    assert not led(waits)

    def clears(channel: Channel) -> None:
        channel._desk.wants_end, channel._desk.ballot.highest_signed = True, 3

    assert led(clears, automatic=False), "an empty batch clears the way to an end"

    def wanted(channel: Channel) -> None:
        channel._desk.floors = {0: {7}}

    def may_skip(channel: Channel) -> None:
        channel._rounds.may_skip = True

    def both(channel: Channel) -> None:
        wanted(channel)
        may_skip(channel)

    assert not led(wanted, automatic=False), "whoever leads next gives ground"
    assert not led(may_skip, automatic=False)
    assert led(both, automatic=False)


def test_who_leads_by_itself_proposes_what_waits_and_else_no_more_than_clears_the_way() -> None:
    for automatic in (True, False):
        table = Table(3, automatic=automatic)
        channel = table.channel(1)
        channel._desk.pool.add(request_of(table, 0).signed, table.now)
        if not automatic:
            channel._desk.wants_end, channel._desk.ballot.highest_signed = True, 3
        channel._lead()
        standing = channel._desk.ballot.own_standing
        assert standing is not None
        assert standing.counts == automatic


def test_who_is_stopped_sends_nothing_again_but_a_greeting() -> None:
    table = Table(3)
    table.proposal(1)
    channel = table.channel(1)
    channel._desk.stop(StopReason.FORKED, "")
    channel._desk.heard.clear()
    channel._desk.outbox.take()
    channel._try_again()
    assert {type(message) for _, message in sent(table, channel._desk.outbox.take())} == {Hello}


def test_lingering_is_over_at_its_time_or_when_a_leader_is_silent() -> None:
    table = Table(3, linger=3.0)
    channel = table.channel(1)
    desk = channel._desk
    channel._lead()
    assert channel._linger_until is None, "nothing waits"
    desk.pool.add(request_of(table, 0).signed, table.now)
    channel._lead()
    assert channel._linger_until == table.now + 3
    desk.now += 2.9
    channel._lead()
    assert channel._linger_until == table.now + 3
    assert desk.ballot.own_standing is None
    desk.now = table.now + 3
    channel._lead()
    assert desk.ballot.own_standing is not None
    assert channel._linger_until is None
    assert not led(lambda channel: None, linger=3.0)
    assert led(lambda channel: setattr(channel._rounds, "may_skip", True), linger=3.0)


def test_what_is_tried_again() -> None:
    table = Table(3, automatic=False)
    channel = table.channel(1)
    desk = channel._desk
    table.ends[1].do(lambda each: each.propose(empty=True))
    (propose,) = {message for _, _, message in table.sent() if isinstance(message, Propose)}
    desk.wants_end = True
    desk.heard.discard(0)
    channel._catch_up._ahead[2] = 5
    misses = desk.pacing.misses
    channel._try_again()
    assert desk.pacing.misses == misses + 1
    messages = sent(table, desk.outbox.take())
    assert [to for to, message in messages if isinstance(message, Hello)] == [0, 2]
    assert {to for to, message in messages if message == propose} == {0, 2}
    assert {to for to, message in messages if message == Close()} == {0, 2}


def test_what_others_may_lack_is_asked_of_all() -> None:
    def greeted(change: Callable[[Channel], None]) -> list[int]:
        table = Table(3)
        channel = table.channel(0)
        change(channel)
        channel._catch_up.say_again()
        return [to for to, message in sent(table, channel._desk.outbox.take()) if isinstance(message, Hello)]

    assert greeted(lambda channel: None) == []
    assert greeted(lambda channel: channel._desk.ballot.signed.update({5: word(5)})) == [1, 2]

    def restored(channel: Channel) -> None:
        channel._desk.wants_floor, channel._desk.tip = True, None

    assert greeted(restored) == [1, 2]
    assert greeted(lambda channel: setattr(channel._desk, "own_floor", 5)) == [1, 2], "they lead to above it"
    assert greeted(lambda channel: channel._desk.heard.discard(2)) == [2]


def test_what_is_still_to_be_signed_is_not_sent_again() -> None:
    table = Table(3)
    table.proposal(1)
    channel = table.channel(1)
    channel._desk.outbox.persist(urgent=True, then=lambda: None, failed=lambda _: None)
    channel._send_again()
    assert {type(message) for _, message in sent(table, channel._desk.outbox.take())} == {Request}


def test_a_leader_that_is_silent_may_be_skipped_but_none_that_waits_for_answers() -> None:
    table = Table(3)
    channel = table.channel(2)
    channel._try_again()
    assert not channel._rounds.may_skip
    channel._try_again()
    assert channel._rounds.may_skip
    table.proposal(1)
    leader = table.channel(1)
    for _ in range(3):
        leader._try_again()
    assert not leader._rounds.may_skip, "its own proposal isn't answered"
    standing = leader._desk.ballot.own_standing
    assert standing is not None
    standing.rejected = True
    leader._try_again()
    assert leader._rounds.may_skip
    follower = table.channel(0)
    table.tell(0, 1, standing.propose)
    for _ in range(2):
        follower._try_again()
    assert follower._rounds.may_skip, "the leader doesn't say that it is agreed"


def test_a_timer_is_set_while_there_is_anything_to_wait_for() -> None:
    def waits(change: Callable[[Channel], None], **options: object) -> bool:
        table = Table(2, operator=OUTSIDER, **options)  # type: ignore[arg-type]
        channel = table.channel(2 if options else 0)
        change(channel)
        channel._set_timer(channel.phase)
        return channel._desk.pacing.next_at is not None

    def stands(channel: Channel) -> None:
        channel._desk.ballot.own_standing = object()  # type: ignore[assignment]

    def asks(channel: Channel) -> None:
        wish = wish_of(channel)
        each = wish.as_input(channel.thread.thread_id, channel._desk.owner, 0, channel.thread.parent)
        channel._desk.pool.own.append(Own(wish, each))

    def lacks(channel: Channel) -> None:
        channel._desk.wants_floor, channel._desk.tip = True, None

    assert not waits(lambda channel: None)
    assert waits(stands)
    assert waits(asks)
    assert waits(lambda channel: channel._desk.pool.wishes.append(wish_of(channel)))
    assert waits(lambda channel: channel._desk.ballot.signed.update({9: word(9)}))
    assert waits(lambda channel: channel._desk.heard.discard(1))
    assert waits(lambda channel: channel._catch_up._ahead.update({1: 5}))
    assert waits(lambda channel: setattr(channel._desk, "wants_end", True))
    assert waits(lambda channel: channel._desk.note_floor(0, 5), operator_leads=True)
    assert not waits(lambda channel: None, operator_leads=True)
    assert waits(lacks)

    def stopped(channel: Channel) -> None:
        stands(channel)
        channel._desk.stop(StopReason.REFUSED, "")

    assert not waits(stopped)
    table = closed_table()
    table.channel(0)._desk.pacing.arm(table.now)
    table.channel(0)._desk.heard.clear()
    table.channel(0)._set_timer(Phase.CLOSED)
    assert table.channel(0)._desk.pacing.next_at is None


def test_the_timer_is_the_earliest_of_what_is_to_come() -> None:
    table = Table(2)
    channel = table.channel(0)
    desk = channel._desk
    desk.wants_end = True

    def timer(due: float | None, deadline: float | None, linger: float | None) -> float | None:
        desk.pacing.next_at, channel._closing.deadline, channel._linger_until = due, deadline, linger
        desk.outbox._timer = None
        channel._set_timer(Phase.READY)
        (at,) = [effect.at for effect in desk.outbox.take() if isinstance(effect, SetTimer)] or [None]
        return at

    now = table.now
    assert timer(now + 5, now + 3, now + 9) == now + 3
    assert timer(now + 5, None, now + 4) == now + 4
    assert timer(now + 5, now - 1, now) == now + 5, "what is past waits for something else"
    assert timer(now, None, None) is None


def test_a_close_that_takes_too_long_is_given_up_by_the_clock() -> None:
    table = Table(2)
    table.ends[0].do(lambda channel: channel.close())
    effects = table.channel(0).tick(table.now + 1000)
    assert [effect.event for effect in effects if isinstance(effect, Notify)] == [CloseFailed()]


# The contract's own clock ---------------------------------------------------------------------------------------------
def test_when_a_challenge_is_due() -> None:
    table = Table(3, on_chain=True)
    for end in table.ends:
        end.head(ChainHead(6, int(START), Mode.LIVE, 5, Mode.LIVE))
    table.lost = lambda sender, receiver, message: True
    channel = table.channel(0)
    assert channel._challenge_at() is None, "nothing is asked for"
    table.ask(0, 5)
    due = START + table.rules.contract_timeout - (3600 + 120 + 3 * 600)
    assert channel._challenge_at() == due
    desk, line = channel._desk, channel._line
    (own,) = desk.pool.own
    signature, own.signature = own.signature, b""
    assert channel._challenge_at() is None, "nobody can have it"
    own.signature = signature
    desk.disputed_at = 6
    assert channel._challenge_at() is None, "it is on its way"
    desk.disputed_at = None
    table.tell(0, 1, table.proposal(1))
    assert channel.phase == Phase.PENDING
    assert channel._challenge_at() == due
    line.turn_since = None
    assert channel._challenge_at() is None, "it isn't our turn"
    channel._challenged_turn = START - 5
    assert channel._challenge_at() is None, "nor was it told of another one"
    line.turn_since = START
    channel._challenged_turn = START
    assert channel._challenge_at() is None, "told once"
    channel._challenged_turn = None
    desk.now = due - 1
    channel._look_at_turn()
    assert channel._challenged_turn is None
    desk.outbox.take()
    desk.now = due
    channel._look_at_turn()
    assert channel._challenged_turn == START
    agreement = channel.agreement
    assert agreement is not None
    assert desk.outbox.take() == [Notify(ChallengeDue(agreement))]
    off_chain = Table(2)
    off_chain.lost = lambda sender, receiver, message: True
    off_chain.ask(0)
    assert off_chain.channel(0)._challenge_at() is None
    timeless = Table(2, on_chain=True, rules={"contract_timeout": 0})
    timeless.ends[0].head(ChainHead(6, int(START), Mode.LIVE, 5, Mode.LIVE))
    timeless.ask(0)
    assert timeless.channel(0)._challenge_at() is None


def test_an_end_is_told_to_who_asks() -> None:
    table = closed_table()
    tip = table.channel(0).agreement
    assert tip is not None
    assert tip.commitment.status == Status.FINAL
    fetched = sent(table, table.channel(0).receive(1, encode_message(table.id, Fetch(tip.digest))))
    assert [type(message) for _, message in fetched] == [Agreed]
