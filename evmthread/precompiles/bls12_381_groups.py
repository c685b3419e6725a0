"""What is asked of an implementation of BLS12-381, and which one answers. Knows no contract and no padding.

A coordinate is 48 bytes, big-endian, below the prime: callers check that. A G1 point is x and y, 96 bytes; an element
of the quadratic field is its real, then its imaginary part; a G2 point is 192 bytes. The point at infinity is all
zeros. A compressed G1 point is the 48 bytes of the Zcash encoding, as EIP-4844 has them.
"""

import sys
from collections.abc import Sequence
from functools import cache
from typing import Protocol

from evmthread.precompiles import libraries

# EIP-2537
PRIME = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001

# [tau] G2 of the KZG ceremony, the second point of the monomial G2 setup (consensus specs, Deneb trusted_setup_4096).
KZG_TAU_G2 = bytes.fromhex(
    "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72"
    "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2"
)


class Bls12381(Protocol):
    """The operations that the precompiles need.

    Each raises PrecompileFailure for a point that isn't on its curve; all but the additions also for one outside the
    subgroup of ORDER.
    """

    def add_g1(self, left: bytes, right: bytes) -> bytes:
        """The sum of two G1 points."""

    def add_g2(self, left: bytes, right: bytes) -> bytes:
        """The sum of two G2 points."""

    def multiply_g1(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The sum of G1 points, each times a 32-byte scalar of any value."""

    def multiply_g2(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The sum of G2 points, each times a 32-byte scalar of any value."""

    def pairing_is_one(self, pairs: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether the product of the pairings of (G1 point, G2 point) is one."""

    def map_to_g1(self, element: bytes) -> bytes:
        """The G1 point of a field element of 48 bytes (RFC 9380, section 6.6.3, and the cofactor cleared)."""

    def map_to_g2(self, element: bytes) -> bytes:
        """The G2 point of a quadratic field element of 96 bytes (RFC 9380, section 6.6.3, and the cofactor cleared)."""

    def opens(self, commitment: bytes, point: bytes, value: bytes, proof: bytes) -> bool:
        """Whether the committed polynomial has `value` at `point` (EIP-4844, verify_kzg_proof).

        Commitment and proof are compressed G1 points; point and value are 32 bytes, below ORDER.
        """


@cache
def best_bls12_381() -> Bls12381:
    """py-arkworks-bls12381 where it is installed, else py_ecc."""
    library = libraries.arkworks()
    if library is not None:
        from evmthread.precompiles.bls12_381_arkworks import ArkworksBls12381

        return ArkworksBls12381(library)
    # py_ecc raises the recursion limit for the whole process when it is imported, far enough for hostile input to any
    # recursive parser to crash it; nothing that is used of it needs that.
    limit = sys.getrecursionlimit()
    try:
        from evmthread.precompiles.bls12_381_py_ecc import PyEccBls12381
    finally:
        sys.setrecursionlimit(limit)
    return PyEccBls12381()
