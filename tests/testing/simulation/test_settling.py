"""The chain of the simulation under a registry, and what its books must not let pass."""

from dataclasses import replace
from random import Random

import pytest

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.blocks import FINALIZED, LATEST, block_at
from evmthread.chain.transactions import Call, Patience, Transactions
from evmthread.chain.watcher import Final, Watcher
from evmthread.channel.desk import Desk
from evmthread.primitives.keccak import keccak256
from evmthread.rpc import NodeRefused, NodeUnreachable
from evmthread.testing.simulation.blocks import BEGINNING, FINALITY, LocalBlocks
from evmthread.testing.simulation.ledger import Broken
from evmthread.testing.simulation.mempool import ChainWeather, Line, Mempool
from evmthread.testing.simulation.settlers import Told
from evmthread.testing.simulation.settling import SettlingSimulation

SEED = 73
RICH = KeyAccount(keccak256(b"rich in a simulation"))
TO = bytes(19) + b"\x99"


def rich() -> tuple[Mempool, Transactions]:
    """A pool, and an account with ether."""
    blocks = LocalBlocks()
    blocks.put(RICH.address, balance=10**18)
    mempool = Mempool(blocks, Random(1), 1337)
    for back in range(2 * FINALITY):
        mempool.go_on(BEGINNING + 10 * (back + 1))
    return mempool, Transactions(mempool, 1337, Patience(tries=0))


def balance(mempool: Mempool) -> int:
    return int(str(mempool.request("eth_getBalance", "0x" + TO.hex(), "latest")), 16)


def test_a_transaction_waits_for_a_block_and_for_those_before_it() -> None:
    mempool, transactions = rich()
    pay = Call("pay", TO, value=5)
    second = transactions.next_nonce(RICH) + 1
    transactions.submit(RICH, pay, nonce=second)
    mempool.go_on(BEGINNING + 1000)
    assert (balance(mempool), transactions.next_nonce(RICH)) == (0, second - 1)
    transactions.submit(RICH, pay)
    assert transactions.next_nonce(RICH) == second + 1
    assert transactions.next_nonce(RICH, where=LATEST) == second - 1
    mempool.go_on(BEGINNING + 1010)
    assert (balance(mempool), transactions.next_nonce(RICH, where=LATEST)) == (10, second + 1)
    with pytest.raises(NodeRefused, match="nonce too low"):
        transactions.submit(RICH, Call("pay", TO, value=6), nonce=second)


def test_another_transaction_takes_a_place_for_more_money() -> None:
    mempool, transactions = rich()
    nonce = transactions.next_nonce(RICH)
    transactions.submit(RICH, Call("pay", TO, value=5), nonce=nonce)
    with pytest.raises(NodeRefused, match="underpriced"):
        transactions.submit(RICH, Call("pay", TO, value=6), nonce=nonce)
    transactions.submit(RICH, Call("pay", TO, value=7), nonce=nonce, hurry=2)
    mempool.go_on(BEGINNING + 1000)
    assert balance(mempool) == 7


def test_reorgs_leave_what_is_final_alone() -> None:
    mempool, transactions = rich()
    mempool.weather = ChainWeather(reorg=0.5)
    gone = []
    mempool.when_gone.append(gone.append)
    final = block_at(mempool, FINALIZED)
    for number in range(60):
        if number % 3 == 0:
            transactions.submit(RICH, Call("pay", TO, value=1))
        mempool.go_on(BEGINNING + 1000 + 10 * number)
        assert block_at(mempool, final.number) == final
        final = block_at(mempool, FINALIZED)
    assert len(gone) > 10
    assert 0 < balance(mempool) <= 20


def test_a_line_fails_before_or_after_it_was_understood() -> None:
    mempool, _ = rich()
    mempool.weather = ChainWeather(unreachable=0.5)
    passed = []
    line = Line(mempool, Random(5), lambda: passed.append(1))
    transactions = Transactions(line, 1337, Patience(tries=0))
    failed = 0
    for _ in range(200):
        try:
            transactions.submit(RICH, Call("pay", TO, value=1), gas=21_000)
        except NodeUnreachable:
            failed += 1
    sent = Transactions(mempool, 1337).next_nonce(RICH) - Transactions(mempool, 1337).next_nonce(RICH, where=LATEST)
    assert 0 < len(passed) // 2 < sent
    assert failed > 0


def played() -> SettlingSimulation:
    simulation = SettlingSimulation(SEED, LocalBlocks())
    simulation.settle()
    return simulation


def test_the_books_miss_no_wei_and_no_second_end() -> None:
    simulation = played()
    books = simulation.books
    books.check()
    settled = simulation.clerk.found
    assert settled is not None
    books.check_paid(settled.commitment)
    more = (settled.commitment.balances[0] + 1, *settled.commitment.balances[1:])
    with pytest.raises(Broken, match="is what it had"):
        books.check_paid(replace(settled.commitment, balances=more))
    last = next(page for page in books.pages if any(type(event).__name__ == "Settled" for event in page.events))
    last.events += last.events
    with pytest.raises(Broken, match="ended 2 times"):
        books.check()
    last.events = last.events[: len(last.events) // 2]
    last.paid[books.terms.owners[0]] += 1
    with pytest.raises(Broken, match="wei came in"):
        books.check()
    last.paid[books.terms.owners[0]] -= 1
    blocks = simulation.mempool.blocks
    blocks.put(books.registry.address, balance=books.state.held + 1)
    blocks.make(2_000_000_000, [])
    with pytest.raises(Broken, match="the registry has"):
        books.check()


def test_who_signs_before_the_deposits_are_final_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "is_live", property(lambda desk: True))
    with pytest.raises(Broken, match="before the thread was LIVE for good"):
        played()


def test_what_is_told_as_final_twice_is_found() -> None:
    simulation = played()
    follower = simulation.clerk._follower
    follower.watcher = Watcher(simulation.registry.domain, simulation.scenario.head.terms)
    news = follower.poll()
    assert any(isinstance(each, Final) for each in news)
    told = Told()
    told.hear(news)
    with pytest.raises(Broken, match="twice"):
        told.hear(news)
