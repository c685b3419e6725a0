"""A finished call that ran no code, as the tree of calls keeps it: to a precompiled contract, or where no code lies."""

from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.message import Message


class CodelessCall:
    """Reads like a finished Frame, as far as a CallResult asks; made in a third of the time."""

    __slots__ = ("caller_pc", "gas", "halt_reason", "log_start", "message", "output", "refund_start", "status")

    def __init__(
        self,
        message: Message,
        caller_pc: int,
        gas: int,
        output: bytes,
        status: Status,
        halt_reason: HaltReason | None,
        log_start: int,
        refund_start: int,
    ) -> None:
        self.message = message
        self.caller_pc = caller_pc
        self.gas = gas
        self.output = output
        self.status = status
        self.halt_reason = halt_reason
        self.log_start = log_start
        self.refund_start = refund_start

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
