"""Signers from key files under a password (version 3, Web3 Secret Storage), and such files from keys.

The password is kept nowhere: it is in no error and no signer. Once a file is open its key is in this process, as a
LocalSigner's is.
"""

import json
from typing import Literal

from evmthread.commit.signing import LocalSigner
from evmthread.errors import DecodingError
from evmthread.primitives.untrusted_json import parse_json

MAX_KEYSTORE_BYTES = 65_536
"""What is read of a key file at most; those that wallets write have about 500 bytes."""


def open_keystore(data: bytes, password: str) -> LocalSigner:
    """The signer whose key is in a key file's bytes. Raises as `keystore_key` does."""
    return LocalSigner(keystore_key(data, password))


def keystore_key(data: bytes, password: str) -> bytes:
    """The private key in a key file's bytes. Takes a second where the file asks for the usual work.

    Raises DecodingError for what is no key file of version 3 or asks for too much work, CryptoError for a wrong
    password.
    """
    from evmthread.primitives.keystore import decrypt_key

    if len(data) > MAX_KEYSTORE_BYTES:
        raise DecodingError(f"key file: {len(data)} bytes where at most {MAX_KEYSTORE_BYTES} are accepted")
    content = parse_json(data)
    if not isinstance(content, dict):
        raise DecodingError("key file: no JSON object")
    return decrypt_key(content, password)


def make_keystore(private_key: bytes, password: str, *, kdf: Literal["scrypt", "pbkdf2"] = "scrypt") -> bytes:
    """The bytes of a new key file. Raises CryptoError for what is no private key."""
    from evmthread.primitives.keystore import encrypt_key

    return json.dumps(encrypt_key(private_key, password, kdf=kdf)).encode() + b"\n"
