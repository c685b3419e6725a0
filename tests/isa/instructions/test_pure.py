"""Arithmetic, bitwise and comparison instructions against plain models: as functions, and inside programs."""

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.isa.forks import HISTORY, OSAKA
from evmthread.isa.instruction import Shape
from evmthread.isa.instructions import arithmetic
from evmthread.precompiles.libraries import power_modulo
from tests.conftest import Engine
from tests.isa.instructions.models import MODELS
from tests.sandbox import CONTRACT, SENDER, run, top_of, world_of
from tests.words import EDGES, words

RECORDS = {record.name: record for record in OSAKA.table if record is not None and record.shape is Shape.PURE}


def arity(name: str) -> int:
    return len(inspect.signature(MODELS[name]).parameters)


def test_every_pure_instruction_of_every_fork_has_a_model() -> None:
    pure = {record.name for fork in HISTORY for record in fork.table if record and record.shape is Shape.PURE}
    assert pure | {"EXP"} == set(MODELS)


@pytest.mark.parametrize("name", sorted(RECORDS))
@settings(max_examples=150)
@given(operands=st.tuples(words, words, words))
def test_function_equals_model(name: str, operands: tuple[int, int, int]) -> None:
    function = RECORDS[name].function
    assert function is not None
    taken = operands[: arity(name)]
    assert function(*taken) == MODELS[name](*taken)


CORNERS = sorted(
    {
        *range(3),
        *range(30, 34),
        *range(247, 258),
        *(2**power + low for power in (31, 64, 128, 255, 256) for low in (-1, 0)),
    }
    - {2**256}
)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_function_equals_model_at_every_pair_of_corners(name: str) -> None:
    function, model = RECORDS[name].function, MODELS[name]
    assert function is not None
    for place, first in enumerate(CORNERS):
        for other, second in enumerate(CORNERS if arity(name) > 1 else (0,)):
            taken = (first, second, CORNERS[(place * 5 + other) % len(CORNERS)])[: arity(name)]
            assert function(*taken) == model(*taken), taken


@pytest.mark.parametrize("name", sorted(MODELS))
def test_in_a_program_equals_model(engine: Engine, name: str) -> None:
    """Operands from calldata, so that no engine can fold them; the edges against each other, sparsely."""
    count = arity(name)
    loads = " ".join(f"PUSH {32 * place} CALLDATALOAD" for place in reversed(range(count)))
    program = f"{loads} {name} PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"
    world = world_of(engine, {CONTRACT: program}, fork=OSAKA)
    for step in range(0, len(EDGES), 3):
        for other in (1, 5, 40, 71):
            operands = (EDGES[step], EDGES[(step + other) % len(EDGES)], EDGES[(step * 7 + other) % len(EDGES)])[:count]
            data = b"".join(word.to_bytes(32, "big") for word in operands)
            result = world.call(CONTRACT, data, sender=SENDER)
            assert int.from_bytes(result.output, "big") == MODELS[name](*operands), operands


@pytest.mark.parametrize("name", sorted(MODELS))
def test_constant_operands_equal_model(engine: Engine, name: str) -> None:
    """Operands from PUSHes, which an engine may fold."""
    operands = (2**255 + 5, 2**256 - 3, 9)[: arity(name)]
    pushes = " ".join(f"PUSH {word}" for word in reversed(operands))
    assert top_of(engine, f"{pushes} {name}", fork=OSAKA) == MODELS[name](*operands)


@settings(max_examples=60)
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(MODELS)), words, words), min_size=1, max_size=12), start=words)
def test_chains_of_instructions_equal_model(engine: Engine, steps: list[tuple[str, int, int]], start: int) -> None:
    text, value = f"PUSH {start}", start
    for name, first, second in steps:
        match arity(name):
            case 1:
                text, value = f"{text} {name}", MODELS[name](value)
            case 2:
                text, value = f"{text} PUSH {first} {name}", MODELS[name](first, value)
            case _:
                text, value = f"{text} PUSH {second} PUSH {first} {name}", MODELS[name](first, second, value)
    assert top_of(engine, text, fork=OSAKA) == value


@pytest.mark.parametrize(("fork", "byte_price"), [("Homestead", 10), ("SpuriousDragon", 50), ("Osaka", 50)])
def test_exp_charges_for_each_byte_of_the_exponent(engine: Engine, fork: str, byte_price: int) -> None:
    rules = next(known for known in HISTORY if known.name == fork)
    for exponent, size in ((0, 0), (1, 1), (255, 1), (256, 2), (2**248 - 1, 31), (2**248, 32), (2**256 - 1, 32)):
        assert run(engine, f"PUSH {exponent} PUSH 3 EXP", fork=rules).gas_used == 3 + 3 + 10 + byte_price * size


@pytest.mark.parametrize("library", [True, False])
@given(base=words | st.integers(0, 4), exponent=words | st.integers(0, 300))
def test_power(library: bool, base: int, exponent: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(arithmetic, "power_modulo_of_words", lambda _exponent: power_modulo() if library else pow)
        assert arithmetic.power(base, exponent) == pow(base, exponent, 2**256)
