"""The seven contracts on BLS12-381 (EIP-2537): additions, multi-scalar multiplications, pairing check and maps.

A coordinate is 64 bytes, the first 16 of them zero, below the prime. An input of a wrong length, such a coordinate that
isn't one, and a point that isn't on its curve fail the call; so does a point outside the subgroup, but for additions.
"""

from collections.abc import Callable

from evmthread.precompiles.bls12_381_groups import PRIME, Bls12381, best_bls12_381
from evmthread.precompiles.precompile import Precompile, PrecompileFailure, first_kilobyte, fixed_price

_PADDING = bytes(16)
_PRIME_BYTES = PRIME.to_bytes(48, "big")
_TRUE = bytes(31) + b"\1"
_FALSE = bytes(32)

_G1_LENGTH = 128
_G2_LENGTH = 256
_SCALAR_LENGTH = 32

# EIP-2537, "Gas schedule": thousandths of a multiplication's price that each of k multiplications costs, from k = 1;
# the last one for every k above 128.
# fmt: off
G1_DISCOUNTS = (
    1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673, 669, 665, 661,
    658, 654, 651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621, 619, 617, 615, 613, 611,
    609, 608, 606, 604, 603, 601, 599, 598, 596, 595, 593, 592, 591, 589, 588, 586, 585, 584, 582, 581,
    580, 579, 577, 576, 575, 574, 573, 572, 570, 569, 568, 567, 566, 565, 564, 563, 562, 561, 560, 559,
    558, 557, 556, 555, 554, 553, 552, 551, 550, 549, 548, 547, 547, 546, 545, 544, 543, 542, 541, 540,
    540, 539, 538, 537, 536, 536, 535, 534, 533, 532, 532, 531, 530, 529, 528, 528, 527, 526, 525, 525,
    524, 523, 522, 522, 521, 520, 520, 519,
)
G2_DISCOUNTS = (
    1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711, 704, 699, 693,
    688, 683, 679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637, 634, 632, 629, 627, 624,
    622, 620, 618, 615, 613, 611, 609, 607, 606, 604, 602, 600, 598, 597, 595, 593, 592, 590, 589, 587,
    586, 584, 583, 582, 580, 579, 578, 576, 575, 574, 573, 571, 570, 569, 568, 567, 566, 565, 563, 562,
    561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 552, 551, 550, 549, 548, 547, 546, 545, 545, 544,
    543, 542, 541, 541, 540, 539, 538, 537, 537, 536, 535, 535, 534, 533, 532, 532, 531, 530, 530, 529,
    528, 528, 527, 526, 526, 525, 524, 524,
)
# fmt: on


def _strip(data: bytes, start: int, length: int) -> bytes:
    """The coordinates in `length` bytes at `start`, 48 bytes each, without padding."""
    coordinates = []
    for position in range(start, start + length, 64):
        coordinate = data[position + 16 : position + 64]
        if data[position : position + 16] != _PADDING or coordinate >= _PRIME_BYTES:
            raise PrecompileFailure(f"0x{data[position : position + 64].hex()} isn't below the prime of BLS12-381")
        coordinates.append(coordinate)
    return b"".join(coordinates)


def _pad(coordinates: bytes) -> bytes:
    """Coordinates of 48 bytes, padded to 64 each."""
    return b"".join([_PADDING + coordinates[start : start + 48] for start in range(0, len(coordinates), 48)])


def _check_length(data: bytes, wanted: int) -> None:
    if len(data) != wanted:
        raise PrecompileFailure(f"{len(data)} bytes where {wanted} are wanted")


def _check_multiple(data: bytes, unit: int) -> None:
    if not data or len(data) % unit:
        raise PrecompileFailure(f"{len(data)} bytes, which is no positive multiple of {unit}")


def g1_add(data: bytes, groups: Bls12381 | None = None) -> bytes:
    """The sum of two points of the G1 curve."""
    _check_length(data, 2 * _G1_LENGTH)
    left, right = _strip(data, 0, _G1_LENGTH), _strip(data, _G1_LENGTH, _G1_LENGTH)
    return _pad((groups or best_bls12_381()).add_g1(left, right))


def g2_add(data: bytes, groups: Bls12381 | None = None) -> bytes:
    """The sum of two points of the G2 curve."""
    _check_length(data, 2 * _G2_LENGTH)
    left, right = _strip(data, 0, _G2_LENGTH), _strip(data, _G2_LENGTH, _G2_LENGTH)
    return _pad((groups or best_bls12_381()).add_g2(left, right))


def _points_and_scalars(data: bytes, point_length: int) -> list[tuple[bytes, bytes]]:
    unit = point_length + _SCALAR_LENGTH
    _check_multiple(data, unit)
    return [
        (_strip(data, start, point_length), data[start + point_length : start + unit])
        for start in range(0, len(data), unit)
    ]


def g1_msm(data: bytes, groups: Bls12381 | None = None) -> bytes:
    """The sum of points of G1, each times a word."""
    pairs = _points_and_scalars(data, _G1_LENGTH)
    return _pad((groups or best_bls12_381()).multiply_g1(pairs))


def g2_msm(data: bytes, groups: Bls12381 | None = None) -> bytes:
    """The sum of points of G2, each times a word."""
    pairs = _points_and_scalars(data, _G2_LENGTH)
    return _pad((groups or best_bls12_381()).multiply_g2(pairs))


def pairing_check(data: bytes, groups: Bls12381 | None = None) -> bytes:
    """The word 1 when the product of the pairings of all pairs of points is one, else 0."""
    unit = _G1_LENGTH + _G2_LENGTH
    _check_multiple(data, unit)
    pairs = [
        (_strip(data, start, _G1_LENGTH), _strip(data, start + _G1_LENGTH, _G2_LENGTH))
        for start in range(0, len(data), unit)
    ]
    return _TRUE if (groups or best_bls12_381()).pairing_is_one(pairs) else _FALSE


def map_fp_to_g1(data: bytes, groups: Bls12381 | None = None) -> bytes:
    """The G1 point of a field element."""
    _check_length(data, 64)
    return _pad((groups or best_bls12_381()).map_to_g1(_strip(data, 0, 64)))


def map_fp2_to_g2(data: bytes, groups: Bls12381 | None = None) -> bytes:
    """The G2 point of an element of the quadratic field."""
    _check_length(data, 128)
    return _pad((groups or best_bls12_381()).map_to_g2(_strip(data, 0, 128)))


def _msm_price(unit: int, multiplication: int, discounts: tuple[int, ...]) -> Callable[[bytes], int]:
    def price(data: bytes) -> int:
        count = len(data) // unit
        if count == 0:
            return 0
        return count * multiplication * discounts[min(count, len(discounts)) - 1] // 1000

    return price


def _pairing_price(data: bytes) -> int:
    return 37700 + 32600 * (len(data) // (_G1_LENGTH + _G2_LENGTH))


BLS12_381_G1_ADD = Precompile("BLS12_G1ADD", fixed_price(375), g1_add, first_kilobyte)
BLS12_381_G1_MSM = Precompile("BLS12_G1MSM", _msm_price(_G1_LENGTH + _SCALAR_LENGTH, 12000, G1_DISCOUNTS), g1_msm)
BLS12_381_G2_ADD = Precompile("BLS12_G2ADD", fixed_price(600), g2_add, first_kilobyte)
BLS12_381_G2_MSM = Precompile("BLS12_G2MSM", _msm_price(_G2_LENGTH + _SCALAR_LENGTH, 22500, G2_DISCOUNTS), g2_msm)
BLS12_381_PAIRING_CHECK = Precompile("BLS12_PAIRING_CHECK", _pairing_price, pairing_check)
BLS12_381_MAP_FP_TO_G1 = Precompile("BLS12_MAP_FP_TO_G1", fixed_price(5500), map_fp_to_g1, first_kilobyte)
BLS12_381_MAP_FP2_TO_G2 = Precompile("BLS12_MAP_FP2_TO_G2", fixed_price(23800), map_fp2_to_g2, first_kilobyte)
