"""C16: reorgs of 1, 5 and 64 blocks, on both chains: nothing counts before it is final, nothing counts twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from evmthread.chain.blocks import LATEST
from evmthread.chain.errors import FinalityBroken
from evmthread.chain.follower import Follower
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Patience
from evmthread.chain.watcher import Final, Gone, Seen, Watcher
from evmthread.channel.desk import Mode
from evmthread.channel.phases import Phase
from evmthread.rpc import Provider
from evmthread.testing.chain import BLOCK_SECONDS
from evmthread.testing.node import LocalNode
from tests.anvil import running_anvil
from tests.chain.chains import Chain, InProcess, OnAnvil, deploy
from tests.chain.following import names
from tests.chain.partners import Partners, nonces
from tests.chain.played import STAKE, Played

FINALITY = 64  # anvil's, by default: two epochs of 32 blocks
OPENED = ["Announced", "Deposited", "Deposited"]


@dataclass(frozen=True)
class Reorging:
    """A chain on which as many of the latest blocks as one likes become others, without their transactions."""

    chain: Chain
    reorg: Callable[[int], None]


@contextmanager
def _in_process() -> Iterator[Reorging]:
    node = LocalNode(finality=FINALITY, reorgs=True)

    def reorg(depth: int) -> None:
        node.rollback(depth)
        node.chain.wait(BLOCK_SECONDS + 1)  # else empty blocks would be the same ones again
        node.mine(depth)

    yield Reorging(InProcess(node), reorg)


@contextmanager
def _on_anvil() -> Iterator[Reorging]:
    with running_anvil(hardfork="osaka") as node:
        yield Reorging(OnAnvil(node), lambda depth: node.ask("anvil_reorg", depth, []))


@pytest.fixture(params=[_in_process, _on_anvil], ids=["in process", "anvil"])
def world(request: pytest.FixtureRequest) -> Iterator[Reorging]:
    with request.param() as reorging:
        yield reorging


def prepared(chain: Chain) -> tuple[Registry, Played]:
    """A registry and a game; all that was put there by hand is final."""
    registry = deploy(chain)
    game = Played(chain, registry)
    chain.mine(FINALITY)
    return registry, game


@pytest.mark.parametrize("depth", [1, 5, 64])
def test_c16_deposits_that_a_reorg_took_were_never_credited(world: Reorging, depth: int) -> None:
    chain = world.chain
    registry, game = prepared(chain)
    follower = Follower(chain.provider, Watcher(registry.domain, game.terms))
    follower.poll()
    game.fund()
    chain.mine(max(depth - 2, 0))  # the deposits are in the blocks that go; of a reorg of 1, the second one alone
    news = follower.poll()
    head = follower.watcher.head
    assert names(news, Seen) == OPENED
    assert head is not None
    assert (head.latest, head.finalized) == (Mode.LIVE, Mode.NONE)

    world.reorg(depth)
    news = follower.poll()
    head = follower.watcher.head
    lost = OPENED if depth > 1 else OPENED[2:]
    assert names(news, Gone) == lost[::-1]
    assert names(news, Final) == names(news, Seen) == []
    assert head is not None
    assert head.latest is (Mode.NONE if depth > 1 else Mode.FUNDING)
    assert head.finalized is Mode.NONE

    for index, owner in enumerate(game.owners):
        if depth > 1 or index:
            registry.open(owner, game.line[0], index)
    assert names(follower.poll(), Seen) == lost
    chain.mine(FINALITY)
    news = follower.poll()
    assert names(news, Final) == OPENED
    assert names(news, Gone) == []
    assert follower.watcher.position.state.mode is Mode.LIVE
    chain.mine(3)
    assert names(follower.poll(), Final) == []


@pytest.mark.parametrize("depth", [1, 5])
def test_c16_what_a_reorg_leaves_alone_is_not_told_again(world: Reorging, depth: int) -> None:
    chain = world.chain
    registry, game = prepared(chain)
    game.fund()
    chain.mine(depth)
    follower = Follower(chain.provider, Watcher(registry.domain, game.terms))
    assert names(follower.poll(), Seen) == OPENED
    world.reorg(depth)
    news = follower.poll()
    assert names(news, Gone) == names(news, Seen) == names(news, Final) == []


def test_c16_parties_play_on_what_is_final_alone(world: Reorging, tmp_path: Path) -> None:
    """Deposits that are in, but not yet final, let nobody sign; a reorg takes them; paid in anew, they count."""
    chain = world.chain
    registry = deploy(chain)
    with Partners(chain, registry, tmp_path) as partners:
        chain.mine(FINALITY)
        x = partners.all[0]
        for each in partners.all:
            each.on_chain.deposit()
        chain.mine(3)
        partners.look()
        assert registry.thread(partners.thread_id).mode is Mode.LIVE
        x.call("join", value=STAKE)
        assert nonces(partners) == [0, 0]
        world.reorg(5)
        partners.look()
        assert registry.thread(partners.thread_id).mode is Mode.NONE
        assert nonces(partners) == [0, 0]
        for each in partners.all:
            each.on_chain.deposit()
        partners.look()
        assert nonces(partners) == [0, 0]
        chain.mine(FINALITY)
        partners.look()
        assert nonces(partners) == [1, 1]
        partners.all[1].call("join", value=STAKE)
        assert nonces(partners) == [2, 2]


def test_c16_a_challenge_that_a_reorg_took_stops_nobody_for_good(world: Reorging, tmp_path: Path) -> None:
    chain = world.chain
    registry = deploy(chain)
    with Partners(chain, registry, tmp_path) as partners:
        chain.mine(FINALITY)
        for each in partners.all:
            each.on_chain.deposit()
        chain.mine(FINALITY)
        partners.look()
        x, o = partners.all
        x.call("join", value=STAKE)
        o.on_chain.challenge()
        partners.look()
        assert [each.endpoint.channel.phase for each in partners.all] == [Phase.DISPUTED] * 2
        world.reorg(1)
        partners.look()
        # Nothing is signed from any sight of it on, until the chain is final past it.
        assert [each.endpoint.channel.phase for each in partners.all] == [Phase.DISPUTED] * 2
        chain.mine(FINALITY + 1)
        partners.look()
        assert [each.endpoint.channel.phase for each in partners.all] == [Phase.READY] * 2
        o.call("join", value=STAKE)
        assert nonces(partners) == [2, 2]


def test_c16_a_transaction_that_a_reorg_took_is_sent_again(world: Reorging) -> None:
    chain = world.chain
    registry, game = prepared(chain)
    game.fund()
    game.play(0)
    looks = 0

    def meanwhile(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            chain.mine()
            world.reorg(2)
            assert registry.thread(game.thread_id).mode is Mode.LIVE  # it is gone
        elif looks > 25:
            chain.mine()

    patient = Registry.connect(
        chain.provider, registry.address, patience=Patience(confirmations=4, tries=60, sleep=meanwhile)
    )
    nonce = patient.transactions.next_nonce(game.owners[0], where=LATEST)
    done = patient.challenge(game.owners[0], game.tip)
    assert looks > 20
    assert [type(each).__name__ for each in registry.events(done, game.thread_id)] == ["Recorded", "Challenged"]
    assert patient.transactions.next_nonce(game.owners[0], where=LATEST) == nonce + 1
    assert registry.thread(game.thread_id).mode is Mode.CHALLENGED


def test_what_was_final_and_is_gone_is_said_loudly(world: Reorging) -> None:
    """A reorg below the finalized block, which no chain that keeps its word has."""
    chain = world.chain
    registry, game = prepared(chain)
    chain.mine(20)
    watcher = Watcher(registry.domain, game.terms)
    Follower(chain.provider, watcher).poll()
    before = watcher.position
    world.reorg(FINALITY + 10)
    with pytest.raises(FinalityBroken):
        Follower(_Rewound(chain.provider, before.number), watcher).poll()
    assert watcher.position == before


class _Rewound:
    """Says that a given block is the finalized one."""

    def __init__(self, provider: Provider, number: int) -> None:
        self.provider, self.number = provider, number

    def request(self, method: str, *parameters: object) -> object:
        if method == "eth_getBlockByNumber" and parameters[0] == "finalized":
            return self.provider.request(method, hex(self.number), False)
        return self.provider.request(method, *parameters)
