"""Digests equal eth-account's, for the fixed samples and for any values."""

import json
import pickle

import commit_samples as samples
import pytest
from commit_strategies import any_record, domains
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from hypothesis import given, settings

from evmthread.commit import Batch, Domain, KeyGrant, LocalSigner, Resume, Suspension, TypedData, digest, typed_data
from evmthread.commit.records import Record
from evmthread.errors import InvalidInput

TERMS = samples.terms_of(3)
SAMPLES: tuple[Record, ...] = (
    TERMS,
    samples.RULESET,
    samples.commitment_of(samples.DOMAIN, TERMS),
    samples.input_of(samples.DOMAIN, TERMS),
    samples.input_of(samples.DOMAIN, TERMS, data=b""),
    samples.environment(),
    Batch(samples.environment(), ()),
    Batch(samples.environment(), (samples.input_of(samples.DOMAIN, TERMS),) * 2),
    KeyGrant(bytes(32), bytes(20), bytes(20)),
    Resume(b"\xff" * 32, (1 << 64) - 1),
    Suspension(b"\x01" * 32, (), 0, bytes(20), b""),
    Suspension(b"\x01" * 32, (b"", b"a" * 33), 9, b"\x02" * 20, b"?"),
)


def reference_digest(domain: Domain, record: Record) -> bytes:
    # Through JSON text, as a wallet would receive it.
    message = encode_typed_data(full_message=json.loads(json.dumps(typed_data(domain, record))))
    return keccak(b"\x19" + message.version + message.header + message.body)


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
def test_samples_hash_as_in_eth_account(record: Record) -> None:
    assert digest(samples.DOMAIN, record) == reference_digest(samples.DOMAIN, record)


@settings(max_examples=200)
@given(domains, any_record)
def test_any_record_hashes_as_in_eth_account(domain: Domain, record: Record) -> None:
    assert digest(domain, record) == reference_digest(domain, record)


@settings(max_examples=50)
@given(domains, domains, any_record)
def test_what_is_remembered_is_of_the_domain_asked_for(one: Domain, other: Domain, record: Record) -> None:
    for domain in (one, other, one, one, other):
        assert digest(domain, record) == reference_digest(domain, record)
    copy = pickle.loads(pickle.dumps(record))
    assert (digest(other, copy), copy, hash(copy)) == (digest(other, record), record, hash(record))


def test_a_wallet_signs_the_same_bytes() -> None:
    data = TypedData(samples.DOMAIN, SAMPLES[2])
    signed = Account.sign_typed_data(samples.private_key(0), full_message=data.to_json())
    assert LocalSigner(samples.private_key(0)).sign(data) == signed.signature


def test_typed_data_form() -> None:
    form = TypedData(Domain(5, b"\x01" * 20), Batch(samples.environment(), ())).to_json()
    assert list(form) == ["types", "primaryType", "domain", "message"]
    assert form["primaryType"] == "Batch"
    assert form["domain"] == {
        "name": "evmthread",
        "version": "1",
        "chainId": 5,
        "verifyingContract": "0x" + "01" * 20,
    }
    types = form["types"]
    assert isinstance(types, dict)
    assert list(types) == ["EIP712Domain", "Batch", "Environment", "Input"]
    assert types["Batch"] == [
        {"name": "environment", "type": "Environment"},
        {"name": "inputs", "type": "Input[]"},
    ]


def test_type_strings_are_the_specifications() -> None:
    # Referenced types follow alphabetically, without spaces after commas.
    environment = "Environment(uint64 number,uint64 timestamp,bytes32 prevRandao,address coinbase,uint64 gasLimit)"
    inputs = (
        "Input(bytes32 threadId,uint64 nonce,bytes32 parent,uint8 kind,address actor,address to,uint256 value,"
        "uint64 gas,bytes data)"
    )
    assert Batch.STRUCT.type_hash == keccak(text=f"Batch(Environment environment,Input[] inputs){environment}{inputs}")
    assert Resume.STRUCT.type_hash == keccak(text="Resume(bytes32 threadId,uint64 deadline)")


@pytest.mark.parametrize(
    ("chain_id", "registry"), [(-1, bytes(20)), (1 << 256, bytes(20)), (True, bytes(20)), (1, bytes(19)), (1, "0x")]
)
def test_malformed_domains_are_refused(chain_id: int, registry: bytes) -> None:
    with pytest.raises(InvalidInput, match="EIP712Domain"):
        Domain(chain_id, registry)


def test_domain_json_round_trip() -> None:
    domain = Domain((1 << 256) - 1, b"\x07" * 20)
    assert Domain.from_json(json.loads(json.dumps(domain.to_json()))) == domain
    assert pickle.loads(pickle.dumps(domain)).separator == domain.separator
    for name, value in (
        ("name", "other"),
        ("version", "2"),
        ("chainId", 1),
        ("verifyingContract", "0x00"),
        ("salt", ""),
    ):
        with pytest.raises(InvalidInput):
            Domain.from_json(domain.to_json() | {name: value})


def test_typed_data_takes_records_only() -> None:
    with pytest.raises(InvalidInput):
        TypedData(samples.DOMAIN, {"types": {}})  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        TypedData(None, SAMPLES[0])  # type: ignore[arg-type]


def test_a_chain_id_that_javascript_would_round_is_text() -> None:
    for chain_id, shown in ((1, 1), (2**53 - 1, 2**53 - 1), (2**53, str(2**53)), (2**256 - 1, str(2**256 - 1))):
        domain = typed_data(Domain(chain_id, samples.REGISTRY), SAMPLES[0])["domain"]
        assert isinstance(domain, dict)
        assert domain["chainId"] == shown
