"""Typed bytes for the border, hex, and keccak."""

import pytest
from Crypto.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st

from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import Address, Data, Hash32, parse_hex


@given(st.binary(max_size=300))
def test_keccak_is_pycryptodomes(data: bytes) -> None:
    assert keccak256(data) == keccak.new(data=data, digest_bits=256).digest()


def test_keccak_of_nothing() -> None:
    assert EMPTY_HASH.hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@given(st.binary(max_size=40))
def test_hex_is_read_with_and_without_prefix(data: bytes) -> None:
    assert parse_hex(data.hex()) == parse_hex("0x" + data.hex().upper()) == data


@pytest.mark.parametrize("text", ["0x1", "1", "0xzz", "0x 1", "zz", "0x\u0661\u0662"])
def test_what_is_no_hex_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="hex"):
        parse_hex(text)


@pytest.mark.parametrize(("kind", "size"), [(Address, 20), (Hash32, 32)])
def test_fixed_lengths(kind: type[Address] | type[Hash32], size: int) -> None:
    value = kind(b"\xab" * size)
    assert value == kind("0x" + "AB" * size) == b"\xab" * size
    assert str(value) == "0x" + "ab" * size
    for wrong in (size - 1, size + 1, 0):
        with pytest.raises(InvalidInput, match=f"{wrong} bytes"):
            kind(bytes(wrong))


def test_data_has_any_length() -> None:
    assert Data("0x") == b""
    assert repr(Data(b"\x01\x02")) == "Data('0x0102')"
