import random
from collections.abc import Sequence
from typing import ClassVar

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie.exceptions import BadTrieProof, ValidationError
from trie.hexary import HexaryTrie

from evmthread.errors import InvalidInput, VerificationError
from evmthread.merkle.accounts import Account, StateRoots, hash_slot
from evmthread.merkle.proofs import (
    ZERO_LEAF,
    ProofError,
    prove,
    prove_account,
    prove_slot,
    verify_account,
    verify_item,
    verify_proof,
    verify_slot,
)
from evmthread.merkle.trie import EMPTY_ROOT, Trie, index_key, ordered_trie
from evmthread.primitives.keccak import EMPTY_HASH, keccak256

SHORT_KEYS = st.lists(st.sampled_from([0x00, 0x01, 0x10, 0x11, 0xFF]), max_size=4).map(bytes)
HASHED_KEYS = st.integers(0, 60).map(lambda number: keccak256(bytes([number])))
VALUES = st.binary(min_size=1, max_size=60)
MAPPINGS = st.one_of(
    st.dictionaries(SHORT_KEYS, VALUES, max_size=20),
    st.dictionaries(HASHED_KEYS, VALUES, max_size=20),
)


def built(mapping: dict[bytes, bytes]) -> Trie:
    trie = Trie()
    trie.update(mapping)
    return trie


def their_verdict(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    # pyrlp objects, not bytes, go into the trie package
    try:
        return HexaryTrie.get_from_proof(root, key, [rlp.decode(node) for node in proof]) or None
    except ValidationError:  # what it says of a key that ends within an extension, and so has no value
        return None


def storage_of(leaf: bytes, *, key: int = 5) -> tuple[bytes, list[bytes]]:
    trie = built({hash_slot(key): leaf, hash_slot(key + 1): b"\x01"})
    return trie.root(), prove(trie, hash_slot(key))


@settings(max_examples=200, deadline=None)
@given(MAPPINGS, st.lists(st.one_of(SHORT_KEYS, HASHED_KEYS, st.binary(max_size=5)), max_size=5))
def test_proofs_are_the_trie_packages_and_verify_in_both(mapping: dict[bytes, bytes], others: list[bytes]) -> None:
    ours, theirs = built(mapping), HexaryTrie({})
    for key, value in mapping.items():
        theirs[key] = value
    root = ours.root()
    for key in [*mapping, *others]:
        proof = prove(ours, key)
        # the trie package lists inlined nodes too
        listed = [rlp.encode(node) for node in theirs.get_proof(key)]
        assert proof == [node for place, node in enumerate(listed) if not place or len(node) >= 32]
        assert verify_proof(root, key, proof) == mapping.get(key) == their_verdict(root, key, proof)


@settings(max_examples=100, deadline=None)
@given(MAPPINGS, st.one_of(SHORT_KEYS, HASHED_KEYS), st.data())
def test_a_proof_that_is_not_exactly_right_is_refused(
    mapping: dict[bytes, bytes], key: bytes, data: st.DataObject
) -> None:
    trie = built(mapping)
    root = trie.root()
    proof = prove(trie, key)
    kind = data.draw(st.sampled_from(["flip", "cut", "drop", "repeat", "swap", "pad", "foreign", "extend"]))
    changed = list(proof)
    place = data.draw(st.integers(0, max(len(proof) - 1, 0)))
    if not proof:
        changed = [data.draw(st.sampled_from([b"\x80", b"", b"\xc0"]))]
    elif kind == "flip":
        node = bytearray(changed[place])
        node[data.draw(st.integers(0, len(node) - 1))] ^= data.draw(st.integers(1, 255))
        changed[place] = bytes(node)
    elif kind == "cut":
        changed[place] = changed[place][: data.draw(st.integers(0, len(changed[place]) - 1))]
    elif kind == "drop":
        del changed[place]
    elif kind == "repeat":
        changed.insert(place, changed[place])
    elif kind == "swap":
        changed = [*changed[1:], changed[0]] if len(changed) > 1 else [changed[0], changed[0]]
    elif kind == "pad":
        changed.append(b"\x80")
    elif kind == "foreign":
        root = built(mapping | {b"foreign": b"x"}).root()
    else:
        changed[place] += b"\x00"
    with pytest.raises(ProofError):
        verify_proof(root, key, changed)


def test_every_flipped_byte_and_every_truncation_is_refused() -> None:
    state = StateRoots()
    generator = random.Random(9)
    for number in range(40):
        address = generator.randbytes(20)
        state.set_account(address, number, generator.getrandbits(80), EMPTY_HASH)
        for key in range(number % 5 * 4):
            state.set_slot(address, key, generator.getrandbits(200) + 1)
    root = state.root()
    proof = prove_account(state, address)
    assert verify_account(root, address, proof) == state.account(address)
    storage_root = state.storage_root(address)
    slot_proof = prove_slot(state, address, 3)
    assert verify_slot(storage_root, 3, slot_proof) == state.slot(address, 3) != 0
    checks = 0
    for nodes, verdict in [
        (proof, lambda changed: verify_account(root, address, changed)),
        (slot_proof, lambda changed: verify_slot(storage_root, 3, changed)),
    ]:
        for place, node in enumerate(nodes):
            for position in range(len(node)):
                flipped = node[:position] + bytes([node[position] ^ 1 << position % 8]) + node[position + 1 :]
                for changed in (flipped, node[:position]):
                    with pytest.raises(ProofError):
                        verdict([*nodes[:place], changed, *nodes[place + 1 :]])
                    checks += 1
            with pytest.raises(ProofError):
                verdict(nodes[:place])
    assert checks > 1000


def test_errors_say_what_is_wrong() -> None:
    trie = built({keccak256(bytes([number])): b"v" * 40 for number in range(30)})
    key = keccak256(b"\x03")
    proof = prove(trie, key)
    root = trie.root()
    assert issubclass(ProofError, VerificationError)
    with pytest.raises(ProofError, match="ends after 1 nodes"):
        verify_proof(root, key, proof[:1])
    with pytest.raises(ProofError, match="1 lead nowhere"):
        verify_proof(root, key, [*proof, proof[-1]])
    with pytest.raises(ProofError, match="has not the hash"):
        verify_proof(root, key, proof[::-1])
    with pytest.raises(ProofError, match="str, not bytes"):
        verify_proof(root, key, ["0x00"])  # type: ignore[list-item]
    with pytest.raises(ProofError, match="int, not bytes"):
        verify_proof(root, key, proof[0])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="32 bytes"):
        verify_proof(root[:31], key, proof)


class TestC27:
    """Absent key, empty trie, inlined node, mutated, foreign root, leading zeros: the trie package's verdicts."""

    mapping: ClassVar[dict[bytes, bytes]] = {keccak256(bytes([number])): b"v" * (number + 1) for number in range(40)}

    def test_absent_key(self) -> None:
        trie = built(self.mapping)
        absent = keccak256(b"absent")
        proof = prove(trie, absent)
        assert proof
        assert verify_proof(trie.root(), absent, proof) is None is their_verdict(trie.root(), absent, proof)
        with pytest.raises(ProofError):
            verify_proof(trie.root(), absent, prove(trie, next(iter(self.mapping))))
        with pytest.raises(ProofError):  # absence can't be claimed by leaving nodes out
            verify_proof(trie.root(), next(iter(self.mapping)), [])

    def test_empty_trie(self) -> None:
        assert prove(Trie(), b"key") == list(HexaryTrie({}).get_proof(b"key")) == []
        assert verify_proof(EMPTY_ROOT, b"key", []) is None is their_verdict(EMPTY_ROOT, b"key", [])
        for padding in (b"\x80", b"\xc0", b""):
            with pytest.raises(ProofError, match="lead nowhere"):
                verify_proof(EMPTY_ROOT, b"key", [padding])
        with pytest.raises(ProofError):
            verify_proof(bytes(32), b"key", [])
        assert verify_account(EMPTY_ROOT, bytes(20), []) is None
        assert verify_slot(EMPTY_ROOT, 0, []) == 0

    def test_inlined_node(self) -> None:
        # two leaves of a few bytes hang inside their branch
        trie = built({b"\x11\x01": b"a", b"\x11\x02": b"b", b"\x12\x02": b"c" * 40})
        for key in (b"\x11\x01", b"\x11\x02", b"\x11\x03", b"\x12\x02"):
            proof = prove(trie, key)
            assert verify_proof(trie.root(), key, proof) == trie.get(key) == their_verdict(trie.root(), key, proof)
        inlined = rlp.encode([b"\x31", b"a"])
        with pytest.raises(ProofError):
            verify_proof(trie.root(), b"\x11\x01", [*prove(trie, b"\x11\x01"), inlined])

    def test_a_hashed_node_that_should_be_inlined(self) -> None:
        leaf = rlp.encode([b"\x31", b"a"])
        branch = rlp.encode([keccak256(leaf), keccak256(leaf), *[b""] * 15])
        assert their_verdict(keccak256(branch), b"\x01", [branch, leaf]) == b"a"  # the trie package doesn't look
        with pytest.raises(ProofError, match="should have been inlined"):
            verify_proof(keccak256(branch), b"\x01", [branch, leaf])

    def test_an_extension_that_leads_to_a_leaf(self) -> None:
        leaf = rlp.encode([b"\x31", b"a" * 40])
        extension = rlp.encode([b"\x10", keccak256(leaf)])
        with pytest.raises(ProofError, match="no branch"):
            verify_proof(keccak256(extension), b"\x01", [extension, leaf])

    def test_mutated(self) -> None:
        trie = built(self.mapping)
        key, value = next(iter(self.mapping.items()))
        proof = prove(trie, key)
        last = bytearray(proof[-1])
        last[-1] ^= 1
        with pytest.raises(ProofError):
            verify_proof(trie.root(), key, [*proof[:-1], bytes(last)])
        with pytest.raises(BadTrieProof):
            their_verdict(trie.root(), key, [*proof[:-1], bytes(last)])
        assert verify_proof(trie.root(), key, proof) == value

    def test_foreign_root(self) -> None:
        trie = built(self.mapping)
        key = next(iter(self.mapping))
        foreign = built(self.mapping | {key: b"other"}).root()
        with pytest.raises(ProofError):
            verify_proof(foreign, key, prove(trie, key))
        with pytest.raises(BadTrieProof):
            their_verdict(foreign, key, prove(trie, key))
        with pytest.raises(ProofError):
            verify_proof(EMPTY_ROOT, key, prove(trie, key))

    @pytest.mark.parametrize(
        "leaf",
        [
            rlp.encode(b"\x00\x07"),  # a leading zero
            rlp.encode(bytes(31) + b"\x07"),  # a whole word
            rlp.encode(b"\x00"),
            rlp.encode(b""),  # zero, which no storage trie keeps
            rlp.encode(b"\x01" * 33),  # above 256 bits
            rlp.encode([b"\x07"]),
            b"\x81\x07",  # not minimal
            b"\x07\x07",  # a byte too many
            b"\xb8\x01\x87",
        ],
    )
    def test_leading_zeros_and_other_forms_of_a_value(self, leaf: bytes) -> None:
        root, proof = storage_of(leaf)
        assert verify_proof(root, hash_slot(5), proof) == leaf
        with pytest.raises(ProofError, match="slot 5"):
            verify_slot(root, 5, proof)
        root, proof = storage_of(b"\x07")
        assert verify_slot(root, 5, proof) == 7

    def test_a_leaf_of_zero_may_be_allowed(self) -> None:
        root, proof = storage_of(ZERO_LEAF)
        assert verify_slot(root, 5, proof, zero_leaves=True) == 0
        assert verify_slot(root, 6, prove(built({hash_slot(5): ZERO_LEAF, hash_slot(6): b"\x01"}), hash_slot(6))) == 1
        for leaf in (b"\x00", b"\x82\x00\x00", b"\xc0"):
            root, proof = storage_of(leaf)
            with pytest.raises(ProofError, match="slot 5"):
                verify_slot(root, 5, proof, zero_leaves=True)

    def test_leading_zeros_in_an_account(self) -> None:
        address = b"\x0a" * 20
        for nonce, verdict in [(b"\x05", 5), (b"\x00\x05", None), (b"\x00", None)]:
            trie = built({keccak256(address): rlp.encode([nonce, b"", EMPTY_ROOT, EMPTY_HASH])})
            proof = prove(trie, keccak256(address))
            if verdict is None:
                with pytest.raises(ProofError, match="account 0x0a0a"):
                    verify_account(trie.root(), address, proof)
            else:
                assert verify_account(trie.root(), address, proof) == Account(verdict, 0, EMPTY_ROOT, EMPTY_HASH)


def test_accounts_and_slots_of_a_state() -> None:
    state = StateRoots()
    one, two, absent = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
    state.set_account(one, 1, 10**18, keccak256(b"code"))
    state.set_account(two, 0, 0, EMPTY_HASH)
    for key in (0, 1, 2**255):
        state.set_slot(one, key, key + 1)
    proofs = {address: prove_account(state, address) for address in (one, two, absent)}
    root = state.root()
    account = verify_account(root, one, proofs[one])
    assert account == Account(1, 10**18, state.storage_root(one), keccak256(b"code"))
    assert verify_account(root, two, proofs[two]) == Account(0, 0, EMPTY_ROOT, EMPTY_HASH)
    assert verify_account(root, absent, proofs[absent]) is None
    for key, value in {0: 1, 1: 2, 2**255: 2**255 + 1, 7: 0}.items():
        assert verify_slot(account.storage_root, key, prove_slot(state, one, key)) == value
    assert prove_slot(state, two, 0) == []
    with pytest.raises(ProofError):
        verify_account(root, two, proofs[one])
    with pytest.raises(InvalidInput, match="20 bytes"):
        verify_account(root, one[:19], proofs[one])
    for key in (-1, 2**256):
        with pytest.raises(InvalidInput, match="256 bits"):
            verify_slot(account.storage_root, key, [])


def test_proofs_of_an_opened_state_are_the_same() -> None:
    state = StateRoots()
    addresses = [bytes([number]) * 20 for number in range(50)]
    for number, address in enumerate(addresses):
        state.set_account(address, number, number, EMPTY_HASH)
        state.set_slot(address, 1, number + 1)
    store: dict[bytes, bytes] = {}
    root = state.commit(store)
    for address in [*addresses, b"\xff" * 20]:
        opened = StateRoots.open(root, store)
        assert prove_account(opened, address) == prove_account(state, address)
        assert prove_slot(opened, address, 1) == prove_slot(state, address, 1)


def test_items_of_an_ordered_list() -> None:
    values = [bytes([index + 1]) * 50 for index in range(140)]
    trie = ordered_trie(values)
    for index in (0, 1, 127, 128, 139):
        assert verify_item(trie.root(), index, prove(trie, index_key(index))) == values[index]
    assert verify_item(trie.root(), 140, prove(trie, index_key(140))) is None
    with pytest.raises(ProofError):
        verify_item(trie.root(), 1, prove(trie, index_key(2)))
    with pytest.raises(InvalidInput, match="negative"):
        verify_item(trie.root(), -1, [])
