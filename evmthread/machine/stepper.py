"""The reference engine: runs one frame until it calls or ends, a segment at a time, or exactly one instruction.

Both ways run the same operations; only how often gas and stack are checked differs, and no one can see it.
"""

from collections.abc import Container
from typing import cast

from evmthread.errors import Missing
from evmthread.isa.frame import Frame, from_bytes
from evmthread.isa.halts import HALT, ExceptionalHalt, HaltReason
from evmthread.isa.instruction import HALTED, Halted
from evmthread.isa.message import Message
from evmthread.machine.analysis import VISITS_TO_DECODE, Program
from evmthread.machine.operations import (
    BINARY_ROW,
    CONTROL_ROW,
    DUP_ROW,
    PC_ROW,
    POP_ROW,
    SWAP_ROW,
    pushed,
)

Outcome = Message | Halted


def fail(frame: Frame, reason: HaltReason) -> Halted:
    """Ends the frame with an exceptional halt: all its gas is gone."""
    frame.status = HALT
    frame.halt_reason = reason
    frame.gas = 0
    frame.output = b""
    return HALTED


def interpret(
    frame: Frame,
    *,
    once: bool = False,
    visits: dict[int, int] | None = None,
    few: int = 0,
    better: Container[int] = (),
) -> Outcome | None:
    """Runs instructions one at a time, each checked for itself, up to a place that is known better; or just one.

    This is how code runs that is met for the first time, or whose gas or stack won't last for a whole segment. `visits`
    counts how often a jump led to a place, or past it: while these are fewer than `few`, and the place isn't among
    those for which there is something `better`, it goes on there. None when the frame goes on elsewhere. May raise
    Missing, with the frame as it was before the instruction that must wait.
    """
    # Hot path: code that runs once, as a deployment's does, spends all its time here. So what happens most is written
    # out: words are moved and constants pushed without a call, and `gas` is the frame's only where something sees it.
    program: Program = frame.program
    rows, code, stack = program.rows, frame.code, frame.stack
    size = len(code)
    pc, gas = frame.pc, frame.gas
    price = 0
    try:
        while True:
            row = rows[code[pc] if pc < size else 0]
            if row is None:
                frame.pc = pc
                return fail(frame, HaltReason.INVALID_OPCODE)
            kind, pops, highest, price, called = row
            if not pops <= len(stack) <= highest:
                frame.pc = pc
                return fail(frame, HaltReason.STACK_UNDERFLOW if len(stack) < pops else HaltReason.STACK_OVERFLOW)
            gas -= price
            if gas < 0:
                frame.pc = pc
                return fail(frame, HaltReason.OUT_OF_GAS)
            if kind > 0:
                start = pc + 1
                pc = start + kind
                if pc > size:
                    stack.append(pushed(code, start - 1, kind))
                else:
                    stack.append(code[start] if kind == 1 else from_bytes(code[start:pc]))
            elif kind == DUP_ROW:
                stack.append(stack[-pops])
                pc += 1
            elif kind == BINARY_ROW:
                top = stack.pop()
                stack[-1] = called(top, stack[-1])
                pc += 1
            elif kind <= SWAP_ROW:
                if kind == SWAP_ROW:
                    stack[-1], stack[-pops] = stack[-pops], stack[-1]
                elif kind == POP_ROW:
                    del stack[-1]
                pc += 1
            elif kind <= CONTROL_ROW:
                frame.pc, frame.gas = pc, gas
                if kind == CONTROL_ROW:
                    result = called(frame, stack)
                elif pops == 1:
                    result = called(frame, frame.host, stack[-1])
                    del stack[-1]
                else:
                    result = called(frame, frame.host, stack[-1], stack[-2])
                    del stack[-2:]
                if type(result) is int:
                    pc = result
                elif result is None:
                    pc += 1
                else:
                    frame.pc = pc if result is HALTED else pc + 1
                    return cast("Outcome", result)
                if visits is None:
                    frame.pc = pc
                    return None
                count = visits.get(pc, 0) + 1
                if not 0 < count < few or pc in better:
                    frame.pc = pc
                    return None
                visits[pc] = count
                gas = frame.gas
            elif kind == PC_ROW:
                stack.append(pc)
                pc += 1
            else:
                frame.gas = gas
                called(frame, stack)
                gas = frame.gas
                pc += 1
            if once:
                frame.pc, frame.gas = pc, gas
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
    segments = program.segments
    pc = frame.pc
    segment = None
    try:
        while True:
            following = segments.get(pc)
            if following is None:
                if program.is_new(pc, segment):
                    segment = None
                    frame.pc = pc
                    outcome = interpret(frame, visits=program.met, few=VISITS_TO_DECODE, better=segments)
                    if outcome is not None:
                        return outcome
                    pc = frame.pc
                    continue
                following = program.segment(pc)
            segment = following
            operations, last, gas, low, high, next_pc, _, _, _ = segment
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
