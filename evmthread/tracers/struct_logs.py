"""go-ethereum's default tracer of debug_traceTransaction, the opcode logger: a JSON object for each instruction.

The form is that of the execution APIs (ethereum/execution-apis, OpcodeTransactionTrace), which go-ethereum writes since
its pull request 34093: memory, storage and the return value have a 0x.
"""

from evmthread.contracts.abi import JsonObject
from evmthread.execution.result import CallResult
from evmthread.isa.frame import Frame
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.message import Message
from evmthread.machine.tracing import Step, Steps
from evmthread.tracers.json_values import hex_bytes, hex_word

_SLOAD, _SSTORE = 0x54, 0x55
# What go-ethereum finds before it runs an instruction; of what fails inside one only the call's failure tells.
_FOUND_BEFORE = (HaltReason.OUT_OF_GAS, HaltReason.STACK_UNDERFLOW, HaltReason.STACK_OVERFLOW)


class StructLogs(Steps):
    """Writes down each instruction; `result` makes the whole object of it."""

    def __init__(
        self,
        *,
        with_memory: bool = False,
        with_stack: bool = True,
        with_storage: bool = True,
        with_return_data: bool = False,
        limit: int = 0,
    ) -> None:
        """`limit`: so many instructions are written down, all of them if it is 0."""
        super().__init__(with_memory=with_memory)
        self._with_stack = with_stack
        self._with_storage = with_storage
        self._with_return_data = with_return_data
        self._limit = limit
        self.logs: list[JsonObject] = []
        self._storage: dict[bytes, dict[str, str]] = {}

    def transaction_start(self, message: Message) -> None:
        self.logs = []
        self._storage = {}

    def step(self, frame: Frame, step: Step) -> None:
        if self._limit and len(self.logs) >= self._limit:
            return
        log: JsonObject = {
            "pc": step.pc,
            "op": step.name or f"opcode {step.opcode:#x} not defined",
            "gas": step.gas,
            "gasCost": step.cost,
            "depth": step.depth,
        }
        if step.error is not None and frame.halt_reason in _FOUND_BEFORE:
            log["error"] = step.error
        if self._with_stack:
            log["stack"] = [hex(word) for word in step.stack]
        if self._with_return_data and step.return_data:
            log["returnData"] = hex_bytes(step.return_data)
        if step.memory:
            text = step.memory.hex()
            log["memory"] = ["0x" + text[start : start + 64] for start in range(0, len(text), 64)]
        if self._with_storage and step.opcode in (_SLOAD, _SSTORE) and step.name is not None:
            slots = self._slots(frame, step)
            if slots:
                log["storage"] = slots
        if step.refund:
            log["refund"] = step.refund
        self.logs.append(log)

    def _slots(self, frame: Frame, step: Step) -> JsonObject:
        """All slots of the account that were read or written so far, in whatever call, with the last value seen."""
        seen = self._storage.setdefault(frame.address, {})
        stack, is_read = step.stack, step.opcode == _SLOAD
        if len(stack) >= (1 if is_read else 2):
            key = stack[-1]
            value = frame.slots.get(key, frame.stored.get(key)) if is_read else stack[-2]
            if value is not None:  # what couldn't be paid for wasn't read
                seen[hex_word(key)] = hex_word(value)
        return dict(sorted(seen.items()))

    def result(self, call: CallResult, *, gas_used: int | None = None) -> JsonObject:
        """The whole trace of a call; `gas_used` is the transaction's, where there was one."""
        shown = call.status is not Status.HALT
        return {
            "gas": call.gas_used if gas_used is None else gas_used,
            "failed": not call.success,
            "returnValue": hex_bytes(call.output if shown else b""),
            "structLogs": list(self.logs),
        }
