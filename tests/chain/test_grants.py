"""Owners that aren't their session keys: who signs with a key of its own, and contracts that are asked (EIP-1271)."""

from typing import Any

import pytest

from evmthread.chain.grants import check_grants
from evmthread.commit import KeyGrant, LocalSigner, Terms, TypedData, thread_id
from evmthread.commit.refusals import Refusal
from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import keccak256
from tests.assembler import assemble
from tests.chain.conftest import OnChain
from tests.chain.played import Played

OWNER = LocalSigner(keccak256(b"an owner"))
KEY = LocalSigner(keccak256(b"its session key"))
# EIP-1271: answers the magic value, whatever it is asked; and one that says no.
AGREES = assemble("PUSH4 0x1626ba7e PUSH1 224 SHL PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN")
DENIES = assemble("PUSH1 0 PUSH1 0 REVERT")


def terms_with(game: Played, owner: bytes) -> Terms:
    from dataclasses import replace

    own = game.owners[0].address
    pairs = sorted([(own, own), (owner, KEY.address)])
    return replace(
        game.terms, owners=tuple(each for each, _ in pairs), keys=tuple(each for _, each in pairs), salt=game.terms.salt
    )


def test_an_owner_with_a_key(world: OnChain) -> None:
    registry = world.registry
    terms = terms_with(Played(world.chain, registry), OWNER.address)
    index = terms.owners.index(OWNER.address)
    grant = TypedData(registry.domain, KeyGrant(thread_id(registry.domain, terms), OWNER.address, KEY.address))
    check_grants(registry.transactions, registry.domain, terms, {index: OWNER.sign(grant)})
    with pytest.raises(InvalidInput, match="granted nothing"):
        check_grants(registry.transactions, registry.domain, terms, {})
    with pytest.raises(Refusal):
        check_grants(registry.transactions, registry.domain, terms, {index: KEY.sign(grant)})


@pytest.mark.parametrize(("code", "good"), [(AGREES, True), (DENIES, False), (b"\x00", False)])
def test_an_owner_that_is_a_contract(world: OnChain, code: bytes, good: bool) -> None:
    registry = world.registry
    wallet = keccak256(code)[12:]
    world.chain.put(wallet, code=code)
    terms = terms_with(Played(world.chain, registry), wallet)
    grants: dict[int, Any] = {terms.owners.index(wallet): b"whatever it takes"}
    if good:
        check_grants(registry.transactions, registry.domain, terms, grants)
    else:
        with pytest.raises(Refusal):
            check_grants(registry.transactions, registry.domain, terms, grants)
