"""C16: reorgs of 1, 5 and 64 blocks of a real node: nothing counts before it is final, nothing counts twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evmthread.chain.errors import FinalityBroken
from evmthread.chain.follower import Follower
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Patience
from evmthread.chain.watcher import Final, Gone, Seen, Watcher
from evmthread.channel.desk import Mode
from evmthread.channel.phases import Phase
from tests.anvil import Anvil, running_anvil
from tests.chain.chains import OnAnvil, deploy
from tests.chain.following import names
from tests.chain.partners import Partners, nonces
from tests.chain.played import STAKE, Played

FINALITY = 64  # anvil's, by default: two epochs of 32 blocks
OPENED = ["Announced", "Deposited", "Deposited"]


@pytest.fixture
def node() -> Iterator[Anvil]:
    with running_anvil(hardfork="osaka") as running:
        yield running


def prepared(node: Anvil) -> tuple[OnAnvil, Registry, Played]:
    """A registry and a game; all that was put there by hand is final."""
    chain = OnAnvil(node)
    registry = deploy(chain)
    game = Played(chain, registry)
    chain.mine(FINALITY)
    return chain, registry, game


@pytest.mark.parametrize("depth", [1, 5, 64])
def test_c16_deposits_that_a_reorg_took_were_never_credited(node: Anvil, depth: int) -> None:
    chain, registry, game = prepared(node)
    follower = Follower(node.provider, Watcher(registry.domain, game.terms))
    follower.poll()
    game.fund()
    chain.mine(max(depth - 2, 0))  # the deposits are in the blocks that go; of a reorg of 1, the second one alone
    news = follower.poll()
    head = follower.watcher.head
    assert names(news, Seen) == OPENED
    assert head is not None
    assert (head.latest, head.finalized) == (Mode.LIVE, Mode.NONE)

    node.ask("anvil_reorg", depth, [])
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
def test_c16_what_a_reorg_leaves_alone_is_not_told_again(node: Anvil, depth: int) -> None:
    chain, registry, game = prepared(node)
    game.fund()
    chain.mine(depth)
    follower = Follower(node.provider, Watcher(registry.domain, game.terms))
    assert names(follower.poll(), Seen) == OPENED
    node.ask("anvil_reorg", depth, [])
    news = follower.poll()
    assert names(news, Gone) == names(news, Seen) == names(news, Final) == []


def test_c16_parties_play_on_what_is_final_alone(node: Anvil, tmp_path: Path) -> None:
    """Deposits that are in, but not yet final, let nobody sign; a reorg takes them; paid in anew, they count."""
    chain = OnAnvil(node)
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
        node.ask("anvil_reorg", 5, [])
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


def test_c16_a_challenge_that_a_reorg_took_stops_nobody_for_good(node: Anvil, tmp_path: Path) -> None:
    chain = OnAnvil(node)
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
        node.ask("anvil_reorg", 1, [])
        partners.look()
        # Nothing is signed from any sight of it on, until the chain is final past it.
        assert [each.endpoint.channel.phase for each in partners.all] == [Phase.DISPUTED] * 2
        chain.mine(FINALITY + 1)
        partners.look()
        assert [each.endpoint.channel.phase for each in partners.all] == [Phase.READY] * 2
        o.call("join", value=STAKE)
        assert nonces(partners) == [2, 2]


def test_c16_a_transaction_that_a_reorg_took_is_sent_again(node: Anvil) -> None:
    _, registry, game = prepared(node)
    game.fund()
    game.play(0)
    looks = 0

    def meanwhile(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            node.ask("anvil_mine", "0x1")
            node.ask("anvil_reorg", 2, [])
            assert registry.thread(game.thread_id).mode is Mode.LIVE  # it is gone
        elif looks > 25:
            node.ask("anvil_mine", "0x1")

    patient = Registry.connect(
        node.provider, registry.address, patience=Patience(confirmations=4, tries=60, sleep=meanwhile)
    )
    nonce = int(node.ask("eth_getTransactionCount", "0x" + game.owners[0].address.hex(), "latest"), 16)
    done = patient.challenge(game.owners[0], game.tip)
    assert looks > 20
    assert [type(each).__name__ for each in registry.events(done, game.thread_id)] == ["Recorded", "Challenged"]
    assert int(node.ask("eth_getTransactionCount", "0x" + game.owners[0].address.hex(), "latest"), 16) == nonce + 1
    assert registry.thread(game.thread_id).mode is Mode.CHALLENGED


def test_what_was_final_and_is_gone_is_said_loudly(node: Anvil) -> None:
    """A reorg below the finalized block, which no chain that keeps its word has."""
    chain, registry, game = prepared(node)
    chain.mine(20)
    watcher = Watcher(registry.domain, game.terms)
    Follower(node.provider, watcher).poll()
    before = watcher.position
    node.ask("anvil_reorg", FINALITY + 10, [])
    with pytest.raises(FinalityBroken):
        Follower(_Rewound(node, before.number), watcher).poll()
    assert watcher.position == before


class _Rewound:
    """Says that a given block is the finalized one."""

    def __init__(self, node: Anvil, number: int) -> None:
        self.node, self.number = node, number

    def request(self, method: str, *parameters: object) -> object:
        if method == "eth_getBlockByNumber" and parameters[0] == "finalized":
            return self.node.provider.request(method, hex(self.number), False)
        return self.node.provider.request(method, *parameters)
