"""Breakpoints and TRAPs: hooks that stop a machine. They compose: a machine with several says which ones stopped it."""

from collections.abc import Container, Iterable

from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.isa.instructions.accounts import address_of
from evmthread.isa.message import CALL, STATICCALL, TRAP, Message
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Answer, Question

TRAP_ADDRESS = bytes.fromhex("a963741a01a90fb9e275394aa45e9d15b0f0edfd")
"""The last 20 bytes of keccak("evmthread.trap"): whom a contract calls to ask somebody."""

_CALL_OPCODES = ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL")
_HEAD = 96  # of abi.encode(address, bytes): the address, the offset of the bytes, their length
_REFUSED = Answer(success=False)


class Traps(Hook):
    """TRAP by a CALL or STATICCALL to an address, and by the dialect's opcode where the fork has it.

    Calldata is abi.encode(address who, bytes question). A call with value, with other calldata, or that asks somebody
    who isn't in `who` fails, and its gas comes back; DELEGATECALL and CALLCODE see an account without code.
    """

    def __init__(self, address: bytes = TRAP_ADDRESS, *, who: Container[bytes] | None = None) -> None:
        """`who` may be asked; None means anybody."""
        self.address = address
        self.who = who

    def call(self, caller: Frame | None, message: Message) -> Answer | Question | None:
        if message.kind is TRAP:
            return self._asked(message.address, bytes(message.data))
        if caller is None or message.code_address != self.address or message.kind not in (CALL, STATICCALL):
            return None
        decoded = decode_question(bytes(message.data)) if not message.value else None
        return _REFUSED if decoded is None else self._asked(*decoded)

    def _asked(self, who: bytes, question: bytes) -> Answer | Question:
        return Question(who, question) if self.who is None or who in self.who else _REFUSED


def decode_question(data: bytes) -> tuple[bytes, bytes] | None:
    """(who, question) of abi.encode(who, question); None for anything else than what the ABI writes."""
    if len(data) < _HEAD or any(data[:12]) or int.from_bytes(data[32:64], "big") != 64:
        return None
    size = int.from_bytes(data[64:96], "big")
    question = data[_HEAD : _HEAD + size]
    if len(data) != _HEAD + (size + 31 & ~31) or any(data[_HEAD + size :]):
        return None
    return data[12:32], question


class AtPc(Hook):
    """Stops before the instruction at a pc; of one account's code, where `code_address` says so. Steps."""

    def __init__(self, pc: int, *, code_address: bytes | None = None) -> None:
        self.pc = pc
        self.code_address = code_address

    def step_start(self, frame: Frame, instruction: Instruction | None) -> str | None:
        if frame.pc == self.pc and self.code_address in (None, frame.message.code_address):
            return f"pc {self.pc}"
        return None


class AtOpcode(Hook):
    """Stops before each instruction of some names."""

    def __init__(self, *names: str) -> None:
        self.opcodes = names

    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> str | None:
        return f"opcode {instruction.name}"


class AtCall(Hook):
    """Stops before a call instruction that calls an address, with a selector (4 bytes), or both."""

    def __init__(self, address: bytes | None = None, *, selector: bytes | None = None) -> None:
        self.opcodes = _CALL_OPCODES
        self.address = address
        self.selector = selector

    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> str | None:
        address = address_of(operands[1])
        if self.address not in (None, address):
            return None
        offset, size = operands[-4:-2]
        selector = _peek(frame.memory, offset, min(size, 4))
        if self.selector not in (None, selector):
            return None
        return f"call of 0x{address.hex()} with 0x{selector.hex()}"


def _peek(memory: list[int], offset: int, size: int) -> bytes:
    """A few bytes of memory, zero where it doesn't reach."""
    first = offset >> 5
    words = [memory[index] if index < len(memory) else 0 for index in (first, first + 1)]
    start = offset & 31
    return ((words[0] << 256) | words[1]).to_bytes(64, "big")[start : start + size]


class AtSlot(Hook):
    """Stops before a storage slot is read or written, of one account where `address` says so."""

    def __init__(self, key: int, *, address: bytes | None = None, reads: bool = True, writes: bool = True) -> None:
        self.opcodes = [name for name, wanted in (("SLOAD", reads), ("SSTORE", writes)) if wanted]
        self.key = key
        self.address = address

    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> str | None:
        if operands[0] != self.key or self.address not in (None, frame.address):
            return None
        return f"{'read' if instruction.name == 'SLOAD' else 'write'} of slot {self.key:#x}"


class AtTopic(Hook):
    """Stops before a log entry with a topic (32 bytes), in any place, is emitted."""

    opcodes: Iterable[str] = ("LOG1", "LOG2", "LOG3", "LOG4")

    def __init__(self, topic: bytes) -> None:
        self.topic = int.from_bytes(topic, "big")

    def opcode_start(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...]) -> str | None:
        return f"log with topic {self.topic:#066x}" if self.topic in operands[2:] else None


class AtStep(Hook):
    """Stops each time that so many instructions more have begun. Steps."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.count = 0

    def transaction_start(self, message: Message) -> None:
        self.count = 0

    def step_start(self, frame: Frame, instruction: Instruction | None) -> str | None:
        if self.count == self.every:
            self.count = 0
            return f"{self.every} steps"
        return None

    def step_end(self, frame: Frame, instruction: Instruction | None, pc: int) -> None:
        self.count += 1


class AtGas(Hook):
    """Stops before the next instruction once the whole call has used so much gas. Steps."""

    def __init__(self, gas: int) -> None:
        self.gas = gas
        self.reached = False
        self._open: list[Frame] = []

    def transaction_start(self, message: Message) -> None:
        self._open, self.reached = [], False

    def resumed(self, frames: tuple[Frame, ...]) -> None:
        self._open = list(frames)
        self.reached = self._used() >= self.gas

    def frame_start(self, frame: Frame) -> None:
        self._open.append(frame)

    def frame_end(self, frame: Frame) -> None:
        if self._open and self._open[-1] is frame:
            self._open.pop()

    def step_start(self, frame: Frame, instruction: Instruction | None) -> str | None:
        if self.reached or self._used() < self.gas:
            return None
        self.reached = True
        return f"{self.gas} gas"

    def _used(self) -> int:
        return self._open[0].message.gas - sum([each.gas for each in self._open])
