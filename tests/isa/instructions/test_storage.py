import pytest

from evmthread.execution.transaction import AccessEntry, Transaction
from evmthread.isa.forks import (
    BERLIN,
    BYZANTIUM,
    CANCUN,
    CONSTANTINOPLE,
    FRONTIER,
    ISTANBUL,
    LONDON,
    PETERSBURG,
    TANGERINE_WHISTLE,
    Fork,
)
from evmthread.isa.halts import HaltReason
from tests.conftest import Engine
from tests.sandbox import CONTRACT, OTHER, SENDER, halts, push, run, top_of, world_of

# Original value, then the values that are written in turn: the test cases of EIP-1283, EIP-2200 and EIP-3529.
WRITES: list[tuple[int, tuple[int, ...]]] = [
    *((0, values) for values in ((0, 0), (0, 1), (1, 0), (1, 2), (1, 1))),
    *((1, values) for values in ((0, 0), (0, 1), (0, 2), (2, 0), (2, 3), (2, 1), (2, 2), (1, 0), (1, 2), (1, 1))),
    (0, (1, 0, 1)),
    (1, (0, 1, 0)),
]
# (gas used, refund) as the tables of the EIPs have them. EIP-3529's assumes a warm slot: 2,100 less than a cold one.
EIP_1283 = [
    *((412, 0), (20212, 0), (20212, 19800), (20212, 0), (20212, 0)),
    *((5212, 15000), (5212, 4800), (5212, 0), (5212, 15000), (5212, 0)),
    *((5212, 4800), (5212, 0), (5212, 15000), (5212, 0), (412, 0)),
    *((40218, 19800), (10218, 19800)),
]
EIP_2200 = [
    *((1612, 0), (20812, 0), (20812, 19200), (20812, 0), (20812, 0)),
    *((5812, 15000), (5812, 4200), (5812, 0), (5812, 15000), (5812, 0)),
    *((5812, 4200), (5812, 0), (5812, 15000), (5812, 0), (1612, 0)),
    *((40818, 19200), (10818, 19200)),
]
EIP_2929 = [  # EIP-3529, the table before the change; without the 2,100 of a cold slot
    *((212, 0), (20112, 0), (20112, 19900), (20112, 0), (20112, 0)),
    *((3012, 15000), (3012, 2800), (3012, 0), (3012, 15000), (3012, 0)),
    *((3012, 2800), (3012, 0), (3012, 15000), (3012, 0), (212, 0)),
    *((40118, 19900), (5918, 17800)),
]
EIP_3529 = [
    *((212, 0), (20112, 0), (20112, 19900), (20112, 0), (20112, 0)),
    *((3012, 4800), (3012, 2800), (3012, 0), (3012, 4800), (3012, 0)),
    *((3012, 2800), (3012, 0), (3012, 4800), (3012, 0), (212, 0)),
    *((40118, 19900), (5918, 7600)),
]
FIRST_RULE = [  # Yellow Paper, appendix G
    *((10012, 0), (25012, 0), (25012, 15000), (25012, 0), (25012, 0)),
    *((10012, 15000), (25012, 15000), (25012, 15000), (10012, 15000), (10012, 0)),
    *((10012, 0), (10012, 0), (10012, 15000), (10012, 0), (10012, 0)),
    *((45018, 15000), (30018, 30000)),
]


@pytest.mark.parametrize("case", range(len(WRITES)))
@pytest.mark.parametrize(
    ("fork", "table", "cold"),
    [
        (FRONTIER, FIRST_RULE, 0),
        (BYZANTIUM, FIRST_RULE, 0),
        (CONSTANTINOPLE, EIP_1283, 0),
        (PETERSBURG, FIRST_RULE, 0),
        (ISTANBUL, EIP_2200, 0),
        (BERLIN, EIP_2929, 2100),
        (LONDON, EIP_3529, 2100),
        (CANCUN, EIP_3529, 2100),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_gas_and_refund_of_writes(
    engine: Engine, fork: Fork, table: list[tuple[int, int]], cold: int, case: int
) -> None:
    original, values = WRITES[case]
    program = " ".join(f"PUSH {value} PUSH 0 SSTORE" for value in values)
    result = run(engine, program, fork=fork, storage={0: original})
    assert (result.gas_used - cold, result.refund) == table[case]


@pytest.mark.parametrize(
    ("fork", "cold", "warm"),
    [(FRONTIER, 50, 50), (TANGERINE_WHISTLE, 200, 200), (ISTANBUL, 800, 800), (BERLIN, 2100, 100), (CANCUN, 2100, 100)],
    ids=lambda value: getattr(value, "name", None),
)
def test_gas_of_reads(engine: Engine, fork: Fork, cold: int, warm: int) -> None:
    assert run(engine, "PUSH 5 SLOAD", fork=fork).gas_used == 3 + cold
    assert run(engine, "PUSH 5 SLOAD PUSH 5 SLOAD", fork=fork).gas_used == 6 + cold + warm
    assert run(engine, "PUSH 5 SLOAD PUSH 6 SLOAD", fork=fork).gas_used == 6 + 2 * cold


def test_a_read_sees_the_write_and_the_stored_value(engine: Engine) -> None:
    assert top_of(engine, "PUSH 5 SLOAD", storage={5: 77}) == 77
    assert top_of(engine, "PUSH -1 SLOAD", storage={2**256 - 1: 78}) == 78
    assert top_of(engine, "PUSH 9 PUSH 5 SSTORE PUSH 5 SLOAD", storage={5: 77}) == 9
    assert top_of(engine, "PUSH 0 PUSH 5 SSTORE PUSH 5 SLOAD", storage={5: 77}) == 0


def test_writing_needs_more_than_the_stipend(engine: Engine) -> None:
    """EIP-2200: with 2,300 gas left or less SSTORE fails, even where it would cost less."""
    program = "PUSH 1 PUSH 0 SSTORE"
    assert halts(run(engine, program, fork=ISTANBUL, storage={0: 1}, gas=2300 + 6), HaltReason.OUT_OF_GAS)
    assert run(engine, program, fork=ISTANBUL, storage={0: 1}, gas=2301 + 6).gas_used == 806
    assert run(engine, program, fork=CONSTANTINOPLE, storage={0: 1}, gas=206).success
    assert halts(run(engine, program, fork=CANCUN, storage={0: 1}, gas=2300 + 6), HaltReason.OUT_OF_GAS)
    assert run(engine, program, fork=CANCUN, storage={0: 1}, gas=2301 + 6).gas_used == 2206


def test_a_slot_in_the_access_list_is_warm(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "PUSH 5 SLOAD PUSH 6 SLOAD"}, storage={CONTRACT: {5: 1, 6: 1}})
    listed = Transaction(
        type=1,
        chain_id=1337,
        gas_price=7,
        gas_limit=100_000,
        to=CONTRACT,
        access_list=(AccessEntry(CONTRACT, (5,)), AccessEntry(OTHER)),
    )
    assert world.apply(listed, sender=SENDER).gas_used == 21_000 + 2 * 2400 + 1900 + 6 + 100 + 2100


def test_warm_slots_are_cold_again_after_the_call_that_warmed_them_failed(engine: Engine) -> None:
    inner = "PUSH 5 SLOAD PUSH 0 PUSH 0 REVERT"
    again = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS DELEGATECALL POP PUSH 5"
    cold = run(engine, f"{again} SLOAD", others={OTHER: inner})
    without = run(engine, again, others={OTHER: inner})
    assert cold.gas_used - without.gas_used == 2100


def test_transient_storage_lasts_through_calls_but_not_through_a_revert(engine: Engine) -> None:
    """EIP-1153."""
    write = "PUSH 7 PUSH 1 TSTORE"
    call = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS DELEGATECALL POP PUSH 1 TLOAD"
    assert top_of(engine, "PUSH 1 TLOAD") == 0
    assert top_of(engine, f"{write} PUSH 1 TLOAD") == 7
    assert top_of(engine, call, others={OTHER: write}) == 7
    assert top_of(engine, call, others={OTHER: f"{write} PUSH 0 PUSH 0 REVERT"}) == 0
    assert top_of(engine, call, others={OTHER: f"{write} INVALID"}) == 0
    assert top_of(engine, f"PUSH 5 PUSH 1 TSTORE {call}", others={OTHER: f"{write} PUSH 0 PUSH 0 REVERT"}) == 5
    assert run(engine, "PUSH 7 PUSH 1 TSTORE PUSH 1 TLOAD").gas_used == 6 + 100 + 3 + 100


def test_transient_storage_is_the_accounts_own_and_ends_with_the_transaction(engine: Engine) -> None:
    reader = "PUSH 1 TLOAD PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN"
    writer = "PUSH 7 PUSH 1 TSTORE"
    world = world_of(engine, {CONTRACT: f"CALLDATASIZE PUSH @write JUMPI {reader} write: {writer}", OTHER: reader})
    assert world.call(CONTRACT, b"w").success
    assert world.call(CONTRACT).output == (7).to_bytes(32, "big")
    assert world.call(OTHER).output == bytes(32)
    world.begin_transaction()
    assert world.call(CONTRACT).output == bytes(32)


def test_static_calls_write_nothing(engine: Engine) -> None:
    for write in ("PUSH 1 PUSH 0 SSTORE", "PUSH 1 PUSH 0 TSTORE"):
        for fork in (BYZANTIUM, CONSTANTINOPLE, CANCUN) if "SSTORE" in write else (CANCUN,):
            assert halts(run(engine, write, fork=fork, static=True), HaltReason.WRITE_PROTECTION)
    assert run(engine, "PUSH 0 SLOAD PUSH 0 TLOAD", static=True).success
