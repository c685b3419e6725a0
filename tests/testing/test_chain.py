"""LocalChain: blocks, time, calls and snapshots."""

import pytest

from evmthread.errors import InvalidInput
from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.transaction import Transaction
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import private_key_address
from evmthread.testing.chain import BLOCK_SECONDS, GENESIS_TIME, LocalChain

KEY = keccak256(b"evmthread test key 0")
SENDER = private_key_address(KEY)
CLOCK = bytes(19) + b"\xc0"
# Stores the block's time in slot 0 and returns its number; reverts with the caller's data when there is some.
CLOCK_CODE = bytes.fromhex("36600e57425f55435f5260205ff35b365f5f37365ffd")


def chain() -> LocalChain:
    made = LocalChain()
    made.world.set_balance(SENDER, 10**18)
    made.world.set_code(CLOCK, CLOCK_CODE)
    return made


def sent(made: LocalChain, **fields: object) -> Transaction:
    values: dict[str, object] = {"chain_id": 1337, "nonce": made.world.nonce(SENDER), "gas_limit": 100_000, "to": CLOCK}
    return Transaction(**(values | fields)).signed(KEY)  # type: ignore[arg-type]


def test_each_transaction_is_a_block() -> None:
    made = chain()
    first, second = made.send(sent(made)), made.send(sent(made))
    assert (first.block, first.timestamp, first.success) == (1, GENESIS_TIME + BLOCK_SECONDS, True)
    assert (second.block, second.timestamp) == (2, GENESIS_TIME + 2 * BLOCK_SECONDS)
    assert int.from_bytes(second.output, "big") == 2
    assert made.world.storage(CLOCK, 0) == second.timestamp == made.time
    assert made.mined == [first, second]


def test_a_revert_has_its_data_and_no_effect() -> None:
    made = chain()
    receipt = made.send(sent(made, data=b"why", value=5))
    assert (receipt.success, receipt.output, receipt.logs) == (False, b"why", ())
    assert made.balance(CLOCK) == 0
    assert made.world.nonce(SENDER) == 1


def test_a_creation_tells_its_address() -> None:
    made = chain()
    receipt = made.send(sent(made, to=None, data=bytes.fromhex("5f5f5360015ff3")))
    assert receipt.created is not None
    assert made.world.code(receipt.created) == b"\x00"


def test_time_goes_where_it_is_told() -> None:
    made = chain()
    made.wait(500)
    assert made.send(sent(made)).timestamp == GENESIS_TIME + 500
    made.wait_until(GENESIS_TIME + 501)
    assert made.send(sent(made)).timestamp == GENESIS_TIME + 501
    assert made.mine() == 3
    assert made.time == GENESIS_TIME + 501 + BLOCK_SECONDS
    for seconds in (0, -1):
        with pytest.raises(InvalidInput, match="can't follow"):
            made.wait(seconds)


def test_an_invalid_transaction_makes_no_block() -> None:
    made = chain()
    with pytest.raises(InvalidTransaction):
        made.send(sent(made, nonce=7))
    assert (made.number, made.time, made.mined) == (0, GENESIS_TIME, [])
    assert made.send(sent(made)).timestamp == GENESIS_TIME + BLOCK_SECONDS


def test_a_call_changes_nothing() -> None:
    made = chain()
    made.send(sent(made))
    stored = made.world.storage(CLOCK, 0)
    made.mine()
    result = made.call(CLOCK, b"", sender=SENDER)
    assert int.from_bytes(result.output, "big") == 2
    assert made.world.storage(CLOCK, 0) == stored
    assert not made.call(CLOCK, b"x").success


def test_snapshots_nest() -> None:
    made = chain()
    start = made.snapshot()
    made.wait(100)
    made.send(sent(made))
    middle = made.snapshot()
    made.send(sent(made, value=3))
    made.restore(middle)
    assert (made.number, made.balance(CLOCK), len(made.mined)) == (1, 0, 1)
    made.restore(start)
    assert (made.number, made.time, made.mined) == (0, GENESIS_TIME, [])
    assert made.send(sent(made)).timestamp == GENESIS_TIME + BLOCK_SECONDS
