"""What is known of a code before it runs: its jump destinations and its segments, decoded when first reached.

A **segment** is a straight run of instructions whose stack bounds and base gas are checked once. It ends after the
first instruction that may charge more gas, fail, wait, show the gas left, or go elsewhere: so gas and pc are exact
whenever anything can see them.
"""

import re
from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.isa.instructions import halts
from evmthread.isa.instructions.accounts import address_of
from evmthread.isa.instructions.calls import CALLS
from evmthread.machine.loop_search import backward_targets, leads_back
from evmthread.machine.operations import (
    ENDS,
    NOTHING_ROW,
    PC_ROW,
    STACK_LIMIT,
    Operation,
    Table,
    at,
    push,
    pushed,
)

JUMPI, JUMPDEST = 0x57, 0x5B
SEGMENT_LIMIT = 1024  # instructions: bounds the work that is repeated when code is entered at many places
VISITS_TO_DECODE = 8  # of a place: decoding an instruction takes 1 us when cold, and a segment saves 0.15 us by it
REFUTATIONS = 2  # failures of a guess after which it is no longer made
LOOP_SEARCH_STEPS = 20_000  # instructions that all searches for loops in one code may look at
LOOP_SEARCH_STEPS_A_BYTE = 4  # and as many more for each byte of it
REFUTATIONS_IN_ALL = 8  # failures anywhere in a code after which it is no longer made in that code
# What things take in memory, measured on CPython 3.11 by benchmarks/memory.py: a program by itself, a destination in
# its set, a segment with what is counted of its place, a step in it, a constant to push.
PROGRAM_BYTES, DESTINATION_BYTES, SEGMENT_BYTES, STEP_BYTES, CONSTANT_BYTES = 2_000, 95, 360, 8, 245
# What the segments of one code may take: a contract that is run from end to end needs some 65 bytes for each byte.
DECODED_BYTES, DECODED_BYTES_A_BYTE = 2**16, 256

# Up to the next JUMPDEST and with it. A search that found none would go on inside the data of a PUSH: so code is given
# an end in which each PUSH finds its data, and every search a JUMPDEST.
_PUSHES = b"|".join(re.escape(bytes((0x5F + size,))) + b"." * size for size in range(1, 33))
_OTHERS = b"[^\\x5b\\x60-\\x7f]*+"
_UP_TO_DESTINATION = re.compile(b"(?s:" + _OTHERS + b"(?:(?:" + _PUSHES + b")" + _OTHERS + b")*+\\x5b)")
_END = bytes(32) + b"\x5b"


def jump_destinations(code: bytes) -> frozenset[int]:
    """The offsets of all JUMPDESTs that aren't data of a PUSH (Yellow Paper, section 9.4.3)."""
    if b"\x5b" not in code:
        return frozenset()
    pieces = _UP_TO_DESTINATION.findall(code + _END)
    pieces.pop()
    ends = accumulate(map(len, pieces), initial=-1)
    next(ends)
    return frozenset(ends)


class Segment(NamedTuple):
    """A run of instructions. `operations` never fail; `last`, where there is one, may.

    Stack sizes from `low` to `high` are right for the whole run; `gas` is the sum of its base prices, of which
    `last_price` is the last one's.
    """

    operations: tuple[Operation, ...]
    last: Operation | None
    gas: int
    low: int
    high: int
    next_pc: int
    last_pc: int
    last_price: int
    length: int  # in instructions


STOP = halts.stop.instruction  # type: ignore[attr-defined]


class Program:
    """A code under a fork: its jump destinations, its segments as they are reached, what is compiled of it."""

    __slots__ = (
        "_backward",
        "calls",
        "code",
        "codeless",
        "compile_work",
        "compiled_bytes",
        "decoded_bytes",
        "destinations",
        "fork",
        "grew",
        "heat",
        "last_call",
        "met",
        "operations",
        "refutations",
        "regions",
        "rows",
        "search_steps",
        "segments",
        "unsaved",
    )

    def __init__(self, code: bytes, fork: Fork, table: Table) -> None:
        self.code = code
        self.fork = fork
        self.operations, self.rows = table
        # How often the stepper has begun at a place that isn't decoded yet.
        self.met: dict[int, int] = {}
        self.segments: dict[int, Segment] = {}
        # The compiled engine's: visits of places that may become heads, regions by head, guesses that failed.
        # `calls` is the number of outermost calls in which this code ran, `last_call` names the last of them.
        self.calls = 0
        self.last_call = 0
        self.heat: dict[int, int] = {}
        self.regions: dict[int, Callable[[Frame], object]] = {}
        self.refutations: dict[tuple[int, str], int] = {}
        # Where calls were met that ran no code.
        self.codeless: set[int] = set()
        # True while there are regions, or none any more, that no store knows of.
        self.unsaved = False
        # What compiling has cost so far, in about microseconds and in bytes; who is told of bytes that are new.
        self.compile_work = 0
        self.compiled_bytes = 0
        self.decoded_bytes = 0
        self.search_steps = 0
        self.grew: Callable[[int], None] | None = None
        self._backward: dict[int, bool | None] | None = None

    destinations: frozenset[int]

    def __getattr__(self, name: str) -> frozenset[int]:
        """The jump destinations, found when they are first asked for: a store may have brought them before."""
        if name != "destinations":
            raise AttributeError(name)
        self.destinations = jump_destinations(self.code)
        return self.destinations

    def is_loop_head(self, pc: int) -> bool:
        """True for the target of a backward constant jump from which some path leads back to it.

        An internal function that lies before its caller isn't one: from it the paths end at a return.
        """
        # One dictionary throughout: another thread may note a call meanwhile, which brings a new one.
        backward = self._backward
        if backward is None:
            backward = self._backward = dict.fromkeys(backward_targets(self.code, self.destinations))
        known = backward.get(pc, False)
        if known is None:
            # Once the search has cost what it may for a code of this size, no further candidate passes for a head.
            spent = self.search_steps > LOOP_SEARCH_STEPS + LOOP_SEARCH_STEPS_A_BYTE * len(self.code)
            known, steps = (
                (False, 0) if spent else leads_back(self.code, self.fork.table, self.destinations, pc, self.is_codeless)
            )
            self.search_steps += steps
            backward[pc] = known
        return known

    def refuted(self, pc: int, guess: str) -> bool:
        """True where a guess of the compiler failed too often: at this place, or all over this code."""
        refutations = self.refutations
        return refutations.get((pc, guess), 0) >= REFUTATIONS or refutations.get((-1, guess), 0) >= REFUTATIONS_IN_ALL

    def refute(self, pc: int, guess: str) -> None:
        """Notes that a guess failed."""
        for place in (pc, -1):
            self.refutations[place, guess] = self.refutations.get((place, guess), 0) + 1

    def note_codeless(self, pc: int) -> None:
        """Notes that the call at pc ran no code: from now on loops lead through it."""
        if pc not in self.codeless:
            self.codeless.add(pc)
            if self._backward is not None:
                # What led back does so still. The candidates aren't looked for again, call by call of a hostile code.
                self._backward = {head: known or None for head, known in self._backward.items()}

    def is_codeless(self, pc: int, to: int | None) -> bool:
        """True for a call that likely runs no code; `to` is the address that it calls, as a word, if that is known."""
        instruction = self.fork.table[self.code[pc]]
        if instruction is None or instruction.function not in CALLS:
            return False
        return pc in self.codeless or (to is not None and address_of(to) in self.fork.precompiles)

    def instruction_at(self, pc: int) -> Instruction | None:
        """The instruction at an offset; STOP beyond the end; None for an invalid opcode."""
        record: Instruction | None = self.fork.table[self.code[pc]] if pc < len(self.code) else STOP
        return record

    def was_met(self, pc: int) -> bool:
        """Whether code has begun to run there."""
        return pc in self.heat or pc in self.met

    def is_new(self, pc: int, before: Segment | None) -> bool:
        """Whether a place that isn't decoded was met too seldom to be; `before` is the segment that ran last, if any.

        Where a segment goes on without a branch, its end is met as often as its start.
        """
        visits = self.met[pc] = self.met.get(pc, 0) + 1
        if visits >= VISITS_TO_DECODE:
            return False
        return (
            before is None or before.next_pc != pc or (before.last is not None and self.code[before.last_pc] == JUMPI)
        )

    def segment(self, pc: int) -> Segment:
        """The segment that begins at an offset, decoded and kept."""
        code, rows = self.code, self.rows
        start = pc
        steps: list[Operation] = []
        last: Operation | None = None
        gas = low = height = peak = last_pc = last_price = 0
        weight = SEGMENT_BYTES
        end = len(code)
        for _ in range(SEGMENT_LIMIT):
            opcode = code[pc] if pc < end else 0
            row = rows[opcode]
            if row is None:
                # An empty run makes the caller step, and stepping finds the invalid opcode.
                break
            kind, pops, highest, price, _ = row
            if pops - height > low:
                low = pops - height
            height += STACK_LIMIT - highest
            if height > peak:
                peak = height
            gas += price
            if kind > 0:
                steps.append(push(code[pc + 1] if kind == 1 and pc + 1 < end else pushed(code, pc, kind)))
                pc += 1 + kind
                weight += CONSTANT_BYTES
                continue
            operation = push(pc) if kind == PC_ROW else self.operations[opcode]
            assert operation is not None  # there is a row
            if kind in ENDS:
                if self.fork.table[opcode].shows_pc:  # type: ignore[union-attr]
                    steps.append(at(pc))
                last, last_pc, last_price = operation, pc, price
                pc += 1
                break
            if kind == PC_ROW:
                weight += CONSTANT_BYTES
            if kind != NOTHING_ROW:
                steps.append(operation)
            pc += 1
        length = len(steps) + (last is not None)
        segment = Segment(tuple(steps), last, gas, low, STACK_LIMIT - peak, pc, last_pc, last_price, length)
        self._hold(weight + STEP_BYTES * len(steps))
        self.segments[start] = segment
        return segment

    def _hold(self, size: int) -> None:
        """Makes room for a segment: code that is entered at each of its bytes is decoded over and over."""
        if self.decoded_bytes > DECODED_BYTES + DECODED_BYTES_A_BYTE * len(self.code):
            self.segments.clear()
            size -= self.decoded_bytes
        self.decoded_bytes += size
        if self.grew is not None:
            self.grew(size)

    @property
    def held_bytes(self) -> int:
        """About what it takes in memory."""
        marks = DESTINATION_BYTES * len(self.destinations)
        return PROGRAM_BYTES + len(self.code) + marks + self.decoded_bytes + self.compiled_bytes
