"""C13 on chain: a party that crashed in any phase, challenged too, goes on or answers in time."""

from pathlib import Path

from evmthread.channel.desk import Mode
from evmthread.channel.phases import Phase
from tests.chain.chains import FINALITY
from tests.chain.conftest import OnChain
from tests.chain.partners import Partners, nonces, settle_wait


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
        assert x.answers()
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
