import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.precompiles.p256verify import (
    CURVE,
    GENERATOR,
    ORDER,
    P256VERIFY,
    PRIME,
    p256verify,
    verifier_of_cryptography,
    verify_in_python,
)
from tests.precompiles.samples import word

VALID = word(1)
scalars = st.integers(1, ORDER - 1)


def signed(key: int, digest: bytes) -> tuple[int, int, int, int]:
    """(r, s, x, y) by the package cryptography."""
    private = ec.derive_private_key(key, ec.SECP256R1())
    r, s = decode_dss_signature(private.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
    numbers = private.public_key().public_numbers()
    return r, s, numbers.x, numbers.y


def encode(digest: bytes, *numbers: int) -> bytes:
    return digest + b"".join(map(word, numbers))


def both(data: bytes) -> bytes:
    """The output, which must be the same from both engines."""
    output = p256verify(data, verifier_of_cryptography())
    assert output == p256verify(data, verify_in_python) == p256verify(data)
    return output


@settings(max_examples=40, deadline=None)
@given(scalars, st.binary(min_size=32, max_size=32) | st.sampled_from([bytes(32), b"\xff" * 32, word(ORDER)]))
def test_valid_and_changed(key: int, digest: bytes) -> None:
    r, s, x, y = signed(key, digest)
    assert both(encode(digest, r, s, x, y)) == VALID
    assert both(encode(digest, r, ORDER - s, x, y)) == VALID  # EIP-7951 has no check for malleability
    # A digest of zero leaves r = x of (r / s) Q, and Q and -Q have the same x.
    zero = int.from_bytes(digest, "big") % ORDER == 0
    assert both(encode(digest, r, s, x, PRIME - y)) == (VALID if zero else b"")
    assert both(encode(digest, r % (ORDER - 1) + 1, s, x, y)) == b""
    assert both(encode(digest[:31] + bytes([digest[31] ^ 1]), r, s, x, y)) == b""


R, S, X, Y = signed(77, bytes(32))


@pytest.mark.parametrize(
    "numbers",
    [
        (0, S, X, Y),
        (R, 0, X, Y),
        (ORDER, S, X, Y),
        (R, ORDER, X, Y),
        (R + ORDER if R + ORDER < 1 << 256 else ORDER + 1, S, X, Y),
        (R, S, 0, 0),
        (R, S, X, PRIME),
        (R, S, PRIME, Y),
        (R, S, X, Y + 1),
        (R, S, (1 << 256) - 1, Y),
    ],
)
def test_out_of_range_or_off_the_curve(numbers: tuple[int, int, int, int]) -> None:
    assert both(encode(bytes(32), *numbers)) == b""


def test_length_is_exact() -> None:
    good = encode(bytes(32), R, S, X, Y)
    assert both(good) == VALID
    for data in (b"", good[:-1], good + b"\0"):
        assert both(data) == b""


def signature_by_point(point: tuple[int, int], s: int, digest: int) -> bytes:
    """An input valid by construction: the key that makes (x of `point`, s) the signature of `digest`."""
    inverse = pow(point[0] % ORDER, -1, ORDER)
    key = CURVE.multiply_and_add(point, s * inverse % ORDER, GENERATOR, -digest * inverse % ORDER)
    assert key is not None
    return encode(word(digest), point[0] % ORDER, s, *key)


def test_x_is_compared_modulo_the_order() -> None:
    found = 0
    for x in range(ORDER + 1, ORDER + 40):
        square = (x**3 - 3 * x + CURVE.b) % PRIME
        y = pow(square, (PRIME + 1) // 4, PRIME)
        if y * y % PRIME == square:
            found += 1
            assert both(signature_by_point((x, y), 12345, 678)) == VALID
    assert found > 5


def test_key_with_x_zero() -> None:
    key = (0, pow(CURVE.b, (PRIME + 1) // 4, PRIME))
    a, b = 1234, 5678
    point = CURVE.multiply_and_add(GENERATOR, a, key, b)
    assert point is not None
    r = point[0] % ORDER
    s = r * pow(b, -1, ORDER) % ORDER
    assert both(encode(word(a * s % ORDER), r, s, *key)) == VALID


def test_sum_of_equal_and_of_opposite_points() -> None:
    double = CURVE.multiply(GENERATOR, 10)
    assert double is not None
    r = double[0] % ORDER
    s = r * pow(5, -1, ORDER) % ORDER
    assert both(encode(word(5 * s % ORDER), r, s, *GENERATOR)) == VALID
    minus = (GENERATOR[0], PRIME - GENERATOR[1])
    assert both(encode(word(5 * s % ORDER), r, s, *minus)) == b""


def test_price() -> None:
    assert P256VERIFY.price(b"") == 6900
