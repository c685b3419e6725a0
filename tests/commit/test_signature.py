"""65 bytes, read strictly (C5)."""

from contextlib import suppress

import commit_samples as samples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.commit import parse_signature, recover_signer
from evmthread.commit import signature as signature_module
from evmthread.commit.refusals import MalformedSignature
from evmthread.commit.signature import Recoveries, make_signature, signer_of
from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.secp256k1 import GROUP_ORDER, HALF_ORDER, SigningKey, private_key_address

DIGEST = keccak256(b"message")
KEY = samples.private_key(0)
ADDRESS = private_key_address(KEY)
SIGNATURE = make_signature(KEY, DIGEST)
R, S, V = SIGNATURE[:32], SIGNATURE[32:64], SIGNATURE[64:]


def raw(r: int, s: int, v: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])


def high_s_twin(signature: bytes) -> bytes:
    """The other signature of the same key and digest, which ecrecover would accept."""
    s = GROUP_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


MALFORMED: list[tuple[str, bytes]] = [
    ("s is high", high_s_twin(SIGNATURE)),
    ("v is 0", R + S + b"\x00"),
    ("v is 1", R + S + b"\x01"),
    ("v is 26", R + S + b"\x1a"),
    ("v is 29", R + S + b"\x1d"),
    ("v is 255", R + S + b"\xff"),
    ("64 bytes", SIGNATURE[:64]),
    ("66 bytes", SIGNATURE + b"\x00"),
    ("66 bytes", b"\x00" + SIGNATURE),
    ("0 bytes", b""),
    ("r is out of range: 0x0", bytes(32) + S + V),
    ("s is out of range: 0x0", R + bytes(32) + V),
    ("r is out of range", GROUP_ORDER.to_bytes(32, "big") + S + V),
    ("r is out of range", (GROUP_ORDER + 1).to_bytes(32, "big") + S + V),
    ("r is out of range", b"\xff" * 32 + S + V),
    ("s is out of range", R + GROUP_ORDER.to_bytes(32, "big") + V),
    ("s is out of range", R + b"\xff" * 32 + V),
    ("s is high", raw(int.from_bytes(R, "big"), HALF_ORDER + 1, 27)),
    ("r is out of range", bytes(65)[:64] + b"\x1b"),
    # No curve point has the x coordinate 5.
    ("no public key recovers", raw(5, 1, 27)),
]


@pytest.mark.parametrize(("reason", "signature"), MALFORMED)
def test_c5_malformed_signatures(reason: str, signature: bytes) -> None:
    with pytest.raises(MalformedSignature) as caught:
        recover_signer(DIGEST, signature)
    assert caught.value.reason.startswith(reason)


def test_a_signature_is_recovered() -> None:
    assert recover_signer(DIGEST, SIGNATURE) == private_key_address(KEY)
    r, s, y_parity = parse_signature(SIGNATURE)
    assert raw(r, s, 27 + y_parity) == SIGNATURE
    assert parse_signature(raw(1, HALF_ORDER, 28)) == (1, HALF_ORDER, 1)
    assert parse_signature(raw(GROUP_ORDER - 1, 1, 27)) == (GROUP_ORDER - 1, 1, 0)


@pytest.mark.parametrize("signature", [None, "0x" + SIGNATURE.hex(), bytearray(SIGNATURE), 5])
def test_a_signature_is_bytes(signature: object) -> None:
    with pytest.raises(InvalidInput):
        parse_signature(signature)  # type: ignore[arg-type]


@given(st.binary(min_size=32, max_size=32), st.integers(1, GROUP_ORDER - 1))
def test_what_we_make_is_what_we_accept(digest: bytes, key: int) -> None:
    private_key = key.to_bytes(32, "big")
    signature = make_signature(private_key, digest)
    assert recover_signer(digest, signature) == private_key_address(private_key)
    with pytest.raises(MalformedSignature):
        recover_signer(digest, high_s_twin(signature))


@given(st.binary(max_size=70))
def test_random_bytes_give_an_address_or_a_refusal(data: bytes) -> None:
    with suppress(MalformedSignature):
        assert len(recover_signer(DIGEST, data)) == 20


class Adding(bytes):
    """Adds up to a question that was answered before."""

    answered = b""

    def __radd__(self, other: bytes) -> bytes:
        return self.answered


def test_what_was_recovered_is_not_recovered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def counting(digest: bytes, given: bytes) -> bytes:
        asked.append(given)
        return recover_signer(digest, given)

    monkeypatch.setattr(signature_module, "recover_signer", counting)
    known = Recoveries(most=2)
    digests = [bytes([number]) * 32 for number in range(3)]
    signatures = [make_signature(KEY, digest) for digest in digests]
    for _ in range(3):
        assert known.signer(digests[0], signatures[0]) == known.signer(digests[1], signatures[1]) == ADDRESS
    assert asked == signatures[:2]
    assert known.signer(digests[2], signatures[2]) == ADDRESS  # there is room for two: those before are forgotten
    assert known.signer(digests[2], signatures[2]) == ADDRESS
    assert known.signer(digests[0], signatures[0]) == ADDRESS
    assert asked == [*signatures, signatures[0]]


def test_what_was_recovered_answers_no_other_question() -> None:
    known, digest = Recoveries(), bytes(32)
    good = make_signature(KEY, digest)
    assert known.signer(digest, good) == signer_of(digest, good, known) == signer_of(digest, good, None) == ADDRESS
    with pytest.raises(MalformedSignature, match="64 bytes where 65"):
        known.signer(digest + good[:1], good[1:])
    with pytest.raises(MalformedSignature, match="66 bytes where 65"):
        known.signer(digest[:-1], digest[-1:] + good)
    adding = Adding(b"nothing")
    adding.answered = digest + good
    with pytest.raises(MalformedSignature, match="7 bytes where 65"):
        known.signer(digest, adding)
    with pytest.raises(InvalidInput):
        known.signer(digest, bytearray(good))  # type: ignore[arg-type]
    other = make_signature(KEY, b"\1" * 32)
    assert known.signer(digest, other) != ADDRESS


def test_only_our_own_recoveries_are_believed() -> None:
    class Liar(Recoveries):
        def signer(self, digest: bytes, signature: bytes) -> bytes:
            return ADDRESS

    for liar in (Liar(), object()):
        with pytest.raises(InvalidInput, match="where Recoveries are wanted"):
            signer_of(bytes(32), make_signature(KEY, bytes(32)), liar)  # type: ignore[arg-type]


def test_what_was_made_here_is_not_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    recoveries, key = Recoveries(), SigningKey(KEY)
    signature = recoveries.sign(key, DIGEST)
    assert signature == make_signature(KEY, DIGEST)
    monkeypatch.setattr(signature_module, "recover_signer", lambda *_: bytes(20))
    assert recoveries.signer(DIGEST, signature) == key.address == ADDRESS
    for digest, other in ((keccak256(b"another message"), signature), (DIGEST, high_s_twin(signature))):
        assert recoveries.signer(digest, other) == bytes(20)


def test_only_a_real_key_makes_what_is_believed() -> None:
    class Liar(SigningKey):
        @property
        def address(self) -> bytes:
            return bytes(20)

    for liar in (Liar(KEY), object(), None):
        with pytest.raises(InvalidInput, match="where a SigningKey is wanted"):
            Recoveries().sign(liar, DIGEST)  # type: ignore[arg-type]
