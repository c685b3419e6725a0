"""C31: the peer goes silent on my turn: challenge, settle, materialize, and my move is in time."""

from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.chain.errors import CallReverted
from evmthread.chain.opening import read_announcement, thread_head
from evmthread.channel.phases import Phase
from evmthread.commit import Ruleset
from evmthread.commit.opening import exit_time
from evmthread.commit.refusals import ContractTimeoutTooShort
from tests.chain.conftest import OnChain
from tests.chain.partners import Partners, balance, nonces, settle_wait
from tests.chain.played import DAY, STAKE, Played
from tests.chain.test_opening import request


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


def test_c31_terms_that_leave_no_time_are_refused_at_opening(world: OnChain) -> None:
    rules = Ruleset(contract_timeout=3600)  # the way back takes 60 + 120 + 3 x 600 seconds: more than half of it
    terms = replace(Played(world.chain, world.registry).terms, ruleset=rules.hash_struct(), salt=78)
    _, block_hash = request(world, terms)
    asked = read_announcement(world.registry, block_hash, 0)
    with pytest.raises(ContractTimeoutTooShort):
        thread_head(world.registry, asked, rules)
    assert thread_head(world.registry, asked, rules, inclusion=60).terms == terms
