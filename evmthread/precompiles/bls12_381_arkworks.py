"""BLS12-381 by py-arkworks-bls12381 (Rust): the fast implementation. Its parsers check curve and canonical form."""

from collections.abc import Sequence
from typing import Any

from evmthread.precompiles.bls12_381_groups import KZG_TAU_G2
from evmthread.precompiles.precompile import PrecompileFailure

_COMPRESSED_INFINITY = b"\xc0" + bytes(47)


class ArkworksBls12381:
    """The operations of Bls12381 on the module `library`."""

    __slots__ = ("_generator_g1", "_minus_generator_g2", "_scalar", "_tau_g2", "g1", "g2", "pairing")

    def __init__(self, library: Any) -> None:
        self.g1 = library.G1Point
        self.g2 = library.G2Point
        self.pairing = library.GT.pairing_check
        self._scalar = library.Scalar.from_be_bytes_mod_order
        self._generator_g1 = library.G1Point()
        self._minus_generator_g2 = -library.G2Point()
        self._tau_g2 = library.G2Point.from_compressed_bytes(KZG_TAU_G2)

    def add_g1(self, left: bytes, right: bytes) -> bytes:
        """The sum of two G1 points."""
        return self._add(self.g1, left, right)

    def add_g2(self, left: bytes, right: bytes) -> bytes:
        """The sum of two G2 points."""
        return self._add(self.g2, left, right)

    def multiply_g1(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The sum of G1 points, each times a scalar."""
        return self._multiply(self.g1, pairs)

    def multiply_g2(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The sum of G2 points, each times a scalar."""
        return self._multiply(self.g2, pairs)

    def pairing_is_one(self, pairs: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether the product of the pairings is one."""
        g1_of = self.g1.from_xy_bytes_be
        g2_of = self.g2.from_xy_bytes_be
        try:
            left = [g1_of(point) for point, _ in pairs]
            right = [g2_of(point) for _, point in pairs]
        except ValueError as error:
            raise PrecompileFailure(f"a point of the pairing: {error}") from None
        is_one: bool = self.pairing(left, right)
        return is_one

    def map_to_g1(self, element: bytes) -> bytes:
        """The G1 point of a field element."""
        point: bytes = self.g1.map_from_fp_be(element).to_xy_bytes_be()
        return point

    def map_to_g2(self, element: bytes) -> bytes:
        """The G2 point of a quadratic field element."""
        point: bytes = self.g2.map_from_fp2_be(element).to_xy_bytes_be()
        return point

    def opens(self, commitment: bytes, point: bytes, value: bytes, proof: bytes) -> bool:
        """Whether the committed polynomial has `value` at `point`.

        e(C - y G1, G2) = e(proof, (tau - z) G2), rearranged to e(C - y G1 + z proof, -G2) e(proof, tau G2) = 1, which
        takes two multiplications in the cheaper group.
        """
        committed = self._decompressed(commitment)
        quotient = self._decompressed(proof)
        left = committed - self._generator_g1 * self._scalar(value) + quotient * self._scalar(point)
        is_one: bool = self.pairing([left, quotient], [self._minus_generator_g2, self._tau_g2])
        return is_one

    def _decompressed(self, data: bytes) -> Any:
        # The parser looks at no other bit when the one for infinity is set, where the encoding wants all of them zero.
        if data[0] & 0x40 and data != _COMPRESSED_INFINITY:
            raise PrecompileFailure(f"0x{data.hex()} is no canonical point at infinity")
        try:
            return self.g1.from_compressed_bytes(data)
        except ValueError as error:
            raise PrecompileFailure(f"0x{data.hex()} is no compressed point: {error}") from None

    def _add(self, group: Any, left: bytes, right: bytes) -> bytes:
        parse = group.from_xy_bytes_unchecked_be
        try:
            total: bytes = (parse(left) + parse(right)).to_xy_bytes_be()
        except ValueError as error:
            raise PrecompileFailure(f"a point to add: {error}") from None
        return total

    def _multiply(self, group: Any, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        parse = group.from_xy_bytes_be
        try:
            points = [parse(point) for point, _ in pairs]
        except ValueError as error:
            raise PrecompileFailure(f"a point to multiply: {error}") from None
        total: bytes = group.multiexp_unchecked(points, [self._scalar(scalar) for _, scalar in pairs]).to_xy_bytes_be()
        return total
