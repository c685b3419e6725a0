"""A hook that tells of each instruction: what it was, what it cost, what it saw. Knows nothing of text formats.

What an instruction cost is go-ethereum's account of it, which the machine itself has no need of.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from evmthread.isa.frame import MEMORY_QUADRATIC_SHIFT, MEMORY_WORD_PRICE, Frame
from evmthread.isa.halts import HaltReason
from evmthread.isa.instruction import Instruction
from evmthread.isa.instructions.calls import CALL_STIPEND
from evmthread.isa.instructions.hashing import KECCAK_WORD_PRICE
from evmthread.machine.hooks import Hook
from evmthread.machine.operations import STACK_LIMIT

_CREATE, _CREATE2 = 0xF0, 0xF5
_CALLS_WITH_VALUE = (0xF1, 0xF2)
_CALLS = (*_CALLS_WITH_VALUE, 0xF4, 0xFA)


class Step(NamedTuple):
    """One instruction that ran: the frame as it was before it, what it charged, and why it failed, if it did.

    `cost` holds the gas that a call takes along, and not what a creation takes along (as go-ethereum counts). For an
    instruction that failed it is the base price. `stack` begins with the bottom; `memory` is None unless asked for.
    `depth` is 1 for the outermost call. `name` is None where there is no such instruction.
    """

    pc: int
    opcode: int
    name: str | None
    gas: int
    cost: int
    depth: int
    refund: int
    memory_size: int
    stack: list[int]
    memory: bytes | None
    return_data: bytes
    error: str | None


Observer = Callable[[Step], None]
# Makes a Step of a tuple of all its fields, as isa/message.py does.
_STEP_OF: Callable[[tuple[object, ...]], Step] = partial(tuple.__new__, Step)


class Steps(Hook):
    """Tells `observe` of each instruction after it has run. A subclass may override `step`, which gets its frame too.

    Precompiles and calls to accounts without code run no instruction. Steps.
    """

    def __init__(self, observe: Observer | None = None, *, with_memory: bool = False) -> None:
        """Memory is only copied when asked for: it makes tracing many times slower."""
        self._observe = observe
        self._with_memory = with_memory

    def step(self, frame: Frame, step: Step) -> None:
        """An instruction of this frame has run."""
        if self._observe is not None:
            self._observe(step)

    def step_start(self, frame: Frame, instruction: Instruction | None) -> str | None:
        words = frame.memory
        memory = b"".join([word.to_bytes(32, "big") for word in words]) if self._with_memory else None
        self._before = frame.gas, frame.host.refund, len(words), memory, frame.stack.copy(), frame.return_data
        return None

    def step_end(self, frame: Frame, instruction: Instruction | None, pc: int) -> None:
        # Hot path: with the lines that are written of them, steps take longer to tell of than to make.
        code = frame.code
        if not code:
            return
        gas, refund, words, memory, stack, return_data = self._before
        name = None if instruction is None else instruction.name
        error, cost = None, gas - frame.gas
        if frame.halt_reason is not None:
            error = failure_text(frame.halt_reason, instruction, len(stack))
            cost = 0 if instruction is None else frame.fork.base_prices[instruction.opcode]
        elif instruction is not None and instruction.opcode >= _CREATE:
            cost = _cost(frame, instruction, gas, words, stack)
        opcode = code[pc] if pc < len(code) else 0
        depth = frame.depth + 1
        fields = (pc, opcode, name, gas, cost, depth, refund, words << 5, stack, memory, return_data, error)
        self.step(frame, _STEP_OF(fields))


def failure_text(reason: HaltReason, instruction: Instruction | None, height: int) -> str:
    """Why an instruction failed on a stack of some height, in go-ethereum's words."""
    if instruction is not None and reason is HaltReason.STACK_UNDERFLOW:
        return f"stack underflow ({height} <=> {instruction.pops})"
    if instruction is not None and reason is HaltReason.STACK_OVERFLOW:
        return f"stack limit reached {height} ({STACK_LIMIT - instruction.pushes + instruction.pops})"
    return reason.value


def _cost(frame: Frame, instruction: Instruction, gas: int, words: int, stack: list[int]) -> int:
    """What an instruction charged; `gas`, `words` of memory and `stack` are those before it."""
    opcode = instruction.opcode
    if opcode in (_CREATE, _CREATE2):
        # What goes along doesn't count, nor what is lost to an address that was taken: count anew what it cost to try.
        per_word = frame.prices.init_code_word + (KECCAK_WORD_PRICE if opcode == _CREATE2 else 0)
        grown = memory_price(len(frame.memory)) - memory_price(words)
        return frame.fork.base_prices[opcode] + grown + per_word * ((stack[-3] + 31) >> 5)
    if opcode in _CALLS and len(frame.stack) > len(stack) - instruction.pops:
        stipend, forwarded = gas_of_refused(frame, instruction, tuple(stack[:-4:-1]))
        return gas - frame.gas + stipend + forwarded
    return gas - frame.gas


def gas_of_refused(frame: Frame, instruction: Instruction, operands: Sequence[int]) -> tuple[int, int]:
    """(stipend, gas) that a call would have had, had depth or balance not forbidden it; all came back to the frame.

    The frame is as the instruction has left it; the first three operands are looked at.
    """
    stipend = CALL_STIPEND if instruction.opcode in _CALLS_WITH_VALUE and operands[2] else 0
    return stipend, frame.rules.call_gas(frame.gas - stipend, operands[0])


def memory_price(words: int) -> int:
    """What so many words of memory cost in all (Yellow Paper, appendix H.1)."""
    return MEMORY_WORD_PRICE * words + (words * words >> MEMORY_QUADRATIC_SHIFT)
