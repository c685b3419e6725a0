"""The benchmark workloads, stopped again and again and resumed on the other engine, give what they always give."""

from random import Random

import pytest

from benchmarks.workload import WORKLOADS, Workload, read_workloads
from evmthread.execution.result import CallResult
from evmthread.execution.world import World
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Suspended
from tests.differential.peers import seed_of
from tests.execution.interrupted import ENGINES

WATCHED = ("JUMPI", "MSTORE", "MLOAD", "SIGNEXTEND", "CALL", "JUMP", "STOP", "RETURN")
FAST_OPCODES = 250_000
STOPS = 8


class AtVisits(Hook):
    """Stops at some visits of the watched instructions, counted over all machines that it was in."""

    def __init__(self, random: Random, visits: int) -> None:
        self.opcodes = WATCHED
        self.left = {random.randrange(visits) for _ in range(STOPS)}
        self.count = 0

    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> str | None:
        self.count += 1
        return "a visit" if self.count in self.left else None


def visits_of(workload: Workload) -> int:
    """How many of the instructions that it runs are watched."""
    counts = workload.record["expect"]["hist"]
    return sum([counts.get(name, 0) for name in WATCHED]) + 1


def stopped_and_resumed(workload: Workload, random: Random) -> tuple[int, CallResult]:
    """How often the call was resumed elsewhere, and what came of it."""
    state, call = workload.state(), workload.call
    hook = AtVisits(random, visits_of(workload))

    def world(number: int) -> World:
        options = ENGINES[number % 2]
        return World(fork=workload.fork, environment=workload.environment, view=state, hooks=[hook], **options)

    computation = world(random.randrange(2)).open_call(
        call.to, call.data, sender=call.sender, value=call.value, gas=call.gas, gas_price=call.gas_price
    )
    stops, outcome = 0, computation.run()
    while isinstance(outcome, Suspended):
        stops += 1
        computation = world(stops).load(computation.snapshot())
        outcome = computation.resume()
    assert isinstance(outcome, CallResult)
    return stops, outcome


def check(workload: Workload) -> None:
    seed = seed_of()
    print(f"seed {seed}")
    stops, result = stopped_and_resumed(workload, Random(seed))
    expect = workload.expect
    assert (result.success, result.output) == (expect.success, expect.output)
    assert (result.gas_used, result.refund) == (expect.gas_used, expect.refund)
    assert stops or visits_of(workload) < 2 * STOPS


ALL = read_workloads([WORKLOADS])


@pytest.mark.parametrize(
    "workload", [each for each in ALL if each.expect.opcodes <= FAST_OPCODES], ids=lambda each: each.name
)
def test_stopped_again_and_again(workload: Workload) -> None:
    check(workload)


@pytest.mark.slow
@pytest.mark.parametrize(
    "workload", [each for each in ALL if each.expect.opcodes > FAST_OPCODES], ids=lambda each: each.name
)
def test_long_ones_stopped_again_and_again(workload: Workload) -> None:
    check(workload)
