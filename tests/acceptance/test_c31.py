"""C31, the library's half: a peer goes silent on our turn; we are told to challenge while there is time."""

from pathlib import Path

import pytest

from evmthread.channel.desk import ChainHead, ChannelOptions, Mode
from evmthread.channel.events import ChallengeDue
from evmthread.commit.opening import exit_time
from evmthread.commit.refusals import Refusal
from tests.acceptance.table import Table, add
from tests.channel.games import START, ruleset

LIVE = ChainHead(100, START, Mode.LIVE, 90, Mode.LIVE)


def on_chain(folder: Path, **rules: object) -> Table:
    table = Table(folder, rules=ruleset(**rules), options=ChannelOptions(on_chain=True)).start()
    table.show(LIVE)
    return table


def head(table: Table) -> ChainHead:
    return ChainHead(100, int(table.now), Mode.LIVE, 90, Mode.LIVE)


def test_c31_a_challenge_is_due_in_time(tmp_path: Path) -> None:
    table = on_chain(tmp_path)
    table.call(1, add(1))  # party 1 moves: now it is party 0's turn
    turn = table.now
    timeout = table.rules.contract_timeout
    leave = exit_time(table.terms, table.rules)
    assert leave == table.terms.challenge_period + table.rules.clock_drift + 3 * 600
    table.lost = lambda _source, to, _message: to == 1  # and party 1 goes silent
    table.call(0, add(2))
    table.wait(timeout - leave - 120, step=300)
    assert table.told(0, ChallengeDue) == []
    table.wait(300, step=60)
    due = table.told(0, ChallengeDue)
    assert isinstance(due[0], ChallengeDue)
    assert due[0].agreement == table.channel(0).agreement
    assert table.now <= turn + timeout - leave + 300
    assert len(due) == 1


def test_c31_other_agreements_do_not_move_the_time(tmp_path: Path) -> None:
    """Party 1 keeps moving by itself, and leaves out what party 0 wants: its clock began at the first of these."""
    table = on_chain(tmp_path)
    table.call(1, add(1))
    turn = table.now
    timeout, leave = table.rules.contract_timeout, exit_time(table.terms, table.rules)
    for _ in range(5):
        table.wait(1200, step=400)
        table.show(head(table))
        table.call(1, add(1))
    assert table.nonces[0] > 3
    table.lost = lambda _source, to, _message: to == 1
    table.restart(0)  # a restart doesn't forget when the turn began
    table.endpoints[0].head(head(table))
    table.endpoints[0].receive(1, next(data for source, to, data in reversed(table.sent) if (source, to) == (1, 0)))
    table.lost = lambda source, _to, _message: source == 0
    table.endpoints[1].start()
    table.run()
    table.call(0, add(2), lasting=True)
    table.wait(turn + timeout - leave + 300 - table.now, step=300)
    assert table.told(0, ChallengeDue)


def test_c31_nothing_is_due_without_a_wish_or_without_a_clock(tmp_path: Path) -> None:
    table = on_chain(tmp_path)
    table.call(1, add(1))
    table.wait(2 * table.rules.contract_timeout, step=3000)
    assert table.told(0, ChallengeDue) == []
    (tmp_path / "none").mkdir()
    table = on_chain(tmp_path / "none", contract_timeout=0)
    table.call(1, add(1))
    table.lost = lambda _source, to, _message: to == 1
    table.call(0, add(1))
    table.wait(100_000, step=3000)
    assert table.told(0, ChallengeDue) == []


@pytest.mark.parametrize("timeout", [1, 3600, 2 * (3600 + 60 + 1800) - 1])
def test_c31_terms_that_leave_no_time_are_refused(tmp_path: Path, timeout: int) -> None:
    with pytest.raises(Refusal, match="contractTimeout"):
        Table(tmp_path, rules=ruleset(contract_timeout=timeout))
