"""What instructions teach about words and memory while a region is written: ranges, samples, guarded guesses.

What is learned narrows what follows on the path, so that masks, checks and growth disappear. Knows Frame's memory, and
of instructions only those that read and write words of it.
"""

import ast
from collections.abc import Callable
from typing import Any, cast

from evmthread.isa.instruction import FRAMED, Instruction
from evmthread.isa.instructions.memory import mload, msize, mstore
from evmthread.machine.lifting import Evaluator
from evmthread.machine.region_parts import Path
from evmthread.machine.region_text import RegionText
from evmthread.machine.symbols import NotLiftable, Value, binary, constant, name
from evmthread.machine.syntax import syntax_of
from evmthread.primitives.words import SIGN_BIT, WORD_MASK, WORD_MODULUS

MEMORY_REACH = 1 << 40  # bytes; no memory is longer, so an offset that was reached is below it
POINTER_SLOT = 0x40  # where Solidity keeps the free-memory pointer; only a guess, guarded
POINTER_RANGE = (0x80, 2**32 - 1)


class Learner(Evaluator):
    """One framed or host instruction on a path, and what is learned from it."""

    def __init__(
        self, writer: RegionText, path: Path, pc: int, instruction: Instruction, price: int, indent: int
    ) -> None:
        self.writer = writer
        self.path = path
        self.pc = pc
        self.instruction = instruction
        self.price = price
        self.indent = indent
        self.result: str | None = None
        self.arguments: list[Value] = []
        self.environment = {}
        self.effects = False
        self.asked = False
        self.measuring = False
        self.outer_indent = indent
        self.base_price = price
        # What was learned, to be forgotten where it doesn't hold: (what knows it, of what, what was known before).
        self.learned: list[tuple[dict[str, Any], str, Any]] = []

    def _line(self, text: str) -> None:
        self.writer.line(self.indent, text)

    def _settled(self, value: Value) -> Value:
        return self.writer.settle(value, self.indent)

    # Facts about words ------------------------------------------------------------------------------------------------
    def _learn(self, value: Value, *, low: int = 0, high: int = MEMORY_REACH, zeros: int = 0) -> None:
        if not value.atom or value.constant is not None:
            return
        facts, text = self.path.facts, value.text
        before = facts.get(text)
        old_low, old_high, old_zeros = before or (value.low, value.high, value.zeros)
        self.learned.append((facts, text, before))
        facts[text] = max(low, old_low), min(high, old_high), max(zeros, old_zeros)
        for key, known in self.environment.items():
            if isinstance(known, Value) and known.text == text:
                self.environment[key] = self.writer.known(self.path, known)

    def _forget(self, count: int) -> None:
        """Forgets all but the first `count` things learned."""
        learned = self.learned
        while len(learned) > count:
            known, key, before = learned.pop()
            if before is None:
                del known[key]
            else:
                known[key] = before

    def _unwrap_offset(self, function: Callable[..., object]) -> None:
        """A memory offset that is a word plus a constant: that it doesn't wrap is a guess with a guard."""
        path, writer = self.path, self.writer
        if not self.instruction.pops:
            return
        value = path.stack[-1]
        if value.wrapped is None or value.sample is None or value.sample >= POINTER_RANGE[1]:
            return
        hidden = 1 if self.instruction.shape is FRAMED else 2
        try:
            parameters = syntax_of(function).parameters[hidden:]
        except NotLiftable:
            return
        if not parameters or parameters[0] != "offset":
            return
        base, delta = value.wrapped
        # A subtraction may be written as an addition of its complement.
        delta = (delta + SIGN_BIT) % WORD_MODULUS - SIGN_BIT
        known = writer.known(path, name(base))
        low, high = max(-delta, 0), POINTER_RANGE[1]
        if abs(delta) > high:
            return
        if known.low < low or known.high > WORD_MASK - max(delta, 0):
            if writer.program.refuted(self.pc, "small"):
                return
            condition = f"not {low} <= {base} <= {high}" if low else f"{base} > {high}"
            writer.bail(path, condition, self.pc, self.indent, guess="small")
            self._learn(known, low=low, high=high)
            known = writer.known(path, known)
        path.stack[-1] = binary(ast.Add(), known, constant(delta)).sampled(value.sample)

    # What memory holds, as far as this path wrote it itself -----------------------------------------------------------
    def _forwarded(self, arguments: list[Value]) -> Value | None:
        if self.instruction.function is mload and arguments[0].constant is not None:
            known = self.path.words.get(arguments[0].constant)
            return None if known is None else self.writer.known(self.path, known)
        return None

    def _remember(self, arguments: list[Value], value: Value | None) -> None:
        words = self.path.words
        function = self.instruction.function
        if function is mload and arguments[0].constant is not None and value is not None:
            self._guess_pointer(arguments[0].constant, value)
            words[arguments[0].constant] = value
        elif function is mstore:
            offset = arguments[0]
            low, high = (offset.constant, offset.constant) if offset.constant is not None else (offset.low, offset.high)
            for place in [place for place in words if place + 32 > low and place < high + 32]:
                del words[place]
            if offset.constant is not None:
                words[offset.constant] = arguments[1]
        elif self.effects:
            words.clear()

    def _guess_pointer(self, offset: int, value: Value) -> None:
        low, high = POINTER_RANGE
        if offset != POINTER_SLOT or not value.atom or self.writer.program.refuted(self.pc, "pointer"):
            return
        text = value.text
        if value.sample is not None and (value.sample & 31 or not low <= value.sample <= high):
            return
        self.writer.bail(
            self.path, f"{text} & 31 or not {low} <= {text} <= {high}", self.pc, self.indent, guess="pointer"
        )
        self._learn(value, low=low, high=high, zeros=5)

    # Samples: what the frame has that is compiled for -----------------------------------------------------------------
    def _memory_sample(self) -> int | None:
        """The word that MLOAD would have read in the frame that is compiled for, if that can be told."""
        memory, offset = self.path.memory, self.arguments[0].sample
        if memory is None or offset is None or offset & 31:
            return None
        if offset in memory:
            return memory[offset]
        words = self.writer.sample_memory
        return words[offset >> 5] if offset >> 5 < len(words) else 0

    def _steady_sample(self, function: Callable[..., object], arguments: list[Value]) -> int | None:
        """What a steady instruction gives in the frame that is compiled for; it changes nothing by being asked."""
        frame, samples = self.writer.frame, [argument.sample for argument in arguments]
        if frame is None or None in samples or self.instruction.function is msize:
            return None
        hidden = (frame,) if self.instruction.shape is FRAMED else (frame, frame.host)
        return cast("int", function(*hidden, *samples))

    def _note_sample(self, arguments: list[Value]) -> None:
        """What an instruction does to the sample of memory."""
        memory = self.path.memory
        if memory is None or not self.effects:
            return
        offset = arguments[0].sample if arguments else None
        if self.instruction.function is mstore and offset is not None and not offset & 31:
            memory[offset] = arguments[1].sample
        elif self.instruction.shape is FRAMED:
            self.path.memory = None

    # How far memory reaches -------------------------------------------------------------------------------------------
    def _within(self, end: Value) -> bool:
        """True where memory is known to reach `end`."""
        path = self.path
        if end.constant is not None:
            if end.constant <= path.size_low:
                if end.constant <= self.writer.observed_size:
                    self.writer.size_relied = max(self.writer.size_relied, end.constant)
                return True
            return False
        reached = path.bounds.get(end.base) if end.base is not None else None
        return reached is not None and reached >= end.delta

    def _size(self) -> Value:
        """The byte size of memory, as a local that is kept up to date."""
        self._shown()
        self.writer.size_used = True
        self.writer.hoist("memory")
        if not self.path.size_valid:
            self._line("size = len(memory) << 5")
            self.path.size_valid = True
        return Value("size", 0, MEMORY_REACH, 5)

    def _shown(self) -> None:
        """Gas or the size of memory is looked at: accesses that follow can't have been paid for before."""
        if not self.measuring:
            self.path.growths = {}

    def _grow(self, end: Value) -> None:
        """Makes memory reach `end`, which it isn't known to do."""
        if self.effects:
            raise NotLiftable("growth after an effect")
        writer, path = self.writer, self.path
        # An access that a branch alone makes isn't paid for outside of it.
        if self.indent > self.outer_indent or not writer.join(path, end):
            writer.grow(path, end, self.pc, self.indent)
        self._reached(end)

    def _reached(self, end: Value) -> None:
        """Memory now reaches `end`."""
        path = self.path
        if end.constant is not None:
            path.size_low = max(path.size_low, end.constant)
        elif end.base is not None:
            before = path.bounds.get(end.base)
            self.learned.append((path.bounds, end.base, before))
            path.bounds[end.base] = end.delta if before is None else max(before, end.delta)
            self._learn(Value(end.base, atom=True), high=MEMORY_REACH + max(-end.delta, 0))
