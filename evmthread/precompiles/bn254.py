"""Addition, multiplication and pairing check on bn254, also called alt_bn128 (EIP-196, EIP-197; prices of EIP-1108).

Coordinates are words; a coordinate that isn't below the prime, a point off its curve or outside G2 fails the call. The
point at infinity is written (0, 0).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from evmthread.precompiles import libraries
from evmthread.precompiles.bn254_fields import Fp2
from evmthread.precompiles.bn254_pairing import PRIME, Bn254Pairing, G1Point, Line
from evmthread.precompiles.precompile import Precompile, PrecompileFailure, first_kilobyte, fixed_price
from evmthread.precompiles.short_weierstrass import Point, ShortWeierstrass

_PAIR_LENGTH = 192
_INFINITY = bytes(64)
_PRIME_BYTES = PRIME.to_bytes(32, "big")
_TRUE = bytes(31) + b"\1"
_FALSE = bytes(32)


@dataclass(frozen=True, slots=True)
class Bn254:
    """The arithmetic on one type of integers; `over` makes one."""

    curve: ShortWeierstrass
    pairing: Bn254Pairing


def bn254_over(integer: Callable[[int], int]) -> Bn254:
    """The arithmetic on `int` or on gmpy2's `mpz`."""
    prime = integer(PRIME)
    return Bn254(ShortWeierstrass(prime, 0, 3), Bn254Pairing.over(prime))


@cache
def _best() -> Bn254:
    return bn254_over(libraries.integer_type())


def _coordinate(data: bytes, start: int) -> int:
    word = data[start : start + 32]
    if word >= _PRIME_BYTES:
        raise PrecompileFailure(f"coordinate 0x{word.hex()} isn't below the prime of bn254")
    return int.from_bytes(word, "big")


def _g1_point(data: bytes, start: int, curve: ShortWeierstrass) -> Point:
    x = _coordinate(data, start)
    y = _coordinate(data, start + 32)
    if x == y == 0:
        return None
    if not curve.contains(x, y):
        raise PrecompileFailure(f"({x}, {y}) isn't on the curve bn254")
    return x, y


def _g1_bytes(point: Point) -> bytes:
    if point is None:
        return _INFINITY
    return int(point[0]).to_bytes(32, "big") + int(point[1]).to_bytes(32, "big")


def _g2_lines(data: bytes, start: int, pairing: Bn254Pairing) -> list[Line] | None:
    """The lines of a point of G2, whose coordinates come imaginary part first; None for the point at infinity."""
    x: Fp2 = _coordinate(data, start + 32), _coordinate(data, start)
    y: Fp2 = _coordinate(data, start + 96), _coordinate(data, start + 64)
    if x == y == (0, 0):
        return None
    if not pairing.on_twist((x, y)):
        raise PrecompileFailure(f"({x}, {y}) isn't on the twist of bn254")
    lines = pairing.lines((x, y))
    if lines is None:
        raise PrecompileFailure(f"({x}, {y}) isn't in the subgroup G2 of bn254")
    return lines


def add(data: bytes, arithmetic: Bn254 | None = None) -> bytes:
    """The sum of two points, the input being padded with zeros or cut to 128 bytes."""
    curve = (arithmetic or _best()).curve
    if len(data) < 128:
        data = data.ljust(128, b"\0")
    return _g1_bytes(curve.add(_g1_point(data, 0, curve), _g1_point(data, 64, curve)))


def multiply(data: bytes, arithmetic: Bn254 | None = None) -> bytes:
    """A point times a word, the input being padded with zeros or cut to 96 bytes."""
    curve = (arithmetic or _best()).curve
    if len(data) < 96:
        data = data.ljust(96, b"\0")
    return _g1_bytes(curve.multiply(_g1_point(data, 0, curve), int.from_bytes(data[64:96], "big")))


def pairing_check(data: bytes, arithmetic: Bn254 | None = None) -> bytes:
    """The word 1 when the product of the pairings of all pairs of points is one, else 0; no pairs give 1."""
    if len(data) % _PAIR_LENGTH:
        raise PrecompileFailure(f"{len(data)} bytes, which is no multiple of {_PAIR_LENGTH}")
    arithmetic = arithmetic or _best()
    pairs: list[tuple[G1Point, list[Line]]] = []
    for start in range(0, len(data), _PAIR_LENGTH):
        left = _g1_point(data, start, arithmetic.curve)
        lines = _g2_lines(data, start + 64, arithmetic.pairing)
        if left is not None and lines is not None:
            pairs.append((left, lines))
    return _TRUE if arithmetic.pairing.product_is_one(pairs) else _FALSE


def _pairing_price(base: int, pair: int) -> Callable[[bytes], int]:
    def price(data: bytes) -> int:
        return base + pair * (len(data) // _PAIR_LENGTH)

    return price


# EIP-196, EIP-197
BN254_ADD_BYZANTIUM = Precompile("BN254_ADD", fixed_price(500), add, first_kilobyte)
BN254_MULTIPLY_BYZANTIUM = Precompile("BN254_MUL", fixed_price(40000), multiply, first_kilobyte)
BN254_PAIRING_BYZANTIUM = Precompile("BN254_PAIRING", _pairing_price(100000, 80000), pairing_check)
# EIP-1108
BN254_ADD_ISTANBUL = Precompile("BN254_ADD", fixed_price(150), add, first_kilobyte)
BN254_MULTIPLY_ISTANBUL = Precompile("BN254_MUL", fixed_price(6000), multiply, first_kilobyte)
BN254_PAIRING_ISTANBUL = Precompile("BN254_PAIRING", _pairing_price(45000, 34000), pairing_check)
