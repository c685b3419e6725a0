"""The Commitment that parties sign, the Suspension that its machineHash can stand for, and what makes it well-formed.

Knows digests only: roots and hashes come from whoever executed the batch.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from evmthread.commit.eip712 import ADDRESS_PADDING, hash_integers, word
from evmthread.commit.records import Record, StructType, remembered, remembered_slot
from evmthread.commit.refusals import Decreased, FinalDiffers, IllFormedCommitment, NonceOrder, ParentIsFinal
from evmthread.commit.terms import Terms
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.quick import quick
from evmthread.primitives.types import ZERO_ADDRESS, ZERO_HASH

EMPTY_TRIE_ROOT = keccak256(b"\x80")
"""The root of a trie that holds nothing (Yellow Paper, appendix D)."""

MAX_NONCE_STEP = 1 << 40
"""How far above its parent's nonce an honest signer lets a nonce be (signer law, rule 1)."""


MAX_SUSPENSION_BYTES = 32_768
"""How long the RLP of a Suspension may be: what a leader proposes, and a file holds, beside a batch."""


class Status(IntEnum):
    """What a commitment says of the thread."""

    REST = 0
    SUSPENDED = 1
    FINAL = 2


# Hot: as a member of its class, which is an Enum's, each is looked up in five times the time.
REST, SUSPENDED, FINAL = Status


@quick
@dataclass(frozen=True, slots=True)
class Commitment(Record):
    """The state of a thread after a batch, in thirteen fields. Its digest is what parties sign and children link to."""

    STRUCT: ClassVar[StructType] = StructType.parse(
        "Commitment(bytes32 threadId,uint64 nonce,bytes32 parent,uint8 status,address awaiting,bytes32 stateRoot,"
        "bytes32 storageRoot,bytes32 machineHash,bytes32 batchHash,bytes32 receiptsRoot,uint64 gasUsed,"
        "uint256[] balances,uint256 fee)"
    )

    thread_id: bytes
    nonce: int
    parent: bytes
    status: int
    awaiting: bytes
    state_root: bytes
    storage_root: bytes
    machine_hash: bytes
    batch_hash: bytes
    receipts_root: bytes
    gas_used: int
    balances: tuple[int, ...]
    fee: int
    _hash_struct: bytes | None = remembered_slot()
    _to_rlp: bytes | None = remembered_slot()
    _digest: tuple[bytes, bytes] | None = remembered_slot()

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
                    _COMMITMENT_TYPE_HASH,
                    self.thread_id,
                    word(self.nonce),
                    self.parent,
                    word(self.status),
                    ADDRESS_PADDING,
                    self.awaiting,
                    self.state_root,
                    self.storage_root,
                    self.machine_hash,
                    self.batch_hash,
                    self.receipts_root,
                    word(self.gas_used),
                    hash_integers(self.balances),
                    word(self.fee),
                )
            )
        )


_COMMITMENT_TYPE_HASH = Commitment.STRUCT.type_hash


@quick
@dataclass(frozen=True, slots=True)
class Suspension(Record):
    """Where a call stands, as any EVM can check it: the open input, the answers so far, the instructions begun.

    `steps` is zero for a TRAP. Its hashStruct is machineHash where the ruleset says `transcript`.
    """

    STRUCT: ClassVar[StructType] = StructType.parse(
        "Suspension(bytes32 input,bytes[] answers,uint64 steps,address awaiting,bytes question)"
    )

    input: bytes
    answers: tuple[bytes, ...]
    steps: int
    awaiting: bytes
    question: bytes

    def hash_struct(self) -> bytes:
        """The EIP-712 hashStruct: 32 bytes."""
        return keccak256(
            b"".join(
                (
                    _SUSPENSION_TYPE_HASH,
                    self.input,
                    keccak256(b"".join([keccak256(answer) for answer in self.answers])),
                    word(self.steps),
                    ADDRESS_PADDING,
                    self.awaiting,
                    keccak256(self.question),
                )
            )
        )


_SUSPENSION_TYPE_HASH = Suspension.STRUCT.type_hash


def check_suspension_fits(commitment: Commitment, suspension: Suspension | None, *, transcript: bool) -> None:
    """Nothing, or IllFormedCommitment: a suspended commitment comes with its Suspension, and no other does.

    Where the ruleset says `transcript`, machineHash is its hash; else only an execution can tell the machine.
    """
    suspended = commitment.status == SUSPENDED
    if suspended != (suspension is not None):
        clause = "a Suspension exactly when status is 1"
        raise IllFormedCommitment(clause, suspension is not None, nonce=commitment.nonce)
    if suspension is None:
        return
    if suspension.awaiting != commitment.awaiting:
        raise IllFormedCommitment("the Suspension's awaiting", suspension.awaiting, nonce=commitment.nonce)
    if len(suspension.to_rlp()) > MAX_SUSPENSION_BYTES:
        clause = f"a Suspension of at most {MAX_SUSPENSION_BYTES} bytes"
        raise IllFormedCommitment(clause, len(suspension.to_rlp()), nonce=commitment.nonce)
    if transcript and suspension.hash_struct() != commitment.machine_hash:
        raise IllFormedCommitment("machineHash of the Suspension", commitment.machine_hash, nonce=commitment.nonce)


def broken_clause(terms: Terms, commitment: Commitment) -> tuple[str, object] | None:
    """The first clause of wellFormed that doesn't hold, with the value that breaks it; None if all hold."""
    suspended = commitment.status == SUSPENDED
    if commitment.status > FINAL:
        return "status <= 2", commitment.status
    if len(commitment.balances) != len(terms.owners):
        return "one balance for each owner", len(commitment.balances)
    if commitment.fee > terms.max_fee:
        return "fee <= maxFee", commitment.fee
    if (commitment.machine_hash != ZERO_HASH) != suspended:
        return "machineHash non-zero exactly when status is 1", commitment.machine_hash
    if commitment.awaiting not in terms.owners if suspended else commitment.awaiting != ZERO_ADDRESS:
        return "awaiting an owner when status is 1, else zero", commitment.awaiting
    if (commitment.parent == ZERO_HASH) != (commitment.nonce == 0):
        return "parent zero exactly when nonce is 0", commitment.parent
    if sum(commitment.balances) + commitment.fee > sum(terms.deposits):
        return "sum(balances) + fee <= sum(deposits)", sum(commitment.balances) + commitment.fee
    if commitment.nonce == 0 and commitment.status != REST:
        return "status 0 when nonce is 0", commitment.status
    return None


def well_formed(terms: Terms, commitment: Commitment) -> bool:
    """The predicate wellFormed(terms, commitment), the same in every implementation."""
    return broken_clause(terms, commitment) is None


def check_well_formed(terms: Terms, commitment: Commitment) -> None:
    """Nothing, or IllFormedCommitment naming the first broken clause and its value."""
    if broken := broken_clause(terms, commitment):
        raise IllFormedCommitment(*broken, nonce=commitment.nonce)


def check_successor(parent: Commitment, child: Commitment) -> None:
    """Nothing, or a Refusal: what must hold between a commitment and its parent, as far as fields tell.

    Doesn't check that child.parent is the parent's digest, nor anything that needs execution.
    """
    nonce = child.nonce
    if parent.status == FINAL:
        raise ParentIsFinal(parent.nonce, nonce)
    if nonce <= parent.nonce:
        raise NonceOrder(parent.nonce, nonce)
    if child.gas_used < parent.gas_used:
        raise Decreased("gasUsed", parent.gas_used, child.gas_used, nonce)
    if child.fee < parent.fee:
        raise Decreased("fee", parent.fee, child.fee, nonce)
    if child.status == FINAL:
        _check_final(parent, child)


def _check_final(parent: Commitment, child: Commitment) -> None:
    if child.receipts_root != EMPTY_TRIE_ROOT:
        raise FinalDiffers("receiptsRoot", EMPTY_TRIE_ROOT, child.receipts_root, child.nonce)
    repeated: tuple[tuple[str, object, object], ...] = (
        ("stateRoot", parent.state_root, child.state_root),
        ("storageRoot", parent.storage_root, child.storage_root),
        ("gasUsed", parent.gas_used, child.gas_used),
        ("balances", parent.balances, child.balances),
        ("fee", parent.fee, child.fee),
    )
    for name, expected, got in repeated:
        if expected != got:
            raise FinalDiffers(name, expected, got, child.nonce)
