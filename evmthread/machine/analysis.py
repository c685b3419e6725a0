"""What is known of a code before it runs: its jump destinations and its segments, decoded when first reached.

A **segment** is a straight run of instructions whose stack bounds and base gas are checked once. It ends after the
first instruction that may charge more gas, fail, wait, show the gas left, or go elsewhere: so gas and pc are exact
whenever anything can see them.
"""

import re
from collections.abc import Callable, Iterator
from threading import RLock
from typing import NamedTuple, Protocol

from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction, Shape
from evmthread.isa.instructions import halts

Operation = Callable[[Frame, list[int]], object]

STACK_LIMIT = 1024  # Yellow Paper, section 9.1
JUMPDEST = 0x5B
SEGMENT_LIMIT = 1024  # instructions: bounds the work that is repeated when code is entered at many places
REFUTATIONS = 2  # failures of a guess after which it is no longer made
LOOP_SEARCH_LIMIT = 1500  # instructions that the search for a way back looks at
LOOP_SEARCH_STEPS = 20_000  # that all searches in one code may take
LOOP_SEARCH_STEPS_A_BYTE = 4  # and as many more for each byte of it
LOOP_SEARCH_STACK = 24  # items of the stack that it remembers across a jump
REFUTATIONS_IN_ALL = 8  # failures anywhere in a code after which it is no longer made in that code
CACHE_ENTRIES = 4096
CACHE_CODE_BYTES = 2**28  # with what is decoded and compiled of it
# What things take in memory on CPython 3.11: a destination in its set, a segment, a step in it, a constant to push.
DESTINATION_BYTES, SEGMENT_BYTES, STEP_BYTES, CONSTANT_BYTES = 70, 300, 8, 320
# What the segments of one code may take: a contract that is run from end to end needs some 65 bytes for each byte.
DECODED_BYTES, DECODED_BYTES_A_BYTE = 2**16, 256

_PUSHES = b"|".join(re.escape(bytes((0x5F + size,))) + b".{0,%d}" % size for size in range(1, 33))
_UP_TO_DESTINATIONS = re.compile(b"(?s:[^\\x5b\\x60-\\x7f]++|" + _PUSHES + b")*+(\\x5b++)")

# PUSH1 to PUSH3 of a constant right before a JUMP or JUMPI. A hint only: it may match inside the data of a PUSH.
_PUSHES_AND_JUMPS = re.compile(b"(?s:(?:\\x60.|\\x61..|\\x62...)[\\x56\\x57])")


def jump_destinations(code: bytes) -> frozenset[int]:
    """The offsets of all JUMPDESTs that aren't data of a PUSH (Yellow Paper, section 9.4.3)."""
    if b"\x5b" not in code:
        return frozenset()
    # `match` at a place, not `finditer`, which would go on searching inside the data of a PUSH.
    found: list[int] = []
    match = _UP_TO_DESTINATIONS.match
    reached = match(code)
    while reached:
        start, end = reached.span(1)
        found.extend(range(start, end))
        reached = match(code, end)
    return frozenset(found)


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


def push(value: int) -> Operation:
    """Pushes a constant."""

    def run(frame: Frame, stack: list[int]) -> None:
        stack.append(value)

    return run


def _duplicate(depth: int) -> Operation:
    def run(frame: Frame, stack: list[int]) -> None:
        stack.append(stack[-depth])

    return run


def _swap(depth: int) -> Operation:
    other = -depth - 1

    def run(frame: Frame, stack: list[int]) -> None:
        stack[-1], stack[other] = stack[other], stack[-1]

    return run


def _pop(frame: Frame, stack: list[int]) -> None:
    stack.pop()


def _nothing(frame: Frame, stack: list[int]) -> None:
    pass


def _pure_operation(function: Callable[..., object], pops: int) -> Operation:
    # Hot path: one closure for each arity.
    def unary(frame: Frame, stack: list[int]) -> None:
        stack[-1] = function(stack[-1])  # type: ignore[call-overload]

    def binary(frame: Frame, stack: list[int]) -> None:
        top = stack.pop()
        stack[-1] = function(top, stack[-1])  # type: ignore[call-overload]

    def ternary(frame: Frame, stack: list[int]) -> None:
        top = stack.pop()
        second = stack.pop()
        stack[-1] = function(top, second, stack[-1])  # type: ignore[call-overload]

    return {1: unary, 2: binary, 3: ternary}[pops]


def _framed_operation(function: Callable[..., object], pops: int, pushes: int) -> Operation:
    # Hot path. Operands leave the stack only when the function is through: it may be told to wait and run again.
    def load(frame: Frame, stack: list[int]) -> None:
        stack.append(function(frame))  # type: ignore[arg-type]

    def replace(frame: Frame, stack: list[int]) -> None:
        stack[-1] = function(frame, stack[-1])  # type: ignore[call-overload]

    def store(frame: Frame, stack: list[int]) -> None:
        function(frame, stack[-1], stack[-2])
        del stack[-2:]

    def other(frame: Frame, stack: list[int]) -> None:
        result = function(frame, *stack[: -pops - 1 : -1])
        del stack[len(stack) - pops :]
        if pushes:
            stack.append(result)  # type: ignore[arg-type]

    return {(0, 1): load, (1, 1): replace, (2, 0): store}.get((pops, pushes), other)


def _host_operation(function: Callable[..., object], pops: int, pushes: int) -> Operation:
    def load(frame: Frame, stack: list[int]) -> None:
        stack.append(function(frame, frame.host))  # type: ignore[arg-type]

    def replace(frame: Frame, stack: list[int]) -> None:
        stack[-1] = function(frame, frame.host, stack[-1])  # type: ignore[call-overload]

    def store(frame: Frame, stack: list[int]) -> None:
        function(frame, frame.host, stack[-1], stack[-2])
        del stack[-2:]

    def other(frame: Frame, stack: list[int]) -> None:
        result = function(frame, frame.host, *stack[: -pops - 1 : -1])
        del stack[len(stack) - pops :]
        if pushes:
            stack.append(result)  # type: ignore[arg-type]

    return {(0, 1): load, (1, 1): replace, (2, 0): store}.get((pops, pushes), other)


def _control_operation(function: Callable[..., object], pops: int) -> Operation:
    def none(frame: Frame, stack: list[int]) -> object:
        return function(frame, frame.host)

    def one(frame: Frame, stack: list[int]) -> object:
        result = function(frame, frame.host, stack[-1])
        del stack[-1]
        return result

    def two(frame: Frame, stack: list[int]) -> object:
        result = function(frame, frame.host, stack[-1], stack[-2])
        del stack[-2:]
        return result

    def call(frame: Frame, stack: list[int]) -> object:
        result = function(frame, frame.host, *stack[: -pops - 1 : -1])
        del stack[len(stack) - pops :]
        if type(result) is int:
            stack.append(result)
            return None
        return result

    return {0: none, 1: one, 2: two}.get(pops, call)


def operation_of(instruction: Instruction) -> Operation:
    """The instruction as a step on a frame and its stack. PUSH and PC depend on their place and are made there."""
    function, pops, pushes = instruction.function, instruction.pops, instruction.pushes
    if instruction.shape is Shape.STACK:
        name = instruction.name
        if name.startswith("DUP"):
            return _duplicate(pops)
        if name.startswith("SWAP"):
            return _swap(pops - 1)
        if name == "PUSH0":
            return push(0)
        return _pop if name == "POP" else _nothing
    assert function is not None
    if instruction.shape is Shape.PURE:
        return _pure_operation(function, pops)
    if instruction.shape is Shape.FRAMED:
        return _framed_operation(function, pops, pushes)
    if instruction.shape is Shape.HOST:
        return _host_operation(function, pops, pushes)
    return _control_operation(function, pops)


STOP = halts.stop.instruction  # type: ignore[attr-defined]

# (operation, pops, largest stack before, base price, bytes after the opcode or what kind of instruction it is)
Row = tuple[Operation, int, int, int, int]
CONTROL_ROW, PC_ROW = -1, -2
Table = tuple[tuple[Operation | None, ...], tuple[Row | None, ...]]


def table_of(fork: Fork) -> Table:
    """A fork's instructions as the stepper runs them, by opcode."""
    operations = tuple([None if record is None else operation_of(record) for record in fork.table])
    rows: list[Row | None] = []
    for record, operation in zip(fork.table, operations, strict=True):
        if record is None or operation is None:
            rows.append(None)
            continue
        kind = record.immediate
        if record.shape is Shape.CONTROL:
            kind = CONTROL_ROW
        elif record.name == "PC":
            kind = PC_ROW
        highest = STACK_LIMIT - record.pushes + record.pops
        rows.append((operation, record.pops, highest, fork.base_prices[record.opcode], kind))
    return operations, tuple(rows)


class Program:
    """A code under a fork: its jump destinations at once, its segments as they are reached."""

    __slots__ = (
        "_backward",
        "calls",
        "code",
        "compile_work",
        "compiled_bytes",
        "decoded_bytes",
        "destinations",
        "fork",
        "grew",
        "heat",
        "met",
        "operations",
        "refutations",
        "regions",
        "rows",
        "search_steps",
        "segments",
    )

    def __init__(self, code: bytes, fork: Fork, table: Table) -> None:
        self.code = code
        self.fork = fork
        self.operations, self.rows = table
        # Where the stepper has begun at least once; what is met for the second time is decoded into a segment.
        self.met: set[int] = set()
        self.destinations = jump_destinations(code)
        self.segments: dict[int, Segment] = {}
        # The compiled engine's: visits of places that may become heads, regions by head, guesses that failed.
        self.calls = 0
        self.heat: dict[int, int] = {}
        self.regions: dict[int, Callable[[Frame], object]] = {}
        self.refutations: dict[tuple[int, str], int] = {}
        # What compiling has cost so far, in about microseconds and in bytes; who is told of bytes that are new.
        self.compile_work = 0
        self.compiled_bytes = 0
        self.decoded_bytes = 0
        self.search_steps = 0
        self.grew: Callable[[int], None] | None = None
        self._backward: dict[int, bool | None] | None = None

    def is_loop_head(self, pc: int) -> bool:
        """True for the target of a backward constant jump from which some path leads back to it.

        An internal function that lies before its caller isn't one: from it the paths end at a return.
        """
        if self._backward is None:
            backward: dict[int, bool | None] = {}
            for match in _PUSHES_AND_JUMPS.finditer(self.code):
                push_at, jump_at = match.start(), match.end() - 1
                target = int.from_bytes(self.code[push_at + 1 : jump_at], "big")
                if target <= push_at and target in self.destinations:
                    backward[target] = None
            self._backward = backward
        known = self._backward.get(pc, False)
        if known is None:
            # Once the search has cost what it may for a code of this size, no further candidate passes for a head.
            spent = self.search_steps > LOOP_SEARCH_STEPS + LOOP_SEARCH_STEPS_A_BYTE * len(self.code)
            known = self._backward[pc] = not spent and leads_back(self, pc)
        return known

    def refuted(self, pc: int, guess: str) -> bool:
        """True where a guess of the compiler failed too often: at this place, or all over this code."""
        refutations = self.refutations
        return refutations.get((pc, guess), 0) >= REFUTATIONS or refutations.get((-1, guess), 0) >= REFUTATIONS_IN_ALL

    def refute(self, pc: int, guess: str) -> None:
        """Notes that a guess failed."""
        for place in (pc, -1):
            self.refutations[place, guess] = self.refutations.get((place, guess), 0) + 1

    def instruction_at(self, pc: int) -> Instruction | None:
        """The instruction at an offset; STOP beyond the end; None for an invalid opcode."""
        record: Instruction | None = self.fork.table[self.code[pc]] if pc < len(self.code) else STOP
        return record

    def segment(self, pc: int) -> Segment:
        """The segment that begins at an offset, decoded and kept."""
        code, table, rows = self.code, self.fork.table, self.rows
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
            operation, pops, highest, price, immediate = row
            low = max(low, pops - height)
            height += STACK_LIMIT - highest
            peak = max(peak, height)
            gas += price
            if immediate > 0:
                data = code[pc + 1 : pc + 1 + immediate]
                steps.append(push(int.from_bytes(data, "big") << 8 * (immediate - len(data))))
                pc += 1 + immediate
                weight += CONSTANT_BYTES
                continue
            if immediate == PC_ROW:
                operation = push(pc)
                weight += CONSTANT_BYTES
            elif not table[opcode].steady:  # type: ignore[union-attr]
                last, last_pc, last_price = operation, pc, price
                pc += 1
                break
            if opcode != JUMPDEST:
                steps.append(operation)
            pc += 1
        segment = Segment(tuple(steps), last, gas, low, STACK_LIMIT - peak, pc, last_pc, last_price)
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
        return len(self.code) + marks + self.decoded_bytes + self.compiled_bytes


def leads_back(program: Program, head: int) -> bool:
    """True where a path from `head` comes back to it. Follows constants on the stack and knows nothing else of it."""
    code, table, destinations = program.code, program.fork.table, program.destinations
    pending: list[tuple[int, tuple[int | None, ...]]] = [(head, ())]
    seen: set[tuple[int, tuple[int | None, ...]]] = set()
    steps = 0
    while pending and steps < LOOP_SEARCH_LIMIT:
        pc, known = pending.pop()
        if (pc, known) in seen:
            continue
        seen.add((pc, known))
        stack = list(known)
        while steps < LOOP_SEARCH_LIMIT:
            steps += 1
            program.search_steps += 1
            opcode = code[pc] if pc < len(code) else 0
            instruction = table[opcode]
            if instruction is None:
                break
            size = instruction.immediate
            if size:
                stack.append(int.from_bytes(code[pc + 1 : pc + 1 + size], "big"))
            elif 0x80 <= opcode <= 0x8F:
                depth = opcode - 0x7F
                stack.append(stack[-depth] if depth <= len(stack) else None)
            elif 0x90 <= opcode <= 0x9F:
                depth = opcode - 0x8E
                stack[:0] = [None] * (depth - len(stack))
                stack[-1], stack[-depth] = stack[-depth], stack[-1]
            else:
                operands = [stack.pop() if stack else None for _ in range(instruction.pops)]
                if instruction.shape is Shape.CONTROL:
                    if instruction.name not in ("JUMP", "JUMPI"):
                        break
                    target = operands[0]
                    if target is not None and target in destinations:
                        if target == head:
                            return True
                        pending.append((target, tuple(stack[-LOOP_SEARCH_STACK:])))
                    if instruction.name == "JUMP":
                        break
                    if pc + 1 == head:
                        return True
                    pending.append((pc + 1, tuple(stack[-LOOP_SEARCH_STACK:])))
                    break
                stack.extend([None] * instruction.pushes)
            pc += 1 + size
            if pc == head:
                return True
    return False


class RegionStore(Protocol):
    """Where compiled code outlives a process."""

    def load(self, program: Program) -> None:
        """Gives a new program the regions that are kept of it; none where there are none that can be trusted."""

    def save(self, program: Program) -> None:
        """Keeps a program's regions."""


class CodeCache:
    """Programs by fork and code; bounded, the least recently used go first; safe to share between machines and threads.

    What is decoded and compiled counts with the code that it is made of. Two generations: what is used moves to the
    young one; when that is full it becomes the old one, and what was in the old one without being used since is
    dropped. So a hit, which every call makes, is one look-up.
    """

    def __init__(
        self,
        *,
        entries: int = CACHE_ENTRIES,
        code_bytes: int = CACHE_CODE_BYTES,
        store: "RegionStore | None" = None,
    ) -> None:
        """`store` keeps compiled code from process to process; see `save`."""
        self._store = store
        self._entries = entries // 2
        self._code_bytes = code_bytes // 2
        self._held = 0
        self._young: dict[Fork, dict[bytes, Program]] = {}
        self._old: dict[Fork, dict[bytes, Program]] = {}
        self._tables: dict[Fork, Table] = {}
        # Guards all that isn't one look-up or one entry.
        self._lock = RLock()

    def program(self, code: bytes, fork: Fork) -> Program:
        """The program of a code, made if it isn't here."""
        try:
            return self._young[fork][code]
        except KeyError:
            return self._add(code, fork)

    def table(self, fork: Fork) -> Table:
        """The fork's instructions as the stepper runs them; made once."""
        table = self._tables.get(fork)
        if table is None:
            with self._lock:
                table = self._tables.setdefault(fork, table_of(fork))
        return table

    def _add(self, code: bytes, fork: Fork) -> Program:
        with self._lock:
            program = self._young.get(fork, {}).get(code) or self._old.get(fork, {}).get(code)
            if program is None:
                program = Program(code, fork, self.table(fork))
                if self._store is not None:
                    self._store.load(program)
                program.grew = self._grew
            size = program.held_bytes
            self._held += size
            held = sum(map(len, self._young.values()))
            if held and (held >= self._entries or self._held > self._code_bytes):
                self._age()
                self._held = size
                self.table(fork)
            self._young.setdefault(fork, {})[code] = program
        return program

    def save(self) -> None:
        """Keeps the compiled code of all programs that are held in the store, if there is one."""
        if self._store is not None:
            for program in self.programs():
                self._store.save(program)

    def _age(self) -> None:
        """The young generation becomes the old one, which goes."""
        self._old, self._young = self._young, {}
        self._held = 0
        self._tables = {kept: self._tables[kept] for kept in self._old if kept in self._tables}

    def _grew(self, size: int) -> None:
        """A program has `size` bytes more (or less) of decoded or compiled code."""
        with self._lock:
            self._held = max(self._held + size, 0)
            if self._held > self._code_bytes:
                self._age()

    def programs(self) -> Iterator[Program]:
        """All programs that are held."""
        with self._lock:
            held = {
                id(program): program
                for generation in (self._young, self._old)
                for programs in generation.values()
                for program in programs.values()
            }
        yield from held.values()
