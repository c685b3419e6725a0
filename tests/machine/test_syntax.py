"""Syntax trees of functions: what is read is what runs, and what isn't a plain function is refused."""

import ast
import functools

import pytest

from evmthread.isa.forks import OSAKA
from evmthread.isa.instruction import pure
from evmthread.machine.symbols import NotLiftable
from evmthread.machine.syntax import reads_of, syntax_of
from evmthread.primitives.words import WORD_MASK


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
    [with_default, closure_over(3), nameless, memoised, len],
    ids=lambda function: str(function)[:20],
)
def test_what_has_no_plain_source(function: object) -> None:
    with pytest.raises(NotLiftable):
        syntax_of(function)


def test_a_function_that_poses_as_another_is_read_as_what_it_runs() -> None:
    assert wrapped.__name__ == "plain"
    assert "2 & WORD_MASK" in ast.unparse(syntax_of(wrapped).body[0])


def test_a_function_whose_code_is_another_than_its_source() -> None:
    def impostor(a: int) -> int:
        return a

    assert syntax_of(impostor).parameters == ("a",)
    syntax_of.cache_clear()
    impostor.__code__ = plain.__code__.replace(co_firstlineno=impostor.__code__.co_firstlineno)
    with pytest.raises(NotLiftable, match="isn't what runs"):
        syntax_of(impostor)


def test_all_instructions_have_source_that_is_what_runs() -> None:
    for record in OSAKA.table:
        if record is not None and record.function is not None:
            assert len(syntax_of(record.function).parameters) >= record.pops


def test_each_parameter_is_counted() -> None:
    def twice(a: int, b: int) -> int:
        if b:
            return a + a
        return 0

    assert reads_of(twice) == (2, 1)


def test_an_expression_that_ends_on_a_line_of_its_own() -> None:
    # fmt: off
    def open_ended(a: int) -> int:
        return (
            a
            + 1
        )
    # fmt: on

    assert "a + 1" in ast.unparse(syntax_of(open_ended).body[0])
