"""Both implementations of the Bls12381 protocol against each other and against what groups are."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc.bls.point_compression import compress_G1
from py_ecc.optimized_bls12_381 import G1, curve_order, field_modulus, multiply

from evmthread.precompiles.bls12_381_groups import ORDER, PRIME, Bls12381, best_bls12_381
from evmthread.precompiles.bls12_381_py_ecc import PyEccBls12381
from evmthread.precompiles.precompile import PrecompileFailure
from tests.precompiles.samples import bls_g1, bls_g1_outside, bls_g2, bls_g2_outside, word

PLAIN = PyEccBls12381()
BEST = best_bls12_381()
BOTH: list[Bls12381] = [PLAIN, BEST]
scalars = st.integers(0, (1 << 256) - 1)
elements = st.integers(0, PRIME - 1).map(lambda n: n.to_bytes(48, "big"))
INFINITY = b"\xc0" + bytes(47)


def compressed(scalar: int) -> bytes:
    data: bytes = compress_G1(multiply(G1, scalar % ORDER)).to_bytes(48, "big")
    return data


def test_constants() -> None:
    assert field_modulus == PRIME
    assert curve_order == ORDER


@settings(max_examples=5, deadline=None)
@given(scalars, scalars)
def test_sums(a: int, b: int) -> None:
    for groups in BOTH:
        assert groups.add_g1(bls_g1(a), bls_g1(b)) == bls_g1(a + b)
        assert groups.add_g2(bls_g2(a), bls_g2(b)) == bls_g2(a + b)
        assert groups.add_g1(bls_g1(a), bls_g1(-a)) == bytes(96)
        assert groups.add_g2(bls_g2(a), bls_g2(-a)) == bytes(192)
        assert groups.add_g1(bls_g1(a), bls_g1(a)) == bls_g1(2 * a)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, PRIME - 1), st.integers(1, PRIME - 1))
def test_sums_outside_the_subgroups(a: int, b: int) -> None:
    for add, left, right in (
        ("add_g1", bls_g1_outside(a), bls_g1_outside(b)),
        ("add_g2", bls_g2_outside(a), bls_g2_outside(b)),
    ):
        assert getattr(PLAIN, add)(left, right) == getattr(BEST, add)(left, right)
        assert getattr(PLAIN, add)(left, left) == getattr(BEST, add)(left, left)


@settings(max_examples=3, deadline=None)
@given(st.lists(st.tuples(scalars, scalars), min_size=1, max_size=3))
def test_products(terms: list[tuple[int, int]]) -> None:
    total = sum(a * b for a, b in terms)
    for groups in BOTH:
        assert groups.multiply_g1([(bls_g1(a), word(b)) for a, b in terms]) == bls_g1(total)
        assert groups.multiply_g2([(bls_g2(a), word(b)) for a, b in terms]) == bls_g2(total)


def refused(call: Callable[..., object], *arguments: object) -> bool:
    try:
        call(*arguments)
    except PrecompileFailure:
        return True
    return False


@pytest.mark.parametrize("groups", BOTH)
def test_subgroups_are_checked(groups: Bls12381) -> None:
    for outside in (bls_g1_outside(3), bytes(95) + b"\2"):  # (0, 2) has order 3
        assert refused(groups.multiply_g1, [(outside, word(0))])
        assert refused(groups.pairing_is_one, [(outside, bytes(192))])
        assert not refused(groups.add_g1, outside, bytes(96))
    outside = bls_g2_outside(3)
    assert refused(groups.multiply_g2, [(outside, word(0))])
    assert refused(groups.pairing_is_one, [(bytes(96), outside)])
    assert not refused(groups.add_g2, outside, bytes(192))


@pytest.mark.parametrize("groups", BOTH)
def test_curves_are_checked(groups: Bls12381) -> None:
    off_g1, off_g2 = bytes(95) + b"\1", bytes(191) + b"\1"
    assert refused(groups.add_g1, off_g1, bytes(96))
    assert refused(groups.add_g2, bytes(192), off_g2)
    assert refused(groups.multiply_g1, [(off_g1, word(0))])
    assert refused(groups.multiply_g2, [(off_g2, word(0))])
    assert refused(groups.pairing_is_one, [(off_g1, bytes(192))])
    assert refused(groups.pairing_is_one, [(bytes(96), off_g2)])


@pytest.mark.parametrize("groups", BOTH)
@settings(max_examples=1, deadline=None)
@given(a=st.integers(1, ORDER - 1), b=st.integers(1, ORDER - 1))
def test_pairing(groups: Bls12381, a: int, b: int) -> None:
    assert groups.pairing_is_one([(bls_g1(a), bls_g2(b)), (bls_g1(-a * b), bls_g2(1))])
    assert not groups.pairing_is_one([(bls_g1(a), bls_g2(b)), (bytes(96), bls_g2(1)), (bls_g1(1), bytes(192))])
    assert groups.pairing_is_one([(bytes(96), bls_g2(1)), (bls_g1(1), bytes(192)), (bytes(96), bytes(192))])


@settings(max_examples=4, deadline=None)
@given(elements, elements)
def test_maps_are_equal(first: bytes, second: bytes) -> None:
    assert PLAIN.map_to_g1(first) == BEST.map_to_g1(first)
    assert PLAIN.map_to_g2(first + second) == BEST.map_to_g2(first + second)


@pytest.mark.parametrize("groups", BOTH)
def test_a_constant_polynomial_opens_everywhere(groups: Bls12381) -> None:
    assert groups.opens(compressed(5), word(77), word(5), INFINITY)
    assert not groups.opens(compressed(5), word(77), word(6), INFINITY)
    assert not groups.opens(compressed(5), word(77), word(5), compressed(1))
    assert groups.opens(INFINITY, word(0), word(0), INFINITY)


NO_POINTS = [
    bytes(48),
    b"\x40" + bytes(47),
    b"\x80" + bytes(47),  # x = 0, whose point has order 3
    b"\xa0" + bytes(47),
    b"\xc0" + bytes(46) + b"\1",
    b"\xd0" + bytes(47),
    b"\xe0" + bytes(47),
    b"\xff" * 48,
    (PRIME | 1 << 383).to_bytes(48, "big"),
    bytes([compressed(5)[0] & 0x7F]) + compressed(5)[1:],
    bytes([compressed(5)[0] | 0x40]) + compressed(5)[1:],
]


@pytest.mark.parametrize("groups", BOTH)
@pytest.mark.parametrize("data", NO_POINTS, ids=lambda data: data.hex()[:8])
def test_only_canonical_compressed_points_of_g1(groups: Bls12381, data: bytes) -> None:
    assert refused(groups.opens, data, word(0), word(0), INFINITY)
    assert refused(groups.opens, INFINITY, word(0), word(0), data)
