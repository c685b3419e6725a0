"""Lifting of instructions that work on the frame or ask the host: their bodies become a few lines, or one call.

It knows Frame's own vocabulary (memory, grow, charge, gas, prices) and no opcode.
"""

import ast
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from evmthread.isa.frame import copy_data, copy_memory, load_unaligned, store_byte, store_unaligned
from evmthread.isa.instruction import Instruction, Shape
from evmthread.isa.instructions.hashing import hash_of_memory
from evmthread.isa.instructions.memory import mload, msize, mstore
from evmthread.machine.lifting import Evaluator
from evmthread.machine.symbols import (
    FALSE,
    SUM,
    Condition,
    NotLiftable,
    Value,
    as_condition,
    binary,
    compare,
    constant,
    name,
)
from evmthread.machine.syntax import syntax_of
from evmthread.primitives.words import SIGN_BIT, WORD_MASK, WORD_MODULUS

if TYPE_CHECKING:
    from evmthread.machine.regions import Path, RegionWriter

MEMORY_REACH = 1 << 40  # bytes; no memory is longer, so an offset that was reached is below it
POINTER_SLOT = 0x40  # where Solidity keeps the free-memory pointer; only a guess, guarded
POINTER_RANGE = (0x80, 2**32 - 1)
STEADY_ATTRIBUTES = frozenset(
    {"memory", "slots", "stored", "data", "code", "address", "message", "return_data", "host"}
)
SIZE = "len(memory) << 5"
WORD_ZEROS = 5  # low bits that are zero in a multiple of 32
# Functions that are given memory and don't look how long it is.
BLIND: tuple[Callable[..., object], ...] = (
    *(copy_data, copy_memory, hash_of_memory),
    *(load_unaligned, store_unaligned, store_byte),
)


_PARTS = frozenset({ast.Attribute, ast.Call, ast.Subscript})


class Opaque:
    """Something that is no word: a list, a dictionary, bytes, a function; its text, or what it is."""

    __slots__ = ("text", "what")

    def __init__(self, text: str, what: object = None) -> None:
        self.text = text
        self.what = what


FRAME = Opaque("frame")
HOST = Opaque("frame.host")


def place_of(end: Value) -> tuple[str, int] | None:
    """What the end of a memory range is counted from, "" where it is known beforehand, and how far from there it is."""
    if end.constant is not None:
        return "", end.constant
    return None if end.base is None else (end.base, end.delta)


@lru_cache(maxsize=1024)
def _is_growth(statement: ast.If) -> bool:
    """True for `if end > size: frame.grow(end)`."""
    test, body = statement.test, statement.body
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Gt)
        and len(body) == 1
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Call)
        and isinstance(body[0].value.func, ast.Attribute)
        and body[0].value.func.attr == "grow"
        and ast.dump(body[0].value.args[0]) == ast.dump(test.left)
    )


class StatementLifter(Evaluator):
    """Writes one framed or host instruction into a region."""

    def __init__(
        self, writer: "RegionWriter", path: "Path", pc: int, instruction: Instruction, price: int, indent: int
    ) -> None:
        self.writer = writer
        self.path = path
        self.pc = pc
        self.instruction = instruction
        self.price = price
        self.indent = indent
        self.result: str | None = None
        self.environment = {}
        self.effects = False
        self.asked = False
        self.measuring = False
        self.outer_indent = indent
        self.base_price = price
        # What was learned, to be forgotten where it doesn't hold: (what knows it, of what, what was known before).
        self.learned: list[tuple[dict[str, Any], str, Any]] = []

    def run(self) -> None:
        """Writes the instruction: inline if it can be, else as a call."""
        writer, path, instruction = self.writer, self.path, self.instruction
        function = instruction.function
        assert function is not None
        writer.need(path, instruction.pops)
        self._unwrap_offset(function)
        for position in range(1, instruction.pops + 1):
            path.stack[-position] = writer.settle(path.stack[-position], self.indent)
        arguments = [writer.known(path, path.stack[-position]) for position in range(1, instruction.pops + 1)]
        self.arguments = arguments
        forwarded = self._forwarded(arguments)
        if forwarded is not None:
            self._finish(forwarded)
            return
        value = self._lifted(function, arguments)
        self._remember(arguments, value)
        self._note_sample(arguments)
        self._finish(value)

    def _lifted(self, function: Callable[..., object], arguments: list[Value]) -> Value | None:
        """Writes the body inline, or a call where it can't be lifted; what was written until then is taken back."""
        writer, path, instruction = self.writer, self.path, self.instruction
        attempt = function, tuple([argument.constant is None for argument in arguments])
        if attempt in writer.unlifted:
            return self._call_whole(function, arguments)
        mark, known = writer.mark(), len(self.learned)
        kept = path.size_low, path.size_valid, path.growths
        reaches = [(growth, growth.reach) for growth in path.growths.values()]
        try:
            lifted = syntax_of(function)
            hidden = 1 if instruction.shape is Shape.FRAMED else 2
            environment: dict[str, Any] = {lifted.parameters[0]: FRAME}
            if hidden == 2:
                environment[lifted.parameters[1]] = HOST
            environment.update(zip(lifted.parameters[hidden:], arguments, strict=True))
            self.names = lifted.names
            self.environment = environment
            return self._body(lifted.body, top=True)
        except NotLiftable:
            self.indent = self.outer_indent
            self.price = self.base_price
            self.measuring = False
            writer.back_to(mark)
            self._forget(known)
            path.size_low, path.size_valid, path.growths = kept
            for growth, reach in reaches:
                writer.extend(growth, reach)
            writer.unlifted.add(attempt)
        return self._call_whole(function, arguments)

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
        hidden = 1 if self.instruction.shape is Shape.FRAMED else 2
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

    def _finish(self, value: Value | None) -> None:
        writer, path, instruction = self.writer, self.path, self.instruction
        path.spent += self.price
        if instruction.pops:
            del path.stack[-instruction.pops :]
        if instruction.pushes:
            assert value is not None
            writer.push(path, value, self.indent)
        if self.asked:
            writer.bail(path, "gas < @GAS@", self.pc + 1, self.indent)

    def _check_gas_after(self) -> None:
        """Inside a branch: hands over after the instruction where what is left doesn't cover the rest of the region."""
        path = self.path
        stack = path.stack[: len(path.stack) - self.instruction.pops]
        if self.instruction.pushes:
            assert self.result is not None
            stack.append(name(self.result))
        number = self.writer.site(path, self.pc + 1, 0, stack=stack, spent=path.spent + self.price)
        self._line(f"if gas < @GAS@: site = {number}; raise BAIL")
        self.asked = False

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
        hidden = (frame,) if self.instruction.shape is Shape.FRAMED else (frame, frame.host)
        return cast("int", function(*hidden, *samples))

    def _note_sample(self, arguments: list[Value]) -> None:
        """What an instruction does to the sample of memory."""
        memory = self.path.memory
        if memory is None or not self.effects:
            return
        offset = arguments[0].sample if arguments else None
        if self.instruction.function is mstore and offset is not None and not offset & 31:
            memory[offset] = arguments[1].sample
        elif self.instruction.shape is Shape.FRAMED:
            self.path.memory = None

    # Statements -------------------------------------------------------------------------------------------------------
    def _line(self, text: str) -> None:
        self.writer.line(self.indent, text)

    def _body(self, statements: tuple[ast.stmt, ...] | list[ast.stmt], *, top: bool = False) -> Value | None:
        """Writes statements. At the top returns the value; nested, values go to `self.result`."""
        for index, statement in enumerate(statements):
            rest = list(statements[index + 1 :])
            if isinstance(statement, ast.Return) and statement.value is not None and not self.instruction.pushes:
                if isinstance(statement.value, ast.Call):
                    self.call(statement.value, wanted=False)
                return None
            if isinstance(statement, ast.Return):
                value = None if statement.value is None else self.value(statement.value)
                if top:
                    return None if value is None else self._settled(value)
                self._give(value)
                if self.asked:
                    self._check_gas_after()
                return None
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                self._assign(statement.targets[0], statement.value)
            elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                self.call(statement.value, wanted=False)
            elif isinstance(statement, ast.If):
                self.measuring = _is_growth(statement)
                condition = self.condition(statement.test)
                self.measuring = False
                if condition.known is not None:
                    branch = statement.body if condition.known else statement.orelse
                    return self._body([*branch, *rest], top=top)
                if self._guard(statement, condition):
                    continue
                if self._returns(statement.body):
                    return self._split(condition, statement.body, [*statement.orelse, *rest], top=top)
                if statement.orelse or any(isinstance(node, ast.Assign) for node in statement.body):
                    raise NotLiftable("a branch that assigns")
                self._optional(statement)
            else:
                raise NotLiftable(type(statement).__name__)
        return None

    def _settled(self, value: Value) -> Value:
        return self.writer.settle(value, self.indent)

    def _give(self, value: Value | None) -> None:
        if value is not None:
            if self.result is None:
                self.result = self.writer.temporary()
            self._line(f"{self.result} = {value.text}")
        else:
            self._line("pass")

    def _returns(self, body: list[ast.stmt]) -> bool:
        return isinstance(body[-1], (ast.Return, ast.Raise))

    def _split(self, condition: Condition, first: list[ast.stmt], second: list[ast.stmt], *, top: bool) -> Value | None:
        """Two branches that both end: a conditional statement with a common result."""
        path = self.path
        if isinstance(first[-1], ast.Raise):
            # An exceptional halt is the stepper's to decide: nothing was done yet that it would do again.
            if self.effects:
                raise NotLiftable("a failure after an effect")
            self.writer.bail(path, condition.text, self.pc, self.indent)
            return self._body(second, top=top)
        self._line(f"if {condition.text}:")
        # What either branch learns and whatever memory it reaches is known in it alone.
        kept_environment, kept = dict(self.environment), len(self.learned)
        growths, size_low, size_valid = path.growths, path.size_low, path.size_valid
        path.growths = growths.copy()
        self.indent += 1
        self._body(first)
        self.indent -= 1
        self._line("else:")
        self._forget(kept)
        self.environment = kept_environment
        valid_after_first, path.size_valid = path.size_valid, size_valid
        growths = {base: growth for base, growth in growths.items() if path.growths.get(base) is growth}
        path.growths, path.size_low = growths.copy(), size_low
        self.indent += 1
        self._body(second)
        self.indent -= 1
        self._forget(kept)
        path.size_low = size_low
        path.size_valid = path.size_valid and valid_after_first
        path.growths = {base: growth for base, growth in growths.items() if path.growths.get(base) is growth}
        path.words = {}
        if top:
            return name(self.result) if self.result is not None else None
        return None

    def _optional(self, statement: ast.If) -> None:
        """A branch that is passed over or run, and then goes on: growing memory, and nothing else so far."""
        if not _is_growth(statement):
            raise NotLiftable("a branch that goes on")
        self._grow(self.value(cast("ast.Compare", statement.test).left))

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

    def _guard(self, statement: ast.If, condition: Condition) -> bool:
        """An offset is taken to be a multiple of 32, as nearly all are: a bail where it isn't."""
        test = statement.test
        if not (
            isinstance(test, ast.BinOp)
            and isinstance(test.op, ast.BitAnd)
            and isinstance(test.right, ast.Constant)
            and test.right.value == 31
            and not statement.orelse
            and not self.effects
        ):
            return False
        offset = self.value(test.left)
        if not offset.atom or self.writer.program.refuted(self.pc, "aligned"):
            return False
        if offset.sample is not None and offset.sample & 31:
            return False
        self.writer.bail(self.path, condition.text, self.pc, self.indent, guess="aligned")
        self._learn(offset, high=offset.high, zeros=5)
        return True

    def _assign(self, target: ast.expr, source: ast.expr) -> None:
        if isinstance(target, ast.Name):
            value = self.anything(source)
            self.environment[target.id] = self._settled(value) if isinstance(value, Value) else value
            return
        if isinstance(target, ast.Subscript):
            container = self.anything(target.value)
            if not isinstance(container, Opaque):
                raise NotLiftable("an item of a word")
            key, value = self.value(target.slice), self.value(source)
            self._line(f"{container.text}[{key.text}] = {value.text}")
            self.effects = True
            return
        raise NotLiftable("assignment")

    # Expressions ------------------------------------------------------------------------------------------------------
    def anything(self, node: ast.expr) -> Any:
        """A word or something opaque."""
        kind = type(node)
        if kind is ast.Name:
            known = self.environment.get(cast("ast.Name", node).id)
            return known if known is not None else self.value(node)
        if kind in _PARTS:
            return self.part(node)
        return self.value(node)

    def part(self, node: ast.expr) -> Any:
        """An attribute, what a call gives, or an item."""
        if isinstance(node, ast.Attribute):
            return self.attribute(node)
        if isinstance(node, ast.Call):
            return self.call(node, wanted=True)
        assert isinstance(node, ast.Subscript)
        container = self.anything(node.value)
        if isinstance(container, Opaque) and container.text == "memory" and not isinstance(node.slice, ast.Slice):
            return Value(f"memory[{self.value(node.slice).text}]", sample=self._memory_sample())
        raise NotLiftable("an item")

    def value_of_part(self, node: ast.expr) -> Value:
        result = self.part(node)
        if not isinstance(result, Value):
            raise NotLiftable("no word")
        return result

    value_of_call = value_of_part

    def value_of_operation(self, node: ast.BinOp) -> Value:
        result = binary(node.op, self.value(node.left), self.value(node.right))
        return self._size() if result.text == SIZE else result

    def condition(self, node: ast.expr) -> Condition:
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            left = self.anything(node.left)
            text = f"{left.text} is None"
            return Condition(text if isinstance(node.ops[0], ast.Is) else f"{left.text} is not None")
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Gt):
            left, right = self.value(node.left), self.value(node.comparators[0])
            if right.text == "size" and self._within(left):
                return FALSE
            return compare(node.ops[0], left, right)
        if isinstance(node, ast.Attribute):
            found = self.attribute(node)
            if isinstance(found, Opaque):
                return Condition(found.text)
            return as_condition(found)
        return super().condition(node)

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

    def attribute(self, node: ast.Attribute) -> Any:
        """An attribute of the frame, of its prices, or a function of a module."""
        owner = node.value
        if isinstance(owner, ast.Name) and self.environment.get(owner.id) is FRAME:
            if node.attr == "gas":
                self._shown()
                return Value(f"gas - {self.path.spent + self.price}", rank=SUM)
            if node.attr in ("prices", "rules"):
                return Opaque("", getattr(self.writer.program.fork, node.attr))
            if node.attr == "is_static":
                return Opaque(self.writer.hoist("is_static"))
            if node.attr in STEADY_ATTRIBUTES:
                return Opaque(self.writer.hoist(node.attr))
            raise NotLiftable(node.attr)
        found = self.anything(owner) if isinstance(owner, (ast.Attribute, ast.Name)) else None
        if isinstance(found, Opaque) and found.what is not None:
            known = getattr(found.what, node.attr)
            if type(known) is int:
                return constant(known)
        raise NotLiftable(node.attr)

    def call(self, node: ast.Call, *, wanted: bool) -> Any:
        """A call inside a body: of the frame's methods, of a dictionary's get, or of a function of the module."""
        if node.keywords:
            raise NotLiftable("keywords")
        function = node.func
        if isinstance(function, ast.Attribute):
            if function.attr == "bit_length":
                return Evaluator.value_of_call(self, node)
            return self._method(function, node.args)
        if not isinstance(function, ast.Name):
            raise NotLiftable("a computed function")
        if function.id == "len" and len(node.args) == 1:
            measured = self.anything(node.args[0])
            if isinstance(measured, Opaque):
                low = 0
                if measured.text == "memory":
                    self._shown()
                return Value(f"len({measured.text})", low, MEMORY_REACH)
            raise NotLiftable("length of a word")
        target = self.names.get(function.id)
        if not callable(target) or isinstance(target, type) or not target.__module__:  # by which it is found again
            raise NotLiftable(function.id)
        arguments = [self.anything(argument) for argument in node.args]
        texts = [argument.text for argument in arguments]
        asks = any(argument is FRAME or argument is HOST for argument in arguments)
        if not asks:
            # A function of words and memory alone: it can't fail.
            constants = [argument.constant if isinstance(argument, Value) else None for argument in arguments]
            folded = target(*constants) if wanted and None not in constants else None
            if type(folded) is int:
                return constant(folded)
            inlined = self._inlined(target, arguments) if wanted else None
            if inlined is not None:
                return inlined
            self.effects = self.effects or not wanted
            if target not in BLIND:
                self._shown()
            text = f"{self.writer.bind(target)}({', '.join(texts)})"
            if wanted:
                return Value(text)
            self._line(text)
            return None
        return self._ask(f"{self.writer.bind(target)}({', '.join(texts)})", wanted=wanted)

    def _inlined(self, function: Callable[..., object], arguments: list[Any]) -> Value | None:
        """The value of a small function of words and memory: its assignments and its return, in place of the call."""
        kept = self.names, self.environment
        kept_lines = len(self.writer.lines)
        try:
            lifted = syntax_of(function)
            self.names = lifted.names
            self.environment = dict(zip(lifted.parameters, arguments, strict=True))
            statements = list(lifted.body)
            while statements:
                statement = statements.pop(0)
                if isinstance(statement, ast.Return) and statement.value is not None:
                    return self.value(statement.value)
                if isinstance(statement, ast.If):
                    condition = self.condition(statement.test)
                    if condition.known is None:
                        break
                    statements[:0] = statement.body if condition.known else statement.orelse
                elif isinstance(statement, ast.Assign):
                    self._assign(statement.targets[0], statement.value)
                else:
                    break
            del self.writer.lines[kept_lines:]
            return None
        except NotLiftable:
            del self.writer.lines[kept_lines:]
            return None
        finally:
            self.names, self.environment = kept

    def _method(self, function: ast.Attribute, arguments: list[ast.expr]) -> Any:
        owner = self.anything(function.value) if isinstance(function.value, (ast.Name, ast.Attribute)) else None
        if owner is FRAME:
            words = [self.value(argument) for argument in arguments]
            if function.attr == "charge":
                return self._charge(words[0])
            if function.attr in ("grow", "grow_range"):
                return self._reach(words)
            raise NotLiftable(function.attr)
        if isinstance(owner, Opaque) and owner.text == "slots" and function.attr == "get":
            return Value(f"slots.get({self.value(arguments[0]).text})")
        raise NotLiftable(function.attr)

    def _reach(self, words: list[Value]) -> None:
        """`frame.grow(end)`, or `frame.grow_range(offset, size)` where the size is known."""
        end = words[0]
        if len(words) == 2:
            if words[1].constant is None:
                raise NotLiftable("a range of unknown size")
            if words[1].constant == 0:
                return
            end = binary(ast.Add(), *words)
        self.measuring = True
        self._size()
        self.measuring = False
        if not self._within(end):
            self._grow(end)

    def _charge(self, amount: Value) -> None:
        """Gas beyond the base price, taken only where all that the region will need is still there after it."""
        if self.effects:
            raise NotLiftable("a charge after an effect")
        if amount.constant is not None and self.indent == self.outer_indent:
            # As certain as the base price, and so a part of it.
            self.price += amount.constant
            return
        amount = self._settled(amount)
        self.writer.bail(self.path, f"gas < {amount.text} + @GAS@", self.pc, self.indent)
        self._line(f"gas -= {amount.text}")

    def _ask(self, call: str, *, wanted: bool) -> Value | None:
        """A call that may charge, fail or wait: gas is exact before it, and enough after it, or the stepper goes on."""
        path, writer = self.path, self.writer
        number = writer.site(path, self.pc, self.price)
        spent = path.spent + self.price
        shown = f"frame.pc = {self.pc}; " if self.instruction.shows_pc else ""
        self._line(f"site = {number}; {shown}frame.gas = gas - {spent}")
        result = writer.temporary() if wanted else None
        self._line(f"{result} = {call}" if wanted else call)
        self._line(f"gas = frame.gas + {spent}")
        self.effects = True
        self.asked = True
        path.size_valid = False
        return name(result) if result is not None else None

    def _call_whole(self, function: Callable[..., object], arguments: list[Value]) -> Value | None:
        """The instruction as one call of its function."""
        instruction, writer = self.instruction, self.writer
        texts = ["frame"]
        if instruction.shape is Shape.HOST:
            texts.append("frame.host")
        texts += [argument.text for argument in arguments]
        call = f"{writer.bind(function)}({', '.join(texts)})"
        if instruction.steady:
            return self._settled(Value(call, sample=self._steady_sample(function, arguments)))
        self.effects = True
        self.asked = False
        return self._ask(call, wanted=bool(instruction.pushes))
