import pytest

from evmthread.isa.halts import HaltReason
from tests.conftest import Engine
from tests.sandbox import halts, run, top_of


def test_loop(engine: Engine) -> None:
    program = "PUSH 0 PUSH 10 loop: DUP1 SWAP2 ADD SWAP1 PUSH 1 SWAP1 SUB DUP1 PUSH @loop JUMPI POP"
    assert top_of(engine, program) == 55


def test_a_condition_of_zero_falls_through_wherever_the_target_is(engine: Engine) -> None:
    assert top_of(engine, "PUSH 0 PUSH -1 JUMPI PUSH 5") == 5
    assert top_of(engine, "PUSH 5 PUSH -1 PUSH @there JUMPI INVALID there:") == 5


@pytest.mark.parametrize("target", ["0", "3", "4", "1000", "-1", str(2**64 + 4), str(2**31)])
def test_targets_that_are_no_jump_destination(engine: Engine, target: str) -> None:
    """PUSH32 of the target, so that byte 4 is data; only offset 66 is a JUMPDEST (35 of JUMPI's program is data)."""
    number = int(target) % 2**256
    halted = run(engine, f"PUSH32 0x{number:064x} JUMP PUSH31 0x{'5b' * 31} JUMPDEST")
    assert halts(halted, HaltReason.INVALID_JUMP)
    assert halted.pc == 33
    assert halts(run(engine, f"PUSH 1 PUSH32 0x{number:064x} JUMPI JUMPDEST"), HaltReason.INVALID_JUMP)


def test_a_destination_inside_push_data_is_none(engine: Engine) -> None:
    assert halts(run(engine, "PUSH 4 JUMP PUSH2 0x5b5b"), HaltReason.INVALID_JUMP)
    assert run(engine, "PUSH 6 JUMP PUSH2 0x5b5b JUMPDEST").success


def test_jump_to_itself_ends_when_the_gas_does(engine: Engine) -> None:
    assert halts(run(engine, "loop: PUSH @loop JUMP", gas=100_000), HaltReason.OUT_OF_GAS)


def test_pc(engine: Engine) -> None:
    assert top_of(engine, "PC PC PC ADD ADD") == 0 + 1 + 2
    assert top_of(engine, "PUSH2 1 POP PC") == 4
