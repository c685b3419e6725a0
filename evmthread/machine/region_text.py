"""The text of a region, line by line: locals, the symbolic stack, sites, exits and growth of memory.

Knows what the lines of a region look like, and no instruction: what is written where is decided in regions.py and
statements.py.
"""

from collections.abc import Callable
from typing import Any

from evmthread.isa.frame import Frame
from evmthread.machine.analysis import Program
from evmthread.machine.region_parts import Growth, Path, Site, TooLong, growing, place_of
from evmthread.machine.symbols import COMPARISON, LITERAL, LONG_LITERAL, Value, name

FAR = 2**20  # bytes: constant offsets beyond aren't reached for ahead of time
TEXT_BOUND = 200_000  # characters above which there is no region: leaving with a deep stack is long everywhere
STACK_BUDGET = 64  # items of a path above which no expression is kept unevaluated
WORD_ZEROS = 5  # low bits that are zero in a multiple of 32
TEXT_LIMIT = 160  # characters of an expression that is kept unevaluated


class RegionText:
    """What has been written of the region that begins at `head`."""

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
        # Lines that hang on what a loop carries, on whether the size of memory is used, or the data that calls return:
        # they are written at the end.
        self.stack_lines: list[tuple[int, int, Path]] = []
        self.size_lines: list[tuple[int, int]] = []
        self.return_lines: list[tuple[int, int]] = []

    # Text -------------------------------------------------------------------------------------------------------------
    def line(self, indent: int, text: str) -> None:
        if len(text) > LONG_LITERAL and "0x" in text:
            text = LITERAL.sub(lambda found: self.literal(found[0]), text)
        self.lines.append(" " * indent + text)
        self.length += len(text)
        if self.length > TEXT_BOUND:
            raise TooLong

    def literal(self, text: str) -> str:
        """The local that holds a long number or bytes: it is read sooner than its digits, by Python too."""
        return self.literals.setdefault(text, f"K{len(self.literals)}")

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
            self.line(indent, growing(number, end.within(COMPARISON + 1), aligned=end.zeros >= WORD_ZEROS))
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
