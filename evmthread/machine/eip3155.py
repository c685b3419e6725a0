"""Trace lines in the form of EIP-3155, field for field as go-ethereum writes them. Knows only finished steps."""

import json
from typing import Protocol

from evmthread.isa.frame import Frame
from evmthread.isa.halts import HaltReason, Status
from evmthread.machine.tracing import Step


def step_line(step: Step, *, with_stack: bool = True, with_return_data: bool = False) -> str:
    """One instruction as a line of JSON, without the line's end.

    Gas, cost and words are hex without leading zeros; `memory` is there when the step holds it.
    """
    stack = '","'.join(map(hex, step.stack))
    parts = [
        f'{{"pc":{step.pc},"op":{step.opcode},"gas":"{step.gas:#x}","gasCost":"{step.cost:#x}"',
        "" if step.memory is None else f',"memory":"0x{step.memory.hex()}"',
        f',"memSize":{step.memory_size}',
        ',"stack":null' if not with_stack else f',"stack":["{stack}"]' if stack else ',"stack":[]',
        f',"returnData":"0x{step.return_data.hex()}"' if with_return_data and step.return_data else "",
        f',"depth":{step.depth},"refund":{step.refund},"opName":"{_name(step)}"',
        "" if step.error is None else f',"error":{json.dumps(_error(step))}',
        "}",
    ]
    return "".join(parts)


def _name(step: Step) -> str:
    return step.name if step.name is not None else f"opcode {step.opcode:#x} not defined"


def _error(step: Step) -> str:
    error = step.error or ""
    return f"{error}: {_name(step)}" if step.name is None else error


class Ended(Protocol):
    """A finished call: a frame, or a result."""

    @property
    def status(self) -> Status | None: ...
    @property
    def halt_reason(self) -> HaltReason | None: ...
    @property
    def code(self) -> bytes: ...
    @property
    def pc(self) -> int: ...


def failure_of(frame: Ended) -> str | None:
    """Why a finished call failed, in go-ethereum's words; None when it succeeded."""
    if frame.status is Status.SUCCESS:
        return None
    if frame.status is Status.REVERT:
        return "execution reverted"
    if frame.halt_reason is HaltReason.INVALID_OPCODE:
        opcode = frame.code[frame.pc] if frame.pc < len(frame.code) else 0
        return "invalid opcode: INVALID" if opcode == 0xFE else f"invalid opcode: opcode {opcode:#x} not defined"
    assert frame.halt_reason is not None
    return str(frame.halt_reason.value)


def end_line(frame: Frame, last: Step | None = None) -> str:
    """The line after the last instruction of the outermost call: its output, its gas, why it failed.

    With the `last` step the reason is in its words.
    """
    used = frame.message.gas - frame.gas
    error = _error(last) if last is not None and last.error and last.depth == 1 else failure_of(frame)
    tail = "" if error is None else f',"error":{json.dumps(error)}'
    return f'{{"output":"{frame.output.hex()}","gasUsed":"{used:#x}"{tail}}}'
