from dataclasses import replace

import pytest

from evmthread.execution.transaction import Transaction
from evmthread.isa.forks import CANCUN, LONDON
from tests.conftest import Engine
from tests.sandbox import BLOCK, CONTRACT, OTHER, RETURN_TOP, SENDER, assemble, push, run, state, top_of, world_of


def number(account: bytes) -> int:
    return int.from_bytes(account, "big")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ADDRESS", number(CONTRACT)),
        ("ORIGIN", number(SENDER)),
        ("CALLER", number(SENDER)),
        ("CALLVALUE", 99),
        ("GASPRICE", 11),
        ("COINBASE", number(BLOCK.coinbase)),
        ("TIMESTAMP", BLOCK.timestamp),
        ("NUMBER", BLOCK.number),
        ("PREVRANDAO", BLOCK.prev_randao),
        ("GASLIMIT", BLOCK.gas_limit),
        ("CHAINID", BLOCK.chain_id),
        ("BASEFEE", BLOCK.base_fee),
        ("BLOBBASEFEE", BLOCK.blob_base_fee),
        ("SELFBALANCE", 99),
        ("PC", 0),
    ],
)
def test_what_the_environment_says(engine: Engine, name: str, expected: int) -> None:
    assert top_of(engine, name, value=99) == expected


def test_difficulty_before_the_merge(engine: Engine) -> None:
    assert top_of(engine, "DIFFICULTY", fork=LONDON) == BLOCK.difficulty


def test_gas_shows_what_is_left_after_its_own_price(engine: Engine) -> None:
    assert top_of(engine, "GAS", gas=50_000) == 50_000 - 2
    assert top_of(engine, "PUSH 1 PUSH 2 ADD GAS", gas=50_000) == 50_000 - 9 - 2


def test_caller_and_origin_inside_a_call(engine: Engine) -> None:
    outer = f"PUSH 64 PUSH 0 PUSH 0 PUSH 0 PUSH 7 {push(OTHER)} GAS CALL PUSH 64 PUSH 0 RETURN"
    inner = "CALLER PUSH 0 MSTORE ORIGIN PUSH 32 MSTORE PUSH 64 PUSH 0 RETURN"
    result = run(engine, outer, value=10, others={OTHER: inner})
    assert result.output == CONTRACT.rjust(32, b"\0") + SENDER.rjust(32, b"\0")


def test_blockhash_of_the_last_256_blocks_only(engine: Engine) -> None:
    view = state({CONTRACT: assemble("PUSH 0 CALLDATALOAD BLOCKHASH" + RETURN_TOP)})
    for known in (0, 743, 744, 999, 1_000, 1_001):
        view.set_block_hash(known, known.to_bytes(2, "big") * 16)
    world = engine.world(fork=CANCUN, environment=BLOCK, view=view)
    for asked, known in ((999, True), (744, True), (743, False), (1_000, False), (1_001, False), (0, False)):
        expected = asked.to_bytes(2, "big") * 16 if known else bytes(32)
        assert world.call(CONTRACT, asked.to_bytes(32, "big")).output == expected, asked
    assert world.call(CONTRACT, b"\xff" * 32).output == bytes(32)
    world.environment = replace(BLOCK, number=3)
    assert world.call(CONTRACT, bytes(32)).output == bytes(32)


def test_blobhash(engine: Engine) -> None:
    program = "PUSH 1 BLOBHASH PUSH 0 SSTORE PUSH 2 BLOBHASH PUSH 1 SSTORE PUSH -1 BLOBHASH PUSH 2 SSTORE"
    world = world_of(engine, {CONTRACT: program}, storage={CONTRACT: {1: 5, 2: 6}})
    hashes = (b"\x01" * 32, b"\x01" + b"\x02" * 31)
    blob = Transaction(
        type=3, chain_id=1337, max_fee=10, gas_limit=200_000, to=CONTRACT, max_blob_fee=5, blob_hashes=hashes
    )
    assert world.apply(blob, sender=SENDER).success
    assert world.storage(CONTRACT, 0) == int.from_bytes(hashes[1], "big")
    assert world.storage(CONTRACT, 1) == world.storage(CONTRACT, 2) == 0
