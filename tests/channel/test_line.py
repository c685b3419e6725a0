"""The agreed line: kept, told when it is durable, gone back on, and whose turn it is."""

import pytest

from evmthread.channel.desk import WHOLE_EVERY, ChainHead, Mode
from evmthread.channel.events import Adopted, ChallengeDue
from evmthread.channel.line import KEPT_BACK, kept_back
from evmthread.channel.saved import decode_step
from tests.channel.endpoints import Table
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
    from tests.channel.test_catch_up import fork

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
    from tests.channel.test_catch_up import fork

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
