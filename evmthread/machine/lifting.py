"""Lifting: an instruction's Python function becomes the expression or the few lines that the region compiler inlines.

The function's syntax tree is evaluated over symbolic words. A word knows its range, so that masks, guards and branches
which the range decides disappear. What can't be lifted is called instead, with equal results: no second semantics.
It must not know any opcode.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from types import CodeType, FunctionType, MappingProxyType
from typing import Any, cast

from evmthread.primitives.words import WORD_MASK

INLINE_LIMIT = 240  # characters of an expression; a longer one is called
ASSIGNED_LIMIT = 2_000  # characters of one that a function's local stands for: a local used twice is written twice


class NotLiftable(Exception):  # noqa: N818 - an answer, not an error
    """The function has something that isn't understood here: it is called."""


@dataclass(frozen=True, slots=True)
class Value:
    """A symbolic integer: Python text that computes it, and what is known of it.

    `low` and `high` are inclusive bounds; `zeros` counts low bits known to be zero. `condition` is the text of the
    truth that a 0-or-1 value stands for. `constant` is the value where it is known. `base` and `delta`: it equals the
    atom `base` plus `delta`, without wrap. `sample` is the value it has in the frame that is being compiled for, where
    that is known: a hint for guesses, which guards then check. `wrapped`: it equals that atom plus that number, modulo
    2^256.
    """

    text: str
    low: int = 0
    high: int = WORD_MASK
    zeros: int = 0
    atom: bool = False
    condition: str | None = None
    constant: int | None = None
    base: str | None = None
    delta: int = 0
    sample: int | None = None
    wrapped: tuple[str, int] | None = None


def constant(value: int) -> Value:
    """A known integer."""
    zeros = (value & -value).bit_length() - 1 if value else 256
    text = str(value) if -1 < value < 4096 else (hex(value) if value >= 0 else f"({value})")
    return Value(text, value, value, zeros, atom=True, constant=value, sample=value)


def name(text: str, *, sample: int | None = None) -> Value:
    """A word in a local variable that is assigned once where it is used."""
    return Value(text, atom=True, base=text, sample=sample)


def truth(condition: str) -> Value:
    """1 where the condition holds, else 0."""
    return Value(f"(1 if {condition} else 0)", 0, 1, condition=condition)


@dataclass(frozen=True, slots=True)
class Condition:
    """A symbolic truth: decided (`known`), or Python text."""

    text: str = ""
    known: bool | None = None


@dataclass(frozen=True, slots=True)
class Lifted:
    """A function's syntax tree, with the names it sees."""

    parameters: tuple[str, ...]
    body: tuple[ast.stmt, ...]
    names: Mapping[str, Any]
    function: Callable[..., object]


@lru_cache(maxsize=1024)
def syntax_of(function: Callable[..., object]) -> Lifted:
    """The parsed function. Raises NotLiftable where its source isn't to be had, or isn't what it runs."""
    if not isinstance(function, FunctionType):
        raise NotLiftable("not a plain function")
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise NotLiftable(str(error)) from None
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise NotLiftable("not a plain function")
    body = definition.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    if function.__closure__:
        raise NotLiftable("a closure")
    signature = definition.args
    if signature.defaults or signature.kwonlyargs or signature.vararg or signature.kwarg or signature.posonlyargs:
        raise NotLiftable("more than plain parameters")
    if not _runs(function, definition):
        raise NotLiftable("source that isn't what runs")
    names = MappingProxyType(function.__globals__)
    return Lifted(tuple(argument.arg for argument in signature.args), tuple(body), names, function)


def _runs(function: FunctionType, definition: ast.FunctionDef) -> bool:
    """True where the definition compiles to the very code of the function.

    A wrapper shows the source of what it wraps, and a file may have changed since it was imported.
    """
    bare = ast.Module([copy(definition)], [])
    bare.body[0].decorator_list = []  # type: ignore[attr-defined]
    ours = function.__code__
    for compiled in compile(bare, "<definition>", "exec").co_consts:
        if isinstance(compiled, CodeType):
            return (compiled.co_code, compiled.co_consts, compiled.co_names, compiled.co_varnames) == (
                ours.co_code,
                ours.co_consts,
                ours.co_names,
                ours.co_varnames,
            )
    return False


def negation(condition: Condition) -> Condition:
    """The opposite truth."""
    if condition.known is not None:
        return Condition(known=not condition.known)
    return Condition(f"not {condition.text}" if condition.text.isidentifier() else f"not ({condition.text})")


def as_condition(value: Value) -> Condition:
    """The truth of a word: false for zero alone."""
    if value.constant is not None:
        return Condition(known=bool(value.constant))
    if value.low > 0:
        return Condition(known=True)
    return Condition(value.condition if value.condition is not None else value.text)


def choose(condition: Condition, first: Value, second: Value) -> Value:
    """The first where the condition holds, else the second."""
    if condition.known is not None:
        return first if condition.known else second
    if first.constant == 1 and second.constant == 0:
        return truth(condition.text)
    if first.constant == 0 and second.constant == 1:
        return truth(negation(condition).text)
    return Value(
        f"({first.text} if {condition.text} else {second.text})",
        min(first.low, second.low),
        max(first.high, second.high),
        min(first.zeros, second.zeros),
    )


def _bits_mask(value: int) -> int:
    return (1 << value.bit_length()) - 1


def _add(a: Value, b: Value) -> Value:
    base, delta = None, 0
    if b.constant is not None and a.base is not None:
        base, delta = a.base, a.delta + b.constant
    elif a.constant is not None and b.base is not None:
        base, delta = b.base, b.delta + a.constant
    if a.constant == 0:
        return b
    if b.constant == 0:
        return a
    text = f"({a.text} + {b.text})"
    if base is not None:
        text = f"({base} + {delta})" if delta >= 0 else f"({base} - {-delta})"
    return Value(text, a.low + b.low, a.high + b.high, min(a.zeros, b.zeros), base=base, delta=delta)


def _sub(a: Value, b: Value) -> Value:
    if b.constant == 0:
        return a
    base, delta = (a.base, a.delta - b.constant) if b.constant is not None and a.base is not None else (None, 0)
    return Value(
        f"({a.text} - {b.text})", a.low - b.high, a.high - b.low, min(a.zeros, b.zeros), base=base, delta=delta
    )


def _multiply(a: Value, b: Value) -> Value:
    if a.constant == 1:
        return b
    if b.constant == 1:
        return a
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Value(f"({a.text} * {b.text})", min(corners), max(corners), min(a.zeros + b.zeros, 256))


def _divide(a: Value, b: Value) -> Value:
    if a.low < 0 or b.low < 0:
        raise NotLiftable("division of what may be negative")
    return Value(f"({a.text} // {b.text})", a.low // max(b.high, 1), a.high // max(b.low, 1))


def _modulo(a: Value, b: Value) -> Value:
    if a.low < 0 or b.low < 0:
        raise NotLiftable("remainder of what may be negative")
    return Value(f"({a.text} % {b.text})", 0, min(a.high, max(b.high - 1, 0)))


def _left(a: Value, b: Value) -> Value:
    if b.high > 512 or b.low < 0:
        raise NotLiftable("a shift without bound")
    zeros = a.zeros + (b.constant or 0)
    low = a.low << (b.low if a.low >= 0 else b.high)
    high = a.high << (b.high if a.high >= 0 else b.low)
    return Value(f"({a.text} << {b.text})", low, high, zeros)


def _right(a: Value, b: Value) -> Value:
    if b.low < 0 or b.high > 1 << 60:
        raise NotLiftable("a shift without bound")
    if b.constant == 0:
        return a
    low = a.low >> (b.high if a.low >= 0 else b.low)
    high = a.high >> (b.low if a.high >= 0 else b.high)
    return Value(f"({a.text} >> {b.text})", low, high, max(a.zeros - b.high, 0))


def _and(a: Value, b: Value) -> Value:
    for x, y in ((a, b), (b, a)):
        mask = y.constant
        if mask is not None and mask >= 0:
            if x.low >= 0 and x.high <= mask and mask & (mask + 1) == 0:
                return x
            if mask >> x.zeros << x.zeros == 0 and x.low >= 0:
                return constant(0)
            # A mask that only clears bits known to be zero.
            if x.low >= 0 and mask | ((1 << x.zeros) - 1) == _bits_mask(mask) and x.high <= _bits_mask(mask):
                return x
    highs = [value.high for value in (a, b) if value.low >= 0]
    if not highs:
        raise NotLiftable("and of what may be negative")
    wrapped = None
    for x, y in ((a, b), (b, a)):
        if y.constant == WORD_MASK and x.base is not None:
            wrapped = x.base, x.delta
    return Value(f"({a.text} & {b.text})", 0, min(highs), max(a.zeros, b.zeros), wrapped=wrapped)


def _or(a: Value, b: Value) -> Value:
    if a.low < 0 or b.low < 0:
        raise NotLiftable("or of what may be negative")
    if a.constant == 0:
        return b
    if b.constant == 0:
        return a
    high = _bits_mask(max(a.high, b.high))
    return Value(f"({a.text} | {b.text})", max(a.low, b.low), high, min(a.zeros, b.zeros))


def _xor(a: Value, b: Value) -> Value:
    if a.low < 0 or b.low < 0:
        raise NotLiftable("xor of what may be negative")
    return Value(f"({a.text} ^ {b.text})", 0, _bits_mask(max(a.high, b.high)), min(a.zeros, b.zeros))


_BINARY: Mapping[type[ast.operator], Callable[[Value, Value], Value]] = MappingProxyType(
    {
        ast.Add: _add,
        ast.Sub: _sub,
        ast.Mult: _multiply,
        ast.FloorDiv: _divide,
        ast.Mod: _modulo,
        ast.LShift: _left,
        ast.RShift: _right,
        ast.BitAnd: _and,
        ast.BitOr: _or,
        ast.BitXor: _xor,
    }
)


def _fold(operator: ast.operator, a: int, b: int) -> int:
    if isinstance(operator, ast.LShift) and b > 512:
        raise NotLiftable("a shift without bound")
    if isinstance(operator, (ast.FloorDiv, ast.Mod)) and b == 0:
        return 0  # in a branch that a guard on the divisor rules out
    folded: int = {
        ast.Add: int.__add__,
        ast.Sub: int.__sub__,
        ast.Mult: int.__mul__,
        ast.FloorDiv: int.__floordiv__,
        ast.Mod: int.__mod__,
        ast.LShift: int.__lshift__,
        ast.RShift: int.__rshift__,
        ast.BitAnd: int.__and__,
        ast.BitOr: int.__or__,
        ast.BitXor: int.__xor__,
    }[type(operator)](a, b)
    return folded


def binary(operator: ast.operator, a: Value, b: Value) -> Value:
    """A Python operator on two symbolic integers."""
    if a.constant is not None and b.constant is not None:
        return constant(_fold(operator, a.constant, b.constant))
    rule = _BINARY.get(type(operator))
    if rule is None:
        raise NotLiftable(type(operator).__name__)
    return rule(a, b)


def compare(operator: ast.cmpop, a: Value, b: Value) -> Condition:
    """A Python comparison of two symbolic integers."""
    if isinstance(operator, (ast.Gt, ast.GtE)):
        return compare(ast.Lt() if isinstance(operator, ast.Gt) else ast.LtE(), b, a)
    if isinstance(operator, ast.Lt):
        if a.high < b.low or a.low >= b.high:
            return Condition(known=a.high < b.low)
        return Condition(f"{a.text} < {b.text}")
    if isinstance(operator, ast.LtE):
        if a.high <= b.low or a.low > b.high:
            return Condition(known=a.high <= b.low)
        return Condition(f"{a.text} <= {b.text}")
    if isinstance(operator, (ast.Eq, ast.NotEq)):
        equal = _equal(a, b)
        return equal if isinstance(operator, ast.Eq) else negation(equal)
    raise NotLiftable(type(operator).__name__)


def _equal(a: Value, b: Value) -> Condition:
    if a.constant is not None and b.constant is not None:
        return Condition(known=a.constant == b.constant)
    if a.high < b.low or b.high < a.low:
        return Condition(known=False)
    if a.atom and a.text == b.text:
        return Condition(known=True)
    for x, y in ((a, b), (b, a)):
        if y.constant == 0:
            return negation(as_condition(x))
        if y.constant == 1 and x.condition is not None:
            return Condition(x.condition)
    return Condition(f"{a.text} == {b.text}")


class Evaluator:
    """Evaluates a pure function's syntax tree over symbolic words."""

    def __init__(self, lifted: Lifted, arguments: Mapping[str, Value]) -> None:
        self.names = lifted.names
        self.environment: dict[str, Any] = dict(arguments)

    def body(self, statements: tuple[ast.stmt, ...]) -> Value:
        """The value that the statements return."""
        for index, statement in enumerate(statements):
            rest = statements[index + 1 :]
            if isinstance(statement, ast.Return) and statement.value is not None:
                return self.value(statement.value)
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                value = self.environment[statement.targets[0].id] = self.value(statement.value)
                if len(value.text) > ASSIGNED_LIMIT:
                    raise NotLiftable("too long")
                continue
            if isinstance(statement, ast.If):
                condition = self.condition(statement.test)
                if condition.known is not None:
                    branch = tuple(statement.body if condition.known else statement.orelse)
                    return self.body((*branch, *rest))
                kept = dict(self.environment)
                self.assume(statement.test, holds=True)
                first = self.body((*statement.body, *rest))
                self.environment = dict(kept)
                self.assume(statement.test, holds=False)
                second = self.body((*statement.orelse, *rest))
                self.environment = kept
                return choose(condition, first, second)
            raise NotLiftable(type(statement).__name__)
        raise NotLiftable("no return")

    def value(self, node: ast.expr) -> Value:
        """A symbolic integer."""
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return constant(node.value)
        if isinstance(node, ast.Name):
            return self.named(node.id)
        if isinstance(node, ast.BinOp):
            return binary(node.op, self.value(node.left), self.value(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self.value(node.operand)
            if operand.constant is not None:
                return constant(-operand.constant)
            return Value(f"(-{operand.text})", -operand.high, -operand.low, operand.zeros)
        if isinstance(node, ast.IfExp):
            condition = self.condition(node.test)
            if condition.known is not None:
                return self.value(node.body if condition.known else node.orelse)
            kept = dict(self.environment)
            self.assume(node.test, holds=True)
            first = self.value(node.body)
            self.environment = dict(kept)
            self.assume(node.test, holds=False)
            second = self.value(node.orelse)
            self.environment = kept
            return choose(condition, first, second)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "bit_length"
            and not node.args
        ):
            operand = self.value(node.func.value)
            if operand.constant is not None:
                return constant(operand.constant.bit_length())
            if operand.low < 0:
                raise NotLiftable("bit length of what may be negative")
            return Value(f"{operand.text}.bit_length()", operand.low.bit_length(), operand.high.bit_length())
        raise NotLiftable(ast.dump(node)[:60])

    def assume(self, test: ast.expr, *, holds: bool) -> None:
        """Narrows the range of a name that is compared with a constant, for the branch where the test holds or not."""
        if isinstance(test, ast.Name):
            value = self.environment.get(test.id)
            if isinstance(value, Value) and holds and value.low == 0:
                self.environment[test.id] = replace(value, low=1)
            return
        if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.left, ast.Name):
            return
        value = self.environment.get(test.left.id)
        try:
            bound = self.value(test.comparators[0]).constant
        except NotLiftable:
            return
        if not isinstance(value, Value) or bound is None or value.constant is not None:
            return
        low, high = value.low, value.high
        operator = test.ops[0]
        if isinstance(operator, ast.Gt):
            low, high = (max(low, bound + 1), high) if holds else (low, min(high, bound))
        elif isinstance(operator, ast.Lt):
            low, high = (low, min(high, bound - 1)) if holds else (max(low, bound), high)
        elif isinstance(operator, ast.Eq) and not holds and low == bound:
            low = bound + 1
        if low <= high:
            self.environment[test.left.id] = replace(value, low=low, high=high)

    def named(self, identifier: str) -> Value:
        """A parameter, a local, or a constant of the function's module."""
        if identifier in self.environment:
            return cast("Value", self.environment[identifier])
        known = self.names.get(identifier)
        if type(known) is int:
            return constant(known)
        raise NotLiftable(identifier)

    def condition(self, node: ast.expr) -> Condition:
        """A symbolic truth."""
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return compare(node.ops[0], self.value(node.left), self.value(node.comparators[0]))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return negation(self.condition(node.operand))
        return as_condition(self.value(node))


def uses(lifted: Lifted) -> Mapping[str, int]:
    """How often each parameter is read, at most, in one evaluation's text."""
    counts = dict.fromkeys(lifted.parameters, 0)
    for statement in lifted.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id in counts:
                counts[node.id] += 1
    return counts


@lru_cache(maxsize=1024)
def _uses_of(function: Callable[..., object]) -> tuple[int, ...]:
    lifted = syntax_of(function)
    counts = uses(lifted)
    return tuple(counts[parameter] for parameter in lifted.parameters)


def lift_pure(
    function: Callable[..., int], arguments: tuple[Value, ...], settle: Callable[[Value], Value]
) -> tuple[Value | None, tuple[Value, ...]]:
    """The function's value as an expression of its arguments, or None where it is better called; and the arguments.

    `settle` puts a compound argument into a local, for those that the expression reads more than once.
    """
    if all(argument.constant is not None for argument in arguments):
        return constant(function(*[argument.constant for argument in arguments])), arguments
    settled = arguments
    try:
        lifted = syntax_of(function)
        counts = _uses_of(function)
        settled = tuple(
            argument if argument.atom or counts[index] <= 1 else settle(argument)
            for index, argument in enumerate(arguments)
        )
        result = Evaluator(lifted, dict(zip(lifted.parameters, settled, strict=True))).body(lifted.body)
    except NotLiftable:
        return None, settled
    if len(result.text) > INLINE_LIMIT + sum(len(argument.text) for argument in arguments):
        return None, settled
    if result.low < 0 or result.high > WORD_MASK:
        raise AssertionError(f"{function.__name__} may leave the range of words: {result}")
    return result, settled
