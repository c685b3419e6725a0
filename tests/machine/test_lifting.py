"""Lifted text against the function that it was lifted from: equal values, and no claim about them that isn't so."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.isa.forks import HISTORY
from evmthread.isa.instruction import Instruction, Shape
from evmthread.isa.instructions.arithmetic import add, div
from evmthread.machine.lifting import Evaluator, lift_pure
from evmthread.machine.symbols import ATOM, NAMED, SUM, NotLiftable, Value, as_condition, constant, name, truth
from evmthread.machine.syntax import syntax_of
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
        result = eval(value.text, self.names.copy(), {**NAMED, **self.locals})
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
            assert bool(eval(condition.text, self.names.copy(), {**NAMED, **self.locals})) is bool(result)
        if value.condition is not None:
            assert int(bool(eval(value.condition, self.names.copy(), {**NAMED, **self.locals}))) == result
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


def facts(value: Value) -> tuple[object, ...]:
    """All of a value but its sample; truths without what cancels out."""
    condition = None if value.condition is None else value.condition.replace("not not ", "")
    text = value.text.replace("not not ", "")
    return (
        text,
        value.low,
        value.high,
        value.zeros,
        value.atom,
        condition,
        value.constant,
        value.base,
        value.delta,
        (value.wrapped),
    )


@pytest.mark.parametrize("record", PURE, ids=lambda record: record.name)
def test_what_is_kept_of_lifting_is_what_lifting_gives(record: Instruction) -> None:
    """Arguments of which the same is known again and again, with other texts, bases and conditions each time."""
    assert record.function is not None
    lifted = syntax_of(record.function)
    lift_pure(record.function, tuple(name(f"a{index}") for index in range(record.pops)), lambda value: value)  # type: ignore[arg-type]
    random = Random(record.opcode)
    for number in range(300):
        texts = random.sample((f"x{number}", f"y{number}", f"z{number}"), 3)
        arguments = []
        for _ in range(record.pops):
            text = random.choice(texts)
            truth_of = truth(f"{text} < 5")
            pointer = Value(f"{text} + 64", 64, 2**40 + 64, 5, base=text, delta=64, rank=SUM)
            small = replace(name(text), high=255)
            arguments.append(
                random.choice((name(text), small, pointer, truth_of, replace(pointer, wrapped=(text, 7)), constant(1)))
            )
        got, settled = lift_pure(record.function, tuple(arguments), lambda value: replace(value, atom=True, rank=ATOM))  # type: ignore[arg-type]
        try:
            wanted = Evaluator(lifted, dict(zip(lifted.parameters, settled, strict=True))).body(lifted.body)
        except NotLiftable:
            assert got is None
            continue
        if got is not None:
            assert facts(got) == facts(wanted)


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
    assert (sum_.text, sum_.base, sum_.delta, sum_.high) == ("i0 + 64", "i0", 64, 2**32 + 64)
    whole, _ = lift_pure(add, (name("i0"), constant(64)), lambda value: value)
    assert whole is not None
    assert (whole.base, whole.wrapped) == (None, ("i0", 64))
    quotient, _ = lift_pure(div, (name("i0"), constant(32)), lambda value: value)
    assert quotient is not None
    assert quotient.text == "i0 // 32"
    assert as_condition(truth("i0 < i1")).text == "i0 < i1"


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
