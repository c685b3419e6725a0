"""ECDSA on secp256k1: sign, recover, addresses. A thin face over coincurve (libsecp256k1)."""

from typing import NoReturn

from coincurve import PrivateKey, PublicKey
from coincurve.context import GLOBAL_CONTEXT

from evmthread.errors import CryptoError, InvalidInput
from evmthread.primitives.arguments import is_a
from evmthread.primitives.keccak import keccak256

GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER = GROUP_ORDER // 2


def check_private_key(key: bytes) -> bytes:
    """The same 32 bytes. Raises CryptoError unless they are a scalar from 1 to the group's order less 1."""
    if not is_a(key, bytes | bytearray) or len(key) != 32 or not 0 < int.from_bytes(key, "big") < GROUP_ORDER:
        raise CryptoError("a private key is 32 bytes, from 1 to the order of secp256k1 less 1")
    return key


def public_key(private_key: bytes) -> bytes:
    """The uncompressed public key without its 0x04 prefix: 64 bytes."""
    return PrivateKey(check_private_key(private_key)).public_key.format(compressed=False)[1:]


def public_key_address(key: bytes) -> bytes:
    """The account address (20 bytes) of a 64-byte public key (Yellow Paper, appendix F)."""
    return keccak256(key)[12:]


def private_key_address(private_key: bytes) -> bytes:
    """The account address (20 bytes) of a private key."""
    return public_key_address(public_key(private_key))


class SigningKey:
    """A private key that signs many times: its public key is computed once, which takes longer than a signature.

    It shows in no repr and can't be pickled.
    """

    __slots__ = ("_address", "_key")

    def __init__(self, private_key: bytes) -> None:
        """Takes 32 bytes. Raises CryptoError where they are no key."""
        self._key = PrivateKey(check_private_key(private_key))
        self._address = public_key_address(self._key.public_key.format(compressed=False)[1:])

    @property
    def address(self) -> bytes:
        """The account address (20 bytes)."""
        return self._address

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise InvalidInput("a SigningKey holds a private key: it can't be pickled")

    def __getstate__(self) -> NoReturn:
        raise InvalidInput("a SigningKey holds a private key: it can't be pickled")

    def sign(self, digest: bytes) -> tuple[int, int, int]:
        """(r, s, y parity) of the RFC 6979 signature of a 32-byte digest; s is low (EIP-2)."""
        if len(digest) != 32:
            raise CryptoError("a digest is 32 bytes")
        raw = self._key.sign_recoverable(digest, hasher=None)
        return int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64]


def sign_digest(private_key: bytes, digest: bytes) -> tuple[int, int, int]:
    """(r, s, y parity) of the RFC 6979 signature of a 32-byte digest; s is low (EIP-2)."""
    return SigningKey(private_key).sign(digest)


def recover_public_key(digest: bytes, r: int, s: int, y_parity: int) -> bytes:
    """The 64-byte public key that made the signature.

    Raises CryptoError when r or s is zero or not below the group's order, or when no key can have made it. A high s is
    accepted, as the ecrecover precompile does; callers that refuse malleable signatures compare s with HALF_ORDER.
    """
    if not (0 < r < GROUP_ORDER and 0 < s < GROUP_ORDER and y_parity in (0, 1)):
        raise CryptoError("signature values out of range")
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((y_parity,))
    try:
        key = PublicKey.from_signature_and_message(raw, digest, hasher=None, context=GLOBAL_CONTEXT)
    except Exception as error:  # coincurve raises bare Exception and ValueError alike
        raise CryptoError("no public key recovers from this signature") from error
    return key.format(compressed=False)[1:]


def recover_address(digest: bytes, r: int, s: int, y_parity: int) -> bytes:
    """The 20-byte address of the key that made the signature. Raises CryptoError as recover_public_key does."""
    return public_key_address(recover_public_key(digest, r, s, y_parity))
