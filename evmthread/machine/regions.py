"""Regions: from a place in the code that is often reached, the blocks that follow it become one Python function.

Inside, stack items are locals, constant jumps vanish, return addresses pushed as constants are followed, and a loop is
a `while True`. Gas and stack bounds are checked once, on entry and at each turn of a loop; compiled code never decides
that gas ran out or that a jump is bad: it hands the frame back to the stepper (a **bail**) just before the
instruction in question. Each place that may bail, fail or wait is a **site**: a row that says how to rebuild the frame.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction, Shape
from evmthread.isa.instructions.jumps import jump, jumpi
from evmthread.machine.analysis import JUMPDEST, Program
from evmthread.machine.lifting import lift_pure
from evmthread.machine.operations import STACK_LIMIT
from evmthread.machine.statements import WORD_ZEROS, StatementLifter, place_of
from evmthread.machine.symbols import (
    COMPARISON,
    LITERAL,
    LONG_LITERAL,
    NAMED,
    Condition,
    Value,
    as_condition,
    constant,
    name,
    negation,
)

DESTINATIONS_A_STEP = 16  # JUMPDESTs in a row that cost as little to walk over as another instruction does
INSTRUCTION_BUDGET = 600  # of one region; more gains nothing (measured) and costs compile time
NESTING_LIMIT = 24  # of conditional branches, far below Python's own limit of indentation
FAR = 2**20  # bytes: constant offsets beyond aren't reached for ahead of time
TEXT_BUDGET = 60_000  # characters of a region's text after which its paths end
TEXT_BOUND = 200_000  # characters above which there is no region: leaving with a deep stack is long everywhere
STACK_BUDGET = 64  # items of a path above which no expression is kept unevaluated
TEXT_LIMIT = 160  # characters of an expression that is kept unevaluated


@dataclass(slots=True)
class Path:
    """What is known at one point of one path: the symbolic stack above `depth` items of the entry stack."""

    stack: list[Value] = field(default_factory=list)
    depth: int = 0
    spent: int = 0
    size_low: int = 0
    size_valid: bool = True
    facts: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    bounds: dict[str, int] = field(default_factory=dict)
    words: dict[int, Value] = field(default_factory=dict)
    # Memory as the compiled-for frame has it, and what this path would have written; None where that isn't known.
    memory: dict[int, int | None] | None = field(default_factory=dict)
    # Growth checks since which nothing could see gas or memory, nor end the region, by base: a later one of the same
    # base joins them.
    growths: "dict[str, Growth]" = field(default_factory=dict)

    def copy(self) -> "Path":
        return Path(
            self.stack.copy(),
            self.depth,
            self.spent,
            self.size_low,
            self.size_valid,
            self.facts.copy(),
            self.bounds.copy(),
            self.words.copy(),
            None if self.memory is None else self.memory.copy(),
        )


class Site(NamedTuple):
    """How to rebuild the frame at one place: the texts of the stack above the untouched items, pc and gas.

    `spent` is the static gas up to, without, this instruction; `price` its base price; `guess` names the assumption
    that failed when a bail happens here, if it is one. `written`: the frame is already as it has to be.
    `grows`: memory that can't be paid for together with the rest of the region is for the stepper to see to.
    """

    pc: int
    spent: int
    price: int
    depth: int
    stack: tuple[str, ...]
    guess: str = ""
    written: bool = False
    grows: bool = False


@dataclass(slots=True)
class Growth:
    """A line that makes memory reach `reach` bytes, counted from `base` unless that is empty.

    Accesses that surely follow it, and before which nothing sees gas or memory, are reached for at once: growing in one
    go costs what growing step by step does.
    """

    line: int
    indent: int
    site: int
    base: str
    reach: int
    # A reach that is a multiple of 32, if one is known to be.
    aligned: int | None

    @property
    def text(self) -> str:
        end = str(self.reach) if not self.base else f"{self.base} + {self.reach}" if self.reach else self.base
        aligned = self.aligned is not None and not (self.reach - self.aligned) & 31
        return " " * self.indent + _growing(self.site, end, aligned=aligned)


def _growing(site: int, end: str, *, aligned: bool) -> str:
    """Makes memory reach `end`, which is a multiple of 32 if it is `aligned`."""
    tested = end
    if not (end.isdecimal() or end.isidentifier()):
        tested, end = f"(end := {end})", "end"
    size = end if aligned else "len(memory) << 5"
    return f"if size < {tested}: site = {site}; gas = GROW(frame, {end}, gas, @GAS@); size = {size}"


@dataclass(frozen=True, slots=True)
class Source:
    """A region as text, with what its function needs. At `cuts` the budget ended a path that goes on."""

    head: int
    text: str
    sites: tuple[Site, ...]
    names: dict[str, Any]
    instructions: int
    loops: bool
    cuts: frozenset[int]

    @property
    def site_items(self) -> int:
        """The stack items of all sites."""
        return sum([len(site.stack) for site in self.sites])


class TooLong(Exception):  # noqa: N818 - an answer, not an error
    """The region's text would be longer than it is worth."""


class RegionWriter:
    """Writes the region that begins at `head`."""

    def __init__(
        self,
        program: Program,
        head: int,
        *,
        everything: bool,
        frame: Frame | None,
        observed_size: int,
        annotate: bool,
    ) -> None:
        self.frame = frame
        self.sample_stack = frame.stack if frame is not None else []
        self.sample_memory = frame.memory if frame is not None else []
        self.program = program
        self.head = head
        self.everything = everything
        self.annotate = annotate
        self.observed_size = observed_size
        self.names: dict[str, Any] = {}
        self.carried: set[int] = set()
        self.is_loop = False
        self.lines: list[str] = []
        self.sites: list[Site] = []
        self.length = 0
        self.temporaries = 0
        self.count = 0
        self.inputs: set[int] = set()
        self.largest_gas = 0
        self.largest_growth = 0
        self.deepest = 0
        self.hoisted: set[str] = set()
        self.literals: dict[str, str] = {}
        self.size_used = False
        self.size_relied = 0
        self.cuts: set[int] = set()
        self.exits: set[int] = set()
        self.places: set[int] = set()
        # What was tried in vain: (a function, which of its arguments aren't constants).
        self.unlifted: set[tuple[Callable[..., object], tuple[bool, ...]]] = set()
        # Lines that hang on what a loop carries and on whether the size of memory is used: they are written at the end.
        self.stack_lines: list[tuple[int, int, Path]] = []
        self.size_lines: list[tuple[int, int]] = []

    # Text -------------------------------------------------------------------------------------------------------------
    def line(self, indent: int, text: str) -> None:
        if len(text) > LONG_LITERAL and "0x" in text:
            text = LITERAL.sub(self._literal, text)
        self.lines.append(" " * indent + text)
        self.length += len(text)
        if self.length > TEXT_BOUND:
            raise TooLong

    def _literal(self, found: re.Match[str]) -> str:
        """The local that holds a long number: it is read sooner than its digits, by Python too."""
        return self.literals.setdefault(found[0], f"K{len(self.literals)}")

    def temporary(self) -> str:
        self.temporaries += 1
        return f"t{self.temporaries}"

    def bind(self, function: Callable[..., object]) -> str:
        """The name under which the generated function knows one of our functions."""
        known = getattr(function, "__name__", "function").rstrip("_") + "_"
        if not known.isidentifier():
            known = "function_"
        while known in self.names and self.names[known] is not function:
            known += "_"
        self.names[known] = function
        return known

    def hoist(self, attribute: str) -> str:
        """A local that holds a frame attribute which no instruction of a region changes."""
        self.hoisted.add(attribute)
        return attribute

    def settle(self, value: Value, indent: int) -> Value:
        """The value as an atom: a constant or a local."""
        if value.atom:
            return value
        local = self.temporary()
        self.line(indent, f"{local} = {value.text}")
        base, delta = (value.base, value.delta) if value.base is not None else (local, 0)
        return Value(local, value.low, value.high, value.zeros, atom=True, base=base, delta=delta, sample=value.sample)

    # Stack ------------------------------------------------------------------------------------------------------------
    def input(self, index: int) -> Value:
        self.inputs.add(index)
        sample = self.sample_stack[-1 - index] if index < len(self.sample_stack) else None
        return name(f"i{index}", sample=sample)

    def need(self, path: Path, count: int) -> None:
        while len(path.stack) < count:
            path.stack.insert(0, self.input(path.depth))
            path.depth += 1
            self.deepest = max(self.deepest, path.depth)

    def known(self, path: Path, value: Value) -> Value:
        """The value with what this path has learned of it."""
        fact = path.facts.get(value.text) if value.atom else None
        if fact is None or value.constant is not None:
            return value
        low, high, zeros = fact
        if low <= value.low and high >= value.high and zeros <= value.zeros:
            return value
        return value.narrowed(max(low, value.low), min(high, value.high), max(zeros, value.zeros))

    def pop(self, path: Path) -> Value:
        self.need(path, 1)
        return self.known(path, path.stack.pop())

    def push(self, path: Path, value: Value, indent: int) -> None:
        if len(value.text) > TEXT_LIMIT or (len(path.stack) > STACK_BUDGET and not value.atom):
            value = self.settle(value, indent)
        path.stack.append(value)
        self.largest_growth = max(self.largest_growth, len(path.stack) - path.depth)

    # Sites and exits --------------------------------------------------------------------------------------------------
    def site(
        self,
        path: Path,
        pc: int,
        price: int,
        *,
        guess: str = "",
        grows: bool = False,
        stack: list[Value] | None = None,
        spent: int | None = None,
    ) -> int:
        """A new site at an instruction whose operands are still on the stack; `stack` and `spent` where they differ.

        What runs after it may see memory and gas: growth isn't done ahead of time across it.
        """
        path.growths = {}
        values = path.stack if stack is None else stack
        # Truths leave as numbers; texts read locals that hold their value wherever the site is.
        texts = tuple([value.text for value in values])
        spent = path.spent if spent is None else spent
        self.sites.append(Site(pc, spent, price, path.depth, texts, guess, written=False, grows=grows))
        return len(self.sites) - 1

    def bail(self, path: Path, condition: str, pc: int, indent: int, *, guess: str = "") -> None:
        """Hands over to the stepper before the instruction at pc, where the condition holds."""
        number = self.site(path, pc, 0, guess=guess)
        self.line(indent, f"if {condition}: site = {number}; raise BAIL")

    def mark(self) -> tuple[Any, ...]:
        """How far the text has come."""
        return len(self.lines), len(self.sites), self.temporaries, self.size_used, self.size_relied, self.hoisted.copy()

    def back_to(self, mark: tuple[Any, ...]) -> None:
        """Takes back what was written since a mark."""
        lines, sites, self.temporaries, self.size_used, self.size_relied, self.hoisted = mark
        del self.lines[lines:]
        del self.sites[sites:]

    def _write_stack(self, path: Path, indent: int) -> None:
        """The line that leaves the stack as the path has it, which ends here."""
        self.stack_lines.append((len(self.lines), indent, path))
        self.line(indent, self._stack_line(path))

    def _stack_line(self, path: Path) -> str:
        values, depth = path.stack, path.depth
        same = 0
        while same < len(values) and same < depth:
            index = depth - 1 - same
            if values[same].text != f"i{index}" or index in self.carried:
                break
            same += 1
        rest = [value.text for value in values[same:]]
        gone = depth - same
        if gone == len(rest) == 1:
            return f"stack[-1] = {rest[0]}"
        if gone and len(rest) == 1:
            return f"stack[-{gone}] = {rest[0]}; del stack[{1 - gone}:]"
        if gone and rest:
            return f"stack[-{gone}:] = ({', '.join(rest)},)"
        if gone:
            return f"del stack[-{gone}:]" if gone > 1 else "del stack[-1]"
        if len(rest) == 1:
            return f"stack.append({rest[0]})"
        return f"stack.extend(({', '.join(rest)}))" if rest else ""

    def _carry(self) -> None:
        """A loop's carried items may have changed in an earlier turn: they are written back wherever it is left."""
        height = max(self.carried) + 1
        texts = [f"i{index}" for index in range(height - 1, -1, -1)]
        self.sites = [
            site
            if site.depth >= height
            else site._replace(stack=(*texts[: height - site.depth], *site.stack), depth=height)
            for site in self.sites
        ]
        for number, indent, path in self.stack_lines:
            if path.depth < height:
                path.stack[:0] = [name(text) for text in texts[: height - path.depth]]
                path.depth = height
            self.lines[number] = " " * indent + self._stack_line(path)

    def _gas(self, path: Path) -> str:
        return f"gas - {path.spent}" if path.spent else "gas"

    def leave(self, path: Path, target: str, indent: int) -> None:
        """Writes the frame back and goes to `target`: a pc, or the complement of one that the stepper shall run."""
        if target.isdecimal():
            self.exits.add(int(target))
        self._write_stack(path, indent)
        self.line(indent, f"frame.gas = {self._gas(path)}")
        self.line(indent, f"return {target}")
        self._account(path)

    def _account(self, path: Path) -> None:
        self.largest_gas = max(self.largest_gas, path.spent)

    def _back_edge(self, path: Path, indent: int) -> bool:
        """Closes the loop. False when the stack's height differs from the head's: then it is left and entered anew."""
        if len(path.stack) != path.depth:
            return False
        self.is_loop = True
        depth = path.depth
        targets, values = [], []
        for position, value in enumerate(path.stack):
            index = depth - 1 - position
            if value.text != f"i{index}":
                self.carried.add(index)
                targets.append(f"i{index}")
                values.append(value.text)
        if targets:
            self.line(indent, f"{', '.join(targets)} = {', '.join(values)}")
        if not path.size_valid:
            self.size_lines.append((len(self.lines), indent))
            self.line(indent, "")
        if path.spent:
            self.line(indent, f"gas -= {path.spent}")
        self.line(indent, "continue")
        self._account(path)
        return True

    def grow(self, path: Path, end: Value, pc: int, indent: int) -> None:
        """Makes memory reach `end`, or more where later accesses join."""
        number = self.site(path, pc, 0, grows=True)
        place = place_of(end)
        if place is None:
            self.line(indent, _growing(number, end.within(COMPARISON + 1), aligned=end.zeros >= WORD_ZEROS))
            return
        base, reach = place
        aligned = reach if end.zeros >= WORD_ZEROS else None
        growth = path.growths[base] = Growth(len(self.lines), indent, number, base, reach, aligned)
        self.line(0, growth.text)

    def extend(self, growth: Growth, reach: int) -> None:
        """Makes a growth reach another place."""
        growth.reach = reach
        self.lines[growth.line] = growth.text

    def join(self, path: Path, end: Value) -> bool:
        """Lets an earlier growth, since which nothing could be seen, take an access along; True if there is one."""
        place = place_of(end)
        if place is None:
            return False
        base, reach = place
        growth = path.growths.get(base)
        if growth is None or reach >= FAR:
            return False
        if reach > growth.reach:
            self.extend(growth, reach)
        return True

    # Walking ----------------------------------------------------------------------------------------------------------
    def write(self) -> Source:
        """The region's source."""
        self._walk(Path(size_low=self.observed_size), self.head, 0, 0, first=True)
        head = self.head
        body = self.lines
        if self.is_loop:
            loop_site = len(self.sites)
            self.sites.append(Site(head, 0, 0, 0, ()))
        if self.carried:
            self._carry()
        if self.size_used:
            for number, indent in self.size_lines:
                body[number] = " " * indent + "size = len(memory) << 5"
            self.hoist("memory")
        margin = " " * (1 + bool(self.sites) + self.is_loop)
        inside = "\n".join([margin + line for line in body if line and not line.isspace()])
        heights = f"{self.deepest} <= len(stack) <= {STACK_LIMIT - self.largest_growth}"
        top = [
            "def region(frame):",
            " stack = frame.stack; gas = frame.gas",
            f" if gas < {self.largest_gas} or not {heights}: return {~head}",
        ]
        if self.hoisted:
            top.append(" " + "; ".join([f"{attribute} = frame.{attribute}" for attribute in sorted(self.hoisted)]))
        if self.size_used:
            top.append(" size = len(memory) << 5")
        if self.size_relied:
            top.append(f" if size < {self.size_relied}: return REFUSE(REGION)")
        top += self._loads()
        top += [f" {text} = {number:#x}" for text, number in NAMED.items() if text in inside]
        top += [f" {local} = {text}" for text, local in self.literals.items()]
        bottom: list[str] = []
        if self.sites:
            top.append(" try:")
            bottom = [" except STOPS as stop:", "  return SPILL(frame, REGION, site, locals(), stop)"]
        if self.is_loop:
            top += ["  while True:", f"   if gas < @GAS@: site = {loop_site}; raise BAIL"]
        text = "\n".join((*top, inside, *bottom, "")).replace("@GAS@", str(self.largest_gas))
        return Source(head, text, tuple(self.sites), self.names, self.count, self.is_loop, frozenset(self.cuts))

    def _loads(self) -> list[str]:
        """The stack items that the region reads, into locals: one by one, or a slice where that is quicker."""
        if len(self.inputs) > 3 and max(self.inputs) < 2 * len(self.inputs):
            deepest = max(self.inputs)
            names = [f"i{index}" for index in range(deepest, -1, -1)]
            return [f" {', '.join(names)} = stack[-{deepest + 1}:]"]
        return [f" i{index} = stack[-{index + 1}]" for index in sorted(self.inputs)]

    def _seen(self, pc: int) -> bool:
        return self.everything or self.program.was_met(pc)

    def _walk(self, path: Path, pc: int, indent: int, nesting: int, *, first: bool = False) -> None:
        """Writes the path that begins at pc, to its end."""
        program = self.program
        prices = program.fork.base_prices
        while True:
            if not first:
                if pc == self.head and self._back_edge(path, indent):
                    return
                full = self.count >= INSTRUCTION_BUDGET or self.length >= TEXT_BUDGET
                if full:
                    self.cuts.add(pc)
                if full or pc == self.head or self.program.is_loop_head(pc):
                    self.leave(path, str(pc), indent)
                    return
            first = False
            instruction = program.instruction_at(pc)
            if instruction is None:
                self.leave(path, str(~pc), indent)
                return
            self.count += 1
            if self.annotate:
                self._annotate(pc, instruction, indent)
            price = prices[instruction.opcode]
            shape = instruction.shape
            if instruction.opcode == JUMPDEST and not self.annotate:
                run = self._destinations_from(pc)
                path.spent += price * run
                self.count += run // DESTINATIONS_A_STEP
                pc += run
            elif shape is Shape.STACK:
                path.spent += price
                self._move(path, pc, instruction, indent)
                pc += 1 + instruction.immediate
            elif shape is Shape.PURE:
                path.spent += price
                self._pure(path, instruction, indent)
                pc += 1
            elif shape is Shape.CONTROL:
                if instruction.function is jump:
                    target = self._jump(path, pc, price, indent)
                    if target is None:
                        return
                    pc = target
                elif instruction.function is jumpi:
                    following = self._branch(path, pc, price, indent, nesting)
                    if following is None:
                        return
                    pc = following
                else:
                    self._hand_over(path, pc, price, instruction, indent)
                    return
            else:
                StatementLifter(self, path, pc, instruction, price, indent).run()
                pc += 1

    def _destinations_from(self, pc: int) -> int:
        """How many JUMPDESTs follow one another from here, none of which but the first is where the path ends."""
        destinations, head = self.program.destinations, self.head
        end = pc + 1
        while end in destinations and end != head and not self.program.is_loop_head(end):
            end += 1
        return end - pc

    def _annotate(self, pc: int, instruction: Instruction, indent: int) -> None:
        self.places.add(pc)
        data = self.program.code[pc + 1 : pc + 1 + instruction.immediate]
        self.lines.append(" " * indent + f"# {pc}: {ascii(instruction.name)[1:-1]}{f' 0x{data.hex()}' if data else ''}")

    def _hand_over(self, path: Path, pc: int, price: int, instruction: Instruction, indent: int) -> None:
        """A call, a creation or a halt: here the path ends, and whoever runs the frame sees what comes of it."""
        self.need(path, instruction.pops)
        number = self.site(path, pc, price)
        path.spent += price
        if instruction.pushes:
            self.exits.add(pc + 1)
        if instruction.shows_pc:
            self._show(path, pc, number, instruction, indent)
        else:
            self._finish(path, pc, number, instruction, indent)
        self._account(path)

    def _show(self, path: Path, pc: int, number: int, instruction: Instruction, indent: int) -> None:
        """Its function may look at the frame, which is written back first."""
        self._write_stack(path, indent)
        self.sites[number] = self.sites[number]._replace(stack=(), written=True)
        operation = self.program.operations[instruction.opcode]
        assert operation is not None
        known = f"operation_{instruction.opcode:02x}"
        self.names[known] = operation
        self.line(indent, f"site = {number}; frame.pc = {pc}; frame.gas = {self._gas(path)}")
        self.line(indent, f"return CONTROL(frame, {known}, {pc + 1})")

    def _finish(self, path: Path, pc: int, number: int, instruction: Instruction, indent: int) -> None:
        """Its function gets the operands; the frame is written back when it is through, as it may have to wait."""
        stack, pops, function = path.stack, instruction.pops, instruction.function
        assert function is not None
        operands = [stack.pop().text for _ in range(pops)]
        self.line(indent, f"site = {number}; frame.pc = {pc}; frame.gas = {self._gas(path)}")
        result = self.temporary()
        self.line(indent, f"{result} = {self.bind(function)}({', '.join(('frame', 'frame.host', *operands))})")
        self._write_stack(path, indent)
        if instruction.pushes:
            self.line(indent, f"if type({result}) is int: stack.append({result}); return {pc + 1}")
            self.line(indent, f"frame.pc = {pc + 1}")
        self.line(indent, f"return {result}")

    def _move(self, path: Path, pc: int, instruction: Instruction, indent: int) -> None:
        kind = instruction.name
        if instruction.immediate or kind == "PUSH0":
            data = self.program.code[pc + 1 : pc + 1 + instruction.immediate]
            number = int.from_bytes(data, "big") << 8 * (instruction.immediate - len(data))
            self.push(path, constant(number), indent)
        elif kind.startswith("DUP"):
            self.need(path, instruction.pops)
            value = path.stack[-instruction.pops] = self.settle(path.stack[-instruction.pops], indent)
            self.push(path, value, indent)
        elif kind.startswith("SWAP"):
            self.need(path, instruction.pops)
            stack = path.stack
            stack[-1], stack[-instruction.pops] = stack[-instruction.pops], stack[-1]
        elif kind == "POP":
            self.pop(path)
        elif kind == "PC":
            self.push(path, constant(pc), indent)

    def _pure(self, path: Path, instruction: Instruction, indent: int) -> None:
        function = instruction.function
        assert function is not None
        arguments = tuple([self.pop(path) for _ in range(instruction.pops)])

        def settle(value: Value) -> Value:
            return self.settle(value, indent)

        result, arguments = lift_pure(function, arguments, settle)  # type: ignore[arg-type]
        if result is None:
            texts = ", ".join([argument.text for argument in arguments])
            result = Value(f"{self.bind(function)}({texts})")
        if result.sample is None:
            samples = [argument.sample for argument in arguments]
            if None not in samples:
                result = result.sampled(cast("int", function(*samples)))
        self.push(path, result, indent)

    def _target(self, value: Value) -> int | None:
        """The destination, if it is known and good."""
        target = value.constant
        return target if target is not None and target in self.program.destinations else None

    def _jump(self, path: Path, pc: int, price: int, indent: int) -> int | None:
        self.need(path, 1)
        value = path.stack[-1]
        target = self._target(value)
        if target is None and value.constant is not None:
            self.leave(path, str(~pc), indent)
            return None
        if target is None:
            value = path.stack[-1] = self.settle(value, indent)
            self.hoist("destinations")
            self.bail(path, f"{value.text} not in destinations", pc, indent)
        path.stack.pop()
        path.spent += price
        if target is None:
            self.leave(path, value.text, indent)
        return target

    def _branch(self, path: Path, pc: int, price: int, indent: int, nesting: int) -> int | None:
        """JUMPI. Writes one side nested and returns the pc of the other, or None where the path ends."""
        self.need(path, 2)
        target = self._target(path.stack[-1])
        if target is None:
            self.leave(path, str(~pc), indent)
            return None
        self.pop(path)
        condition = as_condition(self.pop(path))
        path.spent += price
        if condition.known is not None:
            return target if condition.known else pc + 1
        taken = Condition(condition.text)
        nested, other = target, pc + 1
        # The side that was never run, or that ends at once, is nested; the other goes on at this level.
        if self._seen(target) and not self._ends(target) and (not self._seen(pc + 1) or self._ends(pc + 1)):
            nested, other, taken = pc + 1, target, negation(condition)
        self.line(indent, f"if {taken.text}:")
        side = path.copy()
        path.growths = {}
        if not self._seen(nested) or nesting >= NESTING_LIMIT or self._ends(nested):
            if nested == self.head and self._back_edge(side, indent + 1):
                return other
            self.leave(side, str(nested), indent + 1)
        else:
            self._walk(side, nested, indent + 1, nesting + 1)
        if not self._seen(other):
            self.leave(path, str(other), indent)
            return None
        return other

    def _ends(self, pc: int) -> bool:
        """True where the code halts or leaves soon: short blocks that end in a halt, and other loops' heads."""
        if pc == self.head or self.program.is_loop_head(pc):
            return True
        for _ in range(6):
            instruction = self.program.instruction_at(pc)
            if instruction is None:
                return True
            if instruction.shape is Shape.CONTROL:
                return not instruction.name.startswith("JUMP")
            pc += 1 + instruction.immediate
        return False
