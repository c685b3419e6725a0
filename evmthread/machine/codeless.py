"""A finished call to a precompiled contract, as the tree of calls keeps it: it ran no code, so it never was a frame."""

from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.message import Message


class CodelessCall:
    """Reads like a finished Frame, as far as a CallResult asks; made in a third of the time."""

    __slots__ = (
        *("caller_pc", "gas", "halt_reason", "log_end", "mark"),
        *("message", "output", "refund_end", "status"),
    )

    message: Message
    gas: int
    output: bytes
    status: Status
    halt_reason: HaltReason | None
    mark: tuple[int, int, int]
    caller_pc: int
    log_end: int
    refund_end: int

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
    def log_start(self) -> int:
        """How many logs there were when the call began."""
        return self.mark[1]

    @property
    def refund_start(self) -> int:
        """The refund counter when the call began."""
        return self.mark[2]
