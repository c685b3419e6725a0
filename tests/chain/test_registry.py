"""The client of the registry, on both chains: what it does, and what it refuses before anything is spent."""

import pytest

from evmthread.chain.accounts import NodeAccount
from evmthread.chain.errors import CallReverted, CannotPay, WrongChain
from evmthread.chain.events import Challenged, Deposited, Materialized, Recorded, Settled, ThreadState
from evmthread.chain.registry import Registry
from evmthread.channel.desk import Mode
from evmthread.commit import Resume, SignatureSet, TypedData
from evmthread.commit.refusals import Refusal
from evmthread.commit.signing import LocalSigner
from evmthread.errors import InvalidInput
from evmthread.merkle.proofs import prove_account, prove_slot
from evmthread.primitives.keccak import keccak256
from tests.assembler import assemble
from tests.chain.chains import ETHER, account
from tests.chain.conftest import OnChain
from tests.chain.played import KEYS, STAKE, Played

# Takes its money for nothing while it is only tried (at gas price zero), and burns all its gas when it is really paid.
TWO_FACED = assemble("GASPRICE PUSH @again JUMPI STOP again: PUSH @again JUMP")


def balance(world: OnChain, address: bytes) -> int:
    told = world.chain.provider.request("eth_getBalance", "0x" + address.hex(), "latest")
    assert isinstance(told, str)
    return int(told, 16)


def test_open_and_both_sign_final(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    registry = world.registry
    assert registry.thread(game.thread_id) == ThreadState()
    first, second = game.fund()
    assert registry.events(first, game.thread_id)[1:] == [Deposited(0, Mode.FUNDING)]
    assert registry.events(second, game.thread_id) == [Deposited(1, Mode.LIVE)]
    state = registry.thread(game.thread_id)
    assert (state.mode, state.held, state.record) == (Mode.LIVE, 2 * ETHER, None)
    game.play(0, 3, 1, 4, 2)
    for actor in (0,):
        game.call(actor, "withdraw")
    final = game.close()
    before = [balance(world, each.address) for each in game.owners]
    done = registry.settle(account("deployer"), final)
    assert registry.events(done, game.thread_id) == [Settled(final.commitment.nonce, final.digest, 0)]
    gains = [balance(world, each.address) - had for each, had in zip(game.owners, before, strict=True)]
    assert gains == [ETHER + STAKE, ETHER - STAKE]
    assert registry.thread(game.thread_id).record == final.digest
    with pytest.raises(CallReverted) as refused:
        registry.settle(account("deployer"), final)
    assert refused.value.name == "WrongMode"
    assert refused.value.transaction is None


def test_challenge_settle_materialize_and_play_on(world: OnChain) -> None:
    game, registry = Played(world.chain, world.registry), world.registry
    game.fund()
    game.play(0, 3, 1, 4)
    done = registry.challenge(game.owners[0], game.tip)
    recorded, challenged = registry.events(done, game.thread_id)
    assert recorded == Recorded(game.tip.commitment.nonce, game.tip.digest)
    assert isinstance(challenged, Challenged)
    assert challenged.deadline == done.block.timestamp + game.terms.challenge_period
    with pytest.raises(CallReverted) as early:
        registry.settle_record(game.owners[0], game.terms, game.tip.commitment)
    assert early.value.name == "TooEarly"
    game.past_deadline()
    registry.settle_record(account("deployer"), game.terms, game.tip.commitment)
    done = registry.materialize(account("deployer"), game.terms, game.tip.commitment, game.returning())
    assert registry.events(done, game.thread_id) == [Materialized(game.address, 2 * STAKE)]
    game.on_chain(0, "play", 2)
    game.on_chain(0, "withdraw")
    assert balance(world, game.address) == 0
    assert game.read_on_chain("winner") == game.owners[0].address
    assert registry.thread(game.thread_id).held == 0


def test_claim_slot_and_withdraw(world: OnChain) -> None:
    game, registry = Played(world.chain, world.registry), world.registry
    game.fund()
    game.play(0)
    heir = account("heir").address
    party = game.parties[0]
    game._agree(party.sign_input(to=heir, value=5, gas=100_000))
    final = game.close()
    registry.settle(account("deployer"), final)
    roots = game.states[0].roots()
    registry.claim(account("deployer"), game.terms, final.commitment, heir, tuple(prove_account(roots, heir)))
    assert balance(world, heir) == 5
    key, value = next(iter(game.states[0].slots(game.address)))
    assert registry.slot(final.commitment, key, tuple(prove_slot(roots, game.address, key))) == value
    assert registry.owed(heir) == 0
    with pytest.raises(CallReverted) as nothing:
        registry.withdraw(account("deployer"), heir)
    assert nothing.value.name == "NothingOwed"


def test_exit_refund_and_resume(world: OnChain) -> None:
    game, registry = Played(world.chain, world.registry), world.registry
    game.fund()
    registry.exit(game.owners[1], game.terms)
    deadline = registry.thread(game.thread_id).deadline
    resume = TypedData(registry.domain, Resume(game.thread_id, deadline))
    signatures = [LocalSigner(key).sign(resume) for key in KEYS]
    with pytest.raises(Refusal):
        registry.resume(game.owners[0], game.terms, deadline, SignatureSet.of({0: signatures[0]}))
    registry.resume(game.owners[0], game.terms, deadline, SignatureSet.of(dict(enumerate(signatures))))
    assert registry.thread(game.thread_id).mode is Mode.LIVE
    registry.exit(game.owners[0], game.terms)
    game.past_deadline()
    registry.refund(account("deployer"), game.terms)
    assert registry.thread(game.thread_id) == ThreadState(mode=Mode.SETTLED)


def test_receivers_that_burn_gas_only_when_it_counts_stop_nothing(world: OnChain) -> None:
    owners = tuple(sorted(keccak256(b"two-faced %d" % each)[12:] for each in range(2)))
    for each in owners:
        world.chain.put(each, code=TWO_FACED)
    registry, payer = world.registry, account("deployer")
    game, short = (
        Played(world.chain, registry, owners=owners, open_before=world.chain.time + wait) for wait in (3600, 600)
    )
    for each, indices in ((game, (0, 1)), (short, (0,))):
        for index in indices:
            arguments = registry.call("open", each.terms, index, value=ETHER)
            registry.transactions.send(payer, arguments)
    registry.settle(payer, game.close())
    assert [registry.owed(each) for each in owners] == [ETHER, ETHER]
    world.chain.wait_until(short.terms.open_before)
    registry.refund(payer, short.terms)
    assert registry.owed(owners[0]) == 2 * ETHER


def test_checkpoint_respond_and_what_is_stale(world: OnChain) -> None:
    game, registry = Played(world.chain, world.registry), world.registry
    game.fund()
    game.play(0, 3, 1)
    registry.checkpoint(account("deployer"), game.line[3])
    with pytest.raises(CallReverted) as stale:
        registry.checkpoint(account("deployer"), game.line[2])
    assert stale.value.name == "StaleNonce"
    assert stale.value.error is not None
    assert list(stale.value.error) == [3, 2]
    registry.challenge(game.owners[0], game.line[4])
    registry.respond(account("deployer"), game.tip)
    assert registry.thread(game.thread_id).nonce == game.tip.commitment.nonce


def test_nothing_is_sent_that_is_known_to_fail(world: OnChain) -> None:
    game, registry = Played(world.chain, world.registry), world.registry
    poor = account("poor")
    with pytest.raises(CannotPay) as unpaid:
        registry.open(poor, game.line[0], 0)
    assert unpaid.value.balance == 0
    game.fund()
    game.play(0)
    with pytest.raises(InvalidInput, match="genesis"):
        registry.open(game.owners[0], game.tip, 0)
    with pytest.raises(CallReverted) as twice:
        registry.open(game.owners[0], game.line[0], 0)
    assert twice.value.name == "WrongMode"
    with pytest.raises(CallReverted) as stranger:
        registry.challenge(account("deployer"), game.tip)
    assert stranger.value.name == "NotAParty"


def test_connect_looks_at_what_is_there(world: OnChain) -> None:
    provider = world.chain.provider
    found = Registry.connect(provider, world.registry.address, chain_id=1337)
    assert found.domain == world.registry.domain
    with pytest.raises(WrongChain, match="1337"):
        Registry.connect(provider, world.registry.address, chain_id=1)
    for wrong in (b"\x00", b""):
        there = account("a code").address
        if wrong:
            world.chain.put(there, code=wrong)
        with pytest.raises(WrongChain, match="registry"):
            Registry.connect(provider, there)
    code = provider.request("eth_getCode", "0x" + world.registry.address.hex(), "latest")
    moved = account("moved").address
    world.chain.put(moved, code=bytes.fromhex(str(code)[2:]))
    with pytest.raises(WrongChain, match="registry of chain"):
        Registry.connect(provider, moved)  # its domain is that of the other address


def test_an_address_is_20_bytes() -> None:
    with pytest.raises(InvalidInput):
        NodeAccount(b"\x01" * 19)
