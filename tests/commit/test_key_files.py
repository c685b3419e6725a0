"""Key files under a password: signers come out of them, and no password or key comes out otherwise."""

import json

import commit_samples as samples
import pytest
from eth_account import Account

from evmthread.commit import LocalSigner, TypedData, make_keystore, open_keystore
from evmthread.errors import CryptoError, DecodingError, EvmthreadError
from evmthread.primitives.keystore import encrypt_key

KEY = samples.private_key(0)
PASSWORD = "open sesame"
LIGHT = json.dumps(encrypt_key(KEY, PASSWORD, n=16)).encode()
# go-ethereum's and the definition's test vectors (Web3 Secret Storage): both derivations, and their password.
PBKDF2 = (
    b'{"crypto": {"cipher": "aes-128-ctr", "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"}, "ciphertext": '
    b'"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46", "kdf": "pbkdf2", "kdfparams": {"c": 262144, '
    b'"dklen": 32, "prf": "hmac-sha256", "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"}, '
    b'"mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"}, "id": '
    b'"3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}'
)
VECTOR_KEY = bytes.fromhex("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d")


def test_a_published_file_opens() -> None:
    assert open_keystore(PBKDF2, "testpassword").address == LocalSigner(VECTOR_KEY).address


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_eth_account_opens_what_we_make(kdf: str) -> None:
    made = make_keystore(KEY, PASSWORD, kdf=kdf)  # type: ignore[arg-type]
    assert KEY.hex().encode() not in made
    assert PASSWORD.encode() not in made
    assert bytes(Account.decrypt(json.loads(made), PASSWORD)) == KEY
    assert open_keystore(made, PASSWORD).address == LocalSigner(KEY).address


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_we_open_what_eth_account_makes(kdf: str) -> None:
    made = json.dumps(Account.encrypt(KEY, PASSWORD, kdf=kdf, iterations=1024)).encode()
    signer = open_keystore(made, PASSWORD)
    data = TypedData(samples.DOMAIN, samples.commitment_of(samples.DOMAIN, samples.terms_of(2)))
    assert signer.sign(data) == LocalSigner(KEY).sign(data)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"5", b"{}", b"[" * 5000, b"{}" + b" " * 65_536, b"\xff"])
def test_what_is_no_key_file_is_refused(data: bytes) -> None:
    with pytest.raises(DecodingError):
        open_keystore(data, PASSWORD)


def test_how_long_a_file_may_be() -> None:
    padded = LIGHT + b" " * (65_536 - len(LIGHT))
    assert open_keystore(padded, PASSWORD).address == LocalSigner(KEY).address
    with pytest.raises(DecodingError, match="65537 bytes where at most 65536"):
        open_keystore(padded + b" ", PASSWORD)
    for text in (b"[]", b"5", b'"{}"', b"null"):
        with pytest.raises(DecodingError, match="no JSON object"):
            open_keystore(text, PASSWORD)


def test_neither_password_nor_key_shows() -> None:
    signer = open_keystore(LIGHT, PASSWORD)
    assert PASSWORD not in repr(signer)
    assert KEY.hex() not in repr(signer)
    for data, password in ((LIGHT, "sesame"), (LIGHT, "sesame \udfff"), (LIGHT[:-1], "sesame"), (b"{}", "sesame")):
        with pytest.raises(EvmthreadError) as caught:
            open_keystore(data, password)
        error: BaseException | None = caught.value
        while error is not None:
            assert "sesame" not in repr(error.args) + repr(vars(error))
            error = error.__cause__ or error.__context__
    with pytest.raises(CryptoError, match="wrong password"):
        open_keystore(LIGHT, "")
    with pytest.raises(CryptoError):
        make_keystore(bytes(32), PASSWORD)
