"""C17: off for 10,000 blocks: what was missed is caught up, in a bounded number of requests."""

from evmthread.chain.follower import Follower
from evmthread.chain.watcher import Final, Position, Seen, Watcher
from evmthread.channel.desk import Mode
from evmthread.testing.node import LocalNode
from tests.acceptance.test_c16 import OPENED, prepared
from tests.anvil import running_anvil
from tests.chain.chains import FINALITY, InProcess, deploy
from tests.chain.following import names
from tests.chain.lying import Unreliable
from tests.chain.played import Played


def test_c17_off_for_10_000_blocks_costs_a_bounded_number_of_requests() -> None:
    chain = InProcess(LocalNode(finality=FINALITY))
    registry = deploy(chain)
    game = Played(chain, registry)
    follower = Follower(chain.provider, Watcher(registry.domain, game.terms))
    follower.poll()
    saved = follower.watcher.position.encode()
    game.fund()
    chain.mine(10_000)
    game.play(0)
    registry.challenge(game.owners[0], game.tip)
    node = Unreliable(chain.provider)
    again = Follower(node, Watcher(registry.domain, game.terms, Position.decode(saved)))
    news = again.poll()
    assert names(news, Final) == ["Announced", "Deposited", "Deposited"]
    assert names(news, Seen) == ["Recorded", "Challenged"]
    assert node.asked.count("eth_getLogs") == 6
    assert len(node.asked) == 6 + 2 * 2 + 3 * 2  # two headers, two proofs, and three blocks that have events
    node.asked.clear()
    assert again.poll() == []
    assert len(node.asked) == 2


def test_c17_off_for_1_000_blocks() -> None:
    """A node that keeps every block takes minutes for 10,000: see test_watcher.py for those."""
    with running_anvil("--prune-history", "200", hardfork="osaka") as node:
        _, registry, game = prepared(node)
        follower = Follower(node.provider, Watcher(registry.domain, game.terms), log_blocks=100)
        follower.poll()
        game.fund()
        for _ in range(10):
            node.mine(100)
        game.play(0)
        registry.challenge(game.owners[0], game.tip)
        news = follower.poll()
        assert names(news, Final) == OPENED
        assert names(news, Seen) == ["Recorded", "Challenged"]
        assert follower.watcher.head is not None
        assert follower.watcher.head.latest is Mode.CHALLENGED
