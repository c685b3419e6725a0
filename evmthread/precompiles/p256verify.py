"""P256VERIFY: verification of an ECDSA signature on the curve P-256, also called secp256r1 (EIP-7951)."""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from evmthread.precompiles.precompile import Precompile, first_kilobyte, fixed_price
from evmthread.precompiles.short_weierstrass import ShortWeierstrass

# (digest, r, s, x, y), all 32 bytes with r and s in range and coordinates below the prime -> is it valid?
Verifier: TypeAlias = Callable[[bytes, bytes, bytes, bytes, bytes], bool]

# FIPS 186-4, section D.1.2.3
PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CURVE = ShortWeierstrass(PRIME, -3, 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B)
GENERATOR = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

_INPUT_LENGTH = 160
_PRIME_BYTES = PRIME.to_bytes(32, "big")
_ORDER_BYTES = ORDER.to_bytes(32, "big")
_ZERO = bytes(32)
_VALID = bytes(31) + b"\1"


def verify_in_python(digest: bytes, r: bytes, s: bytes, x: bytes, y: bytes) -> bool:
    """Verification on plain integers (FIPS 186-4, section 6.4)."""
    key = (int.from_bytes(x, "big"), int.from_bytes(y, "big"))
    if not CURVE.contains(*key):
        return False
    first = int.from_bytes(r, "big")
    inverse = pow(int.from_bytes(s, "big"), -1, ORDER)
    point = CURVE.multiply_and_add(
        GENERATOR, int.from_bytes(digest, "big") * inverse % ORDER, key, first * inverse % ORDER
    )
    return point is not None and point[0] % ORDER == first


@cache
def verifier_of_cryptography() -> Verifier:
    """Verification by the package cryptography (OpenSSL), imported here."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    curve = SECP256R1()
    # Of SHA-256 only the length is used: the input is a digest already.
    algorithm = ECDSA(Prehashed(SHA256()))
    key_of = EllipticCurvePublicKey.from_encoded_point

    def verify(digest: bytes, r: bytes, s: bytes, x: bytes, y: bytes) -> bool:
        try:
            key = key_of(curve, b"\4" + x + y)
        except ValueError:
            return False
        try:
            key.verify(encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")), digest, algorithm)
        except InvalidSignature:
            return False
        return True

    return verify


@cache
def _best() -> Verifier:
    try:
        return verifier_of_cryptography()
    except ImportError:
        return verify_in_python


def p256verify(data: bytes, verifier: Verifier | None = None) -> bytes:
    """The word 1 for a valid signature, else nothing; it never fails.

    The input is digest, r, s and the public key's x and y, a word each, exactly. A high s is valid. `verifier` is used
    instead of the best there is.
    """
    if len(data) != _INPUT_LENGTH:
        return b""
    r, s, x, y = data[32:64], data[64:96], data[96:128], data[128:160]
    if not (_ZERO < r < _ORDER_BYTES and _ZERO < s < _ORDER_BYTES and x < _PRIME_BYTES and y < _PRIME_BYTES):
        return b""
    # (0, 0), the point at infinity, isn't on the curve, so both verifiers refuse it.
    return _VALID if (verifier or _best())(data[:32], r, s, x, y) else b""


# EIP-7951
P256VERIFY = Precompile("P256VERIFY", fixed_price(6900), p256verify, first_kilobyte)
