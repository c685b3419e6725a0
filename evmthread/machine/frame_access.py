"""Expressions over the frame and the host, as the bodies of framed and host instructions have them.

It knows Frame's own vocabulary (memory, grow, charge, gas, prices) and no opcode.
"""

import ast
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, cast

from evmthread.isa.frame import copy_data, copy_memory, load_unaligned, store_byte, store_unaligned
from evmthread.isa.instructions.hashing import hash_of_memory
from evmthread.machine.learning import MEMORY_REACH, Learner
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

STEADY_ATTRIBUTES = frozenset(
    {"memory", "slots", "stored", "data", "code", "address", "message", "return_data", "host"}
)
SIZE = "len(memory) << 5"
# Functions that are given memory and don't look how long it is.
BLIND: tuple[Callable[..., object], ...] = (
    *(copy_data, copy_memory, hash_of_memory),
    *(load_unaligned, store_unaligned, store_byte),
)

# What a host is asked that changes nothing and charges nothing: it may only be told to wait. Whether it gives a word.
HOST_READS = MappingProxyType({"balance": True, "code": False})
# Functions without a value that are written out where enough is known of what they are given.
WRITTEN_OUT: tuple[Callable[..., object], ...] = (store_unaligned,)

_PARTS = frozenset({ast.Attribute, ast.Call, ast.Subscript})


class Opaque:
    """Something that is no word: a list, a dictionary, bytes, a function; its text, or what it is."""

    __slots__ = ("text", "what")

    def __init__(self, text: str, what: object = None) -> None:
        self.text = text
        self.what = what


FRAME = Opaque("frame")
HOST = Opaque("frame.host")


class FrameEvaluator(Learner):
    """Evaluates expressions that work on the frame or ask the host; writes the lines that they need."""

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
        if isinstance(node.slice, ast.Slice):
            raise NotLiftable("a slice")
        if isinstance(node.value, ast.Name) and type(row := self.names.get(node.value.id)) is tuple:
            return self._item(row, self.value(node.slice))
        container = self.anything(node.value)
        if isinstance(container, Opaque) and container.text == "memory":
            return self._word(self.value(node.slice))
        raise NotLiftable("an item")

    def _item(self, row: tuple[object, ...], index: Value) -> Value:
        """An item of a constant table of numbers."""
        number = None if index.constant is None else row[index.constant]
        if type(number) is not int:
            raise NotLiftable("an item that isn't known")
        return constant(number)

    def _word(self, index: Value) -> Value:
        """A word of memory."""
        known = None if index.constant is None else self.path.words.get(index.constant << 5)
        if known is not None and known.atom:
            return self.writer.known(self.path, known)
        return Value(f"memory[{index.text}]", sample=self._memory_sample())

    def value_of_part(self, node: ast.expr) -> Value:
        result = self.part(node)
        if not isinstance(result, Value):
            raise NotLiftable("no word")
        return result

    value_of_call = value_of_part

    def value_of_operation(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if left.delta and right.constant is not None and isinstance(node.op, ast.BitAnd):
            # The low bits of a multiple of a power of two plus a constant are the constant's.
            base = self.writer.known(self.path, name(cast("str", left.base)))
            if 0 <= right.constant < 1 << base.zeros:
                return constant(left.delta & right.constant)
        result = binary(node.op, left, right)
        return self._size() if result.text == SIZE else result

    def condition(self, node: ast.expr) -> Condition:
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            left = self.anything(node.left)
            text = f"{left.text} is None"
            return Condition(text if isinstance(node.ops[0], ast.Is) else f"{left.text} is not None")
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            kind = "in" if isinstance(node.ops[0], ast.In) else "not in"
            return Condition(f"{self.anything(node.left).text} {kind} {self.anything(node.comparators[0]).text}")
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
        if found is HOST and node.attr == "warm":
            return Opaque(f"{self.writer.hoist('host')}.warm")
        if isinstance(found, Opaque) and found.what is not None:
            known = getattr(found.what, node.attr)
            if type(known) is int:
                return constant(known)
        raise NotLiftable(node.attr)

    # Calls and assignments --------------------------------------------------------------------------------------------
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
            if container.text == "memory" and key.constant is not None:
                self.path.words.pop(key.constant << 5, None)
            self.effects = True
            return
        raise NotLiftable("assignment")

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
            if type(folded) is bytes:
                escaped = "".join([f"\\x{byte:02x}" for byte in folded])  # with nothing in it that looks like a number
                return Opaque(self.writer.literal(f"b'{escaped}'"))
            if wanted or target in WRITTEN_OUT:
                inlined = self._inlined(target, arguments)
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
        """The value of a small function of words and memory: its assignments and its return, in place of the call.

        Of one that returns nothing the value is zero. None where it can't be written out.
        """
        kept = self.names, self.environment
        kept_lines, kept_effects = len(self.writer.lines), self.effects
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
            else:
                return constant(0)
        except NotLiftable:
            pass
        finally:
            self.names, self.environment = kept
        del self.writer.lines[kept_lines:]
        self.effects = kept_effects
        return None

    def _method(self, function: ast.Attribute, arguments: list[ast.expr]) -> Any:
        owner = self.anything(function.value) if isinstance(function.value, (ast.Name, ast.Attribute)) else None
        if owner is FRAME:
            words = [self.value(argument) for argument in arguments]
            if function.attr == "charge":
                return self._charge(words[0])
            if function.attr in ("grow", "grow_range"):
                return self._reach(words)
            raise NotLiftable(function.attr)
        if owner is HOST and function.attr in HOST_READS:
            return self._read(function.attr, [self.anything(argument) for argument in arguments])
        if isinstance(owner, Opaque) and owner.text == "slots" and function.attr == "get":
            return Value(f"slots.get({self.value(arguments[0]).text})")
        raise NotLiftable(function.attr)

    # Memory, gas and the host -----------------------------------------------------------------------------------------
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

    def _read(self, method: str, arguments: list[Any]) -> Any:
        """What the host says; where it has to be waited for, the instruction begins anew."""
        path, writer = self.path, self.writer
        number = writer.site(path, self.pc, self.price)
        result = writer.temporary()
        self._line(f"site = {number}; frame.gas = gas - {path.spent + self.price}")
        texts = ", ".join([argument.text for argument in arguments])
        self._line(f"{result} = {writer.hoist('host')}.{method}({texts})")
        return name(result) if HOST_READS[method] else Opaque(result)

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
