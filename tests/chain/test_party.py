"""Real endpoints with real stores under a registry, on both chains: the client halves of acceptance."""

from pathlib import Path

import pytest

from evmthread.chain.errors import CallReverted
from evmthread.chain.events import ThreadState
from evmthread.chain.watchtower import Answered
from evmthread.channel.channel import Channel
from evmthread.channel.desk import Mode
from evmthread.channel.phases import Phase
from evmthread.commit.opening import exit_time
from evmthread.errors import InvalidInput
from evmthread.rpc import Provider
from tests.chain.chains import ETHER, FINALITY, account
from tests.chain.conftest import OnChain
from tests.chain.partners import Partners
from tests.chain.played import DAY, STAKE


def balance(provider: Provider, address: bytes) -> int:
    return int(str(provider.request("eth_getBalance", "0x" + address.hex(), "latest")), 16)


def nonces(partners: Partners) -> list[int]:
    return [each.on_chain.agreement.commitment.nonce for each in partners.all]


def settle_wait(partners: Partners) -> None:
    partners.chain.wait_until(partners.registry.thread(partners.thread_id).deadline)


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


def test_c32_nothing_is_paid_in_before_the_genesis_is_agreed(world: OnChain, tmp_path: Path) -> None:
    with Partners(world.chain, world.registry, tmp_path) as partners:
        x = partners.all[0]
        partners.look()
        assert world.registry.thread(partners.thread_id) == ThreadState()
        genesis = x.on_chain.agreement
        assert genesis.commitment.nonce == 0
        assert genesis.signatures.bitmap == 3
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    with Partners(world.chain, world.registry, lonely, agree=False) as partners:
        x = partners.all[0]
        with pytest.raises(InvalidInput, match="agreed"):
            x.on_chain.deposit()
        assert x.on_chain.look() == ([], [])
        assert world.registry.thread(partners.thread_id) == ThreadState()


def test_c32_nothing_is_played_before_live_is_final_nor_after_a_challenge(world: OnChain, tmp_path: Path) -> None:
    with Partners(world.chain, world.registry, tmp_path) as partners:
        x, o = partners.all
        for each in partners.all:
            each.on_chain.deposit()
        partners.look()
        assert world.registry.thread(partners.thread_id).mode is Mode.LIVE  # but not yet final
        x.call("join", value=STAKE)
        assert nonces(partners) == [0, 0]
        world.chain.mine(FINALITY)
        partners.look()
        assert nonces(partners) == [1, 1]
        o.on_chain.challenge()
        partners.look()
        assert [each.endpoint.channel.phase for each in partners.all] == [Phase.DISPUTED] * 2
        settle_wait(partners)
        x.on_chain.settle()
        assert world.registry.thread(partners.thread_id).nonce == 1


def test_c32_exit_with_nothing_recorded_settles_on_the_newest(world: OnChain, tmp_path: Path) -> None:
    """The peer leaves by `exit`; who is there answers with the newest agreement. Nobody there: deposits go back."""
    with Partners(world.chain, world.registry, tmp_path) as partners:
        partners.fund()
        partners.play(0)
        x, o = partners.all
        world.registry.exit(o.account, partners.terms)
        _, words = x.on_chain.look()
        assert [type(each) for each in words][-1] is Answered
        settle_wait(partners)
        x.on_chain.settle()
        assert world.registry.thread(partners.thread_id).record == x.on_chain.agreement.digest


def test_c13_a_party_that_crashed_while_challenged_answers_in_time(world: OnChain, tmp_path: Path) -> None:
    with Partners(world.chain, world.registry, tmp_path) as partners:
        partners.fund()
        partners.play(0, 3, 1, 4)
        x, o = partners.all
        newest = x.on_chain.agreement
        stale = o.store.look(partners.thread_id).line_after(1, 1)[0]
        from evmthread.commit import verify
        from evmthread.store.handing_on import read_agreed

        old = verify(world.registry.domain, partners.terms, read_agreed(partners.head, stale).signed)
        x.crash()
        partners.offline.add(0)
        world.registry.challenge(o.account, old)
        partners.offline.clear()
        x.start()
        partners.deliver()
        _, words = x.on_chain.look()
        assert [type(each) for each in words][-1] is Answered
        assert x.endpoint.channel.phase is Phase.DISPUTED
        settle_wait(partners)
        state = world.registry.thread(partners.thread_id)
        assert (state.record, state.mode) == (newest.digest, Mode.CHALLENGED)


def test_c13_a_party_that_crashed_in_each_phase_goes_on(world: OnChain, tmp_path: Path) -> None:
    with Partners(world.chain, world.registry, tmp_path) as partners:
        x = partners.all[0]

        def restart() -> None:
            x.crash()
            x.start()
            partners.deliver()
            partners.tick(5)
            partners.look()

        restart()  # before any deposit
        x.on_chain.deposit()
        restart()  # while funding
        partners.all[1].on_chain.deposit()
        world.chain.mine(FINALITY)
        restart()
        partners.play(0, 3)
        restart()
        x.call("play", 1)
        assert nonces(partners) == [5, 5]
        x.on_chain.challenge()
        restart()
        assert x.endpoint.channel.phase is Phase.DISPUTED
        settle_wait(partners)
        x.on_chain.settle()
        restart()
        assert world.registry.thread(partners.thread_id).record == x.on_chain.agreement.digest
