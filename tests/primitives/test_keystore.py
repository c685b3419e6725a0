"""Key files of version 3: what is written is read, here and by eth-account; what is hostile is refused in time."""

import copy
from typing import Any

import pytest
from eth_account import Account

from evmthread.errors import CryptoError, DecodingError
from evmthread.primitives.keystore import decrypt_key, encrypt_key
from evmthread.primitives.secp256k1 import private_key_address

KEY = bytes(range(1, 33))
PASSWORD = "pässword"
KEYFILE = encrypt_key(KEY, PASSWORD, n=2**10)


def test_there_and_back() -> None:
    assert decrypt_key(KEYFILE, PASSWORD) == KEY
    assert KEYFILE["address"] == private_key_address(KEY).hex()


def test_no_two_files_are_alike() -> None:
    other = encrypt_key(KEY, PASSWORD, n=2**10)
    assert other["crypto"]["ciphertext"] != KEYFILE["crypto"]["ciphertext"]
    assert other["id"] != KEYFILE["id"]


def test_eth_account_reads_ours_and_we_read_its() -> None:
    assert bytes(Account.decrypt(KEYFILE, PASSWORD)) == KEY
    assert decrypt_key(Account.encrypt(KEY, PASSWORD, kdf="pbkdf2", iterations=1000), PASSWORD) == KEY
    assert decrypt_key(Account.encrypt(KEY, PASSWORD, kdf="scrypt", iterations=2**10), PASSWORD) == KEY


def test_a_capital_crypto_is_old_but_read() -> None:
    old = {"version": 3, "Crypto": KEYFILE["crypto"]}
    assert decrypt_key(old, PASSWORD) == KEY


def test_a_wrong_password() -> None:
    with pytest.raises(CryptoError, match="wrong password"):
        decrypt_key(KEYFILE, "password")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 1),
        ("version", None),
        ("crypto", None),
        ("crypto", []),
        ("crypto.cipher", "aes-256-gcm"),
        ("crypto.cipherparams", {}),
        ("crypto.cipherparams.iv", "00" * 17),
        ("crypto.cipherparams.iv", "0"),
        ("crypto.ciphertext", 5),
        ("crypto.mac", None),
        ("crypto.kdf", "md5"),
        ("crypto.kdfparams.dklen", 16),
        ("crypto.kdfparams.salt", "zz"),
        ("crypto.kdfparams.n", 2**40),
        ("crypto.kdfparams.n", 1000),
        ("crypto.kdfparams.n", -4),
        ("crypto.kdfparams.n", "many"),
        ("crypto.kdfparams.p", 2**30),
        ("crypto.kdfparams.r", 0),
    ],
)
def test_what_is_no_key_file(path: str, value: object) -> None:
    changed: dict[str, Any] = copy.deepcopy(KEYFILE)
    *parents, last = path.split(".")
    inner = changed
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    with pytest.raises(DecodingError, match=r"key file|hex|iv|salt"):
        decrypt_key(changed, PASSWORD)


@pytest.mark.parametrize(("rounds", "prf"), [(0, "hmac-sha256"), (10**9, "hmac-sha256"), (1000, "hmac-md5")])
def test_pbkdf2_has_bounds(rounds: int, prf: str) -> None:
    changed: dict[str, Any] = copy.deepcopy(KEYFILE)
    changed["crypto"]["kdf"] = "pbkdf2"
    changed["crypto"]["kdfparams"] = {"dklen": 32, "c": rounds, "prf": prf, "salt": "00"}
    with pytest.raises(DecodingError, match="pbkdf2"):
        decrypt_key(changed, PASSWORD)


def test_no_key_is_written_that_is_none() -> None:
    with pytest.raises(CryptoError):
        encrypt_key(bytes(32), PASSWORD)
