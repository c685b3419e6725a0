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


@given(WORDS, st.data())
def test_it_is_copied_to_memory_as_its_bytes_are(words: list[int], data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, 100) | st.sampled_from((0, 32, 64)))
    size = data.draw(st.integers(0, 32 * len(words) - offset))
    lazy = MemoryBytes(words, offset, size)
    expected = read_memory(words, offset, size)
    memory = data.draw(st.lists(st.integers(0, 2**256 - 1), min_size=80, max_size=80))
    model = bytearray(read_memory(memory, 0, 80 * 32))
    for _ in range(data.draw(st.integers(1, 4))):
        destination = data.draw(st.integers(0, 100) | st.sampled_from((0, 32, 64)))
        source = data.draw(st.integers(0, size + 40) | st.sampled_from((0, 32, 64, 2**256 - 1)))
        copied = data.draw(st.integers(0, 80 * 32 - destination) | st.just(max(0, min(size, 2400) - source)))
        model[destination : destination + copied] = expected[source : source + copied].ljust(copied, b"\0")
        lazy.copy(memory, destination, source, copied)
        assert read_memory(memory, 0, 80 * 32) == model
    assert bytes(lazy) == expected


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


@pytest.mark.parametrize("ending", ["RETURN", "REVERT"])
@pytest.mark.parametrize("size", [128, 129, 160, 1_000, 2_048])
@pytest.mark.parametrize("offset", [0, 1, 32])
def test_a_caller_sees_what_the_callee_gives_back(ending: str, size: int, offset: int, engine: Engine) -> None:
    data = bytes(range(1, 256)) * 9
    world = engine.world()
    world.set_code(CALLEE, assemble(f"{FILL} PUSH2 {size} PUSH1 {offset} {ending}"))
    # Through the call's own range, which is shorter, then by copies: all of it, and a part off the words.
    call = f"PUSH1 64 PUSH2 100 CALLDATASIZE PUSH1 0 PUSH1 0 PUSH20 0x{CALLEE.hex()} GAS CALL"
    copies = "PUSH1 90 PUSH1 7 PUSH2 200 RETURNDATACOPY RETURNDATASIZE PUSH1 0 PUSH2 320 RETURNDATACOPY"
    world.set_code(CALLER, assemble(f"{FILL} {call} {copies} PUSH2 2400 PUSH1 0 RETURN"))
    result = world.call(CALLER, data, gas=10**7)
    expected = data[offset : offset + size]
    memory = bytearray(data.ljust(2_400, b"\0"))
    memory[100:164] = expected[:64]
    memory[200:290] = expected[7:97]
    memory[320 : 320 + size] = expected
    assert result.output == memory[:2_400]
    assert result.children[0].output == expected
    assert [type(each.output) for each in (result, *result.children)] == [bytes, bytes]


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
