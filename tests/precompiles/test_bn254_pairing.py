from math import gcd
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc import optimized_bn128 as reference

from evmthread.precompiles.bn254_pairing import ORDER, PARAMETER, PRIME, Bn254Pairing, G2Point
from evmthread.precompiles.libraries import integer_type
from tests.precompiles.samples import bn254_twist_point

PAIRINGS = [Bn254Pairing.over(PRIME), Bn254Pairing.over(integer_type()(PRIME))]
scalars = st.integers(1, ORDER - 1)
# Prime factors of the cofactor of G2: points of so small an order meet exceptional additions.
SMALL_ORDERS = [10069, 5864401, 1875725156269]


def g1(scalar: int) -> tuple[int, int]:
    x, y = reference.normalize(reference.multiply(reference.G1, scalar % ORDER))
    return int(x), int(y)


def g2_of(point: Any) -> G2Point:
    x, y = reference.normalize(point)
    return (int(x.coeffs[0]), int(x.coeffs[1])), (int(y.coeffs[0]), int(y.coeffs[1]))


def g2(scalar: int) -> G2Point:
    return g2_of(reference.multiply(reference.G2, scalar % ORDER))


def is_one(pairing: Bn254Pairing, *pairs: tuple[int, int]) -> bool:
    """Whether the product of e(a G1, b G2) is one."""
    prepared = []
    for a, b in pairs:
        lines = pairing.lines(g2(b))
        assert lines is not None
        prepared.append((g1(a), lines))
    return pairing.product_is_one(prepared)


def test_parameters_are_those_of_the_eips() -> None:
    assert reference.field_modulus == PRIME
    assert reference.curve_order == ORDER


@pytest.mark.parametrize("pairing", PAIRINGS)
@settings(max_examples=8, deadline=None)
@given(a=scalars, b=scalars, c=scalars)
def test_bilinear(pairing: Bn254Pairing, a: int, b: int, c: int) -> None:
    assert is_one(pairing, (a, b), (-a * b, 1))
    assert is_one(pairing, (a, b), (a, c), (-a, b + c)) or (b + c) % ORDER == 0
    assert not is_one(pairing, (a, b))
    assert is_one(pairing, (a, b), (c, 1)) is ((a * b + c) % ORDER == 0)


def test_none_is_one() -> None:
    assert PAIRINGS[0].product_is_one([])


@settings(max_examples=1, deadline=None)
@given(a=scalars, b=scalars, c=scalars)
def test_equals_py_ecc(a: int, b: int, c: int) -> None:
    def pair(left: int, right: int) -> Any:
        return reference.pairing(
            reference.multiply(reference.G2, right), reference.multiply(reference.G1, left), final_exponentiate=False
        )

    for last in (c, -a * b % ORDER):
        expected = reference.final_exponentiate(pair(a, b) * pair(last, 1)) == reference.FQ12.one()
        assert is_one(PAIRINGS[0], (a, b), (last, 1)) is expected


def test_the_resultant_makes_the_subgroup_check_exact() -> None:
    # The twist has ORDER * (p - 1 + t) points, and f(psi) Q = 0 for f = X^3 - X^2 + X + 6x + 2 as well as for psi's
    # characteristic polynomial X^2 - t X + p give Res(f, X^2 - t X + p) Q = 0.
    trace = PRIME + 1 - ORDER
    linear = trace * trace - PRIME - trace + 1
    constant = -trace * PRIME + PRIME + 6 * PARAMETER + 2
    resultant = linear * linear * PRIME + linear * constant * trace + constant * constant
    cofactor = PRIME - 1 + trace
    assert gcd(resultant, ORDER * cofactor) == ORDER
    assert gcd(ORDER, cofactor) == 1


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_points_outside_the_subgroup_have_no_lines(pairing: Bn254Pairing) -> None:
    cofactor = 2 * PRIME - ORDER
    assert all(cofactor % small == 0 for small in SMALL_ORDERS)
    for seed in range(2):
        point = bn254_twist_point(seed)
        of_cofactor = reference.multiply(point, ORDER)
        candidates = [point, of_cofactor, reference.add(of_cofactor, reference.G2)]
        candidates += [reference.multiply(of_cofactor, cofactor // small) for small in SMALL_ORDERS]
        for candidate in candidates:
            if not reference.is_inf(candidate):
                coordinates = g2_of(candidate)
                assert pairing.on_twist(coordinates)
                assert pairing.lines(coordinates) is None
        assert pairing.lines(g2_of(reference.multiply(point, cofactor))) is not None


@settings(max_examples=20, deadline=None)
@given(scalars, st.integers(1, PRIME - 1))
def test_on_twist(scalar: int, offset: int) -> None:
    (x0, x1), (y0, y1) = g2(scalar)
    for pairing in PAIRINGS:
        assert pairing.on_twist(((x0, x1), (y0, y1)))
        assert not pairing.on_twist((((x0 + offset) % PRIME, x1), (y0, y1))) or offset == 0
