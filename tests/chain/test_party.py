"""Real endpoints with real stores under a registry, on both chains: the client halves of acceptance."""

from pathlib import Path

from evmthread.chain.events import Challenged, Materialized
from evmthread.chain.registry import Registry
from evmthread.channel.channel import Channel
from evmthread.channel.events import ChallengeDue
from evmthread.channel.phases import Phase
from evmthread.commit import InputKind
from tests.chain.chains import ETHER, QUICK, account
from tests.chain.conftest import OnChain
from tests.chain.lying import Unreliable
from tests.chain.partners import Partners, balance
from tests.chain.played import GAS, MORPION, STAKE


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


def keep_back(partners: Partners) -> None:
    """O's move is agreed on for O alone: what X would need for it, O keeps to itself."""
    x, o = partners.all
    data = MORPION.function("play").encode(3)
    o.endpoint.do(lambda channel: channel.request(data, gas=GAS))
    before = o.on_chain.agreement
    while partners.queue:
        sender, to, message = partners.queue.popleft()
        if to == 1 or o.on_chain.agreement == before:
            partners.all[to].endpoint.receive(sender, message)
    assert x.on_chain.agreement == before != o.on_chain.agreement


def test_a_challenge_that_a_higher_checkpoint_runs_ahead_of_starts_the_clock(world: OnChain, tmp_path: Path) -> None:
    """The peer keeps an agreement back, and records it just before the challenge: the clock starts all the same."""
    with Partners(world.chain, world.registry, tmp_path) as partners:
        partners.fund()
        partners.look()
        partners.play(0)
        keep_back(partners)
        x, o = partners.all
        mine, kept = x.on_chain.agreement, o.on_chain.agreement
        world.registry.checkpoint(o.account, kept)
        done = x.on_chain.handle(ChallengeDue(mine))
        assert done is not None
        (event,) = world.registry.events(done, partners.thread_id)
        assert isinstance(event, Challenged)
        assert event.digest == kept.digest


def test_what_a_peer_kept_back_is_taken_from_the_chain(world: OnChain, tmp_path: Path) -> None:
    """The peer records an agreement that we signed and never got, and vanishes: we settle and return with it."""
    with Partners(world.chain, world.registry, tmp_path) as partners:
        partners.fund()
        partners.look()
        partners.play(0)
        keep_back(partners)
        x, o = partners.all
        kept = o.on_chain.agreement
        partners.offline.add(1)
        world.registry.challenge(o.account, kept)
        wrong = ["no transaction"]
        node = Unreliable(world.chain.provider, eth_getTransactionByHash=lambda told: wrong.pop() if wrong else told)
        x.on_chain.registry = Registry.connect(node, world.registry.address, patience=QUICK)
        assert x.on_chain.look()[0]
        assert x.on_chain.agreement.digest != kept.digest
        x.on_chain.look()
        assert x.on_chain.agreement.digest == kept.digest
        world.chain.wait_until(world.registry.thread(partners.thread_id).deadline)
        x.on_chain.settle()
        x.on_chain.materialize()


def test_after_a_stale_settlement_the_contract_returns_as_it_was_then(world: OnChain, tmp_path: Path) -> None:
    """Nobody answered in time: the old commitment counts, and all that belongs to it can still be had."""
    with Partners(world.chain, world.registry, tmp_path) as partners:
        partners.fund()
        partners.look()
        partners.play(0)
        x, o = partners.all
        old = x.on_chain.agreement
        partners.play(3, 1)
        world.registry.challenge(o.account, old)
        world.chain.wait_until(world.registry.thread(partners.thread_id).deadline)
        x.on_chain.settle()
        assert world.registry.thread(partners.thread_id).record == old.digest
        done = x.on_chain.materialize()
        (event,) = world.registry.events(done, partners.thread_id)
        assert event == Materialized(partners.address, 2 * STAKE)


def test_a_genesis_that_names_a_block_is_signed_by_who_looks(world: OnChain, tmp_path: Path) -> None:
    """A leader that knows the chain writes its block into the genesis: the others learn it by looking, too."""
    with Partners(world.chain, world.registry, tmp_path, agree=False) as partners:
        x, o = partners.all
        code = MORPION.creation_code + MORPION.encode_constructor(*partners.terms.owners, STAKE, 86_400)
        assert x.on_chain.look() == ([], [])
        x.do(lambda channel: channel.request(code, kind=InputKind.CREATE, gas=GAS))
        x.do(Channel.propose)
        assert o.endpoint.channel.agreement is None
        partners.look()
        partners.tick(10)
        assert o.endpoint.channel.thread.environment().number > 0
        assert x.on_chain.agreement == o.on_chain.agreement
