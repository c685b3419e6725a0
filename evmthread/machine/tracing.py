"""Runs a machine one instruction at a time and tells an observer of each: what it was, what it cost, what it saw.

Slower than `Machine.run`, with the same results. Knows nothing of who looks, nor of text formats (see eip3155.py).
"""

from collections.abc import Callable
from typing import NamedTuple, cast

from evmthread.isa.frame import MEMORY_QUADRATIC_SHIFT, MEMORY_WORD_PRICE, Frame
from evmthread.isa.instruction import HALTED, Instruction
from evmthread.isa.instructions.calls import CALL_STIPEND
from evmthread.isa.instructions.hashing import KECCAK_WORD_PRICE
from evmthread.isa.message import Message
from evmthread.machine.analysis import Program
from evmthread.machine.machine import Machine
from evmthread.machine.stepper import Outcome, step

_CREATE, _CREATE2 = 0xF0, 0xF5
_CALLS_WITH_VALUE = (0xF1, 0xF2)
_CALLS = (*_CALLS_WITH_VALUE, 0xF4, 0xFA)


class Step(NamedTuple):
    """One instruction that ran: the frame as it was before it, what it charged, and why it failed, if it did.

    `cost` holds the gas that a call takes along, and not what a creation takes along (as go-ethereum counts). For an
    instruction that failed it is the base price. `stack` begins with the bottom; `memory` is None unless asked for.
    `depth` is 1 for the outermost call. `name` is None where there is no such instruction.
    """

    pc: int
    opcode: int
    name: str | None
    gas: int
    cost: int
    depth: int
    refund: int
    memory_size: int
    stack: list[int]
    memory: bytes | None
    return_data: bytes
    error: str | None


Observer = Callable[[Step], None]


def run_traced(machine: Machine, observe: Observer, *, with_memory: bool = False) -> Frame:
    """Runs a machine to its end as `Machine.run` does, and calls `observe` after each instruction.

    Precompiles and calls to accounts without code run no instruction. May raise Missing, as `Machine.run` does, after
    which it can be called again.
    """
    frames = machine.frames
    while frames:
        frame = frames[-1]
        outcome = _observed_step(frame, observe, with_memory=with_memory) if frame.code else step(frame)
        if outcome is HALTED:
            machine._leave(frame)
        elif outcome is not None:
            machine._enter(outcome, frame)
    return machine.root


def _observed_step(frame: Frame, observe: Observer, *, with_memory: bool) -> Outcome | None:
    pc, gas, refund = frame.pc, frame.gas, frame.host.refund
    words = len(frame.memory)
    stack = frame.stack.copy()
    memory = b"".join([word.to_bytes(32, "big") for word in frame.memory]) if with_memory else None
    return_data = frame.return_data
    program = cast("Program", frame.program)
    instruction = program.instruction_at(pc)
    outcome = step(frame)
    opcode = program.code[pc] if pc < len(program.code) else 0
    error = None
    if outcome is HALTED and frame.halt_reason is not None:
        error = frame.halt_reason.value
        cost = 0 if instruction is None else frame.fork.base_prices[instruction.opcode]
    else:
        assert instruction is not None
        cost = _cost(frame, instruction, outcome, gas, words, stack)
    name = None if instruction is None else instruction.name
    depth = frame.depth + 1
    observe(Step(pc, opcode, name, gas, cost, depth, refund, words << 5, stack, memory, return_data, error))
    return outcome


def _cost(
    frame: Frame, instruction: Instruction, outcome: Outcome | None, gas: int, words: int, stack: list[int]
) -> int:
    """What an instruction charged; `gas`, `words` of memory and `stack` are those before it."""
    opcode = instruction.opcode
    charged = gas - frame.gas
    if opcode in (_CREATE, _CREATE2):
        if isinstance(outcome, Message):
            return charged - outcome.gas
        # No contract was made, and gas may be lost to an address that was taken: count anew what it cost to try.
        per_word = frame.prices.init_code_word + (KECCAK_WORD_PRICE if opcode == _CREATE2 else 0)
        grown = _memory_price(len(frame.memory)) - _memory_price(words)
        return frame.fork.base_prices[opcode] + grown + per_word * ((stack[-3] + 31) >> 5)
    if opcode in _CALLS and outcome is None:
        # The call was refused, and the gas that it should have taken along came back with the stipend.
        available = frame.gas - (CALL_STIPEND if opcode in _CALLS_WITH_VALUE and stack[-3] else 0)
        return gas - available + frame.rules.call_gas(available, stack[-1])
    return charged


def _memory_price(words: int) -> int:
    return MEMORY_WORD_PRICE * words + (words * words >> MEMORY_QUADRATIC_SHIFT)
