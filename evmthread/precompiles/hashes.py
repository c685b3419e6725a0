"""SHA-256 and RIPEMD-160 (Yellow Paper, appendix E.1)."""

from collections.abc import Callable
from hashlib import sha256 as sha256_of_hashlib

from evmthread.precompiles import libraries
from evmthread.precompiles.precompile import Precompile, price_per_word

_DIGEST_PADDING = bytes(12)


def sha256(data: bytes) -> bytes:
    """The SHA-256 digest."""
    return sha256_of_hashlib(data).digest()


def ripemd160(data: bytes, digest: Callable[[bytes], bytes] | None = None) -> bytes:
    """The RIPEMD-160 digest as a 32-byte word, by `digest` or the best there is."""
    return _DIGEST_PADDING + (digest or libraries.ripemd160())(data)


SHA256 = Precompile("SHA256", price_per_word(60, 12), sha256)
RIPEMD160 = Precompile("RIPEMD160", price_per_word(600, 120), ripemd160)
