"""Inputs, the environment they run in, and batches: their hashes, their bytes, and the rules that need no execution.

The bytes that the specification's one-liners leave open, pinned here:
- Input on the wire: rlp([threadId, nonce, parent, kind, actor, to, value, gas, data]).
- Environment: rlp([number, timestamp, prevRandao, coinbase, gasLimit]).
- Batch: rlp([environment, [input, ...]]).
- SignedBatch, "the batch with its input signatures": rlp([environment, [input, ...], [signature, ...]]), one signature
  of 65 bytes for each input, in the inputs' order. Ruleset.batchBytes bounds the length of this RLP; the version byte
  0x01 in front of a SignedBatch that stands alone is not counted.
- A suspended call is the last input of its batch, so an answer or an abort is the first input of the next batch.
- An input's `parent`, where it isn't zero, is the parent of the commitment whose batch holds it.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, NamedTuple, Self

from evmthread.commit.commitment import FINAL, Commitment
from evmthread.commit.eip712 import ADDRESS_PADDING, Domain, digest, word
from evmthread.commit.members import Json, plain_type
from evmthread.commit.records import (
    VERSION_BYTE,
    Record,
    StructType,
    check_object,
    decode_versioned,
    decoded_list,
    remembered,
    remembered_slot,
)
from evmthread.commit.refusals import (
    IllFormedBatch,
    MalformedSignature,
    SignatureCount,
    WrongHash,
    WrongSignature,
    WrongThread,
)
from evmthread.commit.signature import Recoveries, signer_of
from evmthread.commit.terms import Ruleset, Terms, thread_address, thread_id
from evmthread.errors import InvalidInput
from evmthread.primitives import rlp
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.quick import quick
from evmthread.primitives.types import ZERO_HASH

MACHINE_HASH_BYTES = 32


class InputKind(IntEnum):
    """What an input asks for."""

    CALL = 0
    CREATE = 1
    ANSWER = 2
    ABORT = 3


# Hot: as a member of its class, which is an Enum's, each is looked up in five times the time.
CALL, CREATE, ANSWER, ABORT = InputKind
CONTINUATIONS = (ANSWER, ABORT)
"""Kinds of inputs that go on with an open call, or end it."""


@quick
@dataclass(frozen=True, slots=True)
class Input(Record):
    """One owner's move: a call, the creation of the root contract, an answer to a TRAP, or an open call's abort."""

    STRUCT: ClassVar[StructType] = StructType.parse(
        "Input(bytes32 threadId,uint64 nonce,bytes32 parent,uint8 kind,address actor,address to,uint256 value,"
        "uint64 gas,bytes data)"
    )

    thread_id: bytes
    nonce: int
    parent: bytes
    kind: int
    actor: bytes
    to: bytes
    value: int
    gas: int
    data: bytes
    _hash_struct: bytes | None = remembered_slot()
    _to_rlp: bytes | None = remembered_slot()
    _digest: tuple[bytes, bytes] | None = remembered_slot()

    def __hash__(self) -> int:
        return hash(self.hash_struct())  # which is remembered: equal records have the same

    @remembered
    def to_rlp(self) -> bytes:
        """The RLP list of the members in order, without a version byte."""
        return Record.to_rlp(self)

    @remembered
    def hash_struct(self) -> bytes:
        """The EIP-712 hashStruct: 32 bytes."""
        return keccak256(
            b"".join(
                (
                    _INPUT_TYPE_HASH,
                    self.thread_id,
                    word(self.nonce),
                    self.parent,
                    word(self.kind),
                    ADDRESS_PADDING,
                    self.actor,
                    ADDRESS_PADDING,
                    self.to,
                    word(self.value),
                    word(self.gas),
                    keccak256(self.data),
                )
            )
        )


_INPUT_TYPE_HASH = Input.STRUCT.type_hash


@quick
@dataclass(frozen=True, slots=True)
class Environment(Record):
    """The block that the inputs of a batch see."""

    STRUCT: ClassVar[StructType] = StructType.parse(
        "Environment(uint64 number,uint64 timestamp,bytes32 prevRandao,address coinbase,uint64 gasLimit)"
    )

    number: int
    timestamp: int
    prev_randao: bytes
    coinbase: bytes
    gas_limit: int
    _hash_struct: bytes | None = remembered_slot()
    _to_rlp: bytes | None = remembered_slot()

    @remembered
    def to_rlp(self) -> bytes:
        """The RLP list of the members in order, without a version byte."""
        return Record.to_rlp(self)

    @remembered
    def hash_struct(self) -> bytes:
        """The EIP-712 hashStruct: 32 bytes."""
        return keccak256(
            b"".join(
                (
                    _ENVIRONMENT_TYPE_HASH,
                    word(self.number),
                    word(self.timestamp),
                    self.prev_randao,
                    ADDRESS_PADDING,
                    self.coinbase,
                    word(self.gas_limit),
                )
            )
        )


_ENVIRONMENT_TYPE_HASH = Environment.STRUCT.type_hash


@quick
@dataclass(frozen=True, slots=True)
class Batch(Record):
    """What was executed between a commitment and its parent. Its hashStruct is batchHash."""

    STRUCT: ClassVar[StructType] = StructType.parse("Batch(Environment environment,Input[] inputs)", Environment, Input)

    environment: Environment
    inputs: tuple[Input, ...]
    _hash_struct: bytes | None = remembered_slot()

    @remembered
    def hash_struct(self) -> bytes:
        """The EIP-712 hashStruct: 32 bytes."""
        inputs = keccak256(b"".join([each.hash_struct() for each in self.inputs]))
        return keccak256(_BATCH_TYPE_HASH + self.environment.hash_struct() + inputs)


_BATCH_TYPE_HASH = Batch.STRUCT.type_hash
_SIGNATURES = plain_type("bytes[]")


@quick
@dataclass(frozen=True, slots=True)
class SignedBatch:
    """A batch with one signature for each of its inputs, in order: as it travels and is stored. Nothing is verified."""

    batch: Batch
    signatures: tuple[bytes, ...]
    _to_rlp: bytes | None = remembered_slot()

    def __post_init__(self) -> None:
        if type(self.batch) is not Batch:
            raise InvalidInput("SignedBatch.batch: a Batch is wanted")
        if not _SIGNATURES.is_plain(self.signatures):
            object.__setattr__(self, "signatures", _SIGNATURES.plain(self.signatures, "SignedBatch.signatures"))

    @remembered
    def to_rlp(self) -> bytes:
        """rlp([environment, [input, ...], [signature, ...]]): the bytes that Ruleset.batchBytes bounds."""
        inputs = rlp.encode_list([each.to_rlp() for each in self.batch.inputs])
        return rlp.encode_list([self.batch.environment.to_rlp(), inputs, _SIGNATURES.to_rlp(self.signatures)])

    @classmethod
    def from_rlp(cls, item: rlp.Decoded) -> Self:
        """The signed batch of a decoded RLP list. Raises DecodingError."""
        environment, inputs, signatures = decoded_list(item, "SignedBatch", 3)
        batch = Batch.from_rlp([environment, inputs])
        read = _SIGNATURES.from_rlp(signatures, "SignedBatch.signatures")
        assert isinstance(read, tuple)
        return cls(batch, read)

    def encode(self) -> bytes:
        """The canonical bytes that stand alone: 0x01 ++ RLP."""
        return VERSION_BYTE + self.to_rlp()

    @classmethod
    def decode(cls, data: bytes, *, batch_bytes: int) -> Self:
        """The signed batch of its canonical bytes, `batch_bytes` being the ruleset's bound. Raises DecodingError."""
        return cls.from_rlp(decode_versioned(data, "SignedBatch", max_bytes=batch_bytes + len(VERSION_BYTE)))

    def to_json(self) -> dict[str, Json]:
        """The canonical JSON object: {"batch": ..., "signatures": [...]}."""
        return {"batch": self.batch.to_json(), "signatures": _SIGNATURES.to_json(self.signatures)}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """The signed batch of its JSON object. Raises InvalidInput."""
        check_object(value, "SignedBatch", ["batch", "signatures"])
        assert isinstance(value, dict)
        read = _SIGNATURES.from_json(value["signatures"], "SignedBatch.signatures")
        assert isinstance(read, tuple)
        return cls(Batch.from_json(value["batch"]), read)


class Place(NamedTuple):
    """Where in its thread a batch stands: what its rules look at of its commitment."""

    nonce: int
    parent: bytes
    final: bool


def check_signed_batch(
    domain: Domain, terms: Terms, ruleset: Ruleset, commitment: Commitment, signed: SignedBatch
) -> None:
    """Nothing, or a Refusal: the batch is the one committed to, keeps every rule that needs no state, and is signed.

    Left to whoever executes: clocks, account nonces, balances, whose turn an answer is, and all results.
    """
    if (got := signed.batch.hash_struct()) != commitment.batch_hash:
        raise WrongHash("batchHash", commitment.batch_hash, got, commitment.nonce)
    if commitment.thread_id != (thread := thread_id(domain, terms)):
        raise WrongThread(thread, commitment.thread_id, commitment.nonce)
    place = Place(commitment.nonce, commitment.parent, commitment.status == FINAL)
    check_batch_rules(domain, terms, ruleset, place, signed)


def check_batch_rules(
    domain: Domain,
    terms: Terms,
    ruleset: Ruleset,
    place: Place,
    signed: SignedBatch,
    *,
    recoveries: Recoveries | None = None,
) -> None:
    """As check_signed_batch, for whoever makes a commitment in this place of the thread out of this very batch."""
    check_batch_form(domain, terms, ruleset, place, signed)
    check_input_signatures(domain, terms, signed, nonce=place.nonce, recoveries=recoveries)


def check_batch_form(domain: Domain, terms: Terms, ruleset: Ruleset, place: Place, signed: SignedBatch) -> None:
    """As check_batch_rules, but for the signatures: who looked at them before goes on from here."""
    batch, nonce = signed.batch, place.nonce
    thread = thread_id(domain, terms)
    _check_limits(terms, ruleset, place, signed)
    for index, each in enumerate(batch.inputs):
        if each.thread_id != thread:
            raise WrongThread(thread, each.thread_id, nonce)
        if broken := _broken_input_clause(ruleset, place, domain.verifying_contract, index, each):
            raise IllFormedBatch(*broken, index=index, nonce=nonce)


def _check_limits(terms: Terms, ruleset: Ruleset, place: Place, signed: SignedBatch) -> None:
    environment, inputs = signed.batch.environment, signed.batch.inputs
    broken: tuple[str, object] | None = None
    if len(inputs) > ruleset.batch_inputs:
        broken = f"at most {ruleset.batch_inputs} inputs", len(inputs)
    elif inputs and place.final:
        broken = "the batch of a final commitment is empty", len(inputs)
    elif _size_at_most(signed) > ruleset.batch_bytes and (size := len(signed.to_rlp())) > ruleset.batch_bytes:
        broken = f"at most {ruleset.batch_bytes} bytes with signatures", size
    elif environment.prev_randao != ZERO_HASH:
        broken = "prevRandao zero", environment.prev_randao
    elif environment.coinbase != terms.operator:
        broken = "coinbase is the operator", environment.coinbase
    elif environment.gas_limit != ruleset.batch_gas:
        broken = f"gasLimit is batchGas, {ruleset.batch_gas}", environment.gas_limit
    if broken:
        raise IllFormedBatch(*broken, nonce=place.nonce)


def _size_at_most(signed: SignedBatch) -> int:
    """A bound on the length of the RLP that costs no encoding: nearly always it shows that the limit is far."""
    # An environment has at most 84 bytes, an input without its data 170; each list and string has a head of at most 9.
    inputs = sum([300 + len(each.data) for each in signed.batch.inputs])
    return 200 + inputs + sum([16 + len(signature) for signature in signed.signatures])


def _broken_input_clause(
    ruleset: Ruleset, place: Place, registry: bytes, index: int, each: Input
) -> tuple[str, object] | None:
    if each.parent not in (ZERO_HASH, place.parent):
        return "parent zero or the commitment's parent", each.parent
    if each.gas > ruleset.batch_gas:
        return f"gas at most batchGas, {ruleset.batch_gas}", each.gas
    kind = each.kind
    if kind == CALL:
        return None
    if kind == CREATE:
        if place.nonce or index:
            return "a create is the first input of the genesis batch", (place.nonce, index)
        is_root = each.to == thread_address(registry, each.thread_id)
        return None if is_root else ("a create's to is the thread's address", each.to)
    if kind in CONTINUATIONS:
        return _broken_answer_clause(index, each)
    return "kind <= 3", kind


def _broken_answer_clause(index: int, each: Input) -> tuple[str, object] | None:
    if index:
        return "an answer or abort is the first input after the suspension", index
    if each.nonce:
        return "an answer or abort has nonce 0", each.nonce
    if each.parent == ZERO_HASH:
        return "an answer or abort has the suspended commitment as parent", each.parent
    if each.kind == ABORT and len(each.data) != MACHINE_HASH_BYTES:
        return "an abort's data is machineHash", each.data
    if len(each.data) < MACHINE_HASH_BYTES:
        return "an answer's data begins with machineHash", each.data
    return None


def check_environment(parent: Environment | None, batch: Batch, *, nonce: int | None = None) -> None:
    """Nothing, or a Refusal: what must hold between a batch's environment and its parent's, None for the genesis.

    Number and timestamp are never below the parent's; an empty batch repeats the parent's environment.
    """
    environment = batch.environment
    if parent is None:
        return
    broken: tuple[str, object] | None = None
    if not batch.inputs and environment != parent:
        what = "number" if environment.number != parent.number else "timestamp"
        broken = f"an empty batch repeats its parent's {what}", getattr(environment, what)
    elif environment.number < parent.number:
        broken = f"number at least the parent's, {parent.number}", environment.number
    elif environment.timestamp < parent.timestamp:
        broken = f"timestamp at least the parent's, {parent.timestamp}", environment.timestamp
    if broken:
        raise IllFormedBatch(*broken, nonce=nonce)


def check_input_signatures(
    domain: Domain,
    terms: Terms,
    signed: SignedBatch,
    *,
    nonce: int | None = None,
    recoveries: Recoveries | None = None,
) -> None:
    """Nothing, or a Refusal: every input is signed by the session key of its actor. `nonce` is named in errors."""
    inputs = signed.batch.inputs
    if len(inputs) != len(signed.signatures):
        raise SignatureCount(len(inputs), len(signed.signatures), nonce)
    for index, (each, signature) in enumerate(zip(inputs, signed.signatures, strict=True)):
        check_input_signature(domain, terms, each, signature, index=index, nonce=nonce, recoveries=recoveries)


def check_input_signature(
    domain: Domain,
    terms: Terms,
    each: Input,
    signature: bytes,
    *,
    index: int = 0,
    nonce: int | None = None,
    recoveries: Recoveries | None = None,
) -> None:
    """Nothing, or a Refusal: the session key of the input's actor signed it. `index` and `nonce` are for errors."""
    if each.actor not in terms.owners:
        raise IllFormedBatch("actor is an owner", each.actor, index, nonce)
    expected = terms.keys[terms.owners.index(each.actor)]
    try:
        got = signer_of(digest(domain, each), signature, recoveries)
    except MalformedSignature as error:
        raise MalformedSignature(error.reason, index, nonce) from None
    if got != expected:
        raise WrongSignature(index, expected, got, nonce)
