"""Bytes that nobody wrote, in good form: they are refused before anything runs, or are machines like any other."""

from contextlib import suppress
from functools import cache
from random import Random
from typing import Any

import pytest

from evmthread.errors import DecodingError, InvalidInput
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.forks import CANCUN, CONSTANTINOPLE, FRONTIER, OSAKA, Fork
from evmthread.machine.breakpoints import TRAP_ADDRESS, AtOpcode, AtStep, Traps
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Question, Suspended
from evmthread.primitives import rlp
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.state.memory import MemoryState
from evmthread.state.pending import WrongBase
from tests.assembler import assemble
from tests.differential.cases import BLOCK
from tests.differential.peers import count_of, seed_of
from tests.execution.forged import (
    MACHINE,
    MEMORY,
    PENDING,
    REFUND,
    STACK,
    UNDO,
    forged,
    items_of,
    snapshot_of,
    undo_entries,
)
from tests.execution.interrupted import ENGINES

A, B, C, SENDER = b"\xaa" * 20, b"\xbb" * 20, b"\xcc" * 20, b"\x5e" * 20
CHILD = assemble("PUSH1 5 PUSH1 1 SSTORE PUSH1 1 PUSH1 2 TSTORE PUSH1 0 PUSH1 0 LOG0 PUSH1 0 SELFDESTRUCT")
# Writes, logs, creates a contract that destroys itself, calls B, and fails after all.
REVERTS = assemble(
    f"PUSH{len(CHILD)} 0x{CHILD.hex()} PUSH1 0 MSTORE PUSH1 {len(CHILD)} PUSH1 {32 - len(CHILD)} PUSH1 0 CREATE POP"
    f" PUSH1 3 SLOAD PUSH1 1 ADD PUSH1 3 SSTORE PUSH1 32 PUSH1 0 PUSH1 5 PUSH1 0 PUSH1 0 PUSH20 0x{B.hex()} GAS CALL"
    f" PUSH1 0 MSTORE PUSH1 4 SLOAD PUSH1 0 SSTORE GAS PUSH1 1 SSTORE PUSH1 96 PUSH1 0 REVERT"
)
OUTER = assemble(
    f"PUSH1 3 PUSH1 7 SSTORE PUSH1 32 PUSH1 0 LOG0 PUSH1 32 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 1 PUSH20 0x{C.hex()} GAS CALL"
    " PUSH1 0 SSTORE GAS PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"
)
INNER = assemble("PUSH1 1 PUSH1 2 SSTORE PUSH1 7 SLOAD PUSH1 8 SSTORE PUSH1 32 PUSH1 0 RETURN")


def state() -> MemoryState:
    view = MemoryState()
    view.set_account(A, code=OUTER, balance=100, storage={7: 1})
    view.set_account(B, code=INNER, balance=3, nonce=1)
    view.set_account(C, code=REVERTS, balance=10, nonce=1, storage={3: 1, 4: 4})
    view.set_account(SENDER, balance=10**18)
    return view


def stopped(steps: int, fork: Fork = CANCUN) -> bytes | None:
    """What a transaction is after some steps, if it takes so many."""
    world = World(fork=fork, environment=BLOCK, view=state(), hooks=[AtStep(steps)], engine="stepper")
    computation = world.open_transaction(Transaction(gas_limit=500_000, gas_price=9, to=A, value=2), sender=SENDER)
    return computation.snapshot() if isinstance(computation.run(), Suspended) else None


@cache
def originals() -> list[tuple[Fork, bytes]]:
    """Machines of all sorts."""
    made = []
    for fork in (CANCUN, OSAKA, FRONTIER, CONSTANTINOPLE):
        for steps in (3, 12, 24, 34, 45, 53, 60, 68, 80, 90):
            snapshot = stopped(steps, fork)
            if snapshot is not None:
                made.append((fork, snapshot))
    return made


def check_forgeries(count: int) -> None:
    seed = seed_of()
    print(f"{count} forgeries from seed {seed}")
    random, loaded = Random(seed), 0
    for _ in range(count):
        fork, original = random.choice(originals())
        hook: Hook = random.choice((AtStep(random.choice((1, 3, 10))), AtOpcode("SSTORE", "SLOAD", "CALL")))
        world = World(fork=fork, view=state(), hooks=[hook], **random.choice(ENGINES))
        loaded += goes_on(world, forged(random, original, (A, B, C, SENDER)))
        world.state_root()
        world.settle()
        assert world.call(B, gas=10**6) is not None
    assert loaded > count // 4


def goes_on(world: World, snapshot: bytes) -> bool:
    """Whether the bytes are a machine. Runs it, with stops; what it becomes at each of them is a machine too."""
    try:
        computation = world.load(snapshot)
    except (DecodingError, WrongBase):
        world.hooks = ()
        return False
    assert computation.snapshot() == snapshot
    with suppress(InvalidInput):  # more wei than there can be
        for _ in range(20):
            if not isinstance(computation.resume(b"" if isinstance(computation.trap, Question) else None), Suspended):
                world.hooks = ()
                return True
            World(fork=world.fork, view=state()).load(computation.snapshot())
        computation.abort()
    world.hooks = ()
    return True


def test_forgeries() -> None:
    check_forgeries(count_of(250))


@pytest.mark.slow
def test_many_forgeries() -> None:
    check_forgeries(count_of(5_000))


# One by one -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def items() -> Any:
    """The items of a machine that stands in the inner of two calls."""
    snapshot = stopped(45)
    assert snapshot is not None
    return items_of(snapshot)


def refused(items: Any, match: str, **options: Any) -> None:
    with pytest.raises(DecodingError, match=match):
        World(view=state(), **options).load(snapshot_of(items))


def test_output_beyond_the_callers_memory(items: Any) -> None:
    items[MACHINE][0][1][9] = rlp.integer_bytes(33)
    refused(items, "no memory")


def test_a_caller_with_a_full_stack(items: Any) -> None:
    items[MACHINE][0][0][STACK] = bytes(32 * 1024)
    refused(items, "no room")


def test_a_caller_that_has_not_begun(items: Any) -> None:
    items[MACHINE][0][0][12] = b""
    refused(items, "hasn't begun")


def test_more_gas_than_a_word(items: Any) -> None:
    items[3] = []
    for frame in items[MACHINE][0]:
        frame[13] = rlp.integer_bytes(2**256 - 1)
    refused(items, "more than a word")


@pytest.mark.parametrize("transaction", [(1, 9, 0), (500_000, 1, 0), (500_000, 9, 500_001), (500_000, 2**240, 0)])
def test_a_transaction_that_can_not_be(items: Any, transaction: tuple[int, int, int]) -> None:
    """Less gas than its frames have, a price below the base fee, a floor above its limit, more wei than a word."""
    items[3] = [rlp.integer_bytes(each) for each in transaction]
    refused(items, "can't be")


def test_a_code_that_is_not_there(items: Any) -> None:
    rows = items[PENDING][0]
    at = rows.index(A) + 20 + 41
    items[PENDING][0] = rows[:at] + b"\x99" * 32 + rows[at + 32 :]
    refused(items, "code of pending state isn't there")


def test_more_code_than_machines_have(items: Any) -> None:
    code = bytes(2**25 + 1)
    items[MACHINE][1] = [code]
    refused(items, "bytes of code")


def test_a_slot_of_another_state(items: Any) -> None:
    snapshot = snapshot_of(items)
    view = state()
    view.set_account(A, code=OUTER, balance=100, storage={7: 2})
    with pytest.raises(WrongBase) as raised:
        World(view=view).load(snapshot)
    assert (raised.value.address, raised.value.key) == (A, 7)


def creation_at(items: Any) -> int:
    """Where, in the undo log, a contract is created."""
    return next(at for at, entry in enumerate(undo_entries(items[PENDING][UNDO])) if entry[0] == 2)


@pytest.mark.parametrize("step", [1, 2])
def test_a_mark_in_the_middle_of_a_creation(items: Any, step: int) -> None:
    items[MACHINE][0][1][17] = rlp.integer_bytes(creation_at(items) + step)
    refused(items, "no call can begin")


def test_a_creation_at_the_place_of_an_open_call(items: Any) -> None:
    """What a failing call inside would take back are the slots on which the outer one works."""
    entries = undo_entries(items[PENDING][UNDO])
    at = creation_at(items)
    child = entries[at][1:21]
    for frame in items[MACHINE][0]:
        frame[2] = child
    items[MACHINE][0][1][17] = rlp.integer_bytes(at)
    refused(items, "no call can begin")


def test_a_creation_that_is_half_there(items: Any) -> None:
    entries = undo_entries(items[PENDING][UNDO])
    del entries[creation_at(items) + 1]
    items[PENDING][UNDO] = b"".join(entries)
    refused(items, "half-way")


def test_warm_slots_that_never_had_a_value(items: Any) -> None:
    entries = undo_entries(items[PENDING][UNDO])
    at = creation_at(items) + 2
    entries[at] = entries[at][:21] + (1).to_bytes(4, "big") + bytes(64)
    items[PENDING][UNDO] = b"".join(entries)
    refused(items, "value at the beginning")


def test_reading_takes_as_long_as_there_are_bytes(items: Any) -> None:
    """With a copy of the warm set for each entry, these three megabytes would take minutes."""
    warm = sorted([keccak256(number.to_bytes(4, "big"))[:20] for number in range(60_000)])
    items[PENDING][5] = b"".join(warm)
    items[PENDING][UNDO] = b"".join([b"\x07" + address + b"\x00" for address in warm])
    refused(items, "canonical")


def test_refunds_below_zero_cost_nothing(items: Any) -> None:
    for part, at in ((items[4], 2), (items[4], 3), *[(frame, REFUND) for frame in items[MACHINE][0]]):
        part[at] = (-(2**71)).to_bytes(9, "big", signed=True)
    world = World(view=state())
    done = world.load(snapshot_of(items)).resume()
    assert done.gas_refunded == 0  # type: ignore[union-attr]
    assert done.gas_used <= 500_000  # type: ignore[union-attr]


def test_a_pending_call_needs_room_too() -> None:
    asks = assemble(
        f"PUSH20 0x{B.hex()} PUSH1 0 MSTORE PUSH1 64 PUSH1 32 MSTORE PUSH1 32 PUSH1 0 PUSH1 96 PUSH1 0 PUSH1 0"
        f" PUSH20 0x{TRAP_ADDRESS.hex()} GAS CALL STOP"
    )
    computation = World(hooks=[Traps()], view=state()).open_call(A, code=asks)
    assert isinstance(computation.run(), Suspended)
    for at, value, match in ((STACK, bytes(32 * 1024), "no room"), (MEMORY, b"", "no memory")):
        changed = items_of(computation.snapshot())
        assert changed[MACHINE][2][4] == EMPTY_HASH
        changed[MACHINE][0][0][at] = value
        refused(changed, match)
