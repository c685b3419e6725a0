"""Points of a curve y^2 = x^3 + a x + b over a prime field, on plain integers. Knows no encoding and no contract.

A point is a pair of coordinates below the prime; None is the point at infinity. Inside, points are Jacobian triples
(x / z^2, y / z^3), infinity being any with z = 0 (Hankerson, Menezes, Vanstone: Guide to Elliptic Curve Cryptography,
section 3.2). Nothing here is constant in time: it works on public data only.
"""

from dataclasses import dataclass
from typing import TypeAlias

Point: TypeAlias = tuple[int, int] | None
_Jacobian: TypeAlias = tuple[int, int, int]

_WINDOW_BITS = 5


def signed_windows(scalar: int) -> list[int]:
    """The digits, lowest first, of `scalar` in width-5 non-adjacent form: each zero or odd, from -15 to 15."""
    digits = []
    while scalar:
        if scalar & 1:
            digit = scalar & 31
            if digit > 15:
                digit -= 32
            scalar -= digit
            digits.append(digit)
        else:
            digits.append(0)
        scalar >>= 1
    return digits


@dataclass(frozen=True, slots=True)
class ShortWeierstrass:
    """A curve. The coordinates that come out are of the type of `prime`."""

    prime: int
    a: int
    b: int

    def contains(self, x: int, y: int) -> bool:
        """Whether the coordinates solve the equation."""
        return (y * y - (x * x + self.a) * x - self.b) % self.prime == 0

    def add(self, left: Point, right: Point) -> Point:
        """The sum of two points."""
        if left is None:
            return right
        if right is None:
            return left
        p = self.prime
        x1, y1 = left
        x2, y2 = right
        if x1 != x2:
            slope = (y2 - y1) * pow(x2 - x1, -1, p) % p
        elif (y1 + y2) % p:
            slope = (3 * x1 * x1 + self.a) * pow(2 * y1, -1, p) % p
        else:
            return None
        x = (slope * slope - x1 - x2) % p
        return x, (slope * (x1 - x) - y1) % p

    def multiply(self, point: Point, scalar: int) -> Point:
        """The point added to itself `scalar` times; `scalar` isn't negative and isn't reduced."""
        return None if point is None else self._affine(self._multiply((point[0], point[1], 1), scalar))

    def multiply_and_add(self, first: Point, first_scalar: int, second: Point, second_scalar: int) -> Point:
        """first * first_scalar + second * second_scalar."""
        return self.add(self.multiply(first, first_scalar), self.multiply(second, second_scalar))

    def _affine(self, point: _Jacobian) -> Point:
        x, y, z = point
        p = self.prime
        if z == 0:
            return None
        inverse = pow(z, -1, p)
        square = inverse * inverse % p
        return x * square % p, y * square * inverse % p

    def _multiply(self, point: _Jacobian, scalar: int) -> _Jacobian:
        p = self.prime
        a = self.a
        double = self._double(point)
        odd_multiples = [point]
        for _ in range((1 << (_WINDOW_BITS - 2)) - 1):
            odd_multiples.append(self._add(odd_multiples[-1], double))
        x, y, z = 1, 1, 0
        for digit in reversed(signed_windows(scalar)):
            # The doubling of _double, in place: most of the time is spent here.
            square = y * y % p
            s = 4 * x * square
            if a:
                z_square = z * z % p
                slope = (3 * x * x + a * z_square * z_square) % p
            else:
                slope = 3 * x * x % p
            z = 2 * y * z % p
            x = (slope * slope - 2 * s) % p
            y = (slope * (s - x) - 8 * square * square) % p
            if digit:
                x, y, z = self._add((x, y, z), odd_multiples[abs(digit) >> 1], negative=digit < 0)
        return x, y, z

    def _double(self, point: _Jacobian) -> _Jacobian:
        p = self.prime
        x, y, z = point
        square = y * y % p
        s = 4 * x * square
        slope = (3 * x * x + self.a * pow(z, 4, p)) % p
        doubled = (slope * slope - 2 * s) % p
        return doubled, (slope * (s - doubled) - 8 * square * square) % p, 2 * y * z % p

    def _add(self, left: _Jacobian, right: _Jacobian, *, negative: bool = False) -> _Jacobian:
        """left + right, or left - right when `negative`."""
        p = self.prime
        x1, y1, z1 = left
        x2, y2, z2 = right
        if negative:
            y2 = -y2
        if z1 == 0:
            return x2, y2, z2
        if z2 == 0:
            return left
        square1 = z1 * z1 % p
        square2 = z2 * z2 % p
        u1 = x1 * square2 % p
        s1 = y1 * (square2 * z2 % p) % p
        width = (x2 * square1 - u1) % p
        height = (y2 * (square1 * z1 % p) - s1) % p
        if width == 0:
            return self._double(left) if height == 0 else (1, 1, 0)
        width_square = width * width % p
        width_cube = width_square * width % p
        v = u1 * width_square % p
        x = (height * height - width_cube - 2 * v) % p
        return x, (height * (v - x) - s1 * width_cube) % p, z1 * z2 * width % p
