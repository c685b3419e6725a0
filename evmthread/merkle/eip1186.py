"""eth_getProof's answer (EIP-1186): an account and some of its slots with their proofs, as JSON, made and verified.

Reading is strict: what isn't exactly a proof of this account and these slots under this root is refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from evmthread.errors import DecodingError, InvalidInput
from evmthread.merkle.accounts import MAX_NONCE, Account, StateRoots
from evmthread.merkle.proofs import ProofError, prove_account, prove_slot, verify_account, verify_slot
from evmthread.merkle.trie import EMPTY_ROOT
from evmthread.primitives.keccak import EMPTY_HASH
from evmthread.primitives.types import ZERO_HASH
from evmthread.primitives.words import WORD_MASK

_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,63})")
_KEY = re.compile(r"0x[0-9a-f]{1,64}")
_DATA = re.compile(r"0x([0-9a-f]{2})*")
_MAX_NODES = 65  # 64 nibbles of a hashed key, and the end
# How some nodes (anvil; reth up to 2026) write the proof from an empty trie, where others give no node: the RLP of the
# empty string, whose hash is the empty root.
_EMPTY_TRIE = ["0x80"]
ABSENT = Account(0, 0, EMPTY_ROOT, EMPTY_HASH)
"""What is said of an account that isn't there. Some nodes say zero hashes instead."""


@dataclass(frozen=True, slots=True)
class SlotProof:
    """The value of a slot, and the trie nodes that prove it."""

    key: int
    value: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """An account, as said, with the nodes that prove it under a state root, and slots under its storage root."""

    address: bytes
    account: Account
    proof: tuple[bytes, ...]
    slots: tuple[SlotProof, ...] = ()

    def to_json(self) -> dict[str, object]:
        """eth_getProof's answer."""
        return {
            "address": _hex(self.address),
            "accountProof": [_hex(node) for node in self.proof],
            "balance": hex(self.account.balance),
            "codeHash": _hex(self.account.code_hash),
            "nonce": hex(self.account.nonce),
            "storageHash": _hex(self.account.storage_root),
            "storageProof": [
                {
                    "key": _hex(slot.key.to_bytes(32, "big")),
                    "value": hex(slot.value),
                    "proof": [_hex(node) for node in slot.proof],
                }
                for slot in self.slots
            ],
        }

    @classmethod
    def from_json(cls, data: object) -> "AccountProof":
        """Reads eth_getProof's answer. Raises DecodingError; nothing is verified.

        A proof from an empty trie has no node, also where the answer lists the empty one (0x80).
        """
        if not isinstance(data, Mapping):
            raise DecodingError(f"an account proof is a JSON object, not {type(data).__name__}")
        address = _bytes(data, "address", 20)
        nonce, balance = _quantity(data, "nonce", MAX_NONCE), _quantity(data, "balance", WORD_MASK)
        account = Account(nonce, balance, _bytes(data, "storageHash", 32), _bytes(data, "codeHash", 32))
        slots: list[SlotProof] = []
        for entry in _list(data, "storageProof"):
            if not isinstance(entry, Mapping):
                raise DecodingError("storageProof holds something that is no JSON object")
            key = _text(entry, "key", _KEY)
            slots.append(SlotProof(int(key, 16), _quantity(entry, "value", WORD_MASK), _nodes(entry, "proof")))
        return cls(address, account, _nodes(data, "accountProof"), tuple(slots))

    def verify(self, state_root: bytes, *, zero_leaves: bool = False) -> Account | None:
        """The account that is proven, None where it is proven that there is none; its slots are then proven too.

        Raises ProofError unless every node and every value is exactly what the state with this root has. For
        `zero_leaves` see verify_slot.
        """
        proven = verify_account(state_root, self.address, self.proof)
        said = self.account
        if proven is None:
            if said not in (ABSENT, Account(0, 0, ZERO_HASH, ZERO_HASH), Account(0, 0, EMPTY_ROOT, ZERO_HASH)):
                raise ProofError(f"0x{self.address.hex()} is said to be {said}, and proven not to be")
        elif proven != said:
            raise ProofError(f"0x{self.address.hex()} is said to be {said}, and proven to be {proven}")
        storage_root = EMPTY_ROOT if proven is None else proven.storage_root
        for slot in self.slots:
            value = verify_slot(storage_root, slot.key, slot.proof, zero_leaves=zero_leaves)
            if value != slot.value:
                raise ProofError(f"slot {slot.key:#x} is said to be {slot.value:#x}, and proven to be {value:#x}")
        return proven


def account_proof(roots: StateRoots, address: bytes, keys: Iterable[int] = ()) -> AccountProof:
    """The proof of an account and of some of its slots, or of their absence. Raises InvalidInput, and as root()."""
    account = roots.account(address)
    slots = []
    for key in keys:
        if not 0 <= key <= WORD_MASK:
            raise InvalidInput(f"slot {key} is not within 256 bits")
        slots.append(SlotProof(key, roots.slot(address, key), tuple(prove_slot(roots, address, key))))
    return AccountProof(address, account or ABSENT, tuple(prove_account(roots, address)), tuple(slots))


def verify_eth_get_proof(
    data: object, state_root: bytes, address: bytes, keys: Sequence[int], *, zero_leaves: bool = False
) -> Account | None:
    """The account that eth_getProof's answer proves to a question; None where it proves that there is none.

    The answer's slots are then proven, and are those asked for, in this order. Raises DecodingError and ProofError.
    For `zero_leaves` see verify_slot.
    """
    answer = AccountProof.from_json(data)
    if answer.address != address:
        raise ProofError(f"the proof is of 0x{answer.address.hex()}, not of 0x{address.hex()}")
    if [slot.key for slot in answer.slots] != list(keys):
        raise ProofError("the proof is of other slots than were asked for")
    return answer.verify(state_root, zero_leaves=zero_leaves)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _text(data: Mapping[object, object], name: str, form: re.Pattern[str]) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise DecodingError(f"{name} of a proof: {str(value)[:80]!r}")
    return value


def _quantity(data: Mapping[object, object], name: str, limit: int) -> int:
    value = int(_text(data, name, _QUANTITY), 16)
    if value > limit:
        raise DecodingError(f"{name} of a proof is {value:#x}, more than {limit:#x}")
    return value


def _bytes(data: Mapping[object, object], name: str, size: int) -> bytes:
    value = bytes.fromhex(_text(data, name, _DATA)[2:])
    if len(value) != size:
        raise DecodingError(f"{name} of a proof has {len(value)} bytes, not {size}")
    return value


def _list(data: Mapping[object, object], name: str) -> list[object]:
    value = data.get(name)
    if not isinstance(value, list):
        raise DecodingError(f"{name} of a proof is no list")
    return value


def _nodes(data: Mapping[object, object], name: str) -> tuple[bytes, ...]:
    nodes = _list(data, name)
    if nodes == _EMPTY_TRIE:
        return ()
    if len(nodes) > _MAX_NODES:
        raise DecodingError(f"{name} has {len(nodes)} nodes")
    for node in nodes:
        if not isinstance(node, str) or not _DATA.fullmatch(node):
            raise DecodingError(f"{name} holds {str(node)[:80]!r}, which is no node")
    return tuple(bytes.fromhex(str(node)[2:]) for node in nodes)
