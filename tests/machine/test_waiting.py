"""Missing state at any moment of a frame's life: every engine leaves the frame just as a single step would."""

import pytest

from evmthread.errors import Missing
from evmthread.isa.forks import CANCUN
from evmthread.isa.frame import Frame
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.machine import Engine, Machine
from evmthread.machine.stepper import execute
from evmthread.machine.tiers import CREDIT_LIMIT, TieredEngine
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.machine.drivers import run_by_steps, seen, start
from tests.machine.test_machine import Forgetful
from tests.sandbox import CONTRACT

ROUNDS = 14
SLOTS = "DUP1 SLOAD POP DUP1 PUSH 100 ADD PUSH @inside JUMP inside: SLOAD POP"
ACCOUNTS = """
    DUP1 BALANCE POP DUP1 PUSH 100 ADD EXTCODESIZE PUSH @inside JUMP inside: POP
    PUSH 9 DUP2 PUSH 64 DUP4 PUSH 200 ADD EXTCODECOPY DUP1 PUSH 300 ADD EXTCODEHASH POP SELFBALANCE POP
"""
ENOUGH = 200_000

Stop = tuple[int, int, tuple[int, ...]]


def view_of(reads: str) -> MemoryState:
    """A contract that reads in a loop, with a number that counts up on its stack."""
    view = MemoryState()
    code = assemble(f"PUSH 0 again: {reads} PUSH 1 ADD DUP1 PUSH {ROUNDS} GT PUSH @again JUMPI STOP")
    view.set_account(CONTRACT, nonce=1, code=code, storage={key: key + 1 for key in range(ROUNDS)})
    for number in range(0, 400, 3):
        view.set_account(number.to_bytes(20, "big"), balance=number, code=bytes([number & 255]) * (number // 5))
    return view


def stops(
    reads: str, engine: Engine | None, gas: int, cache: CodeCache | None = None
) -> tuple[list[Stop], tuple[object, ...]]:
    """Where the frame stood each time that state was missing, and how it ended; without an engine by single steps."""
    view, found = Forgetful(view_of(reads)), list[Stop]()

    machine: Machine | None = None
    root: Frame | None = None
    while root is None:
        try:
            if machine is None:
                machine, _ = start(view, CANCUN, gas=gas, cache=cache, engine=engine or execute)
            root = run_by_steps(machine) if engine is None else machine.run()
        except Missing:
            if machine is not None:
                frame = machine.frames[-1]
                found.append((frame.pc, frame.gas, tuple(frame.stack)))
    return found, seen(root)


def gas_limits(reads: str) -> list[int]:
    """Enough, and limits that end everywhere in three of the rounds."""
    found, _ = stops(reads, None, ENOUGH)
    used = [ENOUGH - gas for _, gas, _ in found]
    return [ENOUGH, *[spent + more for spent in (used[1], used[9], used[-2]) for more in range(0, 2_160, 45)]]


@pytest.mark.parametrize("reads", [SLOTS, ACCOUNTS])
@pytest.mark.parametrize("threshold", [None, 0, 1, 3, 5, 9, 1_000])
def test_a_frame_waits_before_the_instruction_at_any_visit_and_with_any_gas(reads: str, threshold: int | None) -> None:
    cache = CodeCache()
    for number, gas in enumerate(gas_limits(reads)):
        if number % 24 == 0:  # new code is run otherwise than known code
            cache = CodeCache()
        engine = execute if threshold is None else TieredEngine(threshold, credit=CREDIT_LIMIT)
        assert stops(reads, engine, gas, cache) == stops(reads, None, gas), gas
