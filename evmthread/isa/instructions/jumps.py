"""Jumps (Yellow Paper, appendix H.2, 50s)."""

from evmthread.isa.frame import Frame
from evmthread.isa.halts import ExceptionalHalt, HaltReason
from evmthread.isa.host import Host
from evmthread.isa.instruction import control


@control(0x56, "JUMP")
def jump(frame: Frame, world: Host, target: int) -> int | None:
    if target not in frame.destinations:
        raise ExceptionalHalt(HaltReason.INVALID_JUMP)
    return target


@control(0x57, "JUMPI")
def jumpi(frame: Frame, world: Host, target: int, condition: int) -> int | None:
    if condition == 0:
        return None
    if target not in frame.destinations:
        raise ExceptionalHalt(HaltReason.INVALID_JUMP)
    return target
