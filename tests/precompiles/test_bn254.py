import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc import optimized_bn128

from evmthread.precompiles import (
    BN254_ADD_BYZANTIUM,
    BN254_ADD_ISTANBUL,
    BN254_MULTIPLY_BYZANTIUM,
    BN254_MULTIPLY_ISTANBUL,
    BN254_PAIRING_BYZANTIUM,
    BN254_PAIRING_ISTANBUL,
    PrecompileFailure,
)
from evmthread.precompiles.bn254 import add, bn254_over, multiply, pairing_check
from evmthread.precompiles.bn254_pairing import ORDER, PRIME
from tests.precompiles.samples import bn254_g1, bn254_g2, bn254_g2_bytes, bn254_twist_point, word

PLAIN = bn254_over(int)
INFINITY = bytes(64)
G1 = word(1) + word(2)
scalars = st.integers(0, (1 << 256) - 1)


@settings(max_examples=25, deadline=None)
@given(scalars, scalars)
def test_add_and_multiply(a: int, b: int) -> None:
    data = bn254_g1(a) + bn254_g1(b)
    assert add(data) == add(data, PLAIN) == bn254_g1(a + b)
    data = bn254_g1(a) + word(b)
    assert multiply(data) == multiply(data, PLAIN) == bn254_g1(a * b)


@settings(max_examples=25, deadline=None)
@given(scalars)
def test_special_sums(a: int) -> None:
    point = bn254_g1(a)
    assert add(point + point) == bn254_g1(2 * a)
    assert add(point + bn254_g1(-a)) == INFINITY
    assert add(point) == add(bytes(64) + point) == point
    assert add(point + bytes(64) + b"cut off") == point


def test_special_products() -> None:
    assert multiply(G1) == multiply(b"") == multiply(G1 + word(ORDER)) == INFINITY
    assert multiply(G1 + word(ORDER + 1)) == G1
    assert multiply(G1 + b"\1") == bn254_g1(1 << 248)
    assert multiply(bytes(64) + word(5)) == INFINITY


@pytest.mark.parametrize("x,y", [(PRIME, 0), (0, PRIME), (1, PRIME + 2), (PRIME + 1, 2), (1, 1), (0, 1)])  # noqa: PT006
def test_no_point_fails_everywhere(x: int, y: int) -> None:
    bad = word(x) + word(y)
    for run, data in (
        (add, bad),
        (add, G1 + bad),
        (multiply, bad + word(1)),
        (multiply, bad + word(0)),
        (pairing_check, bad + bytes(128)),
    ):
        with pytest.raises(PrecompileFailure):
            run(data)


@settings(max_examples=5, deadline=None)
@given(st.integers(1, ORDER - 1), st.integers(1, ORDER - 1))
def test_pairing_check(a: int, b: int) -> None:
    good = bn254_g1(a) + bn254_g2(b) + bn254_g1(-a * b) + bn254_g2(1)
    assert pairing_check(good) == pairing_check(good, PLAIN) == word(1)
    assert pairing_check(good + bytes(64) + bn254_g2(b) + G1 + bytes(128)) == word(1)
    assert pairing_check(good[:192]) == pairing_check(good[:192], PLAIN) == word(0)


def test_pairing_check_of_nothing_and_of_infinity() -> None:
    assert pairing_check(b"") == pairing_check(bytes(192)) == pairing_check(bytes(64) + bn254_g2(1)) == word(1)


@pytest.mark.parametrize("size", [1, 191, 193, 383])
def test_pairing_check_wants_whole_pairs(size: int) -> None:
    with pytest.raises(PrecompileFailure, match="multiple of 192"):
        pairing_check(bytes(size))


@pytest.mark.parametrize("left", [INFINITY, G1])
def test_points_outside_g2_fail_also_beside_infinity(left: bytes) -> None:
    point = bn254_twist_point(7)
    for candidate in (point, optimized_bn128.multiply(point, ORDER)):
        with pytest.raises(PrecompileFailure, match="subgroup"):
            pairing_check(left + bn254_g2_bytes(candidate))


@pytest.mark.parametrize("index", range(4))
def test_g2_coordinates_are_canonical_and_on_the_twist(index: int) -> None:
    coordinates = [int.from_bytes(bn254_g2(5)[32 * i : 32 * i + 32], "big") for i in range(4)]
    for change, reason in ((PRIME, "below the prime"), (1, "on the twist")):
        changed = [*coordinates]
        changed[index] += change
        with pytest.raises(PrecompileFailure, match=reason):
            pairing_check(G1 + b"".join(map(word, changed)))


def test_prices() -> None:
    assert (BN254_ADD_BYZANTIUM.price(b""), BN254_ADD_ISTANBUL.price(b"")) == (500, 150)
    assert (BN254_MULTIPLY_BYZANTIUM.price(b""), BN254_MULTIPLY_ISTANBUL.price(b"")) == (40000, 6000)
    assert [BN254_PAIRING_BYZANTIUM.price(bytes(192 * n)) for n in range(3)] == [100000, 180000, 260000]
    assert [BN254_PAIRING_ISTANBUL.price(bytes(192 * n)) for n in range(3)] == [45000, 79000, 113000]
