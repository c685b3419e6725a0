"""tests/vectors/commitment.json is up to date, and its verdicts are those of libraries that share no code with ours."""

import json
from typing import Any

import commit_vectors
import pytest
from eth_account.messages import encode_typed_data
from eth_keys import KeyAPI
from eth_keys.exceptions import BadSignature, ValidationError
from eth_utils import keccak

from evmthread.commit import Domain, digest, typed_data
from evmthread.commit.records import Record

VECTORS: dict[str, Any] = json.loads(commit_vectors.FILE.read_text())
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def test_the_file_is_up_to_date() -> None:
    built = commit_vectors.render(commit_vectors.build())
    assert json.loads(built) == VECTORS
    assert built == commit_vectors.FILE.read_text(), "run: python tests/commit/commit_vectors.py"


def test_it_covers_every_check_clause_and_type() -> None:
    checks = {entry["check"] for entry in VECTORS["agreements"]}
    assert checks == {
        None,
        "DecodingError",
        "WrongThread",
        "IllFormedCommitment",
        "UnknownSigner",
        "SignatureCount",
        "NotEnoughSignatures",
        "MalformedSignature",
        "WrongSignature",
    }
    assert len({entry["clause"] for entry in VECTORS["commitments"]}) == 1 + 8
    assert len({entry["clause"] for entry in VECTORS["terms"]}) == 1 + 13
    assert len({entry["type"] for entry in VECTORS["structs"]}) == 9
    assert [entry["check"] for entry in VECTORS["agreements"]].count(None) >= 20
    for entry in VECTORS["agreements"]:
        assert (entry["check"] is None) == (entry["message"] is None) == (entry["digest"] is not None)


@pytest.mark.parametrize("entry", VECTORS["structs"], ids=lambda entry: entry["type"])
def test_digests_are_eth_accounts(entry: dict[str, Any]) -> None:
    from evmthread import commit

    record = getattr(commit, entry["type"]).from_json(entry["value"])
    assert isinstance(record, Record)
    domain = Domain.from_json(VECTORS["domain"])
    message = encode_typed_data(full_message=typed_data(domain, record))
    assert "0x" + keccak(b"\x19" + message.version + message.header + message.body).hex() == entry["digest"]
    assert "0x" + message.body.hex() == entry["hashStruct"]
    assert "0x" + message.header.hex() == VECTORS["domainSeparator"]
    assert digest(domain, record).hex() == entry["digest"][2:]
    assert "0x" + record.encode().hex() == entry["bytes"]


def independent_signer(signed: str, signature: str) -> str | None:
    """The verdict of eth-keys' own curve arithmetic, behind the rules as the registry states them."""
    raw = bytes.fromhex(signature[2:])
    if len(raw) != 65 or raw[64] not in (27, 28):
        return None
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
    if s > HALF_ORDER or r == 0 or s == 0:
        return None
    api = KeyAPI("eth_keys.backends.NativeECCBackend")
    try:
        key = api.Signature(vrs=(raw[64] - 27, r, s)).recover_public_key_from_msg_hash(bytes.fromhex(signed[2:]))
    except (BadSignature, ValidationError, ValueError):
        return None
    return str(key.to_address())


@pytest.mark.parametrize("entry", VECTORS["signatures"], ids=lambda entry: str(entry["reason"])[:20])
def test_c5_signatures_are_judged_alike(entry: dict[str, Any]) -> None:
    assert independent_signer(entry["digest"], entry["signature"]) == entry["signer"]
    assert (entry["signer"] is None) == (entry["reason"] is not None)
