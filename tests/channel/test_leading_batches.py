"""What goes into a batch, what is left out of it, and what is dropped."""

from dataclasses import replace

import pytest

from evmthread.channel.desk import MAX_INPUTS
from evmthread.channel.errors import InvalidBatch, LocalProtocolError
from evmthread.channel.events import Lapsed, Undone
from evmthread.channel.leading import _without
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Propose, Reject, RejectCode, Request, encode_message
from evmthread.channel.party import SignedInput
from evmthread.commit import (
    DIALECT,
    Batch,
    SignedBatch,
    Status,
    digest,
)
from evmthread.commit.refusals import IllFormedBatch
from tests.assembler import assemble
from tests.channel.endpoints import ASKS, Table, inputs_of, proposals, word
from tests.channel.games import DEPOSIT
from tests.channel.test_wishes import request_of


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


def test_no_more_inputs_are_taken_than_a_message_can_be_read_with() -> None:
    """What is kept and can't be read would stop us at the next start, and nobody else could follow."""
    table = Table(rules={"batch_inputs": 2**32 - 1, "batch_bytes": 2**32 - 1})
    proposal = table.proposal(1)
    batch = proposal.batch
    many = SignedBatch(
        Batch(batch.batch.environment, batch.batch.inputs * MAX_INPUTS), (batch.signatures[0],) * MAX_INPUTS
    )
    data = encode_message(table.id, replace(proposal, batch=many))
    assert isinstance(table.read(data), Propose)
    assert table.channel(0)._desk.pool._most == MAX_INPUTS
