"""CallResult: what became of a call, and of every call that it made."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from evmthread.errors import InvalidInput
from evmthread.isa.frame import Frame
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.message import Message
from evmthread.machine.hooks import Hook
from evmthread.primitives.quick import quick
from evmthread.primitives.types import Log

_SHOWN_BYTES = 64  # of an output, in a repr: two words, and not the whole code of a contract


class Origin(Protocol):
    """Who can run a call again from the state in which it began."""

    def replay(self, frame: Frame, hooks: Sequence[Hook]) -> "CallResult": ...


class CallResult:
    """One finished call: a node of the tree of calls. Reading it never raises on a revert.

    Gas amounts are this call's own account: `gas_used` includes the calls it made, `refund` is what it and they added
    to the transaction's refund counter (it may be negative, and is zero for a failed call).
    """

    def __init__(self, frame: Frame, logs: list[Log], origin: Origin | None = None) -> None:
        self._frame = frame
        self._logs = logs
        self._origin = origin

    def replay(self, *hooks: Hook) -> "CallResult":
        """Runs the call again from the state in which it began, beside its World, with hooks that look on.

        For an outermost call, as long as its transaction's scope lasts: until the World begins the next one. Raises
        InvalidInput for another, and where a hook stops it.
        """
        if self._origin is None:
            raise InvalidInput("only an outermost call that ran can be replayed")
        return self._origin.replay(self._frame, hooks)

    @property
    def message(self) -> Message:
        """The call or creation itself."""
        message = self._frame.message
        if type(message.data) is not bytes:  # long call data that still lies in memory
            message = message._replace(data=bytes(message.data))
        return message

    @property
    def status(self) -> Status:
        assert self._frame.status is not None
        return self._frame.status

    @property
    def success(self) -> bool:
        return self._frame.status is Status.SUCCESS

    @property
    def halt_reason(self) -> HaltReason | None:
        """Why the call halted exceptionally; None when it didn't."""
        return self._frame.halt_reason

    @property
    def output(self) -> bytes:
        """Return data, revert data, or the code that a creation left."""
        output = self._frame.output
        if type(output) is not bytes:  # a long range of memory that nobody has read as bytes
            output = bytes(output)
        return output

    @property
    def gas_left(self) -> int:
        return self._frame.gas

    @property
    def gas_used(self) -> int:
        return self._frame.message.gas - self._frame.gas

    @property
    def refund(self) -> int:
        return self._frame.refund_end - self._frame.refund_start

    @property
    def pc(self) -> int:
        """Where the call ended."""
        return self._frame.pc

    @property
    def caller_pc(self) -> int:
        """Where, in the caller's code, the call was made."""
        return self._frame.caller_pc

    @property
    def code(self) -> bytes:
        """The code that ran."""
        return self._frame.code

    @property
    def created(self) -> bytes | None:
        """The address of the contract that this call itself created."""
        return self.message.address if self.success and self.message.kind.creates else None

    @property
    def stack(self) -> list[int]:
        """The stack of a call that failed, as it was then."""
        return self._frame.stack or []  # a list of its own: all that are done with share one

    @property
    def memory(self) -> list[int]:
        """The memory of a call that failed, as 32-byte words."""
        return self._frame.memory or []

    @property
    def log_index(self) -> int:
        """The index, in the transaction, of the first log that this call or its children emitted."""
        return self._frame.log_start

    @cached_property
    def logs(self) -> tuple[Log, ...]:
        """The logs that stand: this call's and its children's, in order; none where it or a caller of it failed."""
        start = self._frame.log_start
        return tuple(self._logs[: self._frame.log_end - start]) if self.success else ()

    @cached_property
    def children(self) -> tuple["CallResult", ...]:
        """The calls that this call made, in order."""
        start = self._frame.log_start
        logs = self._logs if self.success else []  # below a failed call nothing stood: its indexes are others' now
        return tuple([CallResult(child, logs[child.log_start - start :]) for child in self._frame.children or ()])

    @property
    def unrecorded(self) -> int:
        """How many calls of this call are missing from `children`: those beyond Limits.recorded_calls, _bytes."""
        return self._frame.unrecorded

    @property
    def reason(self) -> str | None:
        """Why it failed, in words: the halt's reason, a decoded Error(string) or Panic(uint256), or the raw data."""
        if self.success:
            return None
        if self.halt_reason is not None:
            return self.halt_reason.value
        from evmthread.contracts.artifact import decode_revert

        return decode_revert(self.output)

    def __repr__(self) -> str:
        output, more = self.output[:_SHOWN_BYTES].hex(), len(self.output) - _SHOWN_BYTES
        rest = f"... and {more} bytes more" if more > 0 else ""
        return f"CallResult({self.status.value}, gas_used={self.gas_used}, output=0x{output}{rest})"


@quick
@dataclass(frozen=True, slots=True)
class TransactionResult:
    """A transaction that was run. `gas_used` is after refunds; `gas_price` is what was paid, in wei."""

    result: CallResult
    gas_used: int
    gas_refunded: int
    gas_price: int
    logs: tuple[Log, ...]
    created: bytes | None
    destroyed: tuple[bytes, ...]

    @property
    def success(self) -> bool:
        return self.result.success
