"""The agreed line: kept, told when it is durable, gone back on, and whose turn it is."""

from dataclasses import replace

import pytest

from evmthread.channel.desk import WHOLE_EVERY, ChainHead, Mode
from evmthread.channel.effects import Notify
from evmthread.channel.events import Adopted, Asked, ChallengeDue, Closed, Lapsed, Superseded
from evmthread.channel.line import KEPT_BACK, kept_back
from evmthread.channel.messages import Accept
from evmthread.channel.party import SignedInput
from evmthread.channel.pool import Own, Wish
from evmthread.channel.saved import decode_step
from evmthread.commit import DIALECT, Batch, Input, InputKind, SignedBatch
from tests.channel.endpoints import ASKS, GAS, OUTSIDER, Table, word
from tests.channel.games import START


def test_with_a_threshold_below_all_more_is_kept_to_go_back_to() -> None:
    assert kept_back(Table(3, begin=False).terms) == 1
    assert kept_back(Table(3, threshold=2, begin=False).terms) == KEPT_BACK
    table = Table(3)
    for number in range(3):
        table.play(number)
    assert len(table.channel(0)._line._past) == 2


def test_an_agreement_is_told_when_it_is_durable() -> None:
    table = Table(2)
    table.ask(0)
    while table.net:
        sender, receiver, data = table.net.popleft()
        table.ends[receiver].receive(sender, data)
    assert table.channel(0)._desk.tip_nonce == 1
    assert len(table.told(0, Adopted)) == 1, "the genesis alone"
    table.ends[0].flush()
    assert len(table.told(0, Adopted)) == 2


def test_the_whole_state_is_kept_now_and_then_and_read_again() -> None:
    table = Table(2)
    for _ in range(WHOLE_EVERY + 2):
        leader = table.channel(0)._desk.free_nonce % 2
        table.ends[leader].do(lambda channel: channel.propose(empty=True))
        table.pump()
    records = table.stores[0].look(table.id).line_after(-1, 1000)
    assert [record.nonce + 1 for record in records if record.whole] == [WHOLE_EVERY]
    parent = table.channel(0).thread.parent
    assert table.restart(0).thread.parent == parent


def test_a_fork_can_be_followed_after_a_restart() -> None:
    from tests.channel.test_catch_up_forks import fork

    table, source = Table(3, threshold=2), Table(3, threshold=2)
    a, b, _ = fork(source)
    table.tell(2, 0, a)
    table.ends[2].flush()
    table.restart(2)
    table.pump()
    table.tell(2, 0, b)
    assert table.channel(2)._desk.tip_nonce == 4
    assert table.channel(2).thread.storage(0) == 41


@pytest.mark.parametrize("whole_every", [1, 2, 3])
def test_a_fork_is_followed_across_a_whole_state_after_a_restart(whole_every: int) -> None:
    """b and a stand on one agreement; who has a, or the whole state at it, goes back to before it, also twice."""
    from tests.channel.test_catch_up_forks import fork

    table, source = Table(3, threshold=2, whole_every=whole_every), Table(3, threshold=2)
    a, b, c = fork(source)
    for agreed, slot in ((a, 31), (b, 41), (c, 61)):
        table.tell(2, 0, agreed)
        table.ends[2].flush()
        channel = table.restart(2)
        assert channel.thread.storage(0) == slot
        assert len(channel._line._past) == len(table.stores[2].look(table.id).line_after(-1, 100))
    kept = [decode_step(record.state) for record in table.stores[2].look(table.id).line_after(-1, 100) if record.whole]
    assert len(kept) == {1: 3, 2: 1, 3: 0}[whole_every], "of genesis, a and c; with 3 it is b"
    assert all(step.since is not None and step.one.changes == step.since for step in kept)


def test_a_challenge_is_due_while_our_turn_runs_out() -> None:
    """Time on return: contractTimeout - exitTime after our turn began, with a request pending."""
    table = Table(2, on_chain=True)
    live = ChainHead(6, int(START), Mode.LIVE, 5, Mode.LIVE)
    for end in table.ends:
        end.head(live)
    table.lost = lambda sender, receiver, message: True
    table.ask(0, 5)
    exit_time = 3600 + 120 + 3 * 600
    due = START + table.rules.contract_timeout - exit_time
    table.ends[0].tick(due - 10)
    assert table.told(0, ChallengeDue) == []
    table.ends[0].tick(due + 10)
    assert len(table.told(0, ChallengeDue)) == 1
    table.ends[0].tick(due + 1000)
    assert len(table.told(0, ChallengeDue)) == 1
    assert table.told(1, ChallengeDue) == []


def test_the_clock_and_the_timer_go_by_what_is_agreed() -> None:
    table = Table(2, begin=False)
    table.greet()
    table.now += 50
    for end in table.ends:
        end.tick(table.now)
    desk = table.channel(0)._desk
    assert desk.begun is None
    desk.pacing.misses = 3
    table.ends[0].do(lambda channel: channel.propose())
    table.pump()
    assert desk.begun == START + 50
    assert desk.pacing.misses == 0
    table.wait(100)
    table.play(1)
    assert desk.begun == START + 50


def test_what_an_agreement_executed_waits_no_longer() -> None:
    table = Table(3)
    proposal = table.proposal(1)
    table.tell(0, 1, proposal)
    channel = table.channel(0)
    (executed,) = [
        SignedInput(*each) for each in zip(proposal.batch.batch.inputs, proposal.batch.signatures, strict=True)
    ]
    channel._desk.pool.add(executed, table.now)
    for index in (1, 2):
        table.tell(0, index, Accept(1, table.digest(proposal.commitment), table.sign(index, proposal.commitment)))
    assert channel._desk.tip_nonce == 1
    assert not channel._desk.pool


def test_an_end_and_a_question_are_told_of_to_whom_they_concern() -> None:
    table = Table(2, code=ASKS, rules={"dialect": DIALECT}, operator=OUTSIDER)
    table.play(0, 5, rest=bytes(12) + table.terms.owners[1])
    assert [event.question for event in table.told(1, Asked) if isinstance(event, Asked)] == [bytes(32)]
    assert table.told(0, Asked) == table.told(2, Asked) == []
    table.ends[1].do(lambda channel: channel.answer(word(9)))
    table.pump()
    table.wait(10)
    assert table.channel(0).thread.storage(1) == 9
    assert table.told(0, Closed) == []
    for index in (0, 1):
        table.ends[index].do(lambda channel: channel.close())
    table.wait(20)
    for index in range(3):
        (closed,) = table.told(index, Closed)
        assert isinstance(closed, Closed)
        assert closed.agreement == table.channel(0).agreement
        assert len(table.told(index, Asked)) == (index == 1)


def test_what_was_asked_for_lapses_unless_it_lasts_or_was_asked_for_on_this_agreement() -> None:
    table = Table(2)
    desk, line = table.channel(0)._desk, table.channel(0)._line
    tip, thread = desk.thread.parent, desk.thread
    wishes = [
        Wish(InputKind.CALL, thread.address, 0, GAS, word(number), asked_on, lasting)
        for number, (asked_on, lasting) in enumerate([(word(1), False), (word(1), True), (tip, False)])
    ]
    for place, wish in enumerate(wishes):
        desk.pool.own.append(Own(wish, wish.as_input(table.id, desk.owner, place, tip)))
    waiting = replace(wishes[0], data=word(9))
    desk.pool.wishes.append(waiting)
    executed = Own(wishes[0], wishes[0].as_input(table.id, desk.owner, 7, tip))
    desk.pool.own.append(executed)
    line._let_lapse((executed.input,))
    assert desk.pool.own == []
    assert desk.pool.wishes == wishes[1:]
    effects = desk.outbox.take()
    assert [effect.event for effect in effects if isinstance(effect, Notify)] == [Lapsed(wishes[0]), Lapsed(waiting)]


def test_when_our_turn_began() -> None:
    """The first agreement after our last executed call, or that call's where others' inputs follow it there."""
    table = Table(2)
    line, desk = table.channel(0)._line, table.channel(0)._desk
    owners, tip = table.terms.owners, desk.tip
    assert tip is not None
    assert line.turn_since == START, "the genesis's, which had no call of ours"

    def after(since: int | None, *actors: int, kind: InputKind = InputKind.CALL) -> int | None:
        values = (table.id, 0, bytes(32), kind)
        inputs = tuple([Input(*values, owners[actor], bytes(20), 0, 0, bytes(32)) for actor in actors])
        environment = desk.thread.environment(timestamp=START + 9)
        line.turn_since = since
        line._count_turn(replace(tip, batch=SignedBatch(Batch(environment, inputs), ())))
        return line.turn_since

    assert after(None) == after(None, 1) == START + 9
    assert after(5) == after(5, 1) == 5, "it goes on"
    assert after(5, 0) is after(5, 1, 0) is after(5, 0, 1, 0) is None
    assert after(5, 0, 1) == after(5, 0, 0, 1) == START + 9
    assert after(5, 0, kind=InputKind.ANSWER) == 5
    outside = Table(2, operator=OUTSIDER)
    outside.play(0)
    assert outside.channel(2)._line.turn_since is None


def test_since_when_it_is_our_turn_outlives_a_restart() -> None:
    table = Table(2)
    table.play(0)
    table.wait(10)
    assert [table.channel(index)._line.turn_since for index in (0, 1)] == [None, START]
    for index, since in ((0, None), (1, START)):
        assert table.restart(index)._line.turn_since == since
    table.pump()
    for _ in range(WHOLE_EVERY - 2):
        leader = table.channel(0)._desk.free_nonce % 2
        table.ends[leader].do(lambda channel: channel.propose(empty=True))
        table.pump()
    records = table.stores[1].look(table.id).line_after(-1, 1000)
    assert records[-1].whole
    assert table.restart(1)._line.turn_since == START


def test_the_line_can_be_taken_back_and_on() -> None:
    table = Table(3, threshold=2)
    for number in (10, 20):
        table.play(number % 3, number)
        table.wait(5)
    channel = table.channel(0)
    line, desk, thread = channel._line, channel._desk, channel.thread
    first, second, third = line._past
    assert thread.storage(0) == 21
    assert all(line.reaches(each.agreement.digest) for each in (first, second, third))
    assert not line.reaches(word(1))
    line.turn_since = 7
    assert line.go_back_to(third.agreement.digest) == []
    undone = line.go_back_to(first.agreement.digest)
    assert undone == [second, third]
    assert [each.agreement.digest for each in line._past] == [first.agreement.digest] == [thread.parent]
    assert desk.tip == first.agreed
    assert line.turn_since == first.step.turn_since == START
    assert thread.storage(0) == 0
    line.go_on([])
    assert thread.parent == first.agreement.digest
    line.go_on(undone)
    assert list(line._past) == [first, second, third]
    assert thread.parent == third.agreement.digest
    assert desk.tip == third.agreed
    assert thread.storage(0) == 21
    assert line.turn_since == (third.step.turn_since or None)
    desk.outbox.take()
    line.supersede(undone)
    told = [effect.event for effect in desk.outbox.take() if isinstance(effect, Notify)]
    assert told == [Superseded(second.agreement), Superseded(third.agreement)]


def test_whose_turn_it_was_is_known_again_on_the_way_back() -> None:
    table = Table(2)
    table.play(0)
    line = table.channel(0)._line
    first, second = line._past
    assert line.turn_since is None
    undone = line.go_back_to(first.agreement.digest)
    assert line.turn_since == START
    line.go_on(undone)
    assert line.turn_since is None
    other = table.channel(1)._line
    undone = other.go_back_to(first.agreement.digest)
    other.turn_since = None
    other.go_on(undone)
    assert other.turn_since == START
    assert second.step.turn_since == 0
    table.play(1)
    line.go_back_to(second.agreement.digest)
    assert line.turn_since is None, "and not 0"


def test_what_is_prepared_stays_where_nothing_is_taken_back() -> None:
    table = Table(3)
    table.proposal(1)
    channel = table.channel(1)
    prepared = channel.thread.prepared
    assert prepared is not None
    channel._line.go_back_to(channel.thread.parent)
    assert channel.thread.prepared is prepared
