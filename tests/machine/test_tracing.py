"""Traced runs: what each step tells, what it costs, and that nothing comes out otherwise than untraced."""

import pytest

from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.result import CallResult
from evmthread.execution.world import World
from evmthread.isa.forks import CANCUN, FRONTIER, Fork
from evmthread.machine.hooks import Hook
from evmthread.machine.tracing import Step, Steps
from evmthread.testing.fixtures import read_tests
from evmthread.testing.runner import Options, Row, new_cache, run_test
from tests.assembler import assemble
from tests.conformance.test_sample import SAMPLE

CALLER, CONTRACT, OTHER = (bytes([number]) * 20 for number in (0xAA, 0xBB, 0xCC))


def traced(
    program: str,
    *,
    other: str = "",
    gas: int = 100_000,
    fork: Fork = CANCUN,
    balance: int = 0,
    with_memory: bool = False,
) -> tuple[list[Step], CallResult]:
    """The steps of a call, and its result."""
    steps: list[Step] = []
    hooks = [Steps(steps.append, with_memory=with_memory)]
    world = World(fork=fork, environment=BlockEnvironment(), hooks=hooks)
    world.set_code(CONTRACT, assemble(program))
    world.set_code(OTHER, assemble(other))
    world.set_balance(CONTRACT, balance)
    return steps, world.call(CONTRACT, sender=CALLER, gas=gas)


def call_other(gas: int, value: int = 0) -> str:
    return f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 {value} PUSH20 0x{OTHER.hex()} PUSH3 {gas} CALL"


def test_a_step_shows_the_frame_before_it() -> None:
    steps, result = traced("PUSH1 7 PUSH1 0 MSTORE MSIZE", with_memory=True)
    assert [(step.pc, step.name, step.cost, step.gas) for step in steps] == [
        (0, "PUSH1", 3, 100_000),
        (2, "PUSH1", 3, 99_997),
        (4, "MSTORE", 6, 99_994),
        (5, "MSIZE", 2, 99_988),
        (6, "STOP", 0, 99_986),
    ]
    assert [step.stack for step in steps] == [[], [7], [7, 0], [], [32]]
    assert [step.memory_size for step in steps] == [0, 0, 0, 32, 32]
    assert [step.memory for step in steps][2:4] == [b"", (7).to_bytes(32, "big")]
    assert {step.depth for step in steps} == {1}
    assert result.gas_used == 14


def test_memory_is_left_out_unless_asked_for() -> None:
    steps, _ = traced("PUSH1 7 PUSH1 0 MSTORE STOP")
    assert {step.memory for step in steps} == {None}


def test_a_call_costs_what_it_takes_along() -> None:
    steps, _ = traced(call_other(5_000), other="PUSH1 1 POP")
    call = next(step for step in steps if step.name == "CALL")
    assert call.cost == 2_600 + 5_000
    assert [(step.name, step.depth, step.gas) for step in steps if step.depth == 2] == [
        ("PUSH1", 2, 5_000),
        ("POP", 2, 4_997),
        ("STOP", 2, 4_995),
    ]


def test_a_call_that_is_refused_costs_as_much() -> None:
    steps, _ = traced(call_other(5_000, value=1), other="STOP")
    call, stop = steps[-2:]
    assert (call.name, stop.name) == ("CALL", "STOP")
    # A cold account, the price of a value, and what would have gone along, which comes back with the stipend.
    assert call.cost == 2_600 + 9_000 + 5_000
    assert stop.gas == call.gas - call.cost + 5_000 + 2_300
    assert stop.stack == [0]


@pytest.mark.parametrize(("balance", "made"), [(0, False), (1, True)])
def test_a_creation_costs_without_what_it_takes_along(balance: int, made: bool) -> None:
    steps, _ = traced("PUSH1 64 PUSH1 0 PUSH1 1 CREATE", balance=balance)
    create = next(step for step in steps if step.name == "CREATE")
    assert create.cost == 32_000 + 2 * 2 + 2 * 3
    assert bool(steps[-1].stack[-1]) is made


def test_a_creation_at_a_taken_address_costs_without_what_it_loses() -> None:
    steps: list[Step] = []
    world = World(hooks=[Steps(steps.append)])
    twice = "PUSH1 0 PUSH1 32 PUSH1 0 PUSH1 0 CREATE2"
    world.set_code(CONTRACT, assemble(f"{twice} POP {twice}"))
    result = world.call(CONTRACT, gas=10**6)
    first, second = [step for step in steps if step.name == "CREATE2"]
    assert first.cost == 32_000 + 2 + 6 + 3
    assert second.cost == 32_000 + 2 + 6
    assert steps[-1].stack == [0]
    assert steps[-1].gas < second.gas // 64 + second.cost
    assert result.success


@pytest.mark.parametrize(
    ("program", "name", "error"),
    [
        ("ADD", "ADD", "stack underflow (0 <=> 2)"),
        ("PUSH1 1 DUP1 DUP1 ADDMOD ADDMOD", "ADDMOD", "stack underflow (1 <=> 3)"),
        ("JUMPDEST CALLER PUSH1 0 JUMP", "PUSH1", "stack limit reached 1024 (1023)"),
        ("CALLER JUMPDEST CALLER CALLER PUSH1 1 JUMP", "CALLER", "stack limit reached 1024 (1023)"),
        ("PUSH1 9 JUMP", "JUMP", "invalid jump destination"),
        ("INVALID", "INVALID", "invalid opcode"),
        ("PUSH3 0xffffff MLOAD", "MLOAD", "out of gas"),
    ],
)
def test_a_step_that_fails_says_why(program: str, name: str, error: str) -> None:
    steps, result = traced(program)
    assert (steps[-1].name, steps[-1].error) == (name, error)
    assert not result.success
    assert all(step.error is None for step in steps[:-1])


def test_an_opcode_that_is_none_has_no_name() -> None:
    steps, _ = traced("PUSH1 1 PUSH1 1 SHL", fork=FRONTIER)
    assert (steps[-1].opcode, steps[-1].name, steps[-1].cost) == (0x1B, None, 0)


def test_return_data_and_refund_are_those_before_the_step() -> None:
    steps, _ = traced(f"{call_other(50_000)} PUSH1 0", other="PUSH1 1 PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN")
    assert steps[-1].return_data == (1).to_bytes(32, "big")
    steps, _ = traced("PUSH1 1 PUSH1 0 SSTORE PUSH1 0 PUSH1 0 SSTORE", gas=100_000)
    assert [step.refund for step in steps if step.name in ("SSTORE", "STOP")] == [0, 0, 19_900]


def test_code_that_is_not_there_makes_no_steps() -> None:
    assert traced("")[0] == []


def rows(path: str, *hooks: Hook) -> list[tuple[object, ...]]:
    cache, made = new_cache(), list[tuple[object, ...]]()
    for number, test in enumerate(read_tests(SAMPLE / path)):
        if number % 8 == 0:
            for event in run_test(test, Options(), cache=cache, hooks=hooks):
                assert isinstance(event, Row)
                made.append(event[:-2])
    return made


@pytest.mark.parametrize("path", ["state/eest.jsonl.gz", "state/constantinople.jsonl.gz", "vm.jsonl.gz"])
def test_traced_runs_come_out_as_untraced_ones(path: str) -> None:
    count = 0

    def observe(step: Step) -> None:
        nonlocal count
        count += 1
        assert step.cost >= 0

    assert rows(path, Steps(observe)) == rows(path)
    assert count > 1000
