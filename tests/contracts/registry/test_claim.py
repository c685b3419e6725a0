"""What is left after settlement: accounts that are no owners, slots for other contracts, and money that was refused."""

import pytest

from evmthread.merkle.accounts import hash_slot
from tests.commit.commit_samples import ETHER
from tests.contracts.registry.chains import transact
from tests.contracts.registry.deployed import STRANGER, Deployed, Mode, abi, key_of
from tests.contracts.registry.games import Game, contract, morpion
from tests.contracts.registry.test_settle import HALTS

FRIEND = bytes(18) + b"\xf0\x01"
OTHER = bytes(18) + b"\xf0\x02"


def shared(registry: Deployed) -> Game:
    """A settled thread in which the contract and two accounts that are no owners have wei."""
    game = Game(registry, contract("Layout"))
    game.call(0, "fill", 9, value=1000)
    game.send(0, FRIEND, 300)
    game.send(1, OTHER, 20)
    game.settle_final()
    return game


def test_c10_a_third_account_is_paid_its_proven_balance(registry: Deployed) -> None:
    game = shared(registry)
    assert registry.thread(game.terms).held == 1320
    receipt = registry.done(STRANGER, "claim", game.terms, game.tip, FRIEND, game.account_proof(FRIEND))
    assert registry.events(receipt) == ["CLAIMED"]
    assert registry.chain.balance(FRIEND) == 300
    assert registry.read("claimed", game.thread_id, FRIEND) is True
    registry.refused("AlreadyClaimed", STRANGER, "claim", game.terms, game.tip, FRIEND, game.account_proof(FRIEND))
    registry.done(STRANGER, "claim", game.terms, game.tip, OTHER, game.account_proof(OTHER))
    game.materialize(game.tip)
    assert (registry.thread(game.terms).held, registry.balance()) == (0, 0)
    assert registry.chain.balance(game.address) == 1000


def test_owners_and_the_contract_are_paid_elsewhere(registry: Deployed) -> None:
    game = shared(registry)
    for account in (*game.terms.owners, game.address):
        proof = game.account_proof(account)
        registry.refused("NotAThirdAccount", STRANGER, "claim", game.terms, game.tip, account, proof)


def test_a_claim_is_proven(registry: Deployed) -> None:
    game = shared(registry)
    absent = bytes(18) + b"\xf0\x03"
    registry.refused("NoSuchAccount", STRANGER, "claim", game.terms, game.tip, absent, game.account_proof(absent))
    registry.refused("InvalidProof", STRANGER, "claim", game.terms, game.tip, absent, game.account_proof(FRIEND))
    registry.refused("InvalidProof", STRANGER, "claim", game.terms, game.tip, FRIEND, ())
    older = game.line[2].commitment
    registry.refused("NotTheRecord", STRANGER, "claim", game.terms, older, FRIEND, game.account_proof(FRIEND))
    assert registry.read("claimed", game.thread_id, absent) is False


def test_a_claim_takes_no_more_than_is_held(registry: Deployed) -> None:
    """Signers who lie about balances can't touch what belongs to other threads."""
    honest = registry.opened(salt=1234)
    game = Game(registry, contract("Layout"))
    game.send(0, FRIEND, ETHER // 2)
    lie = registry.final(
        game.terms, 9, state_root=game.tip.state_root, storage_root=game.tip.storage_root, fee=0,
        balances=(2 * ETHER - 7, 0),
    )  # fmt: skip
    registry.done(STRANGER, "settle", *registry.signed(game.terms, lie))
    receipt = registry.done(STRANGER, "claim", game.terms, lie, FRIEND, game.account_proof(FRIEND))
    assert registry.artifact.event("CLAIMED").decode(receipt.logs[0])["amount"] == 7
    assert registry.chain.balance(FRIEND) == 7
    assert registry.balance() == sum(honest.deposits) == registry.thread(honest).held


def test_materialize_takes_no_more_than_is_held(registry: Deployed) -> None:
    honest = registry.opened(salt=1234)
    game = morpion(registry)
    lie = registry.final(
        game.terms, 9, state_root=game.tip.state_root, storage_root=game.tip.storage_root, fee=0,
        balances=(2 * ETHER - 7, 0),
    )  # fmt: skip
    registry.done(STRANGER, "settle", *registry.signed(game.terms, lie))
    game.materialize(lie)
    assert registry.chain.balance(game.address) == 7
    assert registry.balance() == sum(honest.deposits)


def test_c20_a_third_account_that_refuses_is_owed(registry: Deployed) -> None:
    game = shared(registry)
    registry.chain.put(FRIEND, code=HALTS)
    receipt = registry.done(STRANGER, "claim", game.terms, game.tip, FRIEND, game.account_proof(FRIEND))
    assert registry.events(receipt) == ["CLAIMED", "OWED"]
    assert registry.owed(FRIEND) == 300
    assert registry.balance() == registry.thread(game.terms).held + 300


def test_slots_of_the_settled_commitment(registry: Deployed) -> None:
    game = shared(registry)
    slots = dict(game.states[0].slots(game.address))
    for key in [*slots, 10**9]:
        value = registry.read("slot", game.tip, key.to_bytes(32, "big"), game.slot_proof(key))
        assert value == slots.get(key, 0).to_bytes(32, "big")
    first, second = sorted(slots, key=hash_slot)[:2]
    wrong = game.slot_proof(first)
    assert registry.reads_error("slot", game.tip, second.to_bytes(32, "big"), wrong) == "InvalidProof"


def test_slots_are_of_what_was_settled(registry: Deployed) -> None:
    game = Game(registry, contract("Layout"))
    game.call(0, "fill", 9)
    arguments = (bytes(32), game.slot_proof(0))
    assert registry.reads_error("slot", game.tip, *arguments) == "WrongMode"
    registry.done(key_of(game.terms, 0), "challenge", *game.signed())
    assert registry.reads_error("slot", game.tip, *arguments) == "WrongMode"
    registry.past_deadline(game.terms)
    registry.done(STRANGER, "settle", *registry.unsigned(game.terms, game.tip))
    assert registry.read("slot", game.tip, *arguments) != bytes(32)
    older = game.line[0].commitment
    assert registry.reads_error("slot", older, *arguments) == "NotTheRecord"


def test_a_refunded_thread_has_no_commitment(registry: Deployed) -> None:
    terms = registry.opened()
    registry.done(key_of(terms, 0), "exit", terms)
    registry.past_deadline(terms)
    registry.done(STRANGER, "refund", terms)
    genesis = registry.commitment(terms, 0)
    registry.refused("NotTheRecord", STRANGER, "claim", terms, genesis, FRIEND, ())
    assert registry.reads_error("slot", genesis, bytes(32), ()) == "NotTheRecord"
    registry.refused("NotTheRecord", STRANGER, "materialize", terms, genesis, (), (), b"", ())
    assert registry.thread(terms).mode is Mode.SETTLED


@pytest.mark.parametrize("value", [0, 1])
def test_wei_without_a_call_is_refused(registry: Deployed, value: int) -> None:
    assert not transact(registry.chain, STRANGER, registry.address, value=value, gas=100_000).success
    terms = registry.opened()
    data = registry.artifact.function("exit").encode(abi(terms))
    assert transact(registry.chain, key_of(terms, 0), registry.address, data, value=value).success is (value == 0)
