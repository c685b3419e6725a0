"""Settlement: who is paid what, once, whatever the receivers do."""

import pytest

from evmthread.commit import Commitment, Terms, digest
from tests.commit.commit_samples import ETHER
from tests.contracts.registry.deployed import OPERATOR, STRANGER, Deployed, Mode, ThreadState, key_of

# Runtime codes of receivers.
REVERTS = bytes.fromhex("5f5ffd")
BURNS = bytes.fromhex("5b5f56")  # JUMPDEST PUSH0 JUMP
HALTS = bytes.fromhex("fe")
BOMB = bytes.fromhex("620186a05ff3")  # returns 100,000 bytes of memory
TAKES = bytes.fromhex("00")
FASTIDIOUS = bytes.fromhex("5a61afc811600957005b5f5ffd")  # reverts at once unless it has 45,000 gas


def balances_of(registry: Deployed, terms: Terms) -> list[int]:
    return [registry.chain.balance(account) for account in (terms.operator, *terms.owners)]


def gains(registry: Deployed, terms: Terms, before: list[int]) -> list[int]:
    return [now - had for now, had in zip(balances_of(registry, terms), before, strict=True)]


def dues(commitment: Commitment) -> list[int]:
    return [commitment.fee, *commitment.balances]


def settled(registry: Deployed, terms: Terms, commitment: Commitment, held: int = 0) -> ThreadState:
    return ThreadState(digest(registry.domain, commitment), commitment.nonce, 0, held, Mode.SETTLED)


def test_a_final_commitment_pays_at_once(registry: Deployed) -> None:
    terms = registry.opened(3, threshold=2)
    before = balances_of(registry, terms)
    final = registry.final(terms, balances=(3 * ETHER - 10**12, 0, 0))
    receipt = registry.done(STRANGER, "settle", *registry.signed(terms, final))
    assert registry.events(receipt) == ["SETTLED"]
    assert gains(registry, terms, before) == dues(final)
    rest = sum(terms.deposits) - sum(dues(final))
    assert registry.thread(terms) == settled(registry, terms, final, rest)
    assert registry.balance() == rest


def test_a_final_commitment_ends_a_challenge(registry: Deployed) -> None:
    terms = registry.opened()
    registry.done(key_of(terms, 0), "challenge", *registry.signed(terms, registry.commitment(terms, 5)))
    final = registry.final(terms, 5)
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    assert registry.thread(terms).digest == digest(registry.domain, final)


def test_a_final_commitment_settles_also_after_the_deadline(registry: Deployed) -> None:
    terms = registry.opened()
    registry.done(key_of(terms, 0), "exit", terms)
    registry.past_deadline(terms)
    registry.done(STRANGER, "settle", *registry.signed(terms, registry.final(terms, 5)))


def test_a_final_commitment_below_the_record_is_refused(registry: Deployed) -> None:
    terms = registry.opened()
    registry.done(STRANGER, "checkpoint", *registry.signed(terms, registry.commitment(terms, 6)))
    registry.refused("StaleNonce", STRANGER, "settle", *registry.signed(terms, registry.final(terms, 5)))


def test_signatures_on_anything_else_settle_nothing(registry: Deployed) -> None:
    terms = registry.opened()
    registry.refused("NotFinal", STRANGER, "settle", *registry.signed(terms, registry.commitment(terms)))
    final = registry.final(terms)
    registry.refused("NotEnoughSignatures", STRANGER, "settle", *registry.signed(terms, final, (0,)))
    registry.refused("WrongMode", STRANGER, "settle", *registry.unsigned(terms, final))


def test_the_record_settles_from_the_deadline_on(registry: Deployed) -> None:
    terms = registry.opened()
    before = balances_of(registry, terms)
    commitment = registry.commitment(terms, balances=(ETHER // 2, ETHER))
    registry.done(key_of(terms, 0), "challenge", *registry.signed(terms, commitment))
    deadline = registry.thread(terms).deadline
    registry.chain.wait_until(deadline - 1)
    registry.refused("TooEarly", STRANGER, "settle", *registry.unsigned(terms, commitment))
    registry.chain.wait_until(deadline)
    other = registry.commitment(terms, 6)
    registry.refused("NotTheRecord", STRANGER, "settle", *registry.unsigned(terms, other))
    registry.done(STRANGER, "settle", *registry.unsigned(terms, commitment))
    assert gains(registry, terms, before) == dues(commitment)
    assert registry.thread(terms) == settled(registry, terms, commitment, sum(terms.deposits) - sum(dues(commitment)))


def test_a_recorded_final_commitment_settles_like_any_other(registry: Deployed) -> None:
    terms = registry.opened()
    final = registry.final(terms)
    registry.done(key_of(terms, 0), "challenge", *registry.signed(terms, final))
    registry.past_deadline(terms)
    registry.done(STRANGER, "settle", *registry.unsigned(terms, final))
    assert registry.thread(terms).mode is Mode.SETTLED


def test_c32_exit_with_nothing_recorded_gives_deposits_back(registry: Deployed) -> None:
    terms = registry.opened(3)
    before = balances_of(registry, terms)
    registry.done(key_of(terms, 2), "exit", terms)
    deadline = registry.thread(terms).deadline
    registry.chain.wait_until(deadline - 1)
    registry.refused("TooEarly", STRANGER, "refund", terms)
    registry.chain.wait_until(deadline)
    registry.done(STRANGER, "refund", terms)
    assert gains(registry, terms, before) == [0, *terms.deposits]
    assert registry.thread(terms) == ThreadState(bytes(32), 0, 0, 0, Mode.SETTLED)


def test_a_record_is_never_refunded(registry: Deployed) -> None:
    terms = registry.opened()
    registry.done(key_of(terms, 0), "exit", terms)
    registry.done(STRANGER, "respond", *registry.signed(terms, registry.commitment(terms, 0)))
    registry.past_deadline(terms)
    registry.refused("WrongMode", STRANGER, "refund", terms)


@pytest.mark.parametrize("code", [REVERTS, BURNS, HALTS], ids=["reverts", "burns", "halts"])
def test_c20_a_receiver_that_refuses_is_owed(registry: Deployed, code: bytes) -> None:
    terms = registry.opened(3)
    hostile = terms.owners[1]
    registry.chain.put(hostile, code=code)
    before = balances_of(registry, terms)
    final = registry.final(terms, balances=(1, 2, 3))
    receipt = registry.done(STRANGER, "settle", *registry.signed(terms, final))
    assert registry.events(receipt) == ["SETTLED", "OWED"]
    assert gains(registry, terms, before) == [final.fee, 1, 0, 3]
    assert registry.owed(hostile) == 2
    assert registry.balance() == registry.thread(terms).held + 2


def test_c20_every_receiver_burns_gas(registry: Deployed) -> None:
    terms = registry.opened(5)
    for account in (terms.operator, *terms.owners):
        registry.chain.put(account, code=BURNS)
    final = registry.final(terms)
    receipt = registry.done(STRANGER, "settle", *registry.signed(terms, final))
    assert registry.events(receipt) == ["SETTLED", *["OWED"] * 6]
    assert [registry.owed(account) for account in (terms.operator, *terms.owners)] == dues(final)
    assert receipt.gas_used < 700_000


def test_c20_a_receiver_returns_a_great_deal(registry: Deployed) -> None:
    terms = registry.opened()
    registry.chain.put(terms.owners[0], code=BOMB)
    receipt = registry.done(STRANGER, "settle", *registry.signed(terms, registry.final(terms)))
    assert receipt.gas_used < 200_000
    assert registry.owed(terms.owners[0]) == 0


def test_too_little_gas_reverts_rather_than_cheat_a_receiver(registry: Deployed) -> None:
    terms = registry.opened()
    registry.chain.put(terms.owners[1], code=FASTIDIOUS)
    final = registry.final(terms)
    arguments = registry.signed(terms, final)
    before = registry.picture(terms)
    start = registry.chain.snapshot()
    outcomes = set()
    for gas in range(100_000, 260_000, 2_500):
        receipt = registry.send(STRANGER, "settle", *arguments, gas=gas)
        if receipt.success:
            assert registry.events(receipt) == ["SETTLED"]  # never OWED
        else:
            assert registry.picture(terms) == before
        outcomes.add(receipt.success)
        registry.chain.restore(start)
    assert outcomes == {True, False}


def test_c10_owed_money_is_withdrawn_once(registry: Deployed) -> None:
    terms = registry.opened()
    owner = terms.owners[0]
    registry.chain.put(owner, code=HALTS)
    final = registry.final(terms)
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    registry.refused("PaymentRefused", STRANGER, "withdraw", owner, owner)
    registry.refused("NotTheReceiver", STRANGER, "withdraw", owner, OPERATOR)
    registry.chain.put(owner, code=TAKES)
    before = registry.chain.balance(owner)
    receipt = registry.done(STRANGER, "withdraw", owner, owner)
    assert registry.events(receipt) == ["WITHDRAWN"]
    assert registry.chain.balance(owner) - before == final.balances[0]
    registry.refused("NothingOwed", STRANGER, "withdraw", owner, owner)
    assert registry.balance() == registry.thread(terms).held
