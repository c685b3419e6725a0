"""Parts of a thread's state, proven against the roots that its parties signed: accounts, slots, receipts.

Inclusion and exclusion are different results, and neither is an error. What an Agreement says of itself holds here too:
these keys signed this root, which is not yet that nothing higher exists, nor that it was executed right; whoever gives
value for a proof relies on a settled or final commitment. A suspended one has the roots from before the open call. It
must not know how a proof is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from evmthread.commit.agreement import Agreement
from evmthread.commit.commitment import EMPTY_TRIE_ROOT
from evmthread.errors import InvalidInput
from evmthread.merkle import eip1186, proofs, receipts
from evmthread.merkle.accounts import Account
from evmthread.merkle.receipts import Receipt

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Included(Generic[V]):
    """The signed root has this value there; `digest` is that of the commitment which was signed."""

    digest: bytes
    value: V


@dataclass(frozen=True, slots=True)
class Excluded:
    """The signed root has nothing there; `digest` is that of the commitment which was signed. False in a condition."""

    digest: bytes

    def __bool__(self) -> bool:
        return False


Proven: TypeAlias = Included[V] | Excluded


def verify_account(agreement: Agreement, address: bytes, proof: Sequence[bytes]) -> Proven[Account]:
    """The account at `address` (20 bytes) under stateRoot, or that there is none. Raises ProofError, InvalidInput."""
    return _proven(agreement, proofs.verify_account(_agreed(agreement).commitment.state_root, address, proof))


def verify_slot(
    agreement: Agreement,
    key: int,
    proof: Sequence[bytes],
    *,
    address: bytes | None = None,
    account: Sequence[bytes] = (),
) -> Proven[int]:
    """The non-zero value of the root contract's slot `key` under storageRoot, or that the slot is zero.

    Of another account where `address` is given: `account` is then the proof of that account under stateRoot, and an
    account that isn't there has no slots. Raises ProofError, InvalidInput.
    """
    root = _agreed(agreement).commitment.storage_root
    if address is not None:
        found = verify_account(agreement, address, account)
        root = found.value.storage_root if isinstance(found, Included) else EMPTY_TRIE_ROOT
    elif account:
        raise InvalidInput("the proof of an account is given, and not its address")
    return _proven(agreement, proofs.verify_slot(root, key, proof) or None)


def verify_eth_get_proof(
    agreement: Agreement, answer: object, address: bytes, keys: Sequence[int] = ()
) -> Proven[Account]:
    """The account that eth_getProof's answer (EIP-1186, JSON) proves under stateRoot, or that there is none.

    The slots in the answer are then proven as well, and are those asked for. Raises DecodingError, ProofError.
    """
    root = _agreed(agreement).commitment.state_root
    return _proven(agreement, eip1186.verify_eth_get_proof(answer, root, address, keys))


def verify_receipt(agreement: Agreement, index: int, proof: Sequence[bytes]) -> Proven[Receipt]:
    """The receipt with this index in the commitment's batch, or that there is none. Raises ProofError, InvalidInput.

    Counted from 0 over the inputs that have a receipt: calls and creations that ended in this batch.
    """
    return _proven(agreement, receipts.verify_receipt(_agreed(agreement).commitment.receipts_root, index, proof))


def _agreed(agreement: Agreement) -> Agreement:
    # Whoever reads a root from something that nobody verified has proven nothing.
    if type(agreement) is not Agreement:
        raise InvalidInput(f"an Agreement is wanted, not a {type(agreement).__name__}: verify() makes one")
    return agreement


def _proven(agreement: Agreement, value: V | None) -> Proven[V]:
    return Excluded(agreement.digest) if value is None else Included(agreement.digest, value)
