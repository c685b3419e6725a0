"""From a wish to an input that all have."""

from dataclasses import replace

import pytest

from evmthread.channel.ballot import Standing
from evmthread.channel.effects import Send, Sign
from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.events import Adopted, Asked, Convicted, Lapsed, PeerFault, Stopped, Undone
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Agreed, Fetch, Propose, Reject, RejectCode, Request
from evmthread.channel.party import SignedInput
from evmthread.channel.phases import Phase
from evmthread.channel.pool import Own, Wish
from evmthread.channel.wishes import decode_own, encode_own
from evmthread.commit import DIALECT, Batch, Input, InputKind, SignedBatch, digest
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives import rlp
from tests.channel.endpoints import ASKS, GAS, OUTSIDER, Table, empty_batch, word
from tests.channel.games import DEPOSIT


def request_of(table: Table, index: int, number: int = 5, **changes: object) -> Request:
    """A request that a party's endpoint didn't make."""
    thread, owner = table.channel(0).thread, table.terms.owners[index]
    each = Input(table.id, 0, thread.parent, 0, owner, thread.address, 0, 100_000, word(number))  # type: ignore[arg-type]
    each = replace(each, **changes)  # type: ignore[arg-type]
    return Request(SignedInput(each, table.sign(index, each)))


def test_an_input_is_kept_before_it_is_signed_and_goes_to_all() -> None:
    table = Table(3)
    table.ask(0)
    assert len(table.stores[0].look(table.id).load().inputs) == 1
    assert sorted(to for _, to, message in table.sent() if isinstance(message, Request)) == [1, 2]
    table.wait(4, pump=False)
    assert {to for _, to, message in table.sent() if isinstance(message, Request)} == {1, 2}, "and again"


def test_an_input_survives_a_restart_with_the_same_bytes() -> None:
    table = Table(3)
    table.ask(0, 7, lasting=True)
    (first, *_) = [message for _, _, message in table.sent() if isinstance(message, Request)]
    table.restart(0)
    table.pump()
    table.wait(8)
    assert table.channel(1).thread.storage(0) == 8
    inputs = [event.batch.batch.inputs for event in table.told(1, Adopted)]  # type: ignore[attr-defined]
    assert (first.signed.input,) in inputs


def test_requests_of_others_are_checked() -> None:
    table = Table(3)
    good = request_of(table, 0)
    bad = [
        Request(SignedInput(good.signed.input, table.sign(1, good.signed.input))),
        Request(SignedInput(good.signed.input, bytes(65))),
        request_of(table, 0, thread_id=word(1)),
        request_of(table, 0, actor=bytes(20)),
    ]
    for each in bad:
        table.tell(1, 0, each)
    assert len(table.told(1, PeerFault)) == len(bad)
    assert table.sent() == []
    table.tell(1, 0, good)
    assert [type(message) for _, _, message in table.sent()][:1] == [Propose]


def test_who_asks_on_another_agreement_is_shown_ours_and_asked_for_its() -> None:
    table = Table(3)
    table.tell(1, 0, request_of(table, 0, parent=word(1)))
    assert [(to, type(message)) for _, to, message in table.sent()] == [(0, Agreed), (0, Fetch)]
    assert not table.channel(1)._desk.pool


def test_two_inputs_for_one_place_convict() -> None:
    table = Table(3)
    table.tell(1, 0, request_of(table, 0, 10))
    table.tell(1, 0, request_of(table, 0, 11))
    table.ends[1].flush()
    (event,) = table.told(1, Convicted)
    assert isinstance(event, Convicted)
    assert event.party == 0


def test_an_input_of_ours_that_we_do_not_know_stops_us() -> None:
    table = Table(3)
    table.tell(0, 1, request_of(table, 0, 9))
    assert len(table.told(0, Stopped)) == 1
    other = Table(3)
    other.ask(0, 5)
    known = next(message for _, _, message in other.sent() if isinstance(message, Request))
    other.tell(0, 1, known)
    assert other.channel(0).phase == Phase.READY


def test_no_second_input_for_a_place_is_signed() -> None:
    table = Table(2)
    table.channel(0)._desk.balance = 1 << 100
    table.ask(0, 10, value=1 << 90)
    table.pump()
    assert len(table.told(0, Undone)) == 1
    table.ask(0, 11)
    table.sent()
    assert len(table.stores[0].look(table.id).load().inputs) == 1
    assert table.channel(0)._desk.pool.barred
    table.channel(0)._desk.pool.wishes.clear()
    table.ask(0, 10, value=1 << 90)
    assert len(table.channel(0)._desk.pool.own) == 1, "the same one again contradicts nothing"


def test_gas_above_the_batchs_is_found_out_before_it_is_signed() -> None:
    table = Table(2, rules={"batch_gas": 1_000_000})
    table.ask(0, 5, gas=1_000_001)
    assert "batchGas" in table.told(0, Undone)[0].reason  # type: ignore[attr-defined]
    assert table.stores[0].look(table.id).load().inputs == ()
    with pytest.raises(InvalidInput):
        table.ask(0, 5, gas=1 << 64)


def test_an_input_of_another_kind_with_our_signature_is_not_ours() -> None:
    table = Table(3)
    table.tell(2, 0, request_of(table, 2, kind=7))
    assert table.told(2, Stopped), "whoever signed that has our key"


def test_a_long_input_that_is_kept_is_read_again() -> None:
    table = Table(rules={"batch_bytes": 1 << 26})
    wish = Wish(InputKind.CALL, bytes(20), 0, 0, bytes(1 << 24), table.channel(0).thread.parent, lasting=False)
    own = Own(wish, wish.as_input(table.id, table.terms.owners[0], 0, wish.asked_on))
    assert decode_own(encode_own(own)).input == own.input


@pytest.mark.parametrize("kind", [InputKind.ANSWER, InputKind.ABORT, 9, "CALL", None])
def test_nothing_but_a_call_or_a_creation_is_requested_and_nothing_else_is_kept(kind: InputKind) -> None:
    table = Table(2)
    with pytest.raises(InvalidInput, match="a CALL or a CREATE is requested"):
        table.channel(0).request(b"", gas=100_000, kind=kind)
    table.pump()
    assert table.stores[0].look(table.id).load().inputs == ()


def test_an_operator_asks_for_nothing() -> None:
    table = Table(2, operator=OUTSIDER)
    with pytest.raises(LocalProtocolError, match="no account"):
        table.ask(2)


def asked(**options: object) -> Table:
    """Party 1 is asked by a call of party 0."""
    table = Table(3, code=ASKS, rules={"dialect": DIALECT} | options)  # type: ignore[arg-type]
    table.play(0, 5, rest=bytes(12) + table.terms.owners[1])
    return table


def test_a_question_is_answered_by_who_is_asked_alone() -> None:
    """C26."""
    table = asked()
    assert len(table.told(1, Asked)) == 1
    for index in (0, 2):
        with pytest.raises(LocalProtocolError, match="waits for"):
            table.ends[index].do(lambda channel: channel.answer(b"x"))
    with pytest.raises(LocalProtocolError, match="may abort"):
        table.ends[2].do(lambda channel: channel.abort())
    table.ends[1].do(lambda channel: channel.answer(word(9)))
    table.pump()
    table.wait(10)
    assert {table.channel(index).thread.storage(1) for index in range(3)} == {9}
    for index in (0, 1):
        with pytest.raises(LocalProtocolError, match="no call is open"):
            table.ends[index].do(lambda channel: channel.abort())


def test_a_suspended_thread_is_not_gone_around() -> None:
    table = asked()
    table.ask(2, 30, lasting=True)
    table.wait(100)
    tip = table.channel(0).agreement
    assert tip is not None
    assert tip.commitment.status == 1
    assert not [message for _, _, message in table.sent() if isinstance(message, Propose)]
    table.ends[0].do(lambda channel: channel.abort())
    table.wait(20)
    assert table.channel(1).thread.storage(0) == 31


def test_an_answer_finds_room_behind_waiting_calls() -> None:
    table = asked(batch_inputs=2)
    for number in (10, 11):
        table.ask(1, number)
    with pytest.raises(LocalProtocolError, match="wait already"):
        table.ask(1, 12)
    table.ends[1].do(lambda channel: channel.answer(word(9)))
    table.wait(30)
    assert table.channel(0).thread.storage(1) == 9


def test_what_is_kept_of_an_input_is_read_again() -> None:
    table = Table(2)
    table.ask(0, 5, lasting=True)
    own = table.channel(0)._desk.pool.own[0]
    read = decode_own(encode_own(own))
    assert (read.input, read.wish, read.signature) == (own.input, own.wish, b"")
    strange = replace(own, input=replace(own.input, kind=9))
    lasts_twice = b"\x01" + rlp.encode_list([own.input.to_rlp(), rlp.encode_int(2)])
    for bad in (b"", encode_own(own)[:-1], lasts_twice, encode_own(strange)):
        with pytest.raises(DecodingError):
            decode_own(bad)


def test_what_was_asked_for_the_genesis_is_in_no_later_batch() -> None:
    """The user is told that it lapsed; a signature that any state would take is in others' hands."""
    table = Table(begin=False)
    table.greet()
    table.ask(1, 7)
    (request,) = [message for _, _, message in table.sent() if isinstance(message, Request)]
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    assert len(table.told(1, Lapsed)) == 1
    table.tell(0, 1, request)
    assert not [message for _, _, message in table.sent() if isinstance(message, Propose)]
    batch = Batch(table.channel(0).thread.environment(), (request.signed.input,))
    signed = SignedBatch(batch, (request.signed.signature,))
    commitment = table.channel(0).thread.execute(signed, nonce=2)
    table.tell(1, 0, Propose(commitment, signed, None, table.sign(0, commitment)))
    (reject,) = [message for _, _, message in table.sent() if isinstance(message, Reject)]
    assert reject.code == RejectCode.UNWANTED
    assert table.channel(1).phase == Phase.READY


def test_a_restored_party_asks_on_an_agreement_above_its_floor_which_the_operator_makes() -> None:
    """Inputs on the present agreement may have been signed by the lost store; none above the genesis lacks a parent."""
    table = Table(3, threshold=2, operator=OUTSIDER, operator_leads=True, trusts_others=True)
    table.stores[0] = table.stores[0].copy(restored=True)
    table.ends[0] = table.opened(0)
    table.ends[0].start()
    table.pump()
    table.ask(0, 50, lasting=True)
    table.wait(120)
    assert table.channel(1).thread.storage(0) == 51
    tip = table.channel(1)._desk.tip
    assert tip is not None
    assert [each.parent for each in tip.batch.batch.inputs] == [tip.signed.commitment.parent]
    assert len(table.tips()) == 1


def test_what_no_batch_can_hold_is_not_asked() -> None:
    """Nobody would read it, and what comes after it has nonces that need its own."""
    table = Table(rules={"batch_bytes": 4096})
    for length in (4096, 3900):
        table.ends[0].do(lambda channel, length=length: channel.request(bytes(length), gas=1_000_000))  # type: ignore[misc]
    assert table.sent() == []
    assert [event.reason for event in table.told(0, Undone) if isinstance(event, Undone)] == [
        "at most 4096 bytes with signatures"
    ] * 2
    table.ends[0].do(lambda channel: channel.request(bytes(3700), gas=1_000_000))
    table.pump()
    assert len(table.told(0, Adopted)) == 2


def own_of(table: Table, index: int) -> list[Own]:
    return table.channel(index)._desk.pool.own


def wish_of(table: Table, number: int = 5, **changes: object) -> Wish:
    thread = table.channel(0).thread
    wish = Wish(InputKind.CALL, thread.address, 0, GAS, word(number), thread.parent, lasting=False)
    return replace(wish, **changes)  # type: ignore[arg-type]


def test_no_input_is_signed_while_nothing_may_be() -> None:
    alone = Table(2, begin=False)
    alone.ask(0)
    assert own_of(alone, 0) == [], "nobody has greeted"
    assert len(alone.channel(0)._desk.pool.wishes) == 1
    table = Table(3, automatic=False)
    desk = table.channel(0)._desk

    def signed() -> bool:
        desk.pool.wishes[:] = [wish_of(table)]
        table.channel(0)._wishes.sign_waiting()
        return bool(desk.pool.own)

    desk.ballot.final = word(1)
    assert not signed()
    desk.ballot.final, desk.ready_to_close = None, desk.thread.parent
    assert not signed()
    desk.ready_to_close = None
    standing = Standing(table.signed(1, Propose(*empty_batch(table, nonce=1), None, b"")), bytes(32))
    desk.ballot.add(standing)
    assert not signed(), "what is proposed may be agreed on"
    desk.pacing.misses = 1
    assert signed(), "or not"


def test_who_signed_the_end_asks_for_nothing_more() -> None:
    table = Table(3)
    table.channel(0)._desk.ballot.final = word(1)
    with pytest.raises(LocalProtocolError, match="signed the end"):
        table.ask(0)
    assert table.channel(0)._desk.pool.wishes == []


def test_as_much_as_there_is_may_be_asked_for() -> None:
    table = Table(2, automatic=False, rules={"batch_gas": 1_000_000})
    table.ask(0, gas=1_000_000)
    assert len(own_of(table, 0)) == 1
    rich = Table(2, automatic=False)
    balance = rich.channel(0)._desk.balance
    assert balance == DEPOSIT
    rich.ask(0, value=balance + 1)
    assert len(rich.told(0, Undone)) == 1
    rich.ask(0, value=balance)
    rich.ask(0, value=balance + 1)
    assert [own.input.value for own in own_of(rich, 0)] == [balance, balance + 1], "what comes first may bring some"
    early = Table(2, begin=False)
    early.greet()
    early.ask(0, value=balance)
    assert len(own_of(early, 0)) == 1, "nothing is known of balances before the genesis"


def test_what_just_fits_into_a_batch_is_asked_for() -> None:
    table = Table(automatic=False, rules={"batch_bytes": 4096})
    room = 4096 - len(table.channel(0)._wishes._alone(wish_of(table, data=bytes(3000))).to_rlp()) + 3000
    table.ends[0].do(lambda channel: channel.request(bytes(room + 1), gas=1_000_000))
    assert own_of(table, 0) == []
    table.ends[0].do(lambda channel: channel.request(bytes(room), gas=1_000_000))
    table.pump()
    table.ends[1].do(lambda channel: channel.propose())
    table.pump()
    assert table.channel(0)._desk.tip_nonce == 1


def test_calls_have_nonces_one_after_another_and_what_goes_on_has_none() -> None:
    table = asked()
    for number in (10, 11):
        table.ask(1, number)
    table.ends[1].do(lambda channel: channel.answer(word(9)))
    table.ask(1, 12)
    places = [(own.input.kind, own.input.nonce) for own in own_of(table, 1)]
    assert places == [(InputKind.CALL, 0), (InputKind.CALL, 1), (InputKind.ANSWER, 0), (InputKind.CALL, 2)]


def test_before_the_genesis_no_place_is_used_up_and_nothing_is_kept() -> None:
    table = Table(2, begin=False)
    table.greet()
    table.ask(1, 10)
    table.channel(1)._wishes._undo(own_of(table, 1)[0], "why not")
    table.ask(1, 11)
    assert [(own.input.nonce, own.input.data) for own in own_of(table, 1)] == [(0, word(11))]
    assert table.stores[1].look(table.id).load().inputs == ()


def test_what_is_undone_while_it_is_signed_is_not_sent() -> None:
    table = Table(2)
    table.ask(0)
    table.sent()
    channel = table.channel(0)
    (own,) = own_of(table, 0)
    channel._desk.pool.own.clear()
    channel._wishes._signed(own, own.signature)
    channel._wishes._undo(own, "twice")
    assert channel._desk.outbox.take() == []


def test_our_own_proposal_carries_what_we_ask_for() -> None:
    def requests(table: Table, index: int) -> int:
        table.ask(index)
        return sum(isinstance(message, Request) for _, _, message in table.sent())

    assert requests(Table(3), 1) == 0
    assert requests(Table(3), 0) == 2
    assert requests(Table(3, automatic=False), 1) == 2
    assert requests(Table(3, linger=3.0), 1) == 2
    table = Table(3)
    table.channel(1)._desk.pacing.misses = 1
    table.channel(1)._desk.ballot.add(Standing(Propose(*empty_batch(table, nonce=1), None, b""), bytes(32)))
    assert requests(table, 1) == 2


def test_what_has_no_signature_yet_is_signed_when_it_is_sent_again() -> None:
    table = Table(3)
    table.ask(0)
    table.sent()
    (own,) = own_of(table, 0)
    channel, signature = table.channel(0), own.signature
    channel._wishes.send_again()
    assert {type(effect) for effect in channel._desk.outbox.take()} == {Send}
    own.signature = b""
    channel._wishes.send_again()
    (sign,) = channel._desk.outbox.take()
    assert isinstance(sign, Sign)
    channel._wishes.send_again()
    assert channel._desk.outbox.take() == [], "one signature is on its way"
    channel.signed(sign.token, signature)
    assert own.signature == signature


def test_a_doubt_is_looked_into_once_and_about_what_is_meant() -> None:
    table = Table(2, automatic=False)
    desk, wishes = table.channel(0)._desk, table.channel(0)._wishes
    desk.balance = 10 * DEPOSIT
    for value in (2 * DEPOSIT, 0, 0):
        table.ask(0, 10, value=value)
    bad, good, last = own_of(table, 0)
    wishes.on_doubt(word(1))
    assert [own.doubted for own in own_of(table, 0)] == [False, False, False]
    wishes.on_doubt(digest(LOCAL_DOMAIN, good.input))
    assert own_of(table, 0) == [bad, good, last], "it can't be in a batch, but not for its own sake"
    assert [own.doubted for own in own_of(table, 0)] == [False, True, False]
    signature, last.signature = last.signature, b""
    wishes.on_doubt(digest(LOCAL_DOMAIN, last.input))
    assert not last.doubted, "nobody has it yet"
    last.signature, good.signature = signature, b""
    wishes.on_doubt(digest(LOCAL_DOMAIN, last.input))
    assert len(own_of(table, 0)) == 3, "what comes before it isn't there yet"
    bad.doubted = True
    wishes.on_doubt(digest(LOCAL_DOMAIN, bad.input))
    assert len(own_of(table, 0)) == 3, "we looked at it before"
    bad.doubted = False
    wishes.on_doubt(digest(LOCAL_DOMAIN, bad.input))
    assert own_of(table, 0) == [], "and those after it have nonces that need its own"
    early = Table(2, begin=False)
    early.greet()
    early.ask(0, value=10 * DEPOSIT)
    (own,) = own_of(early, 0)
    early.channel(0)._wishes.on_doubt(digest(LOCAL_DOMAIN, own.input))
    assert own_of(early, 0) == [own], "nothing can be said of it before the genesis"


def test_an_input_of_ours_that_another_store_signed_stops_us_only_where_we_could_have_signed_it() -> None:
    for changes in ({"parent": word(1)}, {"parent": bytes(32)}):
        table = Table(3)
        table.tell(0, 1, request_of(table, 0, 9, **changes))
        assert table.told(0, Stopped) == []
    early = Table(3, begin=False)
    early.greet()
    early.tell(0, 1, request_of(early, 0, 9))
    assert early.told(0, Stopped) == []
    restored = Table(3)
    restored.channel(0)._desk.own_floor = 10
    restored.tell(0, 1, request_of(restored, 0, 9))
    assert restored.told(0, Stopped) == []


def test_before_the_genesis_nothing_is_shown_to_who_asks_on_something() -> None:
    table = Table(3, begin=False)
    table.greet()
    table.tell(1, 0, request_of(table, 0, parent=word(1)))
    assert table.sent() == []
    assert table.told(1, PeerFault) == []
