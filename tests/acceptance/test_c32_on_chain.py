"""C32: nothing is paid in before the genesis, nothing played before LIVE or after CHALLENGED; exits end well."""

from pathlib import Path

import pytest

from evmthread.chain.events import ThreadState
from evmthread.channel.desk import Mode
from evmthread.channel.phases import Phase
from evmthread.errors import InvalidInput
from tests.chain.chains import FINALITY
from tests.chain.conftest import OnChain
from tests.chain.partners import Partners, nonces, settle_wait
from tests.chain.played import STAKE


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
        assert x.answers()
        settle_wait(partners)
        x.on_chain.settle()
        assert world.registry.thread(partners.thread_id).record == x.on_chain.agreement.digest
