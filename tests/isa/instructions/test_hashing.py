from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.isa.halts import HaltReason
from evmthread.primitives.keccak import keccak256
from tests.conftest import Engine
from tests.sandbox import halts, run, top_of


@settings(max_examples=40)
@given(data=st.binary(max_size=150), offset=st.integers(0, 40))
def test_keccak256_of_memory(engine: Engine, data: bytes, offset: int) -> None:
    program = f"CALLDATASIZE PUSH 0 PUSH {offset} CALLDATACOPY CALLDATASIZE PUSH {offset} KECCAK256"
    assert top_of(engine, program, data=data) == int.from_bytes(keccak256(data), "big")


def test_price_by_words_and_growth(engine: Engine) -> None:
    assert run(engine, "PUSH 0 PUSH -1 KECCAK256").gas_used == 6 + 30
    assert run(engine, "PUSH 33 PUSH 0 KECCAK256").gas_used == 6 + 30 + 2 * 6 + 2 * 3
    assert halts(run(engine, "PUSH -1 PUSH 0 KECCAK256"), HaltReason.OUT_OF_GAS)
