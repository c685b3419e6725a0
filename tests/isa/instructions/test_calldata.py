import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.isa.forks import BYZANTIUM
from evmthread.isa.halts import HaltReason
from tests.conftest import Engine
from tests.sandbox import OTHER, code_of, halts, push, return_bytes, run, top_of

FAR = st.sampled_from([2**31, 2**32 - 1, 2**63, 2**64, 2**255, 2**256 - 1])


@settings(max_examples=60)
@given(data=st.binary(max_size=100), offset=st.integers(0, 120) | FAR)
def test_calldataload_reads_zeros_beyond_the_end(engine: Engine, data: bytes, offset: int) -> None:
    expected = int.from_bytes((data[offset : offset + 32] + bytes(32))[:32], "big")
    assert top_of(engine, f"PUSH {offset} CALLDATALOAD", data=data) == expected


@settings(max_examples=60)
@given(data=st.binary(max_size=100), to=st.integers(0, 80), source=st.integers(0, 120) | FAR, size=st.integers(0, 100))
def test_copies_of_calldata(engine: Engine, data: bytes, to: int, source: int, size: int) -> None:
    program = f"PUSH -1 PUSH 64 MSTORE PUSH {size} PUSH {source} PUSH {to} CALLDATACOPY PUSH 256 PUSH 0 RETURN"
    model = bytearray(256)
    model[64:96] = b"\xff" * 32
    model[to : to + size] = data[source : source + size].ljust(size, b"\0")
    result = run(engine, program, data=data)
    assert result.output == model
    # The growth to 256 bytes is paid for, by whichever instruction reaches so far.
    assert result.gas_used == 3 * 3 + 3 * 3 + 3 + 3 * ((size + 31) // 32) + 2 * 3 + 8 * 3


@settings(max_examples=40)
@given(to=st.integers(0, 80), source=st.integers(0, 120) | FAR, size=st.integers(0, 100))
def test_copies_of_code(engine: Engine, to: int, source: int, size: int) -> None:
    program = f"PUSH {size} PUSH {source} PUSH {to} CODECOPY PUSH 192 PUSH 0 RETURN"
    code = code_of(program, BYZANTIUM)
    model = bytearray(192)
    model[to : to + size] = code[source : source + size].ljust(size, b"\0")
    assert run(engine, program).output == model


def test_sizes(engine: Engine) -> None:
    assert top_of(engine, "CALLDATASIZE", data=bytes(77)) == 77
    assert top_of(engine, "CODESIZE") == 1 + len(code_of("PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN", BYZANTIUM))
    assert top_of(engine, "RETURNDATASIZE") == 0


CALL_OTHER = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS CALL POP"


@settings(max_examples=40)
@given(returned=st.binary(max_size=70), source=st.integers(0, 80) | FAR, size=st.integers(0, 80), to=st.integers(0, 40))
def test_copies_of_return_data_never_reach_beyond_its_end(
    engine: Engine, returned: bytes, source: int, size: int, to: int
) -> None:
    program = f"{CALL_OTHER} PUSH {size} PUSH {source} PUSH {to} RETURNDATACOPY PUSH 128 PUSH 0 RETURN"
    result = run(engine, program, others={OTHER: return_bytes(returned)})
    if source + size > len(returned):
        assert halts(result, HaltReason.RETURN_DATA_OUT_OF_BOUNDS)
    else:
        model = bytearray(128)
        model[to : to + size] = returned[source : source + size]
        assert result.output == model


@pytest.mark.parametrize("how", ["RETURN", "REVERT"])
def test_return_data_of_a_call_that_ended(engine: Engine, how: str) -> None:
    others = {OTHER: return_bytes(b"hello", how=how)}
    assert top_of(engine, f"{CALL_OTHER} RETURNDATASIZE", others=others) == 5
    shown = run(engine, f"{CALL_OTHER} PUSH 5 PUSH 0 PUSH 0 RETURNDATACOPY PUSH 5 PUSH 0 RETURN", others=others)
    assert shown.output == b"hello"


def test_empty_copies_from_far_away_cost_their_base_price(engine: Engine) -> None:
    for name in ("CALLDATACOPY", "CODECOPY"):
        assert run(engine, f"PUSH 0 PUSH -1 PUSH -1 {name}").gas_used == 9 + 3
    assert halts(run(engine, "PUSH 0 PUSH 1 PUSH 0 RETURNDATACOPY"), HaltReason.RETURN_DATA_OUT_OF_BOUNDS)
    assert run(engine, "PUSH 0 PUSH 0 PUSH -1 RETURNDATACOPY").gas_used == 9 + 3
