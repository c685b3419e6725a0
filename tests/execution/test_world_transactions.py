"""World.apply: fees, refunds, creations, blobs, delegations, and who is warm."""

from dataclasses import replace
from typing import Any

import pytest
import rlp

from evmthread.execution.environment import BLOB_GAS
from evmthread.execution.transaction import AccessEntry, Authorization, Transaction
from evmthread.execution.world import World
from evmthread.isa.forks import BERLIN, CANCUN, FRONTIER, LONDON, PRAGUE, SPURIOUS_DRAGON
from evmthread.isa.instructions.creates import create_address
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import private_key_address, sign_digest
from tests.conftest import Engine
from tests.sandbox import (
    BLOCK,
    COINBASE,
    CONTRACT,
    COUNTER,
    OTHER,
    RETURN_TOP,
    RICH,
    SENDER,
    THIRD,
    code_of,
    push,
    return_bytes,
    world_of,
)

KEY = bytes(31) + b"\x07"


def test_a_transaction_pays_for_itself(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER}, fork=LONDON)
    before = world.balance(SENDER)
    fees = {"type": 2, "chain_id": BLOCK.chain_id, "max_fee": 100, "max_priority_fee": 4}
    done = world.apply(Transaction(**fees, gas_limit=100_000, to=CONTRACT, value=9), sender=SENDER)
    assert (done.success, done.gas_price, done.gas_used) == (True, 11, 21_000 + done.result.gas_used)
    assert world.balance(SENDER) == before - 9 - done.gas_used * 11
    assert (world.balance(COINBASE), world.balance(CONTRACT), world.nonce(SENDER)) == (done.gas_used * 4, 9, 1)


def test_before_london_the_coinbase_gets_the_whole_price(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: COUNTER}, fork=BERLIN)
    done = world.apply(Transaction(gas_price=5, gas_limit=100_000, to=CONTRACT), sender=SENDER)
    assert world.balance(COINBASE) == done.gas_used * 5


def test_failed_transactions_are_paid_and_counted(engine: Engine) -> None:
    for code, used in (("INVALID", 100_000), ("PUSH 0 PUSH 0 REVERT", 21_006)):
        world = world_of(engine, {CONTRACT: f"PUSH 0 PUSH 0 LOG0 {code}" if code == "INVALID" else code})
        done = world.apply(Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT, value=5), sender=SENDER)
        assert (done.success, done.gas_used, done.logs, done.gas_refunded) == (False, used, (), 0)
        assert (world.balance(SENDER), world.nonce(SENDER)) == (RICH - used * 10, 1)


@pytest.mark.parametrize(("fork", "quotient", "refund"), [(BERLIN, 2, 15_000), (LONDON, 5, 4_800)])
def test_refunds_are_bounded(engine: Engine, fork: Any, quotient: int, refund: int) -> None:
    clears = " ".join(f"PUSH 0 PUSH {key} SSTORE" for key in range(20))
    world = world_of(engine, {CONTRACT: clears}, fork=fork, storage={CONTRACT: dict.fromkeys(range(20), 1)})
    done = world.apply(Transaction(gas_price=10, gas_limit=1_000_000, to=CONTRACT), sender=SENDER)
    spent = 21_000 + done.result.gas_used
    assert done.gas_refunded == min(spent // quotient, 20 * refund)
    assert done.gas_used == spent - done.gas_refunded


def test_the_floor_of_calldata_bounds_what_is_given_back(engine: Engine) -> None:
    """EIP-7623."""
    clear = world_of(engine, {CONTRACT: "PUSH 0 PUSH 0 SSTORE"}, fork=PRAGUE, storage={CONTRACT: {0: 1}})
    data = b"\x01" * 400
    done = clear.apply(Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT, data=data), sender=SENDER)
    assert done.gas_used == 21_000 + 40 * 400
    short = world_of(engine, {CONTRACT: "PUSH 0 PUSH 0 SSTORE"}, fork=CANCUN, storage={CONTRACT: {0: 1}})
    assert short.apply(
        Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT, data=data), sender=SENDER
    ).gas_used == (21_000 + 16 * 400 + 5_006 - 4_800)


def test_a_creating_transaction(engine: Engine) -> None:
    world = world_of(engine, {})
    data = code_of(return_bytes(b"code"), CANCUN)
    done = world.apply(Transaction(gas_price=10, gas_limit=100_000, data=data, value=3), sender=SENDER)
    assert done.created == create_address(SENDER, 0)
    assert done.created is not None
    assert (world.code(done.created), world.balance(done.created), world.nonce(SENDER)) == (b"code", 3, 1)
    world.set_code(create_address(SENDER, 1), b"\x00")
    taken = world.apply(Transaction(nonce=1, gas_price=10, gas_limit=100_000, data=data, value=3), sender=SENDER)
    assert (taken.success, taken.created, taken.gas_used, world.nonce(SENDER)) == (False, None, 100_000, 2)
    assert world.balance(create_address(SENDER, 1)) == 0


def test_a_blob_transaction_burns_its_blob_fee(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "STOP"})
    hashes = (b"\x01" + bytes(31),) * 2
    blob = {"type": 3, "chain_id": 1337, "max_fee": 10, "max_blob_fee": 50, "blob_hashes": hashes}
    done = world.apply(Transaction(**blob, gas_limit=50_000, to=CONTRACT), sender=SENDER)  # type: ignore[arg-type]
    assert world.balance(SENDER) == RICH - 21_000 * 7 - 2 * BLOB_GAS * BLOCK.blob_base_fee
    assert (done.gas_used, world.balance(COINBASE)) == (21_000, 0)


def authorization(nonce: int, *, chain_id: int = 1337, to: bytes = CONTRACT, key: bytes = KEY) -> Authorization:
    digest = keccak256(b"\x05" + rlp.encode([chain_id, to, nonce]))
    r, s, parity = sign_digest(key, digest)
    return Authorization(chain_id, to, nonce, parity, r, s)


AUTHORITY = private_key_address(KEY)


def set_code(world: World, *authorizations: Authorization, nonce: int = 0) -> int:
    """Applies a set-code transaction; the gas it used."""
    call = {"type": 4, "chain_id": 1337, "max_fee": 10, "gas_limit": 200_000, "nonce": nonce, "to": OTHER}
    return world.apply(Transaction(**call, authorizations=authorizations), sender=SENDER).gas_used  # type: ignore[arg-type]


def test_delegations_are_set_and_cleared(engine: Engine) -> None:
    """EIP-7702."""
    world = world_of(engine, {CONTRACT: f"ADDRESS{RETURN_TOP}"}, fork=PRAGUE)
    assert set_code(world, authorization(0)) == 21_000 + 25_000
    assert (world.code(AUTHORITY), world.nonce(AUTHORITY)) == (b"\xef\x01\x00" + CONTRACT, 1)
    assert world.call(AUTHORITY).output == AUTHORITY.rjust(32, b"\0")
    # The account is there now: half of the price comes back, as far as refunds may.
    refunded = min(12_500, (21_000 + 25_000) // 5)
    assert set_code(world, authorization(1, to=bytes(20)), nonce=1) == 21_000 + 25_000 - refunded
    assert (world.code(AUTHORITY), world.nonce(AUTHORITY)) == (b"", 2)


@pytest.mark.parametrize(
    "passed_over",
    [
        authorization(1),
        authorization(0, chain_id=1),
        authorization(0)._replace(s=0),
        authorization(0)._replace(y_parity=2),
        authorization(2**64 - 1),
    ],
    ids=["nonce", "chain", "signature", "parity", "last nonce"],
)
def test_authorizations_that_do_not_hold_are_passed_over(engine: Engine, passed_over: Authorization) -> None:
    world = world_of(engine, {CONTRACT: "STOP"}, fork=PRAGUE)
    assert set_code(world, passed_over) == 46_000
    assert (world.account(AUTHORITY), world.code(AUTHORITY)) == (None, b"")
    anywhere = authorization(0, chain_id=0)
    set_code(world, passed_over, anywhere, nonce=1)
    assert world.code(AUTHORITY) == b"\xef\x01\x00" + CONTRACT


def test_an_account_with_code_of_its_own_does_not_delegate(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "STOP", AUTHORITY: "STOP"}, fork=PRAGUE)
    set_code(world, authorization(1))
    assert world.code(AUTHORITY) == b"\x00"


def test_delegations_outlive_the_failure_of_their_transaction(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "STOP", OTHER: "INVALID"}, fork=PRAGUE)
    set_code(world, authorization(0))
    assert world.code(AUTHORITY) == b"\xef\x01\x00" + CONTRACT


def test_who_is_warm_in_a_transaction(engine: Engine) -> None:
    looks = f"{push(THIRD)} BALANCE POP CALLER BALANCE POP ADDRESS BALANCE POP COINBASE BALANCE POP PUSH 1 SLOAD"
    world = world_of(engine, {CONTRACT: looks})
    plain = Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT)
    all_cold = 3 + 2_600 + 2 + (2 + 100 + 2) * 3 + 3 + 2_100
    assert world.apply(plain, sender=SENDER).result.gas_used == all_cold
    listed = replace(
        plain, type=1, chain_id=1337, nonce=1, access_list=(AccessEntry(THIRD), AccessEntry(CONTRACT, (1,)))
    )
    assert world.apply(listed, sender=SENDER).result.gas_used == all_cold - 2_500 - 2_000


def test_a_signed_transaction_finds_its_sender(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "CALLER PUSH 0 SSTORE"}, balances={AUTHORITY: RICH})
    done = world.apply(Transaction(gas_price=10, gas_limit=100_000, to=CONTRACT, chain_id=1337).signed(KEY))
    assert done.success
    assert world.storage(CONTRACT, 0) == int.from_bytes(AUTHORITY, "big")


def test_touching_the_coinbase(engine: Engine) -> None:
    """A block without reward: an empty coinbase stays before EIP-161 and goes after it."""
    for fork, stays in ((FRONTIER, True), (SPURIOUS_DRAGON, False)):
        world = world_of(engine, {}, fork=fork, balances={COINBASE: 0})
        world.touch_coinbase()
        assert (world.account(COINBASE) is not None) is stays
