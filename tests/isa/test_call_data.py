"""Long call data lies in the caller's memory until somebody reads it, and reads like bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.execution.world import World
from evmthread.isa.forks import OSAKA
from evmthread.isa.frame import LAZY_BYTES, MemoryBytes, call_data, read_memory
from evmthread.isa.halts import Status
from tests.assembler import assemble
from tests.conftest import Engine

WORDS = st.lists(st.integers(0, 2**256 - 1) | st.integers(0, 3), min_size=40, max_size=60)


@given(WORDS, st.data())
def test_it_reads_like_the_bytes_that_were_there(memory: list[int], data: st.DataObject) -> None:
    whole = b"".join([word.to_bytes(32, "big") for word in memory])
    offset = data.draw(st.integers(0, len(whole)))
    size = data.draw(st.integers(1, len(whole) - offset + 1)) - 1
    lazy = MemoryBytes(memory, offset, size)
    expected = whole[offset : offset + size]
    memory[:] = [0] * len(memory)  # what the memory becomes later doesn't matter
    assert len(lazy) == size
    for _ in range(data.draw(st.integers(0, 8))):
        start, stop = data.draw(st.tuples(st.integers(0, 2_500), st.integers(0, 2_500) | st.just(2**256)))
        assert lazy[start:stop] == expected[start:stop]
    assert bytes(lazy) == expected
    assert lazy[5:70] == expected[5:70]


def test_short_data_is_plain_bytes() -> None:
    memory = [7] * 100
    kinds: list[object] = [type(call_data(memory, 3, LAZY_BYTES + more)) for more in (0, 1)]
    assert kinds == [bytes, MemoryBytes]
    assert bytes(call_data(memory, 3, LAZY_BYTES + 1)) == read_memory(memory, 3, LAZY_BYTES + 1)


CALLER, CALLEE = b"\xaa" * 20, b"\xcc" * 20
SIZE = 5_000
CALL = f"PUSH1 0 PUSH1 0 PUSH2 {SIZE} PUSH1 1 PUSH1 0 PUSH20 0x{CALLEE.hex()} GAS CALL"
FILL = "CALLDATASIZE PUSH1 0 PUSH1 0 CALLDATACOPY"


@pytest.mark.parametrize(
    "callee",
    [
        "CALLDATASIZE PUSH1 0 MSTORE PUSH2 4990 CALLDATALOAD PUSH1 32 MSTORE PUSH1 64 PUSH1 0 RETURN",
        f"{FILL} CALLDATASIZE PUSH1 0 RETURN",
        f"{FILL} PUSH1 0 PUSH1 0 CALLDATASIZE PUSH1 0 PUSH1 4 GAS DELEGATECALL RETURNDATASIZE PUSH1 0 REVERT",
    ],
)
def test_a_callee_sees_what_the_caller_handed_over(callee: str, engine: Engine) -> None:
    world = engine.world()
    world.set_code(CALLER, assemble(f"{FILL} {CALL}"))
    world.set_code(CALLEE, assemble(callee))
    data = bytes(range(256)) * 24
    (child,) = world.call(CALLER, data).children
    handed = data[1 : 1 + SIZE]
    assert child.message.data == handed
    alone = world.call(CALLEE, handed, gas=child.message.gas)
    assert (child.output, child.status) == (alone.output, alone.status)
    # The second look finds the same bytes, not the memory.
    assert child.message.data is child.message.data


@pytest.mark.parametrize("address", range(1, 18))
def test_precompiles_answer_long_data_as_they_answer_bytes(address: int) -> None:
    world = World(fork=OSAKA)
    call = f"PUSH1 0 PUSH1 0 CALLDATASIZE PUSH1 0 PUSH1 {address} PUSH4 0xffffff STATICCALL"
    world.set_code(CALLER, assemble(f"{FILL} {call}"))
    # For MODEXP: lengths 1, 1 and 1,000; for BLAKE2F and the curves: too long, or points that are none.
    lengths = b"".join([size.to_bytes(32, "big") for size in (1, 1, 1_000)])
    for data in (lengths + b"\x03\x05" + b"\xfe" * 1_500, bytes(1_536), bytes(384 * 5), b"\xff" * 3_000):
        (child,) = world.call(CALLER, data, gas=2**26).children
        alone = world.call(address.to_bytes(20, "big"), data, gas=0xFFFFFF)
        assert (child.status, child.output, child.gas_used) == (alone.status, alone.output, alone.gas_used)
        assert child.status in (Status.SUCCESS, Status.HALT)
