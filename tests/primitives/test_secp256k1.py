"""Signatures and keys, held equal to eth-keys."""

import pickle

import pytest
from eth_keys import keys
from hypothesis import given
from hypothesis import strategies as st

from evmthread.errors import CryptoError, InvalidInput
from evmthread.primitives import secp256k1

KEYS = st.integers(min_value=1, max_value=secp256k1.GROUP_ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
DIGESTS = st.binary(min_size=32, max_size=32)


@given(KEYS, DIGESTS)
def test_signs_and_recovers_as_eth_keys(key: bytes, digest: bytes) -> None:
    reference = keys.PrivateKey(key)
    r, s, parity = secp256k1.sign_digest(key, digest)
    assert s <= secp256k1.HALF_ORDER
    signature = reference.sign_msg_hash(digest)
    assert (r, s, parity) == (signature.r, signature.s, signature.v)
    assert secp256k1.recover_address(digest, r, s, parity) == reference.public_key.to_canonical_address()
    assert secp256k1.private_key_address(key) == reference.public_key.to_canonical_address()


@given(KEYS, DIGESTS)
def test_the_high_s_twin_recovers_too(key: bytes, digest: bytes) -> None:
    r, s, parity = secp256k1.sign_digest(key, digest)
    twin = secp256k1.recover_address(digest, r, secp256k1.GROUP_ORDER - s, 1 - parity)
    assert twin == secp256k1.private_key_address(key)


@pytest.mark.parametrize(
    "key",
    [b"", bytes(32), bytes(31), secp256k1.GROUP_ORDER.to_bytes(32, "big"), b"\xff" * 32, "1" * 32, 5, None],
)
def test_bad_keys_are_refused(key: bytes) -> None:
    with pytest.raises(CryptoError):
        secp256k1.sign_digest(key, bytes(32))


@pytest.mark.parametrize(
    ("r", "s", "parity"),
    [(0, 1, 0), (1, 0, 0), (secp256k1.GROUP_ORDER, 1, 0), (1, secp256k1.GROUP_ORDER, 0), (1, 1, 2), (5, 1, 0)],
)
def test_bad_signatures_are_refused(r: int, s: int, parity: int) -> None:
    with pytest.raises(CryptoError):
        secp256k1.recover_address(bytes(32), r, s, parity)


def test_digests_of_other_lengths_are_refused() -> None:
    with pytest.raises(CryptoError, match="32 bytes"):
        secp256k1.sign_digest(b"\x01" * 32, bytes(31))


def test_a_signing_key_shows_nowhere() -> None:
    key = secp256k1.SigningKey(b"\x07" * 32)
    assert "07" * 8 not in repr(key)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(InvalidInput, match="can't be pickled"):
            pickle.dumps(key, protocol=protocol)
    with pytest.raises(InvalidInput, match="can't be pickled"):
        key.__getstate__()
