"""go-ethereum's callTracer: the tree of calls, creations and self-destructs of a transaction, as JSON.

Built of what calls tell, so that the instructions inside run at full speed. Calls that depth or balance forbade are in
the tree too, as they are in go-ethereum's: of them only the call instruction tells.
"""

from dataclasses import dataclass, field
from typing import cast

from evmthread.contracts.abi import CustomError, JsonObject, Parameter
from evmthread.errors import DecodingError
from evmthread.execution.result import CallResult
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame, read_memory
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.instruction import Instruction
from evmthread.isa.instructions.accounts import address_of
from evmthread.isa.instructions.creates import MAX_NONCE
from evmthread.isa.instructions.hashing import KECCAK_WORD_PRICE
from evmthread.isa.message import CallKind, Message
from evmthread.machine.eip3155 import failure_of
from evmthread.machine.hooks import Hook
from evmthread.machine.journaled import JournaledHost
from evmthread.machine.tracing import failure_text, gas_of_refused, memory_price
from evmthread.primitives.types import Log
from evmthread.tracers.json_values import hex_bytes

_CALLS = ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL")
_CREATES = ("CREATE", "CREATE2")
_SELECTOR_SIZE = 4
_ERROR = CustomError("Error", (Parameter("message", "string"),))
_PANIC = CustomError("Panic", (Parameter("code", "uint256"),))
# go-ethereum's words for Solidity's panics (accounts/abi, panicReasons).
_PANICS = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}


@dataclass(slots=True)
class _Call:
    """A call that is open or has ended; `value` is None for a STATICCALL, `recipient` for a creation that failed."""

    kind: str
    sender: bytes
    recipient: bytes | None
    data: bytes
    value: int | None
    gas: int
    gas_used: int = 0
    output: bytes = b""
    error: str | None = None
    calls: list["_Call"] = field(default_factory=list)
    logs: list[JsonObject] = field(default_factory=list)

    def record(self, calls: list[JsonObject], *, failed: bool) -> JsonObject:
        """As go-ethereum writes it, with these records of the calls inside; `failed`: here or above."""
        made: JsonObject = {"from": hex_bytes(self.sender), "gas": hex(self.gas), "gasUsed": hex(self.gas_used)}
        if self.recipient is not None:
            made["to"] = hex_bytes(self.recipient)
        made["input"] = hex_bytes(self.data)
        if self.output:
            made["output"] = hex_bytes(self.output)
        if self.error is not None:
            made["error"] = self.error
            if (reason := _revert_reason(self.output)) is not None:
                made["revertReason"] = reason
        if self.calls:
            made["calls"] = calls
        if self.logs and not failed:
            made["logs"] = self.logs
        if self.value is not None:
            made["value"] = hex(self.value)
        made["type"] = self.kind
        return made


class CallTracer(Hook):
    """Writes down the calls of one transaction; `result` makes the whole object of it."""

    def __init__(self, fork: Fork, *, only_top_call: bool = False, with_log: bool = False) -> None:
        """For a World of this fork. `only_top_call`: nothing of the calls inside; `with_log`: logs too."""
        names = {record.name for record in fork.table if record is not None}
        self.opcodes = tuple([name for name in (*_CALLS, *_CREATES, "RETURN") if name in names])
        self._only_top_call = only_top_call
        self._with_log = with_log
        self._forget()

    def _forget(self) -> None:
        self._root: _Call | None = None
        self._open: list[tuple[Frame, _Call]] = []
        self._before = (0, 0)  # gas and words of memory before a creation
        self._returned: Frame | None = None

    # What is told -----------------------------------------------------------------------------------------------------
    def transaction_start(self, message: Message) -> None:
        self._forget()

    def resumed(self, frames: tuple[Frame, ...]) -> None:
        if [frame for frame, _ in self._open] != list(frames):  # begun elsewhere: what has ended there isn't known
            self._open = [(frame, _call_of(frame)) for frame in frames]

    def frame_start(self, frame: Frame) -> None:
        self._open.append((frame, _call_of(frame)))

    def frame_end(self, frame: Frame) -> None:
        # A precompile, or a call that a hook has answered, never began.
        began = bool(self._open) and self._open[-1][0] is frame
        call = self._open.pop()[1] if began else _call_of(frame)
        call.gas_used = frame.message.gas - frame.gas
        call.error = self._failure(frame)
        if call.error is None or frame.status is Status.REVERT:
            call.output = frame.output
        if call.error is not None and frame.message.kind.creates:
            call.recipient = None
        if self._open:
            self._note(call)
        else:
            self._root = call

    def _note(self, call: _Call) -> None:
        if not self._only_top_call:
            self._open[-1][1].calls.append(call)

    def _failure(self, frame: Frame) -> str | None:
        reason = frame.halt_reason
        if reason is HaltReason.OUT_OF_GAS and frame is self._returned and frame.message.kind.creates:
            return "contract creation code storage out of gas"
        if reason in (HaltReason.STACK_UNDERFLOW, HaltReason.STACK_OVERFLOW):
            opcode = frame.code[frame.pc] if frame.pc < len(frame.code) else 0
            return failure_text(reason, frame.fork.table[opcode], len(frame.stack))
        return failure_of(frame)

    def log(self, frame: Frame, log: Log) -> None:
        if not self._with_log or (self._only_top_call and frame.depth):
            return
        call = self._open[-1][1]
        entry: JsonObject = {
            "address": hex_bytes(log.address),
            "topics": [hex_bytes(topic) for topic in log.topics],
            "data": hex_bytes(log.data),
            "position": hex(len(call.calls)),
            "index": hex(len(cast("JournaledHost", frame.host).logs) - 1),
        }
        call.logs.append(entry)

    def self_destruct(self, frame: Frame, beneficiary: bytes, balance: int) -> None:
        self._note(_Call("SELFDESTRUCT", frame.address, beneficiary, b"", balance, 0))

    # Calls that don't begin -------------------------------------------------------------------------------------------
    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> str | None:
        self._before = frame.gas, len(frame.memory)
        return None

    def opcode_end(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...], result: object) -> None:
        if instruction.name == "RETURN":
            self._returned = frame
        elif result == 0 and instruction.name in _CALLS:
            self._note(_refused_call(frame, instruction, operands))
        elif result == 0:
            self._note(self._refused_creation(frame, instruction, operands))

    def _refused_creation(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> _Call:
        value, offset, size = operands[:3]
        gas, words = self._before
        word_price = frame.prices.init_code_word + (KECCAK_WORD_PRICE if instruction.name == "CREATE2" else 0)
        gas -= memory_price(len(frame.memory)) - memory_price(words) + word_price * ((size + 31) >> 5)
        forwarded = frame.rules.create_gas(gas)
        account = frame.host.account(frame.address)
        call = _Call(instruction.name, frame.address, None, read_memory(frame.memory, offset, size), value, forwarded)
        if frame.gas != gas:
            call.gas_used, call.error = forwarded, HaltReason.CONTRACT_COLLISION.value
        elif frame.depth >= frame.fork.limits.call_depth:
            call.error = HaltReason.CALL_DEPTH.value
        elif account is not None and account.balance >= value and account.nonce >= MAX_NONCE:
            call.error = HaltReason.NONCE_OVERFLOW.value
        else:
            call.error = HaltReason.INSUFFICIENT_BALANCE.value
        return call

    # What came of it --------------------------------------------------------------------------------------------------
    def result(self, call: CallResult, *, gas_limit: int | None = None, gas_used: int | None = None) -> JsonObject:
        """The tree of a call; the gas limit and the gas used are the transaction's, where there was one."""
        root = self._root
        if root is None:  # refused before its first instruction
            assert call.halt_reason is not None
            root = _call_of_message(call.message)
            root.gas_used, root.error = call.gas_used, call.halt_reason.value
            root.recipient = None if call.message.kind.creates else root.recipient
        root.gas = root.gas if gas_limit is None else gas_limit
        root.gas_used = root.gas_used if gas_used is None else gas_used
        return _record_of(root)


def _record_of(root: _Call) -> JsonObject:
    """The record of a call and of all calls inside, however deep, without the logs of what failed."""
    records: list[JsonObject] = []
    waiting = [(root, records, False)]
    while waiting:
        call, siblings, failed = waiting.pop()
        failed = failed or call.error is not None
        inside: list[JsonObject] = []
        siblings.append(call.record(inside, failed=failed))
        waiting += [(child, inside, failed) for child in reversed(call.calls)]
    return records[0]


def _call_of(frame: Frame) -> _Call:
    return _call_of_message(frame.message)


def _call_of_message(message: Message) -> _Call:
    kind = message.kind
    return _Call(
        kind.value,
        message.address if kind is CallKind.DELEGATECALL else message.sender,
        message.address if kind is CallKind.CALL or kind.creates else message.code_address,
        message.code if kind.creates else bytes(message.data),
        None if kind is CallKind.STATICCALL else message.value,
        message.gas,
    )


def _refused_call(frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> _Call:
    stipend, forwarded = gas_of_refused(frame, instruction, operands)
    offset, size = operands[-4:-2]
    value: int | None = None
    if instruction.name == "DELEGATECALL":
        value = frame.message.value
    elif instruction.name != "STATICCALL":
        value = operands[2]
    too_deep = frame.depth >= frame.fork.limits.call_depth
    return _Call(
        instruction.name,
        frame.address,
        address_of(operands[1]),
        read_memory(frame.memory, offset, size),
        value,
        forwarded + stipend,
        error=(HaltReason.CALL_DEPTH if too_deep else HaltReason.INSUFFICIENT_BALANCE).value,
    )


def _revert_reason(output: bytes) -> str | None:
    """What Solidity's Error(string) or Panic(uint256) says, in go-ethereum's words."""
    for error in (_ERROR, _PANIC):
        if output[:_SELECTOR_SIZE] == error.selector:
            try:
                said = error.decode(output).values[0]
            except DecodingError:
                return None
            return _PANICS.get(said, f"unknown panic code: {said:#x}") if isinstance(said, int) else str(said)
    return None
