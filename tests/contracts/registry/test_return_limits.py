"""What one transaction can put back on chain: the limit is known, holds, and is told before anything is spent."""

import random

import pytest

from evmthread.channel.returning import (
    MAX_TRANSACTION_GAS,
    ReturnToChain,
    gas_to_return,
    return_to_chain,
    slots_that_return,
)
from evmthread.commit import Commitment, Terms, thread_address, thread_id
from evmthread.commit.terms import MAX_CODE_BYTES
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from tests.contracts.registry.deployed import ORIGIN, STRANGER, Deployed


def settled(
    registry: Deployed, *, slots: int, code_bytes: int, accounts: int = 0
) -> tuple[Terms, Commitment, MemoryState, bytes]:
    """A settled thread whose contract has so many slots and so much code, all dear bytes; its state and address."""
    generator = random.Random(slots)
    code = b"\x00" + bytes(generator.randint(1, 255) for _ in range(code_bytes - 1))
    registry.chain.put(ORIGIN, code=code)
    terms = registry.opened(code_hash=keccak256(code))
    home = thread_address(registry.address, thread_id(registry.domain, terms))
    state = MemoryState()
    storage = {generator.getrandbits(256): generator.getrandbits(256) | 1 << 255 for _ in range(slots)}
    state.set_account(home, nonce=1, balance=5, code=code, storage=storage)
    for _ in range(accounts):
        state.set_account(generator.randbytes(20), balance=1)
    roots = state.roots()
    final = registry.final(terms, state_root=roots.root(), storage_root=roots.storage_root(home))
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    return terms, final, state, home


def arguments(terms: Terms, commitment: Commitment, given: ReturnToChain) -> tuple[object, ...]:
    return terms, commitment, given.keys, given.values, given.code, given.account_proof


@pytest.mark.parametrize(
    ("slots", "code_bytes", "accounts"),
    [
        (0, 1, 0),
        (0, 1, 5000),
        (128, MAX_CODE_BYTES, 0),
        (slots_that_return(), MAX_CODE_BYTES, 0),
        (slots_that_return(1000), 1000, 0),
        (1, 1000, 100),
    ],
)
def test_what_is_said_to_fit_fits(registry: Deployed, slots: int, code_bytes: int, accounts: int) -> None:
    terms, final, state, home = settled(registry, slots=slots, code_bytes=code_bytes, accounts=accounts)
    given = return_to_chain(state, home)
    assert given.most_gas <= MAX_TRANSACTION_GAS
    receipt = registry.done(STRANGER, "materialize", *arguments(terms, final, given), gas=given.most_gas)
    assert receipt.gas_used <= given.most_gas
    assert registry.chain.code(home) == given.code
    _, proof = registry.chain.proof(home)
    assert proof.account.storage_root == final.storage_root


def test_the_default_slot_limit_always_returns() -> None:
    from evmthread.commit import Ruleset

    assert Ruleset(contract_timeout=0).storage_slots <= slots_that_return()
    assert gas_to_return(slots=128, code_bytes=MAX_CODE_BYTES) < 10_400_000


def test_creation_code_that_is_too_long_is_refused_at_once(registry: Deployed) -> None:
    terms, final, state, home = settled(registry, slots=367, code_bytes=MAX_CODE_BYTES)
    keys = sorted((key for key, _ in state.slots(home)), key=lambda key: keccak256(key.to_bytes(32, "big")))
    words = tuple(key.to_bytes(32, "big") for key in keys)
    found = registry.refused("TooLarge", STRANGER, "materialize", terms, final, words, words, b"\x00" * 24_576, ())
    assert tuple(found) == (367 * 67 + 13 + 24_576, 49_152)
