"""Official tests of ciphers that wallets and the wire use: AES in counter mode, and ECIES on secp256k1.

evmthread encrypts nothing itself but key files; this checks that the libraries under it agree with the fixtures.
"""

import hashlib
import hmac

from coincurve import PublicKey

from evmthread.testing.cases import differences
from evmthread.testing.fixtures import FixtureError, Json, data, fixed

_POINT, _IV, _TAG = 65, 16, 32


def check_decryption(body: Json) -> str:
    """A key, a ciphertext and its plaintext."""
    kind, key, cipher, plain = body["decryption_type"], fixed(body["key"], 32), data(body["cipher"]), body["payload"]
    if kind == "aes_ctr":
        found = _counter_mode(key, bytes(_IV), cipher)
    elif kind == "ecies_sec1_altered":
        found = _ecies(key, cipher)
    else:
        raise FixtureError(f"decryption type {kind!r} is unknown")
    return differences(("plaintext", found, data(plain)))


def _counter_mode(key: bytes, iv: bytes, cipher: bytes) -> bytes:
    from Crypto.Cipher import AES

    plain: bytes = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=iv).decrypt(cipher)
    return plain


def _ecies(key: bytes, message: bytes) -> bytes:
    """A point, an initial value, a ciphertext, a tag (devp2p's ECIES: SEC 1, section 5.1, keys by NIST SP 800-56A)."""
    if len(message) < _POINT + _IV + _TAG:
        raise FixtureError(f"an ECIES message has at least {_POINT + _IV + _TAG} bytes, not {len(message)}")
    point, iv = PublicKey(message[:_POINT]), message[_POINT : _POINT + _IV]
    sealed, tag = message[_POINT:-_TAG], message[-_TAG:]
    shared = point.multiply(key).format(compressed=False)[1:33]
    derived = hashlib.sha256(bytes((0, 0, 0, 1)) + shared).digest()
    authentication = hashlib.sha256(derived[16:]).digest()
    if not hmac.compare_digest(hmac.new(authentication, sealed, "sha256").digest(), tag):
        raise FixtureError("the tag of the ECIES message is wrong")
    return _counter_mode(derived[:16], iv, sealed[_IV:])
