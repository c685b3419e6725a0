"""Real endpoints with real stores under a registry, on both chains: the client halves of acceptance."""

from pathlib import Path

from evmthread.channel.channel import Channel
from evmthread.channel.phases import Phase
from tests.chain.chains import ETHER, account
from tests.chain.conftest import OnChain
from tests.chain.partners import Partners, balance
from tests.chain.played import STAKE


def test_the_short_story_one_transaction_pays_all(world: OnChain, tmp_path: Path) -> None:
    with Partners(world.chain, world.registry, tmp_path) as partners:
        partners.fund()
        partners.play(0, 3, 1, 4, 2)
        x, o = partners.all
        x.call("withdraw")
        for each in partners.all:
            each.do(Channel.close)
        assert [each.endpoint.channel.phase for each in partners.all] == [Phase.CLOSED] * 2
        before = [balance(world.chain.provider, each.account.address) for each in partners.all]
        settled = world.registry.settle(account("deployer"), o.on_chain.agreement)
        after = [balance(world.chain.provider, each.account.address) for each in partners.all]
        assert [now - was for now, was in zip(after, before, strict=True)] == [ETHER + STAKE, ETHER - STAKE]
        assert settled.gas_used < 120_000
