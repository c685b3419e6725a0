"""Lifting: an instruction's Python function becomes the expression or the few lines that the region compiler inlines.

The function's syntax tree is evaluated over symbolic words. A word knows its range, so that masks, guards and branches
which the range decides disappear. What can't be lifted is called instead, with equal results: no second semantics.
It must not know any opcode.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from evmthread.machine.symbols import (
    ATOM,
    LITERAL,
    MINUS,
    Condition,
    NotLiftable,
    Value,
    as_condition,
    binary,
    choose,
    compare,
    constant,
    negation,
)
from evmthread.machine.syntax import Lifted, reads_of, syntax_of
from evmthread.primitives.words import WORD_MASK

INLINE_LIMIT = 100  # characters of an expression beyond its arguments' and long numbers; a longer one is called
ASSIGNED_LIMIT = 2_000  # characters of one that a function's local stands for: a local used twice is written twice
TEMPLATES = 4096  # results of lifting that are kept for the arguments to come

_VALUES: Mapping[type[ast.expr], str] = MappingProxyType(
    {
        ast.Constant: "value_of_constant",
        ast.Name: "value_of_name",
        ast.BinOp: "value_of_operation",
        ast.UnaryOp: "value_of_sign",
        ast.IfExp: "value_of_choice",
        ast.Call: "value_of_call",
        ast.Attribute: "value_of_part",
        ast.Subscript: "value_of_part",
    }
)


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
        # Hot path: a name that is looked up, not a row of questions what the node is.
        method = _VALUES.get(type(node))
        if method is None:
            raise NotLiftable(type(node).__name__)
        value: Value = getattr(self, method)(node)
        return value

    def value_of_constant(self, node: ast.Constant) -> Value:
        if type(node.value) is not int:
            raise NotLiftable("a constant that is no number")
        return constant(node.value)

    def value_of_name(self, node: ast.Name) -> Value:
        """A parameter, a local, or a constant of the function's module."""
        known = self.environment.get(node.id)
        if known is None:
            known = self.names.get(node.id)
            if type(known) is not int:
                raise NotLiftable(node.id)
            return constant(known)
        if type(known) is not Value:
            raise NotLiftable("no word")
        return known

    def value_of_operation(self, node: ast.BinOp) -> Value:
        return binary(node.op, self.value(node.left), self.value(node.right))

    def value_of_sign(self, node: ast.UnaryOp) -> Value:
        if not isinstance(node.op, ast.USub):
            raise NotLiftable(type(node.op).__name__)
        operand = self.value(node.operand)
        if operand.constant is not None:
            return constant(-operand.constant)
        return Value(f"-{operand.within(MINUS)}", -operand.high, -operand.low, operand.zeros, rank=MINUS)

    def value_of_choice(self, node: ast.IfExp) -> Value:
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

    def value_of_call(self, node: ast.Call) -> Value:
        function = node.func
        if not isinstance(function, ast.Attribute) or function.attr != "bit_length" or node.args:
            raise NotLiftable("a call")
        operand = self.value(function.value)
        if operand.constant is not None:
            return constant(operand.constant.bit_length())
        if operand.low < 0:
            raise NotLiftable("bit length of what may be negative")
        text = f"{operand.within(ATOM)}.bit_length()"
        return Value(text, operand.low.bit_length(), operand.high.bit_length())

    def value_of_part(self, node: ast.expr) -> Value:
        """An attribute or an item."""
        raise NotLiftable(type(node).__name__)

    def assume(self, test: ast.expr, *, holds: bool) -> None:
        """Narrows the range of a name that is compared with a constant, for the branch where the test holds or not."""
        if isinstance(test, ast.Name):
            value = self.environment.get(test.id)
            if isinstance(value, Value) and holds and value.low == 0:
                self.environment[test.id] = value.narrowed(1, value.high, value.zeros)
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
            self.environment[test.left.id] = value.narrowed(low, high, value.zeros)

    def condition(self, node: ast.expr) -> Condition:
        """A symbolic truth."""
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return compare(node.ops[0], self.value(node.left), self.value(node.comparators[0]))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return negation(self.condition(node.operand))
        return as_condition(self.value(node))


_PLACES = re.compile(r"\{([0-9]+)\}")

# What an evaluation may ask of an argument: its value; or all that is known of it, and which argument is the first to
# have its text.
Facts = int | tuple[int, int, int, bool, int, int, bool, bool, int]


def _facts(value: Value, first: int) -> Facts:
    if value.constant is not None:
        return value.constant
    return (
        value.low,
        value.high,
        value.zeros,
        value.atom,
        value.rank,
        value.delta,
        value.base is None,
        value.condition is None,
        first,
    )


@dataclass(frozen=True, slots=True)
class Template:
    """What a pure function gives for arguments of which certain facts are known.

    `same` is the number of the argument that it is, if it is one. Else `value` has formats for its texts, to be filled
    with all arguments' texts, then their bases, then their conditions. It is `plain` where texts alone are asked for.
    `literals` counts the characters of long numbers in it.
    """

    value: Value
    same: int | None = None
    plain: bool = False
    literals: int = 0

    def filled(self, arguments: tuple[Value, ...], texts: list[str]) -> Value:
        """The value for these arguments, whose texts are `texts`."""
        if self.same is not None:
            return arguments[self.same]
        value = self.value
        if value.constant is not None:
            return value
        if self.plain:
            return Value(value.text.format(*texts), value.low, value.high, value.zeros, value.atom, rank=value.rank)
        row = [*texts, *[argument.base for argument in arguments], *[argument.condition for argument in arguments]]
        return Value(
            value.text.format(*row),
            value.low,
            value.high,
            value.zeros,
            value.atom,
            None if value.condition is None else value.condition.format(*row),
            None,
            None if value.base is None else value.base.format(*row),
            value.delta,
            None,
            None if value.wrapped is None else (value.wrapped[0].format(*row), value.wrapped[1]),
            value.rank,
        )


@lru_cache(maxsize=TEMPLATES)
def _template(function: Callable[..., int], *facts: Facts) -> Template | None:
    """The function evaluated over placeholders; None where it can't be lifted."""
    lifted = syntax_of(function)
    count = len(facts)
    arguments: list[Value] = []
    for number, fact in enumerate(facts):
        if isinstance(fact, int):
            arguments.append(constant(fact))
            continue
        low, high, zeros, atom, rank, delta, no_base, no_condition, first = fact
        base = None if no_base else f"{{{count + number}}}"
        condition = None if no_condition else f"{{{2 * count + number}}}"
        text = f"{{{first}}}"
        arguments.append(Value(text, low, high, zeros, atom, condition, None, base, delta, rank=rank))
    try:
        value = Evaluator(lifted, dict(zip(lifted.parameters, arguments, strict=True))).body(lifted.body)
    except NotLiftable:
        return None
    if value.low < 0 or value.high > WORD_MASK:
        raise AssertionError(f"{function.__name__} may leave the range of words: {value}")
    for number, argument in enumerate(arguments):
        if value is argument:
            return Template(value, same=number)
    plain = value.base is None and value.condition is None and value.wrapped is None
    plain = plain and all(int(place) < count for place in _PLACES.findall(value.text))
    return Template(value, plain=plain, literals=sum(map(len, LITERAL.findall(value.text))))


def lift_pure(
    function: Callable[..., int], arguments: tuple[Value, ...], settle: Callable[[Value], Value]
) -> tuple[Value | None, tuple[Value, ...]]:
    """The function's value as an expression of its arguments, or None where it is better called; and the arguments.

    `settle` puts a compound argument into a local, for those that the expression reads more than once. What was lifted
    once for such arguments isn't evaluated again: only their texts are filled in.
    """
    constants = [argument.constant for argument in arguments]
    if None not in constants:
        return constant(function(*constants)), arguments
    try:
        settled = tuple(
            [
                argument if argument.atom or reads_of(function)[index] <= 1 else settle(argument)
                for index, argument in enumerate(arguments)
            ]
        )
        texts = [argument.text for argument in settled]
        template = _template(function, *[_facts(argument, texts.index(argument.text)) for argument in settled])
    except NotLiftable:
        return None, arguments
    if template is None:
        return None, settled
    result = template.filled(settled, texts)
    if len(result.text) - template.literals > INLINE_LIMIT + sum([len(text) for text in texts]):
        return None, settled
    return result, settled
