"""Key files of version 3: what is written is read, here and by eth-account; what is hostile is refused in time."""

import copy
import traceback
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


@pytest.mark.parametrize("password", [PASSWORD, "", " ", "x" * 1000, "\U0001f511"])
@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_both_derivations_and_any_password(kdf: Any, password: str) -> None:
    made = encrypt_key(KEY, password, kdf=kdf, n=2**4, iterations=10)
    assert made["crypto"]["kdf"] == kdf
    assert decrypt_key(made, password) == KEY == bytes(Account.decrypt(made, password))
    with pytest.raises(CryptoError, match="wrong password"):
        decrypt_key(made, password + "x")


def test_what_is_written_by_default_is_what_others_write() -> None:
    made = encrypt_key(KEY, PASSWORD, kdf="pbkdf2")["crypto"]["kdfparams"]
    assert (made["c"], made["prf"], made["dklen"]) == (1_000_000, "hmac-sha256", 32)
    with pytest.raises(DecodingError, match="scrypt with"):
        encrypt_key(KEY, PASSWORD, n=2**30)
    with pytest.raises(DecodingError, match="'md5' is unknown"):
        encrypt_key(KEY, PASSWORD, kdf="md5")  # type: ignore[arg-type]


def test_the_address_is_the_keys_or_left_out() -> None:
    for address in ("", None, "0x" + KEYFILE["address"], KEYFILE["address"].upper()):
        assert decrypt_key(KEYFILE | {"address": address}, PASSWORD) == KEY
    for address in ("00" * 20, KEYFILE["address"][:-2], "zz", 5):
        with pytest.raises(DecodingError):
            decrypt_key(KEYFILE | {"address": address}, PASSWORD)


@pytest.mark.parametrize("password", ["sesame \ud800", "wrong sesame"])
def test_no_error_shows_the_password(password: str) -> None:
    for attempt in (lambda: decrypt_key(KEYFILE, password), lambda: encrypt_key(bytes(32), password)):
        with pytest.raises(CryptoError) as caught:
            attempt()
        error: BaseException | None = caught.value
        while error is not None:
            assert "sesame" not in repr(vars(error)) + repr(error.args) + str(error)
            error = error.__cause__ or error.__context__
        assert "sesame" not in "".join(traceback.format_exception(caught.value))


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


@pytest.mark.parametrize(("n", "r", "p"), [(2, 2**16, 1), (2, 1, 2**16), (1024, 8, 2**8), (2**15, 1, 1)])
def test_much_of_r_or_p_is_left_to_openssl(n: int, r: int, p: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # pycryptodome's time grows with the square of r * p: r of 2^20, which is within the bounds, took days.
    monkeypatch.setattr("Crypto.Protocol.KDF.scrypt", None)
    assert decrypt_key(encrypt_key(KEY, PASSWORD, n=n, r=r, p=p), PASSWORD) == KEY


@pytest.mark.parametrize("n", [2**15, 2**16, 2**17])
def test_a_small_r_with_any_n(n: int) -> None:
    made = encrypt_key(KEY, PASSWORD, n=n, r=1, p=8)
    assert decrypt_key(made, PASSWORD) == KEY == bytes(Account.decrypt(made, PASSWORD))


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
