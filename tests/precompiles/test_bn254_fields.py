from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.precompiles.bn254_fields import (
    ONE_FP6,
    ONE_FP12,
    ZERO_FP6,
    Fp2,
    Fp6,
    Fp12,
    conjugate_fp12,
    inverse_fp2,
    inverse_fp6,
    inverse_fp12,
    multiply_by_line,
    multiply_fp2,
    multiply_fp6,
    multiply_fp12,
    power_fp2,
    square_cyclotomic,
    square_fp2,
    square_fp12,
)
from evmthread.precompiles.bn254_pairing import PRIME as P

numbers = st.integers(0, P - 1)
pairs = st.tuples(numbers, numbers).filter(any)
sixes = st.tuples(*[numbers] * 6).filter(any)
twelves = st.tuples(sixes, sixes)


def polynomial(a: Fp12) -> list[Fp2]:
    """The coefficients of w ** 0 to w ** 5."""
    even, odd = a
    return [even[0:2], odd[0:2], even[2:4], odd[2:4], even[4:6], odd[4:6]]


def product_by_definition(a: Fp12, b: Fp12) -> list[Fp2]:
    """The product in Fp2[w] / (w ** 6 - (9 + u)), as school teaches it."""
    total = [(0, 0)] * 11
    for i, x in enumerate(polynomial(a)):
        for j, y in enumerate(polynomial(b)):
            part = multiply_fp2(x, y, P)
            total[i + j] = (total[i + j][0] + part[0], total[i + j][1] + part[1])
    for i in range(6, 11):
        high = multiply_fp2(total[i], (9, 1), P)
        total[i - 6] = (total[i - 6][0] + high[0], total[i - 6][1] + high[1])
    return [(x % P, y % P) for x, y in total[:6]]


@settings(deadline=None)
@given(pairs, pairs)
def test_fp2(a: Fp2, b: Fp2) -> None:
    product = multiply_fp2(a, b, P)
    assert product == ((a[0] * b[0] - a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P)
    assert square_fp2(a, P) == multiply_fp2(a, a, P)
    assert multiply_fp2(a, inverse_fp2(a, P), P) == (1, 0)
    assert power_fp2(a, 5, P) == multiply_fp2(square_fp2(square_fp2(a, P), P), a, P)
    assert power_fp2(a, P, P) == (a[0], -a[1] % P)
    assert power_fp2(a, 0, P) == (1, 0)


@settings(deadline=None)
@given(sixes)
def test_inverse_fp6(a: Fp6) -> None:
    assert multiply_fp6(a, inverse_fp6(a, P), P) == ONE_FP6


@settings(deadline=None)
@given(twelves, twelves)
def test_fp12(a: Fp12, b: Fp12) -> None:
    assert polynomial(multiply_fp12(a, b, P)) == product_by_definition(a, b)
    assert square_fp12(a, P) == multiply_fp12(a, a, P)
    assert multiply_fp12(a, inverse_fp12(a, P), P) == ONE_FP12


@settings(deadline=None)
@given(twelves, pairs, pairs, pairs)
def test_a_line_is_a_sparse_element(f: Fp12, constant: Fp2, w: Fp2, w3: Fp2) -> None:
    dense: Fp12 = ((*constant, 0, 0, 0, 0), (*w, *w3, 0, 0))
    assert multiply_by_line(f, constant, w, w3, P) == multiply_fp12(f, dense, P)


@settings(deadline=None)
@given(twelves)
def test_cyclotomic_square(a: Fp12) -> None:
    # a ** (p^6 - 1), then ** (p^2 + 1) by definition of Frobenius' square on the coefficients of w.
    f = multiply_fp12(conjugate_fp12(a, P), inverse_fp12(a, P), P)
    root = power_fp2((9, 1), (P * P - 1) // 6, P)
    mapped = [multiply_fp2(c, power_fp2(root, i, P), P) for i, c in enumerate(polynomial(f))]
    image: Fp12 = ((*mapped[0], *mapped[2], *mapped[4]), (*mapped[1], *mapped[3], *mapped[5]))
    element = multiply_fp12(image, f, P)
    assert square_cyclotomic(element, P) == square_fp12(element, P)
    assert multiply_fp12(element, conjugate_fp12(element, P), P) == ONE_FP12


def test_conjugate_of_the_even_part() -> None:
    assert conjugate_fp12((ONE_FP6, ZERO_FP6), P) == ONE_FP12
