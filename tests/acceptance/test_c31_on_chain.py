<<<<<<< HEAD
"""C31: the peer goes silent on my turn: challenge, settle, materialize, and my move is in time."""

from dataclasses import replace
=======
"""C31, the library's half: a peer goes silent on our turn; we are told to challenge while there is time to come back."""

>>>>>>> main
from pathlib import Path

import pytest

<<<<<<< HEAD
from evmthread.chain.errors import CallReverted
from evmthread.chain.opening import read_announcement, thread_head
from evmthread.channel.phases import Phase
from evmthread.commit import Ruleset
from evmthread.commit.opening import exit_time
from evmthread.commit.refusals import ContractTimeoutTooShort
from tests.chain.conftest import OnChain
from tests.chain.partners import Partners, balance, nonces, settle_wait
from tests.chain.played import DAY, STAKE, Played
from tests.chain.test_opening import request


def test_c31_the_peer_goes_silent_on_my_turn_and_my_move_is_in_time(world: OnChain, tmp_path: Path) -> None:
    with Partners(world.chain, world.registry, tmp_path) as partners:
        partners.fund()
        partners.play(0, 3, 1, 4)
        x, o = partners.all
        partners.offline.add(o.index)  # it will not sign the move that loses it the game
        x.call("play", 2)
        assert nonces(partners)[0] == 6
        partners.tick(DAY - exit_time(partners.terms, partners.head.ruleset) - 600)
        assert "ChallengeDue" not in x.kinds()
        partners.tick(600)
        assert "ChallengeDue" in x.kinds()
        (event,) = [each for each in x.events if type(each).__name__ == "ChallengeDue"]
        assert x.on_chain.handle(event) is not None
        partners.look()
        assert x.endpoint.channel.phase is Phase.DISPUTED
        settle_wait(partners)
        x.on_chain.settle()
        x.on_chain.materialize()
        before = balance(world.chain.provider, partners.address)
        partners.transact(0, "play", 2)
        partners.transact(0, "withdraw")
        assert before == 2 * STAKE
        assert balance(world.chain.provider, partners.address) == 0
        with pytest.raises(CallReverted):
            partners.transact(1, "claimTimeout")


def test_c31_terms_that_leave_no_time_are_refused_at_opening(world: OnChain) -> None:
    rules = Ruleset(contract_timeout=3600)  # the way back takes 60 + 120 + 3 x 600 seconds: more than half of it
    terms = replace(Played(world.chain, world.registry).terms, ruleset=rules.hash_struct(), salt=78)
    _, block_hash = request(world, terms)
    asked = read_announcement(world.registry, block_hash, 0)
    with pytest.raises(ContractTimeoutTooShort):
        thread_head(world.registry, asked, rules)
    assert thread_head(world.registry, asked, rules, inclusion=60).terms == terms
=======
from evmthread.commit.opening import exit_time
from evmthread.channel.desk import ChainHead, ChannelOptions, Mode
from evmthread.channel.events import ChallengeDue
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
>>>>>>> main
