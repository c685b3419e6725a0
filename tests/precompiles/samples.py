"""Points and contracts that several tests of the precompiled contracts use; made with py_ecc, not with our own code."""

import random
from typing import Any

from py_ecc import optimized_bls12_381, optimized_bn128
from py_ecc.bls.hash_to_curve import map_to_curve_G1, map_to_curve_G2

from evmthread import precompiles
from evmthread.precompiles import Precompile

CONTRACTS: dict[str, Precompile] = {
    name: value for name, value in vars(precompiles).items() if isinstance(value, Precompile)
}


def word(number: int) -> bytes:
    """32 bytes."""
    return number.to_bytes(32, "big")


def bn254_g1(scalar: int) -> bytes:
    """The generator of bn254's G1 times a scalar, encoded."""
    point = optimized_bn128.multiply(optimized_bn128.G1, scalar % optimized_bn128.curve_order)
    return b"".join(word(int(c)) for c in optimized_bn128.normalize(point))


def bn254_g2_bytes(point: Any) -> bytes:
    """A point of bn254's twist, encoded."""
    x, y = optimized_bn128.normalize(point)
    return b"".join(word(int(part)) for field in (x, y) for part in reversed(field.coeffs))


def bn254_g2(scalar: int) -> bytes:
    """The generator of bn254's G2 times a scalar, encoded."""
    return bn254_g2_bytes(optimized_bn128.multiply(optimized_bn128.G2, scalar % optimized_bn128.curve_order))


def bn254_twist_point(seed: int) -> Any:
    """A point of bn254's twist; almost surely none of G2."""
    source = random.Random(seed)
    p = optimized_bn128.field_modulus
    while True:
        x = optimized_bn128.FQ2((source.randrange(p), source.randrange(p)))
        real, imaginary = (int(part) for part in (x * x * x + optimized_bn128.b2).coeffs)
        norm = pow(real * real + imaginary * imaginary, (p + 1) // 4, p)
        for sign in (1, -1):
            half = (real + sign * norm) * pow(2, -1, p) % p
            root = pow(half, (p + 1) // 4, p)
            if root:
                y = optimized_bn128.FQ2((root, imaginary * pow(2 * root, -1, p) % p))
                point = (x, y, optimized_bn128.FQ2.one())
                if optimized_bn128.is_on_curve(point, optimized_bn128.b2):
                    return point


def bls_g1_bytes(point: Any) -> bytes:
    """A point of BLS12-381's first curve, 96 bytes."""
    x, y = optimized_bls12_381.normalize(point)
    return int(x).to_bytes(48, "big") + int(y).to_bytes(48, "big")


def bls_g1(scalar: int) -> bytes:
    """The generator of BLS12-381's G1 times a scalar, 96 bytes."""
    return bls_g1_bytes(optimized_bls12_381.multiply(optimized_bls12_381.G1, scalar % optimized_bls12_381.curve_order))


def bls_g2_bytes(point: Any) -> bytes:
    """A point of BLS12-381's second curve, 192 bytes."""
    return b"".join(
        int(part).to_bytes(48, "big") for field in optimized_bls12_381.normalize(point) for part in field.coeffs
    )


def bls_g2(scalar: int) -> bytes:
    """The generator of BLS12-381's G2 times a scalar, 192 bytes."""
    return bls_g2_bytes(optimized_bls12_381.multiply(optimized_bls12_381.G2, scalar % optimized_bls12_381.curve_order))


def bls_g1_outside(seed: int) -> bytes:
    """A point of the first curve of BLS12-381 that isn't in G1."""
    return bls_g1_bytes(map_to_curve_G1(optimized_bls12_381.FQ(seed)))


def bls_g2_outside(seed: int) -> bytes:
    """A point of the second curve of BLS12-381 that isn't in G2."""
    return bls_g2_bytes(map_to_curve_G2(optimized_bls12_381.FQ2((seed, 1))))


def padded(coordinates: bytes) -> bytes:
    """48-byte coordinates as EIP-2537 writes them."""
    return b"".join(bytes(16) + coordinates[i : i + 48] for i in range(0, len(coordinates), 48))
