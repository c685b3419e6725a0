"""Vectors of proofs against signed roots (C27): accounts, slots, receipts, there and not there."""

from collections.abc import Sequence

from vector_forms import hexed, verdict

from evmthread.commit.members import Json
from evmthread.merkle.accounts import StateRoots, hash_slot
from evmthread.merkle.proofs import prove, prove_account, prove_slot, verify_account, verify_proof, verify_slot
from evmthread.merkle.receipts import Receipt, prove_receipt, receipts_root, verify_receipt
from evmthread.merkle.trie import EMPTY_ROOT, Trie, index_key, ordered_trie
from evmthread.primitives import rlp
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import Log

CONTRACT, ABSENT = b"\x0c" * 20, b"\x0a" * 20
SLOTS = {0: 1, 1: 127, 2: 128, 3: 2**255, 9: 2**256 - 1}
RECEIPTS = [
    Receipt(index % 3 != 1, 21_000 * (index + 1), (Log(CONTRACT, (EMPTY_HASH,) * (index % 5), bytes(index)),))
    for index in range(5)
]


class _Proofs:
    """Collects proofs with our own verdict: `value` is what is there; null with no check says that nothing is."""

    def __init__(self) -> None:
        self.entries: list[Json] = []

    def _add(
        self,
        what: str,
        kind: str,
        root: bytes,
        key: dict[str, Json],
        proof: Sequence[bytes],
        value: Json,
        found: dict[str, Json],
    ) -> None:
        entry: dict[str, Json] = {"what": what, "kind": kind, "root": hexed(root), **key}
        self.entries.append(entry | {"proof": [hexed(node) for node in proof], "value": value} | found)

    def account(self, what: str, root: bytes, address: bytes, proof: Sequence[bytes]) -> None:
        found = verdict(lambda: verify_account(root, address, proof))
        account = verify_account(root, address, proof) if found["check"] is None else None
        value: Json = None
        if account is not None:
            value = {
                "nonce": str(account.nonce),
                "balance": str(account.balance),
                "storageRoot": hexed(account.storage_root),
                "codeHash": hexed(account.code_hash),
            }
        self._add(what, "account", root, {"address": hexed(address)}, proof, value, found)

    def slot(self, what: str, root: bytes, key: int, proof: Sequence[bytes]) -> None:
        found = verdict(lambda: verify_slot(root, key, proof))
        value = verify_slot(root, key, proof) if found["check"] is None else 0
        self._add(what, "slot", root, {"slot": str(key)}, proof, str(value) if value else None, found)

    def receipt(self, what: str, root: bytes, index: int, proof: Sequence[bytes]) -> None:
        found = verdict(lambda: verify_receipt(root, index, proof))
        receipt = verify_receipt(root, index, proof) if found["check"] is None else None
        shown: Json = None if receipt is None else hexed(receipt.encode())
        self._add(what, "receipt", root, {"index": index}, proof, shown, found)

    def plain(self, what: str, root: bytes, key: bytes, proof: Sequence[bytes]) -> None:
        found = verdict(lambda: verify_proof(root, key, proof))
        value = verify_proof(root, key, proof) if found["check"] is None else None
        self._add(what, "value", root, {"key": hexed(key)}, proof, None if value is None else hexed(value), found)


def _state() -> StateRoots:
    state = StateRoots()
    state.set_account(CONTRACT, 1, 10**15, keccak256(b"code"))
    for key, value in SLOTS.items():
        state.set_slot(CONTRACT, key, value)
    for number in range(1, 20):
        if number not in (0x0A, 0x0C):
            state.set_account(bytes([number]) * 20, number, number, EMPTY_HASH)
    return state


def _mutated(proof: Sequence[bytes], place: int, position: int) -> list[bytes]:
    node = bytearray(proof[place])
    node[position] ^= 1
    return [*proof[:place], bytes(node), *proof[place + 1 :]]


def proofs() -> list[Json]:
    """Each row of C27: absent key, empty trie, inlined node, mutated, foreign root, leading zeros."""
    found = _Proofs()
    state = _state()
    _accounts(found, state)
    _slots(found, state)
    _receipts(found)
    _inlined(found)
    return found.entries


def _accounts(found: _Proofs, state: StateRoots) -> None:
    root = state.root()
    for address in (CONTRACT, b"\x01" * 20):
        found.account("an account", root, address, prove_account(state, address))
    for address in (ABSENT, bytes(20)):
        found.account("no account", root, address, prove_account(state, address))
    proof = prove_account(state, CONTRACT)
    found.account("the proof of another account", root, CONTRACT, prove_account(state, ABSENT))
    found.account("presence for absence", root, ABSENT, proof)
    for place in range(len(proof)):
        found.account("mutated", root, CONTRACT, _mutated(proof, place, len(proof[place]) // 2))
        found.account("a node is missing", root, CONTRACT, [*proof[:place], *proof[place + 1 :]])
    found.account("no node", root, CONTRACT, [])
    found.account("a node too many", root, CONTRACT, [*proof, proof[-1]])
    found.account("a node too many, empty", root, CONTRACT, [*proof, b"\x80"])
    found.account("backwards", root, CONTRACT, proof[::-1])
    for foreign in (bytes(32), EMPTY_ROOT, state.storage_root(CONTRACT), keccak256(proof[-1])):
        found.account("a foreign root", foreign, CONTRACT, proof)
    for address in (CONTRACT, ABSENT):
        found.account("the empty trie", EMPTY_ROOT, address, [])
        found.account("the empty trie with a node", EMPTY_ROOT, address, [b"\x80"])
    for nonce, balance in ((b"\x00\x01", b""), (b"", b"\x00"), (b"\x00", b"\x01"), (b"\x01" * 9, b"")):
        trie = Trie()
        trie.set(keccak256(CONTRACT), rlp.encode([nonce, balance, EMPTY_ROOT, EMPTY_HASH]))
        proof = prove(trie, keccak256(CONTRACT))
        found.account("leading zeros or too large", trie.root(), CONTRACT, proof)
    for items in (
        [b"", b"", EMPTY_ROOT],
        [b"", b"", EMPTY_ROOT, EMPTY_HASH[:31]],
        [b"", b"", [EMPTY_ROOT], EMPTY_HASH],
    ):
        trie = Trie()
        trie.set(keccak256(CONTRACT), rlp.encode(items))
        found.account("a leaf that is no account", trie.root(), CONTRACT, prove(trie, keccak256(CONTRACT)))


def _slots(found: _Proofs, state: StateRoots) -> None:
    root = state.storage_root(CONTRACT)
    for key in SLOTS:
        found.slot("a slot", root, key, prove_slot(state, CONTRACT, key))
    for key in (4, 2**256 - 1):
        found.slot("a slot that is zero", root, key, prove_slot(state, CONTRACT, key))
        found.slot("the empty storage", EMPTY_ROOT, key, [])
    proof = prove_slot(state, CONTRACT, 3)
    found.slot("the proof of another slot", root, 4, proof)
    found.slot("absence for presence", root, 3, prove_slot(state, CONTRACT, 4))
    for place in range(len(proof)):
        found.slot("mutated", root, 3, _mutated(proof, place, -1))
    for foreign in (state.root(), EMPTY_ROOT):
        found.slot("a foreign root", foreign, 3, proof)
    for leaf in (
        rlp.encode(b"\x00\x07"),
        rlp.encode(bytes(31) + b"\x07"),
        rlp.encode(b"\x00"),
        rlp.encode(b""),
        rlp.encode(b"\x01" * 33),
        rlp.encode([b"\x07"]),
        b"\x81\x07",
        b"\x07\x07",
    ):
        trie = Trie()
        trie.set(hash_slot(5), leaf)
        trie.set(hash_slot(6), b"\x01")
        found.slot("leading zeros, or no integer", trie.root(), 5, prove(trie, hash_slot(5)))


def _receipts(found: _Proofs) -> None:
    root = receipts_root(RECEIPTS)
    for index in range(len(RECEIPTS)):
        found.receipt("a receipt", root, index, prove_receipt(RECEIPTS, index))
    for index in (5, 200):
        found.receipt("no receipt", root, index, prove_receipt(RECEIPTS, index))
        found.receipt("no receipts", EMPTY_ROOT, index, [])
    for index in (0, 2):
        proof = prove_receipt(RECEIPTS, index)
        found.receipt("the proof of another receipt", root, index + 1, proof)
        found.receipt("mutated", root, index, _mutated(proof, 0, 3))
        found.receipt("a foreign root", receipts_root(RECEIPTS[:-1]), index, proof)
    bloom = bytes(256)
    for item in (
        [b"\x01", b"", bloom],
        [b"\x02", b"", bloom, []],
        [b"\x01", b"\x00\x01", bloom, []],
        [b"\x01", b"", b"\x01" + bloom[1:], []],
        b"\x02",
    ):
        trie = ordered_trie([rlp.encode(item)])
        found.receipt("a leaf that is no receipt", trie.root(), 0, prove(trie, index_key(0)))


def _inlined(found: _Proofs) -> None:
    # Two leaves of a few bytes hang inside their branch.
    trie = Trie()
    for key, value in ((b"\x11\x01", b"a"), (b"\x11\x02", b"b"), (b"\x12\x02", b"c" * 40)):
        trie.set(key, value)
    for key in (b"\x11\x01", b"\x11\x02", b"\x11\x03", b"\x12\x02"):
        found.plain("inlined in its parent", trie.root(), key, prove(trie, key))
    leaf = rlp.encode([b"\x31", b"a"])
    found.plain("an inlined node listed", trie.root(), b"\x11\x01", [*prove(trie, b"\x11\x01"), leaf])
    branch = rlp.encode([keccak256(leaf), keccak256(leaf), *[b""] * 15])
    found.plain("a hashed node that should be inlined", keccak256(branch), b"\x01", [branch, leaf])
    long = rlp.encode([b"\x31", b"a" * 40])
    extension = rlp.encode([b"\x10", keccak256(long)])
    found.plain("an extension to a leaf", keccak256(extension), b"\x01", [extension, long])
