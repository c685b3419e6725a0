"""The reference engine: runs one frame until it calls or ends, a segment at a time, or exactly one instruction.

Both ways run the same operations; only how often gas and stack are checked differs, and no one can see it.
"""

from typing import cast

from evmthread.errors import Missing
from evmthread.isa.frame import Frame
from evmthread.isa.halts import ExceptionalHalt, HaltReason, Status
from evmthread.isa.instruction import HALTED, Halted, Shape
from evmthread.isa.message import Message
from evmthread.machine.analysis import STACK_LIMIT, Program

Outcome = Message | Halted


def fail(frame: Frame, reason: HaltReason) -> Halted:
    """Ends the frame with an exceptional halt: all its gas is gone."""
    frame.status = Status.HALT
    frame.halt_reason = reason
    frame.gas = 0
    frame.output = b""
    return HALTED


def step(frame: Frame) -> Outcome | None:
    """Runs exactly one instruction. None when the frame goes on.

    May raise Missing, with the frame as it was before the instruction.
    """
    program = cast("Program", frame.program)
    stack, pc = frame.stack, frame.pc
    instruction = program.instruction_at(pc)
    if instruction is None:
        return fail(frame, HaltReason.INVALID_OPCODE)
    depth = len(stack)
    if depth < instruction.pops:
        return fail(frame, HaltReason.STACK_UNDERFLOW)
    if depth - instruction.pops + instruction.pushes > STACK_LIMIT:
        return fail(frame, HaltReason.STACK_OVERFLOW)
    price = frame.fork.base_prices[instruction.opcode]
    try:
        frame.charge(price)
        result = program.operation_at(pc, instruction)(frame, stack)
    except ExceptionalHalt as halt:
        return fail(frame, halt.reason)
    except Missing:
        frame.gas += price
        raise
    if type(result) is int and instruction.shape is Shape.CONTROL:
        frame.pc = result
        return None
    if result is not HALTED:
        frame.pc = pc + 1 + instruction.immediate
    return cast("Outcome | None", result)


def execute(frame: Frame) -> Outcome:
    """Runs until the frame makes a call or ends.

    May raise Missing, with the frame as it was before the instruction that must wait.
    """
    # Hot path: no property, no isinstance, gas and stack checked once a segment.
    stack = frame.stack
    program = cast("Program", frame.program)
    segments = program.segments
    pc = frame.pc
    segment = None
    try:
        while True:
            segment = segments.get(pc)
            if segment is None:
                segment = program.segment(pc)
            operations, last, gas, low, high, next_pc, _, _ = segment
            gas = frame.gas - gas
            if gas < 0 or not low <= len(stack) <= high or next_pc == pc:
                frame.pc = pc
                outcome = step(frame)
                while outcome is None:
                    outcome = step(frame)
                return outcome
            frame.gas = gas
            for operation in operations:
                operation(frame, stack)
            if last is None:
                pc = next_pc
                continue
            result = last(frame, stack)
            if result is None:
                pc = next_pc
            elif type(result) is int:
                pc = result
            else:
                frame.pc = segment.last_pc if result is HALTED else next_pc
                return result  # type: ignore[return-value]
    except ExceptionalHalt as halt:
        assert segment is not None
        frame.pc = segment.last_pc
        return fail(frame, halt.reason)
    except Missing:
        assert segment is not None
        frame.pc = segment.last_pc
        frame.gas += segment.last_price
        raise
