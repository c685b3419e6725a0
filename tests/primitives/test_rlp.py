"""RLP, held equal to pyrlp."""

import pytest
import rlp as pyrlp
from hypothesis import given
from hypothesis import strategies as st
from rlp.sedes import big_endian_int

from evmthread.errors import DecodingError
from evmthread.primitives import rlp

ITEMS = st.recursive(
    st.one_of(st.binary(max_size=3), st.binary(min_size=50, max_size=70), st.binary(min_size=250, max_size=300)),
    lambda children: st.lists(children, max_size=6),
    max_leaves=20,
)


@given(ITEMS)
def test_encodes_and_decodes_as_pyrlp(item: rlp.Decoded) -> None:
    encoded = rlp.encode(item)
    assert encoded == pyrlp.encode(item)
    assert rlp.decode(encoded) == item
    if isinstance(item, list):
        assert rlp.encoded_items(encoded) == [rlp.encode(child) for child in item]


@given(st.binary(max_size=80))
def test_refuses_what_pyrlp_refuses(data: bytes) -> None:
    try:
        theirs = pyrlp.decode(data, strict=True)
    except pyrlp.DecodingError:
        with pytest.raises(DecodingError):
            rlp.decode(data)
    else:
        assert rlp.encode(rlp.decode(data)) == pyrlp.encode(theirs) == data


@pytest.mark.parametrize("head", [0xB8, 0xF8], ids=["string", "list"])
def test_lengths_of_one_byte_inside_a_list(head: int) -> None:
    def inside(*payload: int) -> bytes:
        assert len(payload) < 255
        return bytes((0xF8, len(payload), *payload)) if len(payload) > 55 else bytes((0xC0 + len(payload), *payload))

    item: rlp.Decoded = b"\x01" * 56 if head == 0xB8 else [b"\x01"] * 56
    good = (head, 56, *(1,) * 56)
    assert rlp.decode(inside(*good)) == [item]
    assert rlp.decode(inside(*good, *good)) == [item, item]
    assert rlp.decode(inside(*good, 1)) == [item, b"\x01"]
    # No length, also after another item; lengths that aren't minimal; a list that ends before the item does.
    for payload in ((head,), (1, head), (head, 55, *(1,) * 55), (head, 0), good[:-1], (head, 56)):
        with pytest.raises(DecodingError):
            rlp.decode(inside(*payload))
        with pytest.raises(DecodingError):  # what follows the list in which it stands isn't its
            rlp.decode(inside(*inside(*payload), *(56,) * 60))


@given(st.integers(min_value=0, max_value=2**300))
def test_integers(value: int) -> None:
    assert rlp.encode_int(value) == pyrlp.encode(value, sedes=big_endian_int)
    assert rlp.bytes_integer(rlp.integer_bytes(value), bits=301) == value


@pytest.mark.parametrize("bad", [b"\x00", b"\x00\x01"])
def test_leading_zeros_are_refused(bad: bytes) -> None:
    with pytest.raises(DecodingError, match="leading zero"):
        rlp.bytes_integer(bad)


def test_integers_beyond_their_bits_are_refused() -> None:
    with pytest.raises(DecodingError, match="more than 64 bits"):
        rlp.bytes_integer(bytes([1]) + bytes(8), bits=64)


def test_depth_is_bounded() -> None:
    nested: rlp.Decoded = []
    for _ in range(8):
        nested = [nested]
    assert rlp.decode(rlp.encode(nested), max_depth=9) == nested
    with pytest.raises(DecodingError, match="too deep"):
        rlp.decode(rlp.encode(nested), max_depth=8)


@pytest.mark.parametrize("data", [b"\xc0", b"\x01"])
def test_more_items_than_allowed_are_refused(data: bytes) -> None:
    many = rlp.encode_list([data] * 1000)
    assert len(rlp.decode(many, max_items=1000)) == 1000
    with pytest.raises(DecodingError, match="too many items"):
        rlp.decode(many, max_items=999)
    with pytest.raises(DecodingError, match="too many items"):
        rlp.decode(rlp.encode_list([many]), max_items=1000)


def test_a_default_bounds_the_items() -> None:
    with pytest.raises(DecodingError, match="too many items"):
        rlp.decode(rlp.encode_list([b"\xc0" * (rlp.MAX_ITEMS + 1)]))
