from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.isa.halts import HaltReason
from tests.conftest import Engine
from tests.sandbox import halts, run, top_of

SPAN = 300


@st.composite
def memory_steps(draw: st.DrawFn) -> list[tuple[str, int, int, int]]:
    offset = st.integers(0, SPAN) | st.integers(0, SPAN // 32).map(lambda word: word * 32)
    step = st.one_of(
        st.tuples(st.just("MSTORE"), offset, st.integers(0, 2**256 - 1), st.just(0)),
        st.tuples(st.just("MSTORE8"), offset, st.integers(0, 2**256 - 1), st.just(0)),
        st.tuples(st.just("MLOAD"), offset, st.just(0), st.just(0)),
        st.tuples(st.just("MCOPY"), offset, offset, st.integers(0, SPAN)),
    )
    return draw(st.lists(step, min_size=1, max_size=12))


@settings(max_examples=80)
@given(steps=memory_steps())
def test_programs_of_memory_instructions_equal_a_bytearray(
    engine: Engine, steps: list[tuple[str, int, int, int]]
) -> None:
    """What every MLOAD saw is xored together; then memory itself and MSIZE are returned."""
    model, size, seen = bytearray(4 * SPAN), 0, 0
    text = "PUSH 0"
    for name, first, second, count in steps:
        if name == "MLOAD":
            text += f" PUSH {first} MLOAD XOR"
            seen ^= int.from_bytes(model[first : first + 32], "big")
            end = first + 32
        elif name == "MSTORE":
            text += f" PUSH {second} PUSH {first} MSTORE"
            model[first : first + 32] = second.to_bytes(32, "big")
            end = first + 32
        elif name == "MSTORE8":
            text += f" PUSH {second} PUSH {first} MSTORE8"
            model[first] = second % 256
            end = first + 1
        else:
            text += f" PUSH {count} PUSH {second} PUSH {first} MCOPY"
            model[first : first + count] = bytes(model[second : second + count])
            end = max(first, second) + count if count else 0
        size = max(size, (end + 31) // 32 * 32)
    top = 3 * SPAN // 32 * 32
    text += f" MSIZE PUSH {top} MSTORE PUSH {top + 32} MSTORE PUSH {top + 64} PUSH 0 RETURN"
    result = run(engine, text)
    assert result.success
    assert result.output[:top] == model[:top]
    assert result.output[top:] == size.to_bytes(32, "big") + seen.to_bytes(32, "big")


def test_msize_counts_whole_words_and_only_what_was_reached(engine: Engine) -> None:
    assert top_of(engine, "MSIZE") == 0
    assert top_of(engine, "PUSH 0 MLOAD POP MSIZE") == 32
    assert top_of(engine, "PUSH 1 MLOAD POP MSIZE") == 64
    assert top_of(engine, "PUSH 7 PUSH 64 MSTORE8 MSIZE") == 96
    assert top_of(engine, "PUSH 0 PUSH 1000 PUSH 1000 MCOPY MSIZE") == 0


def test_prices_of_growth_and_of_copied_words(engine: Engine) -> None:
    assert run(engine, "PUSH 0 MLOAD").gas_used == 3 + 3 + 3
    assert run(engine, "PUSH 32000 MLOAD").gas_used == 3 + 3 + 3 * 1001 + 1001**2 // 512
    assert run(engine, "PUSH 7 PUSH 0 MSTORE8").gas_used == 3 + 3 + 3 + 3
    assert run(engine, "PUSH 33 PUSH 0 PUSH 64 MCOPY").gas_used == 9 + 3 + 2 * 3 + 4 * 3
    assert run(engine, "PUSH 0 PUSH 0 PUSH 64 MCOPY").gas_used == 9 + 3


def test_what_no_gas_can_pay_for_halts(engine: Engine) -> None:
    for program in (
        "PUSH -1 MLOAD",
        "PUSH 1 PUSH -1 MSTORE",
        "PUSH 1 PUSH -1 MSTORE8",
        "PUSH -1 PUSH 0 PUSH 0 MCOPY",
        "PUSH 1 PUSH -1 PUSH 0 MCOPY",
        "PUSH 1 PUSH 0 PUSH -1 MCOPY",
        f"PUSH {2**62} MLOAD",
    ):
        assert halts(run(engine, program), HaltReason.OUT_OF_GAS), program
