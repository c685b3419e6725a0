"""C17: off for 10,000 blocks: what was missed is caught up, in a bounded number of requests."""

from evmthread.chain.follower import Follower
from evmthread.chain.watcher import Final, Position, Seen, Watcher
from evmthread.channel.desk import Mode
from evmthread.testing.node import LocalNode
from tests.acceptance.test_c16 import FINALITY as FINALIZED_BEHIND
from tests.acceptance.test_c16 import OPENED, prepared
from tests.anvil import running_anvil
from tests.chain.chains import FINALITY, InProcess, OnAnvil, deploy
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


HISTORY = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
"""The contract that keeps the hashes of past blocks (EIP-2935)."""


def test_c17_off_for_10_000_blocks_of_a_real_node() -> None:
    """Transactions of another thread of the registry are among the blocks that were missed."""
    with running_anvil("--prune-history", "200", hardfork="osaka") as node:
        chain = OnAnvil(node)
        registry, game = prepared(chain)
        # anvil hashes the whole storage of an account that changed: this one's grows with each block, until 10,000 of
        # them take a minute. No contract here asks for past blocks.
        node.ask("anvil_setCode", "0x" + HISTORY.hex(), "0x")
        node.mine(FINALIZED_BEHIND + 1)  # the block before has another state now than its header says
        follower = Follower(node.provider, Watcher(registry.domain, game.terms))
        follower.poll()
        before = follower.watcher.position
        saved = before.encode()
        game.fund()
        for _ in range(5):
            Played(chain, registry).fund()
            node.mine(2_000)
        game.play(0)
        registry.challenge(game.owners[0], game.tip)
        counting = Unreliable(node.provider)
        again = Follower(counting, Watcher(registry.domain, game.terms, Position.decode(saved)))
        news = again.poll()
        assert again.watcher.head is not None
        assert again.watcher.head.number - before.number > 10_000
        assert names(news, Final) == OPENED
        assert names(news, Seen) == ["Recorded", "Challenged"]
        assert again.watcher.head.latest is Mode.CHALLENGED
        assert counting.asked.count("eth_getLogs") == 6
        assert len(counting.asked) == 6 + 2 * 2 + 3 * 2  # as above
        # Who was never off knows the same.
        assert follower.poll() == news
        assert follower.watcher.position == again.watcher.position
        assert again.poll() == []
