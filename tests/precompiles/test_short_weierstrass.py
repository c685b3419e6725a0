from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc import optimized_bn128

from evmthread.precompiles.short_weierstrass import Point, ShortWeierstrass, signed_windows

# Two small curves: one with three points of order 2, and one with a = 0 as bn254 has.
SMALL = [ShortWeierstrass(43, -3, 8), ShortWeierstrass(37, 0, 3)]


def points(curve: ShortWeierstrass) -> list[Point]:
    p = curve.prime
    return [None, *((x, y) for x, y in product(range(p), repeat=2) if curve.contains(x, y))]


def test_small_curves_are_groups() -> None:
    for curve in SMALL:
        group = points(curve)
        for left in group:
            for right in group:
                total = curve.add(left, right)
                assert total in group
                assert total == curve.add(right, left)
                assert curve.add(total, group[1]) == curve.add(left, curve.add(right, group[1]))


def test_multiplication_is_repeated_addition() -> None:
    for curve in SMALL:
        group = points(curve)
        for point in group:
            total: Point = None
            for scalar in range(3 * len(group)):
                assert curve.multiply(point, scalar) == total
                total = curve.add(total, point)
            assert curve.multiply(point, len(group)) is None


@settings(deadline=None)
@given(st.integers(0, 1 << 256))
def test_windows_make_up_the_scalar(scalar: int) -> None:
    digits = signed_windows(scalar)
    assert sum(digit << i for i, digit in enumerate(digits)) == scalar
    assert all(digit == 0 or (digit % 2 and -15 <= digit <= 15) for digit in digits)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, (1 << 256) - 1), st.integers(0, (1 << 256) - 1))
def test_equals_py_ecc(first: int, second: int) -> None:
    curve = ShortWeierstrass(optimized_bn128.field_modulus, 0, 3)

    def expected(scalar: int) -> Point:
        point = optimized_bn128.multiply(optimized_bn128.G1, scalar)
        if optimized_bn128.is_inf(point):
            return None
        x, y = optimized_bn128.normalize(point)
        return int(x), int(y)

    assert curve.multiply((1, 2), first) == expected(first)
    assert curve.multiply_and_add((1, 2), first, (1, 2), second) == expected(first + second)
