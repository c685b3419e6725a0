"""BLS12-381 by py_ecc (pure Python): always there, and slow. Importing this module imports py_ecc."""

from collections.abc import Callable, Sequence
from typing import Any

from py_ecc.bls.hash_to_curve import clear_cofactor_G1, clear_cofactor_G2, map_to_curve_G1, map_to_curve_G2
from py_ecc.bls.point_compression import decompress_G1, decompress_G2
from py_ecc.optimized_bls12_381 import (
    FQ,
    FQ2,
    FQ12,
    G1,
    G2,
    add,
    b,
    b2,
    final_exponentiate,
    is_inf,
    is_on_curve,
    multiply,
    neg,
    normalize,
    pairing,
)

from evmthread.precompiles.bls12_381_groups import KZG_TAU_G2, ORDER
from evmthread.precompiles.precompile import PrecompileFailure


def _integer(data: bytes, index: int) -> int:
    return int.from_bytes(data[48 * index : 48 * index + 48], "big")


def _g1_point(data: bytes) -> Any:
    x, y = _integer(data, 0), _integer(data, 1)
    point = (FQ(x), FQ(y), FQ(0 if x == y == 0 else 1))
    if not is_on_curve(point, b):
        raise PrecompileFailure(f"({x}, {y}) isn't on the G1 curve of BLS12-381")
    return point


def _g2_point(data: bytes) -> Any:
    x = FQ2((_integer(data, 0), _integer(data, 1)))
    y = FQ2((_integer(data, 2), _integer(data, 3)))
    point = (x, y, FQ2((1 if any(data) else 0, 0)))
    if not is_on_curve(point, b2):
        raise PrecompileFailure(f"({x}, {y}) isn't on the G2 curve of BLS12-381")
    return point


def _in_subgroup(point: Any) -> Any:
    if not is_inf(multiply(point, ORDER)):
        raise PrecompileFailure("a point outside the subgroup of BLS12-381")
    return point


def _g1_bytes(point: Any) -> bytes:
    if is_inf(point):
        return bytes(96)
    x, y = normalize(point)
    return int(x).to_bytes(48, "big") + int(y).to_bytes(48, "big")


def _g2_bytes(point: Any) -> bytes:
    if is_inf(point):
        return bytes(192)
    return b"".join(int(part).to_bytes(48, "big") for field in normalize(point) for part in field.coeffs)


def _multiply(parse: Callable[[bytes], Any], pairs: Sequence[tuple[bytes, bytes]]) -> Any:
    products = [multiply(_in_subgroup(parse(point)), int.from_bytes(scalar, "big") % ORDER) for point, scalar in pairs]
    total = products[0]
    for product in products[1:]:
        total = add(total, product)
    return total


def _product_is_one(pairs: Sequence[tuple[Any, Any]]) -> bool:
    product = FQ12.one()
    for left, right in pairs:
        product *= pairing(right, left, final_exponentiate=False)
    is_one: bool = final_exponentiate(product) == FQ12.one()
    return is_one


def _decompressed(data: bytes) -> Any:
    try:
        return _in_subgroup(decompress_G1(int.from_bytes(data, "big")))
    except ValueError as error:
        raise PrecompileFailure(f"0x{data.hex()} is no compressed point: {error}") from None


class PyEccBls12381:
    """The operations of Bls12381."""

    __slots__ = ()

    def add_g1(self, left: bytes, right: bytes) -> bytes:
        """The sum of two G1 points."""
        return _g1_bytes(add(_g1_point(left), _g1_point(right)))

    def add_g2(self, left: bytes, right: bytes) -> bytes:
        """The sum of two G2 points."""
        return _g2_bytes(add(_g2_point(left), _g2_point(right)))

    def multiply_g1(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The sum of G1 points, each times a scalar."""
        return _g1_bytes(_multiply(_g1_point, pairs))

    def multiply_g2(self, pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The sum of G2 points, each times a scalar."""
        return _g2_bytes(_multiply(_g2_point, pairs))

    def pairing_is_one(self, pairs: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether the product of the pairings is one."""
        return _product_is_one(
            [(_in_subgroup(_g1_point(left)), _in_subgroup(_g2_point(right))) for left, right in pairs]
        )

    def map_to_g1(self, element: bytes) -> bytes:
        """The G1 point of a field element."""
        return _g1_bytes(clear_cofactor_G1(map_to_curve_G1(FQ(_integer(element, 0)))))

    def map_to_g2(self, element: bytes) -> bytes:
        """The G2 point of a quadratic field element."""
        return _g2_bytes(clear_cofactor_G2(map_to_curve_G2(FQ2((_integer(element, 0), _integer(element, 1))))))

    def opens(self, commitment: bytes, point: bytes, value: bytes, proof: bytes) -> bool:
        """Whether the committed polynomial has `value` at `point`: e(C - y G1 + z proof, -G2) e(proof, tau G2) = 1."""
        committed = _decompressed(commitment)
        quotient = _decompressed(proof)
        tau_g2 = decompress_G2((_integer(KZG_TAU_G2, 0), _integer(KZG_TAU_G2, 1)))
        value_g1 = multiply(G1, int.from_bytes(value, "big"))
        left = add(add(committed, neg(value_g1)), multiply(quotient, int.from_bytes(point, "big")))
        return _product_is_one([(left, neg(G2)), (quotient, tau_g2)])
