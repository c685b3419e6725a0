import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.precompiles.blake2f import BLAKE2F, blake2f, compress
from evmthread.precompiles.precompile import PrecompileFailure

# The state that BLAKE2b-512 without a key starts from (RFC 7693, section 2.5).
START = bytes.fromhex(
    "48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"
    "d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b"
)


def encode(rounds: int, state: bytes, block: bytes, offset: int, final: int) -> bytes:
    return rounds.to_bytes(4, "big") + state + block + offset.to_bytes(16, "little") + bytes([final])


@settings(deadline=None)
@given(st.binary(max_size=128))
def test_twelve_rounds_are_blake2b(message: bytes) -> None:
    data = encode(12, START, message.ljust(128, b"\0"), len(message), 1)
    assert blake2f(data) == blake2f(data, compress) == hashlib.blake2b(message).digest()


@settings(deadline=None)
@given(
    st.integers(0, 40),
    st.binary(min_size=64, max_size=64),
    st.binary(min_size=128, max_size=128),
    st.integers(0, (1 << 128) - 1),
    st.integers(0, 1),
)
def test_engines_are_equal(rounds: int, state: bytes, block: bytes, offset: int, final: int) -> None:
    data = encode(rounds, state, block, offset, final)
    assert blake2f(data) == blake2f(data, compress)


GOOD = encode(1, START, bytes(128), 0, 1)


@pytest.mark.parametrize("data", [b"", GOOD[:-1], GOOD + b"\0", GOOD[:-1] + b"\2", GOOD[:-1] + b"\xff"])
def test_wrong_form_fails(data: bytes) -> None:
    with pytest.raises(PrecompileFailure):
        blake2f(data)


def test_price_is_the_rounds() -> None:
    assert BLAKE2F.price(GOOD) == 1
    assert BLAKE2F.price(b"\xff" * 4 + GOOD[4:]) == 0xFFFFFFFF
    assert BLAKE2F.price(b"\xff" * 4) == 0
