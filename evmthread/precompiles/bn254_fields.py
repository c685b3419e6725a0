"""The tower of fields over bn254's prime field, on plain integers: functions of tuples, the prime `p` last.

Fp2 = Fp[u] / (u^2 + 1), a pair. Fp6 = Fp2[v] / (v^3 - (9 + u)), six integers: the pairs of 1, v and v^2.
Fp12 = Fp6[w] / (w^2 - v), a pair of them. Products are summed first and reduced once per coefficient, since a reduction
costs more than a product. `p` may be an `mpz`: every coefficient then is one.
"""

from typing import TypeAlias

Fp2: TypeAlias = tuple[int, int]
Fp6: TypeAlias = tuple[int, int, int, int, int, int]
Fp12: TypeAlias = tuple[Fp6, Fp6]

ONE_FP6: Fp6 = (1, 0, 0, 0, 0, 0)
ZERO_FP6: Fp6 = (0, 0, 0, 0, 0, 0)
ONE_FP12: Fp12 = (ONE_FP6, ZERO_FP6)


def multiply_fp2(a: Fp2, b: Fp2, p: int) -> Fp2:
    """a * b."""
    a0, a1 = a
    b0, b1 = b
    return (a0 * b0 - a1 * b1) % p, (a0 * b1 + a1 * b0) % p


def square_fp2(a: Fp2, p: int) -> Fp2:
    """a * a."""
    a0, a1 = a
    return (a0 + a1) * (a0 - a1) % p, 2 * a0 * a1 % p


def inverse_fp2(a: Fp2, p: int) -> Fp2:
    """1 / a. `a` isn't zero."""
    a0, a1 = a
    inverse = pow(a0 * a0 + a1 * a1, -1, p)
    return a0 * inverse % p, -a1 * inverse % p


def power_fp2(a: Fp2, exponent: int, p: int) -> Fp2:
    """a ** exponent."""
    result = (1, 0)
    for bit in f"{exponent:b}":
        result = square_fp2(result, p)
        if bit == "1":
            result = multiply_fp2(result, a, p)
    return result


def multiply_fp6(a: Fp6, b: Fp6, p: int) -> Fp6:
    """a * b."""
    a0, a1, a2, a3, a4, a5 = a
    b0, b1, b2, b3, b4, b5 = b
    # The coefficients of v^3 and v^4, which come back to 1 and v times 9 + u.
    c0 = a2 * b4 - a3 * b5 + a4 * b2 - a5 * b3
    c1 = a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2
    d0 = a4 * b4 - a5 * b5
    d1 = a4 * b5 + a5 * b4
    return (
        (a0 * b0 - a1 * b1 + 9 * c0 - c1) % p,
        (a0 * b1 + a1 * b0 + c0 + 9 * c1) % p,
        (a0 * b2 - a1 * b3 + a2 * b0 - a3 * b1 + 9 * d0 - d1) % p,
        (a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + d0 + 9 * d1) % p,
        (a0 * b4 - a1 * b5 + a2 * b2 - a3 * b3 + a4 * b0 - a5 * b1) % p,
        (a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0) % p,
    )


def _add_fp6(a: Fp6, b: Fp6) -> Fp6:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5]


def _subtract_fp6(a: Fp6, b: Fp6) -> Fp6:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3], a[4] - b[4], a[5] - b[5]


def _times_v(a: Fp6) -> Fp6:
    a0, a1, a2, a3, a4, a5 = a
    return 9 * a4 - a5, a4 + 9 * a5, a0, a1, a2, a3


def _reduce_fp6(a: Fp6, p: int) -> Fp6:
    return a[0] % p, a[1] % p, a[2] % p, a[3] % p, a[4] % p, a[5] % p


def inverse_fp6(a: Fp6, p: int) -> Fp6:
    """1 / a. `a` isn't zero. (Guide to Pairing-Based Cryptography, algorithm 5.23.)"""
    x, y, z = a[0:2], a[2:4], a[4:6]
    x_square, y_square, z_square = square_fp2(x, p), square_fp2(y, p), square_fp2(z, p)
    xy, xz, yz = multiply_fp2(x, y, p), multiply_fp2(x, z, p), multiply_fp2(y, z, p)
    first = x_square[0] - 9 * yz[0] + yz[1], x_square[1] - yz[0] - 9 * yz[1]
    second = 9 * z_square[0] - z_square[1] - xy[0], z_square[0] + 9 * z_square[1] - xy[1]
    third = y_square[0] - xz[0], y_square[1] - xz[1]
    cofactors = (*first, *second, *third)
    norm = multiply_fp6(a, cofactors, p)
    inverse = inverse_fp2(norm[0:2], p)
    return (*multiply_fp2(first, inverse, p), *multiply_fp2(second, inverse, p), *multiply_fp2(third, inverse, p))


def multiply_fp12(a: Fp12, b: Fp12, p: int) -> Fp12:
    """a * b."""
    a_even, a_odd = a
    b_even, b_odd = b
    even = multiply_fp6(a_even, b_even, p)
    odd = multiply_fp6(a_odd, b_odd, p)
    both = multiply_fp6(_add_fp6(a_even, a_odd), _add_fp6(b_even, b_odd), p)
    return (
        _reduce_fp6(_add_fp6(even, _times_v(odd)), p),
        _reduce_fp6(_subtract_fp6(both, _add_fp6(even, odd)), p),
    )


def square_fp12(a: Fp12, p: int) -> Fp12:
    """a * a."""
    even, odd = a
    product = multiply_fp6(even, odd, p)
    shifted = _times_v(product)
    both = multiply_fp6(_add_fp6(even, odd), _add_fp6(even, _times_v(odd)), p)
    return _reduce_fp6(_subtract_fp6(both, _add_fp6(product, shifted)), p), _reduce_fp6(_add_fp6(product, product), p)


def conjugate_fp12(a: Fp12, p: int) -> Fp12:
    """a ** (p ** 6): the inverse, in the cyclotomic subgroup."""
    odd = a[1]
    return a[0], _reduce_fp6(_subtract_fp6(ZERO_FP6, odd), p)


def inverse_fp12(a: Fp12, p: int) -> Fp12:
    """1 / a. `a` isn't zero."""
    even, odd = a
    inverse = inverse_fp6(_subtract_fp6(multiply_fp6(even, even, p), _times_v(multiply_fp6(odd, odd, p))), p)
    return multiply_fp6(even, inverse, p), multiply_fp6(_subtract_fp6(ZERO_FP6, odd), inverse, p)


def multiply_by_line(f: Fp12, constant: Fp2, w: Fp2, w3: Fp2, p: int) -> Fp12:
    """f times constant + w * w + w3 * w^3, the form of a line through points of the twist."""
    (a0, a1, a2, a3, a4, a5), (b0, b1, b2, b3, b4, b5) = f
    c0, c1 = constant
    d0, d1 = w
    e0, e1 = w3
    # What comes back times 9 + u.
    s0 = b4 * d0 - b5 * d1 + b2 * e0 - b3 * e1
    s1 = b4 * d1 + b5 * d0 + b2 * e1 + b3 * e0
    t0 = b4 * e0 - b5 * e1
    t1 = b4 * e1 + b5 * e0
    u0 = a4 * e0 - a5 * e1
    u1 = a4 * e1 + a5 * e0
    return (
        (
            (a0 * c0 - a1 * c1 + 9 * s0 - s1) % p,
            (a0 * c1 + a1 * c0 + s0 + 9 * s1) % p,
            (a2 * c0 - a3 * c1 + b0 * d0 - b1 * d1 + 9 * t0 - t1) % p,
            (a2 * c1 + a3 * c0 + b0 * d1 + b1 * d0 + t0 + 9 * t1) % p,
            (a4 * c0 - a5 * c1 + b2 * d0 - b3 * d1 + b0 * e0 - b1 * e1) % p,
            (a4 * c1 + a5 * c0 + b2 * d1 + b3 * d0 + b0 * e1 + b1 * e0) % p,
        ),
        (
            (b0 * c0 - b1 * c1 + a0 * d0 - a1 * d1 + 9 * u0 - u1) % p,
            (b0 * c1 + b1 * c0 + a0 * d1 + a1 * d0 + u0 + 9 * u1) % p,
            (b2 * c0 - b3 * c1 + a2 * d0 - a3 * d1 + a0 * e0 - a1 * e1) % p,
            (b2 * c1 + b3 * c0 + a2 * d1 + a3 * d0 + a0 * e1 + a1 * e0) % p,
            (b4 * c0 - b5 * c1 + a4 * d0 - a5 * d1 + a2 * e0 - a3 * e1) % p,
            (b4 * c1 + b5 * c0 + a4 * d1 + a5 * d0 + a2 * e1 + a3 * e0) % p,
        ),
    )


def _square_fp4(a0: int, a1: int, b0: int, b1: int) -> tuple[int, int, int, int]:
    """(a + b s)^2 where s^2 = 9 + u, not reduced."""
    c0 = (b0 + b1) * (b0 - b1)
    c1 = 2 * b0 * b1
    return (
        (a0 + a1) * (a0 - a1) + 9 * c0 - c1,
        2 * a0 * a1 + c0 + 9 * c1,
        2 * (a0 * b0 - a1 * b1),
        2 * (a0 * b1 + a1 * b0),
    )


def square_cyclotomic(a: Fp12, p: int) -> Fp12:
    """a * a for an `a` of the cyclotomic subgroup (Granger, Scott: eprint 2009/565, section 3.2)."""
    (a0, a1, a2, a3, a4, a5), (b0, b1, b2, b3, b4, b5) = a
    r0, r1, r2, r3 = _square_fp4(a0, a1, b2, b3)
    s0, s1, s2, s3 = _square_fp4(b0, b1, a4, a5)
    t0, t1, t2, t3 = _square_fp4(a2, a3, b4, b5)
    return (
        (
            (3 * r0 - 2 * a0) % p,
            (3 * r1 - 2 * a1) % p,
            (3 * s0 - 2 * a2) % p,
            (3 * s1 - 2 * a3) % p,
            (3 * t0 - 2 * a4) % p,
            (3 * t1 - 2 * a5) % p,
        ),
        (
            (3 * (9 * t2 - t3) + 2 * b0) % p,
            (3 * (t2 + 9 * t3) + 2 * b1) % p,
            (3 * r2 + 2 * b2) % p,
            (3 * r3 + 2 * b3) % p,
            (3 * s2 + 2 * b4) % p,
            (3 * s3 + 2 * b5) % p,
        ),
    )
