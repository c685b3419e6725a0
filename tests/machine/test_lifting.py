"""Lifted text against the function that it was lifted from: equal values, and no claim about them that isn't so."""

import functools
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.isa.forks import HISTORY, OSAKA
from evmthread.isa.instruction import Instruction, Shape, pure
from evmthread.isa.instructions.arithmetic import add, div
from evmthread.machine.lifting import (
    NotLiftable,
    Value,
    as_condition,
    constant,
    lift_pure,
    name,
    syntax_of,
    truth,
)
from evmthread.primitives.words import WORD_MASK, WORD_MODULUS
from tests.words import EDGES

PURE = tuple({record.name: record for fork in HISTORY for record in fork.table if record and record.function}.values())
PURE = tuple(record for record in PURE if record.shape is Shape.PURE)


def local(random: Random, text: str) -> tuple[Value, int]:
    """A word in a local with a random range and random low zeros, and a value inside of it."""
    zeros = random.choice((0, 0, 0, 5, 8, 224, 255))
    ends = sorted(random.choice((*EDGES, random.getrandbits(256), random.randrange(300))) for _ in range(2))
    low, high = (0, WORD_MASK) if random.randrange(3) == 0 else ends
    low, high = -(-low >> zeros) << zeros, high >> zeros << zeros
    if low > high or low > WORD_MASK:
        low, high, zeros = *ends, 0
    value = random.choice((low, high, random.randint(low >> zeros, high >> zeros) << zeros))
    return replace(name(text), low=low, high=high, zeros=zeros), value


class Operands:
    """Random symbolic words over locals, with the values of the locals."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.locals: dict[str, int] = {}
        self.names: dict[str, object] = {}

    def settle(self, value: Value) -> Value:
        text = f"t{len(self.locals)}"
        self.locals[text] = self.evaluate(value)
        base, delta = (value.base, value.delta) if value.base is not None else (text, 0)
        return Value(text, value.low, value.high, value.zeros, atom=True, base=base, delta=delta)

    def evaluate(self, value: Value) -> int:
        result = eval(value.text, dict(self.names), dict(self.locals))
        assert type(result) is int
        return result

    def word(self, depth: int = 0) -> Value:
        kind = self.random.randrange(8)
        if kind < 2:
            return constant(self.random.choice(EDGES))
        if kind < 5 or depth > 2:
            text = f"i{len(self.locals)}"
            value, self.locals[text] = local(self.random, text)
            return value
        record = self.random.choice(PURE)
        arguments = tuple(self.word(depth + 1) for _ in range(record.pops))
        return self.apply(record, arguments)

    def apply(self, record: Instruction, arguments: tuple[Value, ...]) -> Value:
        assert record.function is not None
        result, settled = lift_pure(record.function, arguments, self.settle)  # type: ignore[arg-type]
        if result is None:
            known = f"{record.name}_"
            self.names[known] = record.function
            return Value(f"{known}({', '.join(argument.text for argument in settled)})")
        return result

    def check(self, value: Value) -> int:
        """The value, after all that is claimed about it was found to be so."""
        result = self.evaluate(value)
        assert value.low <= result <= value.high
        assert result % (1 << value.zeros) == 0
        assert 0 <= result <= WORD_MASK
        if value.constant is not None:
            assert result == value.constant
        if value.base is not None:
            assert result == self.locals[value.base] + value.delta
        if value.wrapped is not None:
            base, delta = value.wrapped
            assert result == (self.locals[base] + delta) % WORD_MODULUS
        condition = as_condition(value)
        if condition.known is not None:
            assert condition.known is bool(result)
        else:
            assert bool(eval(condition.text, dict(self.names), dict(self.locals))) is bool(result)
        if value.condition is not None:
            assert int(bool(eval(value.condition, dict(self.names), dict(self.locals)))) == result
        return result


@pytest.mark.parametrize("record", PURE, ids=lambda record: record.name)
def test_lifted_text_is_worth_what_the_function_gives(record: Instruction) -> None:
    assert record.function is not None
    random = Random(record.opcode)
    for _ in range(400):
        operands = Operands(random)
        arguments = tuple(operands.word() for _ in range(record.pops))
        values = [operands.check(argument) for argument in arguments]
        result = operands.apply(record, arguments)
        assert operands.check(result) == record.function(*values), (arguments, values, result)


@settings(max_examples=300)
@given(seed=st.integers(0, 2**64))
def test_nested_expressions(seed: int) -> None:
    operands = Operands(Random(seed))
    for _ in range(3):
        operands.check(operands.word())


@pytest.mark.parametrize("record", PURE, ids=lambda record: record.name)
def test_every_pure_instruction_is_inlined(record: Instruction) -> None:
    """With whole words as operands, in locals; long ones may be called."""
    assert record.function is not None
    arguments = tuple(name(f"i{index}") for index in range(record.pops))
    result, _ = lift_pure(record.function, arguments, lambda value: value)  # type: ignore[arg-type]
    assert result is not None or record.name in ("SDIV", "SMOD", "SAR", "SIGNEXTEND")


def test_what_ranges_rule_out_is_not_written() -> None:
    small = replace(name("i0"), high=2**32)
    sum_, _ = lift_pure(add, (small, constant(64)), lambda value: value)
    assert sum_ is not None
    assert (sum_.text, sum_.base, sum_.delta, sum_.high) == ("(i0 + 64)", "i0", 64, 2**32 + 64)
    whole, _ = lift_pure(add, (name("i0"), constant(64)), lambda value: value)
    assert whole is not None
    assert (whole.base, whole.wrapped) == (None, ("i0", 64))
    quotient, _ = lift_pure(div, (name("i0"), constant(32)), lambda value: value)
    assert quotient is not None
    assert quotient.text == "(i0 // 32)"
    assert as_condition(truth("i0 < i1")).text == "i0 < i1"


# What isn't a plain function, or isn't what its source says, is called ------------------------------------------------
def plain(a: int) -> int:
    return a + 1 & WORD_MASK


@functools.wraps(plain)
def wrapped(a: int) -> int:
    return a + 2 & WORD_MASK


def with_default(a: int, b: int = 5) -> int:
    return a + b & WORD_MASK


def closure_over(b: int) -> object:
    def inside(a: int) -> int:
        return a + b & WORD_MASK

    return inside


nameless = pure(0x0C, "NAMELESS")(lambda a: a)
memoised = functools.lru_cache(plain)


@pytest.mark.parametrize(
    "function",
    [wrapped, with_default, closure_over(3), nameless, memoised, len],
    ids=lambda function: str(function)[:20],
)
def test_what_cannot_be_lifted(function: object) -> None:
    with pytest.raises(NotLiftable):
        syntax_of(function)


def test_a_function_whose_code_is_another_than_its_source() -> None:
    def impostor(a: int) -> int:
        return a

    assert syntax_of(impostor).parameters == ("a",)
    syntax_of.cache_clear()
    impostor.__code__ = plain.__code__.replace(co_firstlineno=impostor.__code__.co_firstlineno)
    with pytest.raises(NotLiftable, match="isn't what runs"):
        syntax_of(impostor)


def test_a_function_whose_locals_double_is_called() -> None:
    """Its text would be as long as 2 to the number of its lines."""

    def doubling(a: int) -> int:
        b = a ^ (a >> 1)
        c = b ^ (b >> 1)
        d = c ^ (c >> 1)
        e = d ^ (d >> 1)
        f = e ^ (e >> 1)
        g = f ^ (f >> 1)
        h = g ^ (g >> 1)
        i = h ^ (h >> 1)
        j = i ^ (i >> 1)
        return j ^ (j >> 1)

    result, _ = lift_pure(doubling, (name("i0"),), lambda value: value)
    assert result is None


def test_all_instructions_have_source_that_is_what_runs() -> None:
    for record in OSAKA.table:
        if record is not None and record.function is not None:
            assert len(syntax_of(record.function).parameters) >= record.pops
