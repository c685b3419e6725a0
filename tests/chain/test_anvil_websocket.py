"""Pushed heads and logs of a real node. See tests/anvil.py for how to name one."""

from collections.abc import Iterator

import pytest

from evmthread.chain.follower import Follower
from evmthread.chain.watcher import Seen, Watcher
from evmthread.rpc import Notice, WebSocketProvider
from tests.anvil import Anvil, running_anvil
from tests.chain.chains import FINALITY, OnAnvil, deploy
from tests.chain.played import Played
from tests.chain.test_watcher import names


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil("--slots-in-an-epoch", "1", hardfork="osaka") as running:
        yield running


def test_a_pushed_head_is_followed(node: Anvil) -> None:
    chain = OnAnvil(node)
    registry = deploy(chain)
    game = Played(chain, registry)
    chain.mine(FINALITY + 1)
    provider = WebSocketProvider("ws" + node.url.removeprefix("http"))
    heads = provider.subscribe("newHeads")
    logs = provider.subscribe("logs", {"address": "0x" + registry.address.hex()})
    follower = Follower(provider, Watcher(registry.domain, game.terms))
    follower.poll()
    registry.open(game.owners[0], game.line[0], 0)
    told = [provider.listen(5) for _ in range(3)]
    assert sorted(each.subscription for each in told if isinstance(each, Notice)) == [heads, logs, logs]
    assert names(follower.poll(), Seen) == ["Announced", "Deposited"]
    provider.close()
