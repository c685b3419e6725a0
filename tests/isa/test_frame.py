"""Memory as a list of words against memory as bytes, and what growing it costs."""

from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.errors import LimitExceeded
from evmthread.isa.forks import CANCUN
from evmthread.isa.frame import (
    Frame,
    copy_data,
    copy_memory,
    load_unaligned,
    read_memory,
    store_byte,
    store_unaligned,
    write_memory,
)
from evmthread.isa.halts import OutOfGas
from evmthread.isa.message import CallKind, Message
from tests.words import words as word_values

SIZE = 7 * 32


def bytes_of(memory: list[int]) -> bytearray:
    return bytearray(b"".join(word.to_bytes(32, "big") for word in memory))


memories = st.lists(word_values, min_size=SIZE // 32, max_size=SIZE // 32)
offsets = st.integers(0, SIZE - 33).filter(lambda offset: offset % 32)
ranges = st.integers(0, SIZE).flatmap(lambda offset: st.tuples(st.just(offset), st.integers(0, SIZE - offset)))


@given(memories, offsets)
def test_load_unaligned(memory: list[int], offset: int) -> None:
    assert load_unaligned(memory, offset) == int.from_bytes(bytes_of(memory)[offset : offset + 32], "big")


@given(memories, offsets, word_values)
def test_store_unaligned(memory: list[int], offset: int, value: int) -> None:
    model = bytes_of(memory)
    model[offset : offset + 32] = value.to_bytes(32, "big")
    store_unaligned(memory, offset, value)
    assert bytes_of(memory) == model


@given(memories, st.integers(0, SIZE - 1), st.integers(0, 255))
def test_store_byte(memory: list[int], offset: int, value: int) -> None:
    model = bytes_of(memory)
    model[offset] = value
    store_byte(memory, offset, value)
    assert bytes_of(memory) == model


@given(memories, ranges)
def test_read_memory(memory: list[int], place: tuple[int, int]) -> None:
    offset, size = place
    assert read_memory(memory, offset, size) == bytes_of(memory)[offset : offset + size]


@given(memories, ranges, st.data())
def test_write_memory(memory: list[int], place: tuple[int, int], data: st.DataObject) -> None:
    offset, size = place
    written = data.draw(st.binary(min_size=size, max_size=size))
    model = bytes_of(memory)
    model[offset : offset + size] = written
    write_memory(memory, offset, written)
    assert bytes_of(memory) == model
    assert len(memory) == SIZE // 32


@given(memories, ranges, st.binary(max_size=100), st.integers(0, 110) | st.just(2**255))
def test_copy_data(memory: list[int], place: tuple[int, int], data: bytes, source: int) -> None:
    offset, size = place
    model = bytes_of(memory)
    model[offset : offset + size] = data[source : source + size].ljust(size, b"\0")
    copy_data(memory, offset, data, source, size)
    assert bytes_of(memory) == model
    assert len(memory) == SIZE // 32


@given(memories, ranges, st.integers(0, SIZE))
def test_copy_memory(memory: list[int], place: tuple[int, int], destination: int) -> None:
    source, size = place
    size = min(size, SIZE - destination)
    model = bytes_of(memory)
    model[destination : destination + size] = model[source : source + size]
    copy_memory(memory, destination, source, size)
    assert bytes_of(memory) == model


@pytest.mark.parametrize("offset", [0, 5, 32])
@pytest.mark.parametrize("size", [63 * 32, 64 * 32, 64 * 32 + 1, 200 * 32 + 7])
def test_long_ranges(offset: int, size: int) -> None:
    memory = [7**80] * 210
    written = bytes(range(256)) * 26
    model = bytes_of(memory)
    model[offset : offset + size] = written[:size]
    write_memory(memory, offset, written[:size])
    assert bytes_of(memory) == model
    assert read_memory(memory, offset, size) == written[:size]


def frame(gas: int, *, limit: int = 10**9) -> Frame:
    host = Mock()
    host.memory_exceeded.side_effect = LimitExceeded
    message = Message(CallKind.CALL, bytes(20), bytes(20), bytes(20), b"", b"", 0, 0, gas, False, 0)
    made = Frame(message, CANCUN, host, None, frozenset())
    made.memory_limit = limit
    return made


def memory_price(words: int) -> int:
    """C_mem of the Yellow Paper, appendix H.1."""
    return 3 * words + words**2 // 512


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=8))
def test_growing_costs_the_difference_and_never_shrinks(ends: list[int]) -> None:
    grown = frame(10**9)
    for end in ends:
        grown.grow(end)
    words = (max(ends) + 31) // 32
    assert len(grown.memory) == words
    assert 10**9 - grown.gas == memory_price(words)


def test_growing_to_the_last_gas_and_one_beyond() -> None:
    exact = frame(memory_price(1_000))
    exact.grow(32_000)
    assert exact.gas == 0
    short = frame(memory_price(1_000) - 1)
    with pytest.raises(OutOfGas):
        short.grow(32_000)
    assert (short.gas, short.memory) == (memory_price(1_000) - 1, [])


def test_no_range_is_too_far_when_it_is_empty_and_every_range_when_it_is_not() -> None:
    small = frame(10**9)
    small.grow_range(2**256 - 1, 0)
    assert small.memory == []
    for offset, size in ((2**256 - 1, 1), (0, 2**256 - 1), (2**256 - 1, 2**256 - 1)):
        with pytest.raises(OutOfGas):
            small.grow_range(offset, size)
    assert small.memory == []


def test_the_hosts_limit_is_asked_after_gas_and_before_anything_changes() -> None:
    limited = frame(10**9, limit=10)
    limited.grow(320)
    with pytest.raises(LimitExceeded):
        limited.grow(321)
    assert (len(limited.memory), limited.gas) == (10, 10**9 - memory_price(10))
    with pytest.raises(OutOfGas):
        frame(0, limit=10).grow(321)


def test_charge() -> None:
    charged = frame(5)
    charged.charge(5)
    assert charged.gas == 0
    with pytest.raises(OutOfGas):
        charged.charge(1)
    assert charged.gas == 0
