"""C5: what is no canonical signature is refused wherever one may stand, alike in Python, JavaScript and eth-keys.

JavaScript's verdicts on the same file are examples/javascript/vectors.mjs's.
"""

from dataclasses import replace
from typing import Any

import pytest
from eth_keys import KeyAPI
from eth_keys.exceptions import BadSignature, ValidationError

from evmthread.chain.wallet import WalletSigner
from evmthread.commit import (
    Equivocation,
    GuardedSigner,
    InputEquivocation,
    KeyGrant,
    LocalSigner,
    MemorySignLog,
    Resume,
    SignatureSet,
    TypedData,
    check_input_signature,
    recover_signer,
    thread_id,
    verify_key_grant,
    verify_resume,
)
from evmthread.commit.refusals import MalformedSignature
from evmthread.errors import BackendError
from evmthread.primitives.secp256k1 import GROUP_ORDER, HALF_ORDER
from tests.acceptance.refusing import DOMAIN, VECTORS, Case
from tests.commit import commit_samples as samples

SIGNATURES: list[dict[str, Any]] = VECTORS["signatures"]


def spoilt(signature: bytes) -> dict[str, bytes]:
    """Each way in which a signature can be none, by name."""
    r, s, v = signature[:32], signature[32:64], signature[64:]
    twin = (GROUP_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")

    def number(value: int) -> bytes:
        return value.to_bytes(32, "big")

    return {
        "high twin": r + twin + bytes((55 - v[0],)),
        "high twin, same v": r + twin + v,
        **{f"v {wrong}": r + s + bytes((wrong,)) for wrong in (0, 1, 26, 29, 255)},
        "64 bytes": r + s,
        "66 bytes": signature + b"\0",
        "66 bytes, in front": b"\0" + signature,
        "none": b"",
        "r zero": bytes(32) + s + v,
        "s zero": r + bytes(32) + v,
        "r n": number(GROUP_ORDER) + s + v,
        "r above n": number(2**256 - 1) + s + v,
        "s n": r + number(GROUP_ORDER) + v,
        "s above n": r + number(2**256 - 1) + v,
        "s just high": r + number(HALF_ORDER + 1) + v,
    }


TERMS = samples.terms_of(2)
SIGNERS = samples.signers(2)
COMMITMENT = samples.commitment_of(DOMAIN, TERMS)
NAMES = list(spoilt(SIGNERS[0].sign(TypedData(DOMAIN, COMMITMENT))))


@pytest.mark.parametrize("entry", SIGNATURES, ids=lambda entry: str(entry["reason"])[:24])
def test_c5_the_vectors_are_judged_alike(entry: dict[str, Any]) -> None:
    signed, raw = bytes.fromhex(entry["digest"][2:]), bytes.fromhex(entry["signature"][2:])
    if entry["signer"] is None:
        with pytest.raises(MalformedSignature) as caught:
            recover_signer(signed, raw)
        assert caught.value.reason == entry["reason"]
    else:
        assert "0x" + recover_signer(signed, raw).hex() == entry["signer"]
    assert _by_eth_keys(signed, raw) == entry["signer"]


def _by_eth_keys(signed: bytes, raw: bytes) -> str | None:
    if len(raw) != 65 or raw[64] not in (27, 28):
        return None
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
    if not (r and 0 < s <= HALF_ORDER):
        return None
    try:
        made = KeyAPI("eth_keys.backends.NativeECCBackend").Signature(vrs=(raw[64] - 27, r, s))
        return str(made.recover_public_key_from_msg_hash(signed).to_address())
    except (BadSignature, ValidationError, ValueError):
        return None


@pytest.mark.parametrize("name", NAMES)
def test_c5_in_an_agreement(name: str) -> None:
    case = Case(3, 2)
    for place in range(3):
        signatures = list(case.full.signatures)
        signatures[place] = spoilt(signatures[place])[name]
        case.refused(MalformedSignature, SignatureSet(0b111, tuple(signatures)))


@pytest.mark.parametrize("name", NAMES)
def test_c5_under_an_input(name: str) -> None:
    each = samples.input_of(DOMAIN, TERMS)
    good = SIGNERS[0].sign(TypedData(DOMAIN, each))
    check_input_signature(DOMAIN, TERMS, each, good)
    with pytest.raises(MalformedSignature):
        check_input_signature(DOMAIN, TERMS, each, spoilt(good)[name])


@pytest.mark.parametrize("name", NAMES)
def test_c5_under_a_grant_and_a_resume(name: str) -> None:
    terms = replace(TERMS, keys=tuple([LocalSigner(samples.private_key(index)).address for index in (4, 5)]))
    grant = KeyGrant(thread_id(DOMAIN, terms), TERMS.owners[1], terms.keys[1])
    good = SIGNERS[1].sign(TypedData(DOMAIN, grant))
    assert verify_key_grant(DOMAIN, terms, grant, good) == 1
    with pytest.raises(MalformedSignature):
        verify_key_grant(DOMAIN, terms, grant, spoilt(good)[name])
    resume = Resume(COMMITMENT.thread_id, 7)
    full = samples.sign_record(DOMAIN, TERMS, resume)
    verify_resume(DOMAIN, TERMS, resume, full)
    for place in range(2):
        signatures = list(full.signatures)
        signatures[place] = spoilt(signatures[place])[name]
        with pytest.raises(MalformedSignature):
            verify_resume(DOMAIN, TERMS, resume, SignatureSet(0b11, tuple(signatures)))


@pytest.mark.parametrize("name", NAMES)
def test_c5_in_evidence(name: str) -> None:
    pair = [COMMITMENT, replace(COMMITMENT, fee=0)]
    good = [SIGNERS[0].sign(TypedData(DOMAIN, each)) for each in pair]
    moves = [samples.input_of(DOMAIN, TERMS, parent=b"\7" * 32, value=value) for value in (0, 1)]
    fine = [SIGNERS[0].sign(TypedData(DOMAIN, each)) for each in moves]
    Equivocation(DOMAIN, TERMS, 0, pair[0], good[0], pair[1], good[1])
    InputEquivocation(DOMAIN, TERMS, moves[0], fine[0], moves[1], fine[1])
    for place in range(2):
        bad, wrong = list(good), list(fine)
        bad[place], wrong[place] = spoilt(good[place])[name], spoilt(fine[place])[name]
        with pytest.raises(MalformedSignature):
            Equivocation(DOMAIN, TERMS, 0, pair[0], bad[0], pair[1], bad[1])
        with pytest.raises(MalformedSignature):
            InputEquivocation(DOMAIN, TERMS, moves[0], wrong[0], moves[1], wrong[1])


@pytest.mark.parametrize("name", NAMES)
def test_c5_from_a_signer(name: str) -> None:
    """The guard passes none on: what a wallet means by another form is put into ours, or refused."""
    data = TypedData(DOMAIN, COMMITMENT)
    good = SIGNERS[0].sign(data)

    class Wallet:
        def request(self, method: str, *parameters: object) -> object:
            return "0x" + spoilt(good)[name].hex()

    class Raw:
        address = SIGNERS[0].address

        def sign(self, typed_data: TypedData) -> bytes:
            return spoilt(good)[name]

    with pytest.raises(BackendError):
        GuardedSigner(Raw(), MemorySignLog()).sign(data)
    wallet = GuardedSigner(WalletSigner(Wallet(), SIGNERS[0].address), MemorySignLog())
    meant = {"high twin", f"v {good[64] - 27}"}
    if name in meant:
        assert wallet.sign(data) == good
    else:
        with pytest.raises(BackendError):
            wallet.sign(data)
