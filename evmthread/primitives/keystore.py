"""Key files of version 3 (Web3 Secret Storage): a private key under a password, as go-ethereum and others keep it.

Reads every file that the definition allows, with bounds on what a hostile one may cost; writes scrypt or PBKDF2 with
AES-128-CTR. No error has the password or the key in it, nor in what caused it.
"""

import hashlib
import hmac
import os
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from evmthread.errors import CryptoError, DecodingError
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import check_private_key, private_key_address
from evmthread.primitives.types import parse_hex

VERSION = 3
MAX_SCRYPT_BYTES = 2**30  # four times what the definition's strongest usual parameters take (n = 2^18, r = 8)
MAX_SCRYPT_WORK = 2**28  # n * r * p; ten seconds or so
MAX_ITERATIONS = 10_000_000
DEFAULT_ITERATIONS = 1_000_000  # eth-keyfile's; OWASP asks for 600,000 with HMAC-SHA256 (2023)
DERIVED_SIZE = 32
IV_SIZE = 16


def _password_bytes(password: str) -> bytes:
    # Looked at before it is encoded: the error of encoding would hold the password.
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise CryptoError("key file: the password has no UTF-8 form")
    return password.encode()


def _derive(password: bytes, kdf: str, parameters: Mapping[str, Any]) -> bytes:
    salt, size = parse_hex(parameters["salt"], what="salt"), parameters["dklen"]
    if size != DERIVED_SIZE:
        raise DecodingError(f"key file: dklen is {size}, not {DERIVED_SIZE}")
    if kdf == "pbkdf2":
        rounds = parameters["c"]
        if parameters["prf"] != "hmac-sha256" or not 0 < rounds <= MAX_ITERATIONS:
            raise DecodingError(f"key file: pbkdf2 with {parameters['prf']} and {rounds} rounds")
        return hashlib.pbkdf2_hmac("sha256", password, salt, rounds, size)
    if kdf == "scrypt":
        n, r, p = parameters["n"], parameters["r"], parameters["p"]
        memory = 128 * r * (n + p)
        if min(n, r, p) < 1 or memory > MAX_SCRYPT_BYTES or n * r * p > MAX_SCRYPT_WORK:
            raise DecodingError(f"key file: scrypt with n={n}, r={r}, p={p}")
        if n < 1 << min(16 * r, 64):
            # A little more than `memory`, which OpenSSL counts too (RFC 7914, section 6).
            return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=2 * MAX_SCRYPT_BYTES - 1, dklen=size)
        from Crypto.Protocol.KDF import scrypt

        # OpenSSL refuses n = 2^18 with r = 1 (RFC 7914, section 2), which early wallets wrote. Not for the rest: this
        # one's time grows with the square of r * p, to days within the bounds above; here they leave p at most 4096.
        derived = scrypt(password, salt, size, N=n, r=r, p=p)  # type: ignore[arg-type]
        assert isinstance(derived, bytes)
        return derived
    raise DecodingError(f"key file: key derivation {kdf!r} is unknown")


def _aes_128_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    from Crypto.Cipher import AES

    cipher = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=iv)
    result: bytes = cipher.encrypt(data)
    return result


def decrypt_key(keyfile: Mapping[str, Any], password: str) -> bytes:
    """The private key (32 bytes) of a key file's JSON object.

    Raises DecodingError for a file that isn't one of version 3, asks for too much work, or names another address than
    its key's; CryptoError for a wrong password.
    """
    secret = _password_bytes(password)
    try:
        if keyfile["version"] != VERSION:
            raise DecodingError(f"key file: version {keyfile['version']}, not {VERSION}")
        crypto = keyfile.get("crypto") or keyfile["Crypto"]
        if crypto["cipher"] != "aes-128-ctr":
            raise DecodingError(f"key file: cipher {crypto['cipher']!r} is unknown")
        iv = parse_hex(crypto["cipherparams"]["iv"], what="iv")
        ciphertext = parse_hex(crypto["ciphertext"], what="ciphertext")
        address = keyfile.get("address") and parse_hex(keyfile["address"], what="address")
        mac = parse_hex(crypto["mac"], what="mac")
        if len(iv) > IV_SIZE:
            raise DecodingError(f"key file: iv of {len(iv)} bytes")
        derived = _derive(secret, crypto["kdf"], crypto["kdfparams"])
    except KeyError as error:
        raise DecodingError(f"key file: {error.args[0]!r} is missing") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, DecodingError):
            raise
        raise DecodingError(f"key file: {error}") from None
    if not hmac.compare_digest(keccak256(derived[16:32] + ciphertext), mac):
        raise CryptoError("key file: wrong password")
    key = check_private_key(_aes_128_ctr(derived[:16], iv.rjust(IV_SIZE, b"\0"), ciphertext))
    if address and address != private_key_address(key):  # it stands there unprotected, for people to go by
        raise DecodingError(f"key file: the key is not that of 0x{address.hex()}")
    return key


def encrypt_key(
    private_key: bytes,
    password: str,
    *,
    kdf: Literal["scrypt", "pbkdf2"] = "scrypt",
    n: int = 2**18,
    r: int = 8,
    p: int = 1,
    iterations: int = DEFAULT_ITERATIONS,
) -> dict[str, Any]:
    """A key file's JSON object for a private key. The defaults are go-ethereum's; they take a second and 256 MB.

    `n`, `r` and `p` are scrypt's, `iterations` PBKDF2's. Raises CryptoError for bytes that are no private key,
    DecodingError for parameters that no reader would accept.
    """
    address = private_key_address(private_key)
    salt, iv = os.urandom(32), os.urandom(IV_SIZE)
    work = {"n": n, "r": r, "p": p} if kdf == "scrypt" else {"c": iterations, "prf": "hmac-sha256"}
    parameters = {"dklen": DERIVED_SIZE, "salt": salt.hex()} | work
    derived = _derive(_password_bytes(password), kdf, parameters)
    ciphertext = _aes_128_ctr(derived[:16], iv, private_key)
    return {
        "address": address.hex(),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": iv.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": kdf,
            "kdfparams": parameters,
            "mac": keccak256(derived[16:32] + ciphertext).hex(),
        },
        "id": str(uuid.uuid4()),
        "version": VERSION,
    }
