"""Symbolic words: Python text that computes a number, with what is known of the number, and what operators make of it.

It must not know any function that is lifted, nor any opcode.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from evmthread.primitives.words import SIGN_BIT, WORD_MASK, WORD_MODULUS


class NotLiftable(Exception):  # noqa: N818 - an answer, not an error
    """The function has something that isn't understood here: it is called."""


# How tightly a text binds, after Python's grammar: it needs parentheses inside of what binds more tightly. Python's
# parser takes longer for a pair of parentheses than for the operation between them (measured).
CHOICE, TRUTH, COMPARISON, OR, XOR, AND, SHIFT, SUM, PRODUCT, MINUS, ATOM = range(11)


# Not frozen, as the house's data is, since freezing triples what making one costs, and a region takes thousands. What
# was made is never changed all the same.
@dataclass(slots=True, eq=False)
class Value:
    """A symbolic integer: Python text that computes it, and what is known of it.

    `low` and `high` are inclusive bounds; `zeros` counts low bits known to be zero. `condition` is the text of the
    truth that a 0-or-1 value stands for. `constant` is the value where it is known. `base` and `delta`: it equals the
    atom `base` plus `delta`, without wrap. `sample` is the value it has in the frame that is being compiled for, where
    that is known: a hint for guesses, which guards then check. `wrapped`: it equals that atom plus that number, modulo
    2^256. `rank`: how tightly the text binds.
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
    rank: int = ATOM

    def within(self, rank: int) -> str:
        """The text as an operand where all that binds less tightly than `rank` needs parentheses."""
        return self.text if self.rank >= rank else f"({self.text})"

    def narrowed(self, low: int, high: int, zeros: int) -> "Value":
        """The same value, of which more is known."""
        return Value(
            self.text,
            low,
            high,
            zeros,
            self.atom,
            self.condition,
            self.constant,
            self.base,
            self.delta,
            self.sample,
            self.wrapped,
            self.rank,
        )

    def sampled(self, sample: int | None) -> "Value":
        """The same value, with another sample."""
        value = self.narrowed(self.low, self.high, self.zeros)
        value.sample = sample
        return value


# Locals that hold long numbers which many expressions have: far shorter to read than the digits, for Python too.
NAMED: Mapping[str, int] = MappingProxyType({"MASK": WORD_MASK, "SIGN_BIT": SIGN_BIT, "MODULUS": WORD_MODULUS})
LONG_LITERAL = 19  # characters from which on a number is long
LITERAL = re.compile(f"0x[0-9a-f]{{{LONG_LITERAL - 2},}}")
_NAMES: Mapping[int, str] = MappingProxyType({number: text for text, number in NAMED.items()})


@lru_cache(maxsize=1024)
def constant(value: int) -> Value:
    """A known integer."""
    zeros = (value & -value).bit_length() - 1 if value else 256
    text = _NAMES.get(value)
    if text is None:
        text = str(value) if -1 < value < 4096 else (hex(value) if value >= 0 else f"({value})")
    return Value(text, value, value, zeros, atom=True, constant=value, sample=value)


def name(text: str, *, sample: int | None = None) -> Value:
    """A word in a local variable that is assigned once where it is used."""
    return Value(text, atom=True, base=text, sample=sample)


def truth(condition: str) -> Value:
    """1 where the condition holds, else 0."""
    return Value(f"1 if {condition} else 0", 0, 1, condition=condition, rank=CHOICE)


@dataclass(slots=True, eq=False)
class Condition:
    """A symbolic truth: decided (`known`), or Python text that binds at least as tightly as `not`."""

    text: str = ""
    known: bool | None = None


TRUE, FALSE = Condition(known=True), Condition(known=False)


def decided(known: bool) -> Condition:
    """A known truth."""
    return TRUE if known else FALSE


def negation(condition: Condition) -> Condition:
    """The opposite truth."""
    if condition.known is not None:
        return decided(not condition.known)
    text = condition.text
    return Condition(text[4:] if text.startswith("not ") else f"not {text}")


def as_condition(value: Value) -> Condition:
    """The truth of a word: false for zero alone."""
    if value.constant is not None:
        return decided(bool(value.constant))
    if value.low > 0:
        return TRUE
    return Condition(value.condition if value.condition is not None else value.within(TRUTH))


def choose(condition: Condition, first: Value, second: Value) -> Value:
    """The first where the condition holds, else the second."""
    if condition.known is not None:
        return first if condition.known else second
    if first.constant == 1 and second.constant == 0:
        return truth(condition.text)
    if first.constant == 0 and second.constant == 1:
        return truth(negation(condition).text)
    if second.constant == 0 and condition.text == first.text:
        return first
    return Value(
        f"{first.within(TRUTH)} if {condition.text} else {second.text}",
        min(first.low, second.low),
        max(first.high, second.high),
        min(first.zeros, second.zeros),
        rank=CHOICE,
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
    if base is None:
        text = f"{a.within(SUM)} + {b.within(PRODUCT)}"
    else:
        text = f"{base} + {delta}" if delta >= 0 else f"{base} - {-delta}"
    return Value(text, a.low + b.low, a.high + b.high, min(a.zeros, b.zeros), base=base, delta=delta, rank=SUM)


def _sub(a: Value, b: Value) -> Value:
    if b.constant == 0:
        return a
    base, delta = (a.base, a.delta - b.constant) if b.constant is not None and a.base is not None else (None, 0)
    text = f"{a.within(SUM)} - {b.within(PRODUCT)}"
    return Value(text, a.low - b.high, a.high - b.low, min(a.zeros, b.zeros), base=base, delta=delta, rank=SUM)


def _multiply(a: Value, b: Value) -> Value:
    if a.constant == 1:
        return b
    if b.constant == 1:
        return a
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    text = f"{a.within(PRODUCT)} * {b.within(MINUS)}"
    return Value(text, min(corners), max(corners), min(a.zeros + b.zeros, 256), rank=PRODUCT)


def _divide(a: Value, b: Value) -> Value:
    if a.low < 0 or b.low < 0:
        raise NotLiftable("division of what may be negative")
    text = f"{a.within(PRODUCT)} // {b.within(MINUS)}"
    return Value(text, a.low // max(b.high, 1), a.high // max(b.low, 1), rank=PRODUCT)


def _modulo(a: Value, b: Value) -> Value:
    if a.low < 0 or b.low < 0:
        raise NotLiftable("remainder of what may be negative")
    return Value(f"{a.within(PRODUCT)} % {b.within(MINUS)}", 0, min(a.high, max(b.high - 1, 0)), rank=PRODUCT)


def _left(a: Value, b: Value) -> Value:
    if b.high > 512 or b.low < 0:
        raise NotLiftable("a shift without bound")
    zeros = a.zeros + (b.constant or 0)
    low = a.low << (b.low if a.low >= 0 else b.high)
    high = a.high << (b.high if a.high >= 0 else b.low)
    return Value(f"{a.within(SHIFT)} << {b.within(SUM)}", low, high, zeros, rank=SHIFT)


def _right(a: Value, b: Value) -> Value:
    if b.low < 0 or b.high > 1 << 60:
        raise NotLiftable("a shift without bound")
    if b.constant == 0:
        return a
    low = a.low >> (b.high if a.low >= 0 else b.low)
    high = a.high >> (b.low if a.high >= 0 else b.high)
    if low == high == 0:
        return constant(0)
    return Value(f"{a.within(SHIFT)} >> {b.within(SUM)}", low, high, max(a.zeros - b.high, 0), rank=SHIFT)


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
    text = f"{a.within(AND)} & {b.within(SHIFT)}"
    return Value(text, 0, min(highs), max(a.zeros, b.zeros), wrapped=wrapped, rank=AND)


def _or(a: Value, b: Value) -> Value:
    if a.low < 0 or b.low < 0:
        raise NotLiftable("or of what may be negative")
    if a.constant == 0:
        return b
    if b.constant == 0:
        return a
    high = _bits_mask(max(a.high, b.high))
    return Value(f"{a.within(OR)} | {b.within(XOR)}", max(a.low, b.low), high, min(a.zeros, b.zeros), rank=OR)


def _xor(a: Value, b: Value) -> Value:
    if a.low < 0 or b.low < 0:
        raise NotLiftable("xor of what may be negative")
    high = _bits_mask(max(a.high, b.high))
    return Value(f"{a.within(XOR)} ^ {b.within(AND)}", 0, high, min(a.zeros, b.zeros), rank=XOR)


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


_FOLDED: Mapping[type[ast.operator], Callable[[int, int], int]] = MappingProxyType(
    {
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
    }
)


def _fold(operator: ast.operator, a: int, b: int) -> int:
    if isinstance(operator, ast.LShift) and b > 512:
        raise NotLiftable("a shift without bound")
    if isinstance(operator, (ast.FloorDiv, ast.Mod)) and b == 0:
        return 0  # in a branch that a guard on the divisor rules out
    return _FOLDED[type(operator)](a, b)


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
            return decided(a.high < b.low)
        return Condition(f"{a.within(OR)} < {b.within(OR)}")
    if isinstance(operator, ast.LtE):
        if a.high <= b.low or a.low > b.high:
            return decided(a.high <= b.low)
        return Condition(f"{a.within(OR)} <= {b.within(OR)}")
    if isinstance(operator, (ast.Eq, ast.NotEq)):
        equal = _equal(a, b)
        return equal if isinstance(operator, ast.Eq) else negation(equal)
    raise NotLiftable(type(operator).__name__)


def _equal(a: Value, b: Value) -> Condition:
    if a.constant is not None and b.constant is not None:
        return decided(a.constant == b.constant)
    if a.high < b.low or b.high < a.low:
        return FALSE
    if a.atom and a.text == b.text:
        return TRUE
    for x, y in ((a, b), (b, a)):
        if y.constant == 0:
            return negation(as_condition(x))
        if y.constant == 1 and x.condition is not None:
            return Condition(x.condition)
    return Condition(f"{a.within(OR)} == {b.within(OR)}")
