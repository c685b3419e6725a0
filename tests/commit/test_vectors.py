"""tests/vectors/commitment.json is up to date, and its verdicts are those of libraries that share no code with ours."""

import json
import re
from collections import Counter
from typing import Any

import commit_vectors
import pytest
import rlp
from eth_account._utils.encode_typed_data.encoding_and_hashing import encode_type
from eth_account.messages import encode_typed_data
from eth_keys import KeyAPI
from eth_keys.exceptions import BadSignature, ValidationError
from eth_utils import keccak
from trie.exceptions import BadTrieProof
from trie.exceptions import ValidationError as TrieValidationError
from trie.hexary import HexaryTrie

from evmthread.channel.messages import decode_message
from evmthread.commit import Domain, digest, typed_data
from evmthread.commit.records import Record
from evmthread.errors import DecodingError

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


# Of each section, the checks that can fail in it, and how many clauses, fields and reasons they name.
SECTIONS = {
    "rulesets": ({"IllFormedRuleset"}, 4),
    "openings": ({"IllFormedTerms", "IllFormedRuleset", "WrongHash", "ContractTimeoutTooShort"}, 4),
    "origins": ({"IllFormedTerms", "WrongHash"}, 3),
    "keyGrants": ({"WrongThread", "UnknownGrant", "WrongSignature", "MalformedSignature"}, 2),
    "batches": (
        {"DecodingError", "WrongHash", "WrongThread", "IllFormedBatch"}
        | {"SignatureCount", "MalformedSignature", "WrongSignature"},
        20,
    ),
    "successions": (
        {"ParentIsFinal", "NonceOrder", "Decreased", "FinalDiffers", "IllFormedBatch", "WrongHash"},
        2 + 6 + 17,
    ),
    "suspensions": ({"IllFormedCommitment"}, 4),
    "chains": (
        {"UnknownTip", "BrokenParent", "NonceOrder", "ParentIsFinal", "Decreased", "FinalDiffers"}
        | {"NotEnoughSignatures", "WrongThread"},
        4,
    ),
    "resumes": (
        {"NotEnoughSignatures", "SignatureCount", "UnknownSigner", "WrongThread"}
        | {"WrongSignature", "MalformedSignature"},
        2,
    ),
    "equivocations": (
        {"UnknownSigner", "WrongThread", "NoEquivocation", "WrongSignature", "MalformedSignature"},
        5,
    ),
    "inputEquivocations": (
        {"WrongThread", "NoEquivocation", "IllFormedBatch", "WrongSignature", "MalformedSignature"},
        9,
    ),
    "proofs": ({"ProofError"}, 0),
    "messages": ({"DecodingError"}, 0),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_each_check_fails_at_least_twice_and_holds_at_least_twice(section: str) -> None:
    checks, clauses = SECTIONS[section]
    counted = Counter(entry["check"] for entry in VECTORS[section])
    assert set(counted) == checks | {None}
    assert min(counted.values()) >= 2
    named = Counter((entry["check"], entry["clause"]) for entry in VECTORS[section] if entry["clause"] is not None)
    assert len(named) == clauses
    # What a signature lacks has vectors of its own, and numbers in a reason make one reason many.
    once = {clause for (check, clause), count in named.items() if count < 2}
    assert {clause for clause in once if not re.search("bytes where|^v is|out of range|nonces differ", clause)} <= (
        {"n/2 < threshold <= n", "deposits[i] >= reserve[i]", "version 1", "fork is a known name"}
        if section == "openings"
        else {"fee", "stateRoot", "balances"}
        if section == "chains"
        else set()
    )
    for entry in VECTORS[section]:
        assert (entry["check"] is None) == (entry["message"] is None)


def test_each_clause_of_terms_and_commitments_is_broken_twice() -> None:
    for section in ("terms", "commitments"):
        assert min(Counter(entry["clause"] for entry in VECTORS[section]).values()) >= 2


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


@pytest.mark.parametrize("entry", VECTORS["structs"], ids=lambda entry: entry["type"])
def test_types_are_eth_accounts(entry: dict[str, Any]) -> None:
    from evmthread import commit

    record = getattr(commit, entry["type"]).from_json(entry["value"])
    types = typed_data(Domain.from_json(VECTORS["domain"]), record)["types"]
    assert isinstance(types, dict)
    own = {name: members for name, members in types.items() if name != "EIP712Domain"}
    assert encode_type(entry["type"], own) == VECTORS["types"][entry["type"]]


@pytest.mark.parametrize("entry", VECTORS["subsets"], ids=lambda entry: entry["what"])
def test_c29_the_sets_that_agree_are_those_of_the_rule(entry: dict[str, Any]) -> None:
    parties, threshold = len(entry["terms"]["keys"]), entry["terms"]["threshold"]
    all_sign = entry["commitment"]["nonce"] == "0" or entry["commitment"]["status"] == 2
    needed = parties if all_sign else threshold
    well_formed = parties / 2 < threshold <= parties
    expected = [bits for bits in range(1 << parties) if bits.bit_count() >= needed] if well_formed else []
    assert entry["accepted"] == expected


@pytest.mark.parametrize("entry", VECTORS["proofs"], ids=lambda entry: f"{entry['kind']} {entry['what']}")
def test_c27_proofs_are_judged_as_the_trie_package_does(entry: dict[str, Any]) -> None:
    key = {
        "account": lambda: keccak(bytes.fromhex(entry["address"][2:])),
        "slot": lambda: keccak(int(entry["slot"]).to_bytes(32, "big")),
        "receipt": lambda: rlp.encode(entry["index"]),
        "value": lambda: bytes.fromhex(entry["key"][2:]),
    }[entry["kind"]]()
    nodes = [bytes.fromhex(node[2:]) for node in entry["proof"]]
    leaf: bytes | None
    try:
        leaf = (
            HexaryTrie.get_from_proof(bytes.fromhex(entry["root"][2:]), key, [rlp.decode(node) for node in nodes])
            or None
        )
    except (BadTrieProof, TrieValidationError, rlp.exceptions.DecodingError):
        assert entry["check"] == "ProofError"
        return
    if entry["check"] is None:
        assert (leaf is None) == (entry["value"] is None)
        if leaf is not None:
            assert leaf == their_leaf(entry)
    else:
        assert entry["what"] in LENIENT or any(
            accepted(entry, key, [*nodes[:place], *nodes[place + 1 :]]) for place in range(len(nodes))
        )


def accepted(entry: dict[str, Any], key: bytes, nodes: list[bytes]) -> bool:
    """Whether these nodes are enough for the trie package: then one that was left out leads nowhere."""
    try:
        HexaryTrie.get_from_proof(bytes.fromhex(entry["root"][2:]), key, [rlp.decode(node) for node in nodes])
    except (BadTrieProof, TrieValidationError):
        return False
    return True


# What the package takes and we don't, besides nodes that lead nowhere: another order, nodes that no trie makes, and
# leaves that are well placed but no account, slot or receipt, which is no matter of the package.
LENIENT = {
    "backwards",
    "a hashed node that should be inlined",
    "an extension to a leaf",
    "leading zeros or too large",
    "leading zeros, or no integer",
    "a leaf that is no account",
    "a leaf that is no receipt",
}


def their_leaf(entry: dict[str, Any]) -> bytes:
    """The leaf that the vector's value stands for, by pyrlp."""
    value = entry["value"]
    if entry["kind"] == "slot":
        return bytes(rlp.encode(int(value)))
    if entry["kind"] == "account":
        hashes = [bytes.fromhex(value[name][2:]) for name in ("storageRoot", "codeHash")]
        return bytes(rlp.encode([int(value["nonce"]), int(value["balance"]), *hashes]))
    return bytes.fromhex(value[2:])


@pytest.mark.parametrize("entry", VECTORS["messages"], ids=lambda entry: entry["what"])
def test_messages_are_canonical_rlp_in_pyrlp_too(entry: dict[str, Any]) -> None:
    data = bytes.fromhex(entry["bytes"][2:]) + bytes(entry.get("zeros", 0))
    if entry["check"] is None:
        item = rlp.decode(data[1:], strict=True)
        assert data == b"\x01" + rlp.encode(item)
        assert len(item) == 3
        assert item[1].hex() == VECTORS["threads"][0]["threadId"][2:]
    else:
        with pytest.raises(DecodingError):
            decode_message(data, batch_bytes=entry["batchBytes"])
