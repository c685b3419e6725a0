import pytest

from evmthread.precompiles.bls12_381_groups import ORDER
from evmthread.precompiles.kzg import KZG_POINT_EVALUATION, point_evaluation, versioned_hash
from evmthread.precompiles.precompile import PrecompileFailure
from tests.precompiles.samples import word

# Proofs of real polynomials are in vectors.json. Here: the zero polynomial, whose commitment and proof are infinity.
INFINITY = b"\xc0" + bytes(47)
HASH = versioned_hash(INFINITY)


def encode(named: bytes, point: int, value: int) -> bytes:
    return named + word(point) + word(value) + INFINITY + INFINITY


def test_output_is_the_two_constants() -> None:
    assert point_evaluation(encode(HASH, 5, 0)) == word(4096) + word(ORDER)
    assert point_evaluation(encode(HASH, ORDER - 1, 0)) == word(4096) + word(ORDER)


def test_versioned_hash_is_the_one_of_the_eip() -> None:
    # The versioned hash of the empty blob, as mainnet transactions name it.
    assert HASH.hex() == "010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (encode(HASH, 5, 0) + b"\0", "193 bytes"),
        (encode(HASH, 5, 0)[:-1], "191 bytes"),
        (encode(b"\2" + HASH[1:], 5, 0), "versioned hash"),
        (encode(HASH[:31] + b"\0", 5, 0), "versioned hash"),
        (encode(HASH, ORDER, 0), "below the order"),
        (encode(HASH, 5, ORDER), "below the order"),
        (encode(HASH, 5, 1), "doesn't hold"),
    ],
)
def test_failures(data: bytes, reason: str) -> None:
    with pytest.raises(PrecompileFailure, match=reason):
        point_evaluation(data)


def test_price() -> None:
    assert KZG_POINT_EVALUATION.price(b"") == 50000
