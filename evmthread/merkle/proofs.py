"""Merkle proofs in the shape of EIP-1186, made and verified.

Verifying needs a root and nothing else: no store, no state. A proof is the list of nodes on the way from the root to a
key, nothing missing and nothing more; what is inlined in its parent is not listed again. It must not know whether a
root is worth trusting.
"""

from collections.abc import Sequence

from evmthread.errors import DecodingError, InvalidInput, VerificationError
from evmthread.merkle.accounts import Account, StateRoots, decode_account, decode_slot, hash_slot
from evmthread.merkle.nodes import (
    EMPTY,
    EMPTY_ROOT,
    HASH_PREFIX,
    Branch,
    Extension,
    Leaf,
    Node,
    Stub,
    decode_node,
    key_nibbles,
)
from evmthread.merkle.trie import Trie, index_key
from evmthread.primitives import rlp
from evmthread.primitives.arguments import address_bytes
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.words import WORD_MASK

ZERO_LEAF = rlp.EMPTY_STRING


class ProofError(VerificationError):
    """A proof that proves nothing: not exactly the nodes from this root to this key, or a value of the wrong form."""


def prove(trie: Trie, key: bytes) -> list[bytes]:
    """The proof of a key's value or of its absence: node RLPs from the root on; none for an empty trie."""
    return trie.witness(key)


def prove_account(state: StateRoots, address: bytes) -> list[bytes]:
    """The proof (EIP-1186 `accountProof`) of an account or of its absence. Raises as state.root() does."""
    return prove(state.account_trie(), keccak256(address))


def prove_slot(state: StateRoots, address: bytes, key: int) -> list[bytes]:
    """The proof (EIP-1186 `storageProof[].proof`) of a slot of an account, under the account's storage root."""
    return prove(state.storage_trie(address), hash_slot(key))


def verify_proof(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The value that the trie with this root has under `key`, or None where it has none.

    Raises ProofError unless the proof is exactly prove()'s: also for missing, foreign, swapped, malformed and
    left-over nodes.
    """
    if len(root) != 32:
        raise InvalidInput(f"a root is 32 bytes, not {len(root)}")
    nibbles = key_nibbles(key)
    position = 0
    used = 0
    value: bytes | None = None
    node: Node = EMPTY if root == EMPTY_ROOT else Stub(HASH_PREFIX + root)
    below_extension = False
    while True:
        if type(node) is Stub:
            if used == len(proof):
                raise ProofError(f"proof ends after {used} nodes, before node 0x{node.digest.hex()}")
            node = _read(proof[used], node.digest, used)
            if below_extension and type(node) is not Branch:
                raise ProofError(f"node {used} of the proof is below an extension, and no branch")
            used += 1
        below_extension = False
        if type(node) is Branch:
            if position == len(nibbles):
                value = node.value or None
                break
            node = node.children[nibbles[position]]
            position += 1
        elif type(node) is Extension and nibbles.startswith(node.path, position):
            position += len(node.path)
            node = node.child
            below_extension = True
        else:
            if type(node) is Leaf and node.path == nibbles[position:]:
                value = node.value
            break
    if used != len(proof):
        raise ProofError(f"proof of {len(proof)} nodes, of which {len(proof) - used} lead nowhere")
    return value


def _read(data: bytes, digest: bytes, place: int) -> Node:
    if not isinstance(data, bytes):
        raise ProofError(f"node {place} of the proof is {type(data).__name__}, not bytes")
    if keccak256(data) != digest:
        raise ProofError(f"node {place} of the proof ({len(data)} bytes) has not the hash 0x{digest.hex()}")
    if place and len(data) < 32:
        raise ProofError(f"node {place} of the proof has {len(data)} bytes, so it should have been inlined")
    try:
        return decode_node(data)
    except DecodingError as error:
        raise ProofError(f"node {place} of the proof: {error}") from error


def verify_account(state_root: bytes, address: bytes, proof: Sequence[bytes]) -> Account | None:
    """The account that the state with this root has at `address` (20 bytes), or None where it has none.

    Raises ProofError as verify_proof does, and for a leaf that is no account.
    """
    address = address_bytes(address)
    leaf = verify_proof(state_root, keccak256(address), proof)
    if leaf is None:
        return None
    try:
        return decode_account(leaf)
    except DecodingError as error:
        raise ProofError(f"account 0x{address.hex()}: {error}") from error


def verify_slot(storage_root: bytes, key: int, proof: Sequence[bytes], *, zero_leaves: bool = False) -> int:
    """The value that the storage with this root has in slot `key`; zero exactly where absence is proven.

    Raises ProofError as verify_proof does, and for a leaf that is no slot's value: leading zeros, zero, too long.
    `zero_leaves`: a leaf of zero is taken too. No Ethereum state has one (Yellow Paper, section 4.1), but anvil's roots
    are of tries that keep the slots which became zero; the root says the same of such a slot.
    """
    if not 0 <= key <= WORD_MASK:
        raise InvalidInput(f"slot {key} is not within 256 bits")
    leaf = verify_proof(storage_root, hash_slot(key), proof)
    if leaf is None or (zero_leaves and leaf == ZERO_LEAF):
        return 0
    try:
        return decode_slot(leaf)
    except DecodingError as error:
        raise ProofError(f"slot {key}: {error}") from error


def verify_item(root: bytes, index: int, proof: Sequence[bytes]) -> bytes | None:
    """The item with this index in the list whose ordered_root is `root`, or None where it has none.

    Receipts and transactions are such lists. Raises ProofError as verify_proof does.
    """
    if index < 0:
        raise InvalidInput(f"index {index} is negative")
    return verify_proof(root, index_key(index), proof)
