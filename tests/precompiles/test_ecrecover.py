import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.precompiles.ecrecover import ECRECOVER, ecrecover
from evmthread.primitives.secp256k1 import GROUP_ORDER, private_key_address, sign_digest
from tests.precompiles.samples import word

DIGEST = bytes(range(32))
KEY = word(1234567)
R, S, PARITY = sign_digest(KEY, DIGEST)
ADDRESS = bytes(12) + private_key_address(KEY)


@settings(deadline=None)
@given(st.integers(1, GROUP_ORDER - 1), st.binary(min_size=32, max_size=32))
def test_recovers_the_signer_also_from_a_high_s(key: int, digest: bytes) -> None:
    r, s, parity = sign_digest(word(key), digest)
    expected = bytes(12) + private_key_address(word(key))
    assert ecrecover(digest + word(27 + parity) + word(r) + word(s)) == expected
    assert ecrecover(digest + word(28 - parity) + word(r) + word(GROUP_ORDER - s)) == expected


def test_longer_input_is_cut() -> None:
    assert ecrecover(DIGEST + word(27 + PARITY) + word(R) + word(S) + b"more") == ADDRESS


def test_shorter_input_is_padded() -> None:
    s_with_zeros = DIGEST + word(27) + word(R) + b"\1"
    assert ecrecover(s_with_zeros) == ecrecover(s_with_zeros + bytes(31)) != b""
    assert ecrecover(b"") == b""


@pytest.mark.parametrize(
    ("v", "r", "s"),
    [
        (0, R, S),
        (26, R, S),
        (29, R, S),
        (27 + PARITY + 256, R, S),
        ((1 << 255) + 27 + PARITY, R, S),
        (27, 0, S),
        (27, GROUP_ORDER, S),
        (27, R, 0),
        (27, R, GROUP_ORDER),
        (27, R, (1 << 256) - 1),
        (27, 5, S),  # 5^3 + 7 is no square: no point has this x
    ],
)
def test_no_signature_gives_nothing(v: int, r: int, s: int) -> None:
    assert ecrecover(DIGEST + word(v) + word(r) + word(s)) == b""


def test_price() -> None:
    assert ECRECOVER.price(b"") == ECRECOVER.price(bytes(500)) == 3000
