"""The reference engine: runs one frame until it calls or ends, a segment at a time, or exactly one instruction.

Both ways run the same operations; only how often gas and stack are checked differs, and no one can see it.
"""

from typing import cast

from evmthread.errors import Missing
from evmthread.isa.frame import Frame
from evmthread.isa.halts import ExceptionalHalt, HaltReason, Status
from evmthread.isa.instruction import HALTED, Halted
from evmthread.isa.message import Message
from evmthread.machine.analysis import Program
from evmthread.machine.operations import PC_ROW

Outcome = Message | Halted


def fail(frame: Frame, reason: HaltReason) -> Halted:
    """Ends the frame with an exceptional halt: all its gas is gone."""
    frame.status = Status.HALT
    frame.halt_reason = reason
    frame.gas = 0
    frame.output = b""
    return HALTED


def interpret(frame: Frame, *, once: bool = False) -> Outcome | None:
    """Runs instructions one at a time, each checked for itself, up to a jump or the frame's end; or just one.

    This is how code runs that is met for the first time, or whose gas or stack won't last for a whole segment. None
    when the frame goes on. May raise Missing, with the frame as it was before the instruction that must wait.
    """
    # Hot path: code that runs once, as a deployment's does, spends all its time here.
    program: Program = frame.program
    rows, code, stack = program.rows, frame.code, frame.stack
    size = len(code)
    pc = frame.pc
    price = 0
    try:
        while True:
            opcode = code[pc] if pc < size else 0
            row = rows[opcode]
            if row is None:
                frame.pc = pc
                return fail(frame, HaltReason.INVALID_OPCODE)
            operation, pops, highest, price, immediate = row
            depth = len(stack)
            if depth < pops or depth > highest:
                frame.pc = pc
                return fail(frame, HaltReason.STACK_UNDERFLOW if depth < pops else HaltReason.STACK_OVERFLOW)
            gas = frame.gas - price
            if gas < 0:
                frame.pc = pc
                return fail(frame, HaltReason.OUT_OF_GAS)
            frame.gas = gas
            if immediate > 0:
                data = code[pc + 1 : pc + 1 + immediate]
                stack.append(int.from_bytes(data, "big") << 8 * (immediate - len(data)))
                pc += 1 + immediate
            elif immediate == 0:
                operation(frame, stack)
                pc += 1
            elif immediate == PC_ROW:
                stack.append(pc)
                pc += 1
            else:
                frame.pc = pc
                result = operation(frame, stack)
                if type(result) is int:
                    frame.pc = result
                    return None
                frame.pc = pc if result is HALTED else pc + 1
                return cast("Outcome | None", result)
            if once:
                frame.pc = pc
                return None
    except ExceptionalHalt as halt:
        frame.pc = pc
        return fail(frame, halt.reason)
    except Missing:
        frame.pc = pc
        frame.gas += price
        raise


def step(frame: Frame) -> Outcome | None:
    """Runs exactly one instruction. None when the frame goes on; may raise Missing, as `interpret` does."""
    return interpret(frame, once=True)


def finish(frame: Frame) -> Outcome:
    """Runs the frame one instruction at a time until it calls or ends."""
    while True:
        outcome = interpret(frame)
        if outcome is not None:
            return outcome


def execute(frame: Frame) -> Outcome:
    """Runs until the frame makes a call or ends.

    May raise Missing, with the frame as it was before the instruction that must wait.
    """
    # Hot path: no property, no isinstance, gas and stack checked once a segment.
    stack = frame.stack
    program: Program = frame.program
    segments, met = program.segments, program.met
    pc = frame.pc
    segment = None
    try:
        while True:
            segment = segments.get(pc)
            if segment is None:
                if pc not in met:
                    met.add(pc)
                    frame.pc = pc
                    outcome = interpret(frame)
                    if outcome is not None:
                        return outcome
                    pc = frame.pc
                    continue
                segment = program.segment(pc)
            operations, last, gas, low, high, next_pc, _, _ = segment
            gas = frame.gas - gas
            if gas < 0 or not low <= len(stack) <= high or next_pc == pc:
                frame.pc = pc
                return finish(frame)
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
        if segment is not None:
            frame.pc = segment.last_pc
            frame.gas += segment.last_price
        raise
