"""BREAKPOINT and TRAP, the two opcodes of the thread dialect: no part of Ethereum, and in no fork unless asked for.

A TRAP returns a message of its own kind that no machine runs: it waits until somebody answers.
"""

from evmthread.isa.frame import Frame, read_memory
from evmthread.isa.halts import ExceptionalHalt, HaltReason
from evmthread.isa.host import Host
from evmthread.isa.instruction import control, host
from evmthread.isa.instructions.accounts import address_of
from evmthread.isa.message import TRAP, Message


@host(0xB0, "BREAKPOINT")
def breakpoint_(frame: Frame, world: Host) -> None:
    """Asks for a commitment after this input; refused, as a log is, where nothing may change."""
    if frame.is_static:
        raise ExceptionalHalt(HaltReason.WRITE_PROTECTION)
    world.note_breakpoint(frame.address)


@control(0xB1, "TRAP", pushes=1)
def trap(frame: Frame, world: Host, who: int, offset: int, length: int) -> Message:
    """Asks `who` and waits: the answer becomes the return data, and its first 32 bytes are pushed."""
    frame.grow_range(offset, length)
    asked = address_of(who)
    question = read_memory(frame.memory, offset, length)
    return Message(TRAP, frame.address, asked, asked, b"", question, 0, 0, 0, frame.is_static, frame.depth + 1)
