"""Batches: bytes, size, and every rule that needs no execution broken once."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import commit_samples as samples
import pytest
import rlp
from commit_strategies import batches
from hypothesis import given
from hypothesis import strategies as st
from vector_forms import VECTORS, verdict

from evmthread.commit import (
    Batch,
    Commitment,
    Domain,
    Input,
    InputKind,
    LocalSigner,
    Ruleset,
    SignedBatch,
    Terms,
    TypedData,
    check_environment,
    check_input_signature,
    check_signed_batch,
    thread_address,
    thread_id,
)
from evmthread.commit.batch import _size_at_most
from evmthread.commit.refusals import (
    IllFormedBatch,
    MalformedSignature,
    SignatureCount,
    WrongHash,
    WrongSignature,
    WrongThread,
)
from evmthread.errors import DecodingError, InvalidInput

DOMAIN, RULESET = samples.DOMAIN, samples.RULESET
TERMS = samples.terms_of(2)
INPUT = samples.input_of(DOMAIN, TERMS)
SECOND = samples.input_of(DOMAIN, TERMS, actor=TERMS.owners[1], nonce=0, value=5, data=b"")
COMMITMENT, SIGNED = samples.committed_batch(DOMAIN, TERMS, (INPUT, SECOND))
ROOT = thread_address(DOMAIN.verifying_contract, thread_id(DOMAIN, TERMS))
PARENT = COMMITMENT.parent


def check(
    *inputs: Input, ruleset: Ruleset = RULESET, environment: dict[str, object] | None = None, **changes: object
) -> None:
    """Commit to a batch of these inputs, sign it and check it."""
    batch = Batch(samples.environment(**(environment or {})), inputs)
    commitment = samples.commitment_of(DOMAIN, TERMS, **({"batch_hash": batch.hash_struct()} | changes))
    check_signed_batch(DOMAIN, TERMS, ruleset, commitment, samples.sign_inputs(DOMAIN, TERMS, batch))


def test_the_bytes_are_those_of_the_docstring() -> None:
    signature = SIGNED.signatures[0]
    signed = SignedBatch(replace(SIGNED.batch, inputs=(INPUT,)), (signature,))
    environment = samples.environment()
    assert signed.to_rlp() == rlp.encode(
        [
            [environment.number, environment.timestamp, bytes(32), environment.coinbase, environment.gas_limit],
            [[INPUT.thread_id, 3, bytes(32), 0, INPUT.actor, INPUT.to, 0, 200_000, INPUT.data]],
            [signature],
        ]
    )
    assert signed.encode() == b"\x01" + signed.to_rlp()


def test_size_rule_counts_the_rlp_with_signatures() -> None:
    size = len(SIGNED.to_rlp())
    check_signed_batch(DOMAIN, TERMS, replace(RULESET, batch_bytes=size), COMMITMENT, SIGNED)
    with pytest.raises(IllFormedBatch, match=f"at most {size - 1} bytes with signatures: got {size}"):
        check_signed_batch(DOMAIN, TERMS, replace(RULESET, batch_bytes=size - 1), COMMITMENT, SIGNED)
    assert SignedBatch.decode(SIGNED.encode(), batch_bytes=size) == SIGNED
    with pytest.raises(DecodingError, match="at most"):
        SignedBatch.decode(SIGNED.encode(), batch_bytes=size - 1)


def test_long_signatures_count_too() -> None:
    for signatures in ((bytes(3_000),), (b"",) * 200, (bytes(65),) * 50):
        signed = SignedBatch(Batch(samples.environment(), ()), signatures)
        size = len(signed.to_rlp())
        assert _size_at_most(signed) >= size
        commitment = replace(COMMITMENT, batch_hash=signed.batch.hash_struct())
        with pytest.raises(IllFormedBatch, match=f"at most {size - 1} bytes with signatures: got {size}"):
            check_signed_batch(DOMAIN, TERMS, replace(RULESET, batch_bytes=size - 1), commitment, signed)
        with pytest.raises(SignatureCount):
            check_signed_batch(DOMAIN, TERMS, replace(RULESET, batch_bytes=size), commitment, signed)


@given(batches, st.lists(st.binary(max_size=70), max_size=3).map(tuple))
def test_signed_batches_round_trip(batch: Batch, signatures: tuple[bytes, ...]) -> None:
    signed = SignedBatch(batch, signatures)
    assert SignedBatch.decode(signed.encode(), batch_bytes=10_000) == signed
    assert SignedBatch.from_json(json.loads(json.dumps(signed.to_json()))) == signed


def test_malformed_signed_batches_are_refused() -> None:
    data = SIGNED.encode()
    for wrong in (data[:-1], data + b"\x00", b"\x02" + data[1:], b"\x01\xc0", b"\x01" + rlp.encode([b"", [], []])):
        with pytest.raises(DecodingError):
            SignedBatch.decode(wrong, batch_bytes=10_000)
    with pytest.raises(InvalidInput):
        SignedBatch(INPUT, ())  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        SignedBatch(SIGNED.batch, list(SIGNED.signatures))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        Batch(samples.environment(), (samples.environment(),))  # type: ignore[arg-type]


def test_good_batches_pass() -> None:
    check_signed_batch(DOMAIN, TERMS, RULESET, COMMITMENT, SIGNED)
    check()
    check(status=2)
    check(replace(INPUT, parent=PARENT, gas=RULESET.batch_gas))
    check(replace(INPUT, kind=InputKind.CREATE, to=ROOT), nonce=0, parent=bytes(32))
    machine = b"\x0a" * 32
    check(replace(INPUT, kind=InputKind.ANSWER, nonce=0, parent=PARENT, data=machine), SECOND)
    check(replace(INPUT, kind=InputKind.ABORT, nonce=0, parent=PARENT, data=machine))
    check(INPUT, SECOND, ruleset=replace(RULESET, batch_inputs=2))


ANSWER = replace(INPUT, kind=InputKind.ANSWER, nonce=0, parent=PARENT, data=b"\x0a" * 33)
ABORT = replace(ANSWER, kind=InputKind.ABORT, data=b"\x0a" * 32)
CREATE = replace(INPUT, kind=InputKind.CREATE, to=ROOT)
GENESIS: dict[str, object] = {"nonce": 0, "parent": bytes(32)}

BROKEN: list[tuple[str, int | None, Callable[[], None]]] = [
    ("prevRandao zero", None, lambda: check(environment={"prev_randao": b"\x01" * 32})),
    ("coinbase is the operator", None, lambda: check(environment={"coinbase": TERMS.owners[0]})),
    ("gasLimit is batchGas", None, lambda: check(environment={"gas_limit": RULESET.batch_gas - 1})),
    ("at most 1 inputs", None, lambda: check(INPUT, SECOND, ruleset=replace(RULESET, batch_inputs=1))),
    ("the batch of a final commitment is empty", None, lambda: check(INPUT, status=2)),
    ("parent zero or the commitment's parent", 0, lambda: check(replace(INPUT, parent=b"\x01" * 32))),
    ("gas at most batchGas", 1, lambda: check(SECOND, replace(INPUT, gas=RULESET.batch_gas + 1))),
    ("kind <= 3", 0, lambda: check(replace(INPUT, kind=4))),
    ("a create is the first input of the genesis batch", 0, lambda: check(CREATE)),
    ("a create is the first input of the genesis batch", 1, lambda: check(INPUT, CREATE, **GENESIS)),
    ("a create's to is the thread's address", 0, lambda: check(replace(CREATE, to=bytes(20)), **GENESIS)),
    ("an answer or abort is the first input after the suspension", 1, lambda: check(INPUT, ANSWER)),
    ("an answer or abort is the first input after the suspension", 1, lambda: check(INPUT, ABORT)),
    ("an answer or abort has nonce 0", 0, lambda: check(replace(ANSWER, nonce=1))),
    ("an answer or abort has nonce 0", 0, lambda: check(replace(ABORT, nonce=1))),
    (
        "an answer or abort has the suspended commitment as parent",
        0,
        lambda: check(replace(ANSWER, parent=bytes(32))),
    ),
    ("an answer's data begins with machineHash", 0, lambda: check(replace(ANSWER, data=bytes(31)))),
    ("an abort's data is machineHash", 0, lambda: check(replace(ABORT, data=bytes(33)))),
    ("an abort's data is machineHash", 0, lambda: check(replace(ABORT, data=bytes(31)))),
]


@pytest.mark.parametrize(("clause", "index", "action"), BROKEN)
def test_each_rule_of_batches(clause: str, index: int | None, action: Callable[[], None]) -> None:
    with pytest.raises(IllFormedBatch) as caught:
        action()
    assert caught.value.clause.startswith(clause)
    assert caught.value.index == index
    assert caught.value.nonce is not None


def test_a_strangers_input_is_refused() -> None:
    stranger = LocalSigner(samples.private_key(9))
    alien = replace(INPUT, actor=stranger.address)
    batch = Batch(samples.environment(), (alien,))
    commitment = samples.commitment_of(DOMAIN, TERMS, batch_hash=batch.hash_struct())
    signed = SignedBatch(batch, (stranger.sign(TypedData(DOMAIN, alien)),))
    with pytest.raises(IllFormedBatch, match="actor is an owner"):
        check_signed_batch(DOMAIN, TERMS, RULESET, commitment, signed)
    with pytest.raises(IllFormedBatch, match="actor is an owner"):
        check_input_signature(DOMAIN, TERMS, alien, signed.signatures[0])


def test_another_batch_is_refused() -> None:
    with pytest.raises(WrongHash, match="nonce 5: batchHash"):
        check_signed_batch(DOMAIN, TERMS, RULESET, replace(COMMITMENT, batch_hash=bytes(32)), SIGNED)


def test_another_thread_is_refused() -> None:
    with pytest.raises(WrongThread):
        check_signed_batch(Domain(2, samples.REGISTRY), TERMS, RULESET, COMMITMENT, SIGNED)
    with pytest.raises(WrongThread):
        check(replace(INPUT, thread_id=bytes(32)))
    with pytest.raises(WrongThread):
        check(thread_id=bytes(32))


def test_input_signatures_are_counted_and_checked() -> None:
    first, second = SIGNED.signatures

    def with_signatures(*signatures: bytes) -> None:
        check_signed_batch(DOMAIN, TERMS, RULESET, COMMITMENT, SignedBatch(SIGNED.batch, signatures))

    for wrong in ((), (first,), (first, second, second)):
        with pytest.raises(SignatureCount):
            with_signatures(*wrong)
    with pytest.raises(WrongSignature) as caught:
        with_signatures(second, first)
    assert (caught.value.index, caught.value.nonce, caught.value.expected) == (0, 5, TERMS.keys[0])
    with pytest.raises(WrongSignature) as caught:
        with_signatures(first, first)
    assert caught.value.index == 1
    with pytest.raises(MalformedSignature, match="nonce 5: signature 1: 64 bytes"):
        with_signatures(first, second[:64])


def test_the_session_key_signs_for_the_owner() -> None:
    keys = tuple(LocalSigner(samples.private_key(index)).address for index in (4, 5))
    terms = replace(TERMS, keys=keys)
    domain_input = samples.input_of(DOMAIN, terms)
    batch = Batch(samples.environment(), (domain_input,))
    commitment = samples.commitment_of(DOMAIN, terms, batch_hash=batch.hash_struct())
    signed = samples.sign_inputs(DOMAIN, terms, batch)
    check_signed_batch(DOMAIN, terms, RULESET, commitment, signed)
    by_owner = samples.signers(2)[0].sign(TypedData(DOMAIN, domain_input))
    with pytest.raises(WrongSignature):
        check_signed_batch(DOMAIN, terms, RULESET, commitment, SignedBatch(batch, (by_owner,)))


def flipped(value: object) -> object:
    if isinstance(value, int):
        return value ^ 1
    assert isinstance(value, bytes)
    return bytes([value[0] ^ 1]) + value[1:]


@pytest.mark.parametrize("attribute", [member.attribute for member in Input.STRUCT.members])
def test_c7_each_field_of_an_input_is_signed(attribute: str) -> None:
    changed = replace(INPUT, **{attribute: flipped(getattr(INPUT, attribute))})
    with pytest.raises((WrongSignature, IllFormedBatch)):
        check_input_signature(DOMAIN, TERMS, changed, SIGNED.signatures[0])
    batch = replace(SIGNED.batch, inputs=(changed, SECOND))
    with pytest.raises(WrongHash):
        check_signed_batch(DOMAIN, TERMS, RULESET, COMMITMENT, SignedBatch(batch, SIGNED.signatures))


@pytest.mark.parametrize("attribute", ["number", "timestamp", "prev_randao", "coinbase", "gas_limit"])
def test_c7_each_field_of_the_environment_is_committed_to(attribute: str) -> None:
    environment = SIGNED.batch.environment
    changed = replace(environment, **{attribute: flipped(getattr(environment, attribute))})
    batch = replace(SIGNED.batch, environment=changed)
    with pytest.raises(WrongHash):
        check_signed_batch(DOMAIN, TERMS, RULESET, COMMITMENT, SignedBatch(batch, SIGNED.signatures))


def test_order_and_number_of_inputs_are_committed_to() -> None:
    hashes = {
        Batch(samples.environment(), inputs).hash_struct()
        for inputs in ((), (INPUT,), (SECOND,), (INPUT, SECOND), (SECOND, INPUT), (INPUT, INPUT))
    }
    assert len(hashes) == 6


def test_types_stay_apart() -> None:
    assert isinstance(COMMITMENT, Commitment)
    assert isinstance(TERMS, Terms)
    assert [kind.value for kind in InputKind] == [0, 1, 2, 3]


@given(batches, st.lists(st.binary(max_size=70), max_size=4).map(tuple))
def test_the_cheap_bound_of_a_batchs_size_is_one(batch: Batch, signatures: tuple[bytes, ...]) -> None:
    signed = SignedBatch(batch, signatures)
    assert _size_at_most(signed) >= len(signed.to_rlp())


def test_environments_never_run_backwards() -> None:
    parent = samples.environment()
    later = samples.environment(number=parent.number + 1, timestamp=parent.timestamp + 1)
    check_environment(None, Batch(parent, ()))
    check_environment(parent, Batch(parent, ()))
    check_environment(parent, Batch(later, (INPUT,)))
    for changes, inputs, clause in (
        ({"number": parent.number - 1}, (INPUT,), "number at least the parent's"),
        ({"timestamp": parent.timestamp - 1}, (INPUT,), "timestamp at least the parent's"),
        ({"number": parent.number + 1}, (), "an empty batch repeats its parent's number"),
        ({"timestamp": parent.timestamp + 1}, (), "an empty batch repeats its parent's timestamp"),
    ):
        with pytest.raises(IllFormedBatch, match=clause) as caught:
            check_environment(parent, Batch(samples.environment(**changes), inputs), nonce=4)
        assert caught.value.nonce == 4


@pytest.mark.parametrize("entry", VECTORS["batches"], ids=lambda entry: entry["what"])
def test_the_vectors_are_judged_as_they_say(entry: dict[str, Any]) -> None:
    terms, rules = VECTORS["namedTerms"][entry["terms"]], VECTORS["namedRulesets"][entry["ruleset"]]
    ruleset, commitment = Ruleset.from_json(rules), Commitment.from_json(entry["commitment"])

    def check() -> None:
        signed = SignedBatch.decode(bytes.fromhex(entry["bytes"][2:]), batch_bytes=ruleset.batch_bytes)
        check_signed_batch(DOMAIN, Terms.from_json(terms), ruleset, commitment, signed)

    assert verdict(check) == {name: entry[name] for name in ("check", "clause", "message")}
