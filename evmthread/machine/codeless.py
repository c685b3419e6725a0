"""A finished call that ran no code, as the tree of calls keeps it: to a precompiled contract, or where no code lies."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast

from evmthread.isa.frame import Frame
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.message import Message


class _Outcome(NamedTuple):
    message: Message
    caller_pc: int
    gas: int
    output: bytes
    status: Status
    halt_reason: HaltReason | None
    log_start: int
    refund_start: int


class CodelessCall(_Outcome):
    """Reads like a finished Frame, as far as a CallResult asks; made in a fifth of the time."""

    __slots__ = ()

    # What only code has.
    pc = 0
    return_data = b""
    children = None
    unrecorded = 0

    @property
    def code(self) -> bytes:
        """What lies at the address, if anything: it doesn't run."""
        return self.message.code

    @property
    def stack(self) -> list[int]:
        """Nothing."""
        return []

    memory = stack

    @property
    def log_end(self) -> int:
        """How many logs there were when the call ended: it emits none."""
        return self.log_start

    @property
    def refund_end(self) -> int:
        """The refund counter when the call ended: it refunds nothing."""
        return self.refund_start


# Makes one of a tuple of all its fields, for a tree of frames; a third of what the class itself takes.
CODELESS_OF = cast("Callable[[tuple[object, ...]], Frame]", partial(tuple.__new__, CodelessCall))
