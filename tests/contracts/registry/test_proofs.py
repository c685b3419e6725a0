"""C27: the registry's proof reader against evmthread's own and the trie package's, on tries of every shape."""

import random
from collections.abc import Iterator, Sequence

import pytest
import rlp
from trie.exceptions import BadTrieProof

from evmthread.commit import thread_address, thread_id
from evmthread.merkle.accounts import hash_slot
from evmthread.merkle.proofs import ProofError, prove, verify_account, verify_proof, verify_slot
from evmthread.merkle.trie import EMPTY_ROOT, Trie
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from tests.contracts.registry.checks import REFUSED, Case, Checks, Verdict
from tests.contracts.registry.deployed import ORIGIN, Deployed
from tests.merkle.test_proofs import built, their_verdict


@pytest.fixture
def checks(registry: Deployed) -> Checks:
    return Checks.on(registry.chain)


def our_verdict(case: Case) -> Verdict:
    try:
        return verify_proof(*case)
    except ProofError:
        return REFUSED


def deep_key(generator: random.Random) -> bytes:
    """A key that shares many nibbles with others of its kind, so that nodes are short and lie in their parents."""
    shared = generator.choice([0, 31, 40, 50, 58, 60, 61, 62, 63])
    nibbles = "a" * shared + "".join(generator.choice("0ab") for _ in range(64 - shared))
    return bytes.fromhex(nibbles)


def some_trie(generator: random.Random) -> tuple[Trie, list[bytes]]:
    """A trie of 32-byte keys, and keys to ask it for, some of them absent."""
    kind = generator.choice(["deep", "hashed", "both"])
    keys: list[bytes] = []
    if kind != "hashed":
        keys += [deep_key(generator) for _ in range(generator.randint(1, 12))]
    if kind != "deep":
        keys += [generator.randbytes(32) for _ in range(generator.choice([1, 2, 5, 40]))]
    mapping = {key: generator.randbytes(generator.choice([1, 1, 2, 20, 33, 60])) for key in keys}
    return built(mapping), [*mapping, *(deep_key(generator) for _ in range(3)), generator.randbytes(32)]


def some_cases(seed: int, count: int) -> list[Case]:
    generator = random.Random(seed)
    cases: list[Case] = []
    while len(cases) < count:
        trie, keys = some_trie(generator)
        chosen = generator.sample(keys, min(len(keys), 6))
        cases += [(trie.root(), key, prove(trie, key)) for key in chosen]
    return cases[:count]


def mutated(case: Case, generator: random.Random) -> Case:
    """The case with its proof changed somehow."""
    root, key, proof = case
    changed = list(proof)
    place = generator.randrange(len(changed))
    node = bytearray(changed[place])
    match generator.choice(["flip", "flip", "flip", "bit", "cut", "drop", "repeat", "swap", "pad", "tail", "root"]):
        case "flip":
            node[generator.randrange(len(node))] ^= generator.randint(1, 255)
        case "bit":
            node[generator.randrange(len(node))] ^= 1 << generator.randrange(8)
        case "cut":
            del node[generator.randrange(len(node)) :]
        case "drop":
            return root, key, changed[:place] + changed[place + 1 :]
        case "repeat":
            changed.insert(place, bytes(node))
        case "swap":
            other = generator.randrange(len(changed))
            if other == place:
                return root, key, [*changed, changed[0]]
            changed[place], changed[other] = changed[other], changed[place]
            return root, key, changed
        case "pad":
            changed.insert(generator.randint(0, len(changed)), generator.choice([b"\x80", b"", b"\xc0", bytes(33)]))
            return root, key, changed
        case "tail":
            node += generator.randbytes(1)
        case "root":
            return keccak256(root), key, changed
    changed[place] = bytes(node)
    return root, key, changed


def test_c27_proofs_of_every_shape(checks: Checks) -> None:
    cases = [*some_cases(1, 200), (EMPTY_ROOT, keccak256(b"anything"), [])]
    found = checks.verdicts(cases)
    assert found == [our_verdict(case) for case in cases] == [their_verdict(*case) for case in cases]
    assert None in found
    assert any(len(proof) > 2 for _, _, proof in cases)


def test_c27_mutated_proofs(checks: Checks) -> None:
    _refuses_all(checks, some_cases(2, 60), 300)


@pytest.mark.slow
def test_c27_ten_thousand_mutated_proofs(checks: Checks) -> None:
    _refuses_all(checks, some_cases(3, 400), 10_000)


def _refuses_all(checks: Checks, cases: Sequence[Case], count: int) -> None:
    generator = random.Random(count)
    wrong = [mutated(generator.choice(cases), generator) for _ in range(count)]
    assert all(case not in cases for case in wrong)
    assert checks.verdicts(wrong) == [REFUSED] * count
    assert [our_verdict(case) for case in wrong] == [REFUSED] * count


def malformed() -> Iterator[tuple[str, Case, bool]]:
    """Nodes that no trie has, under their own hash: what is wrong, the case, and whether it is refused."""
    key = b"\xab" * 32
    value = b"v" * 40
    path = b"\x20" + key
    leaf = rlp.encode([path, value])
    short = rlp.encode([b"\x3b", b"a"])  # a leaf with one nibble left

    def alone(node: bytes) -> Case:
        return keccak256(node), key, [node]

    def branch(*entries: object) -> bytes:
        return rlp.encode([*entries, *[b""] * (17 - len(entries))])

    yield "a good leaf", alone(leaf), False
    yield "an empty value", alone(rlp.encode([path, b""])), True
    yield "a list as value", alone(rlp.encode([path, [b"a"]])), True
    yield "a path head of 4", alone(rlp.encode([b"\x40" + key, value])), True
    yield "a padding nibble", alone(rlp.encode([b"\x21" + key, value])), True
    yield "no path", alone(rlp.encode([b"", value])), True
    yield "a list as path", alone(rlp.encode([[path], value])), True
    yield "a path that is too long", alone(rlp.encode([b"\x3a" + key, value])), False
    yield "another path", alone(rlp.encode([b"\x20" + bytes(32), value])), False
    yield "one item", alone(rlp.encode([path])), True
    yield "three items", alone(rlp.encode([path, value, value])), True
    yield "no items", alone(b"\xc0"), True
    yield "a string", alone(rlp.encode(value)), True
    yield "nothing", alone(b""), True
    yield "bytes behind", alone(leaf + b"\x00"), True
    yield "a long length", alone(b"\xf9\x00" + leaf[1:]), True
    yield "a length with zeros in front", alone(b"\xf9\x00" + leaf[1:2] + leaf[2:]), True
    yield "a length beyond the end", alone(b"\xf8\xff" + leaf[2:]), True
    yield "a length of eight bytes", alone(b"\xff" + b"\xff" * 8 + leaf[2:]), True
    yield "a byte in two", alone(b"\xe4" + b"\xa1" + path + b"\x81\x07"), True
    yield "a branch of one", alone(branch(*[b""] * 10, keccak256(leaf))), True
    yield "a branch of none", alone(branch()), True
    yield "a branch of eighteen", alone(rlp.encode([b""] * 17 + [keccak256(leaf)])), True
    yield "a branch without its way", alone(branch(keccak256(leaf), keccak256(short))), False
    yield "a reference of 31 bytes", alone(branch(bytes(31), keccak256(leaf))), True
    yield "a reference of one byte", alone(branch(b"\x07", keccak256(leaf))), True
    yield "a list as a branch's value", alone(branch(keccak256(leaf), *[b""] * 15, [b"a"])), True
    yield "a branch with a value", alone(branch(keccak256(leaf), *[b""] * 15, b"a")), False
    yield "an inlined leaf", alone(branch(keccak256(leaf), [b"\x3b", b"a"])), False
    yield "an inlined node that is none", alone(branch(keccak256(leaf), [b"\x4b", b"a"])), True
    yield "an inlined node of 32 bytes", alone(branch(keccak256(leaf), [b"\x3b", b"a" * 29])), True
    yield "an inlined branch of one", alone(branch(keccak256(leaf), [b"a", *[b""] * 16])), True
    yield "an inlined list of none", alone(branch(keccak256(leaf), [])), True
    yield "an extension of nothing", alone(rlp.encode([b"\x00", keccak256(leaf)])), True
    yield "an extension to nothing", alone(rlp.encode([b"\x1a", b""])), True
    yield "an extension to an inlined leaf", alone(rlp.encode([b"\x1a", [b"\x3b", b"a"]])), True
    yield "an extension elsewhere", alone(rlp.encode([b"\x1b", keccak256(leaf)])), False
    below = rlp.encode([b"\x3b" + key[1:], value])
    extension = rlp.encode([b"\x1a", keccak256(below)])
    yield "an extension to a leaf", (keccak256(extension), key, [extension, below]), True
    parent = branch(*[b""] * 10, keccak256(short), keccak256(leaf))
    yield "a hashed node that is short", (keccak256(parent), key, [parent, short]), True
    full = branch(*[keccak256(bytes([i])) for i in range(10)], keccak256(below))
    yield "a good branch", (keccak256(full), key, [full, below]), False


@pytest.mark.parametrize(("case", "refused"), [pytest.param(case, bad, id=name) for name, case, bad in malformed()])
def test_c27_nodes_that_no_trie_has(checks: Checks, case: Case, *, refused: bool) -> None:
    verdict = our_verdict(case)
    assert (verdict == REFUSED) is refused
    assert checks.verdicts([case]) == [verdict]


@pytest.mark.parametrize(
    "leaf",
    [
        rlp.encode(b"\x00\x07"),
        rlp.encode(bytes(31) + b"\x07"),
        rlp.encode(b"\x00"),
        rlp.encode(b""),
        rlp.encode(b"\x01" * 33),
        rlp.encode([b"\x07"]),
        b"\x81\x07",
        b"\x07\x07",
        b"\xb8\x01\x87",
    ],
)
def test_c27_leading_zeros_and_other_forms_of_a_value(checks: Checks, leaf: bytes) -> None:
    trie = built({hash_slot(5): leaf, hash_slot(6): b"\x01"})
    proof = prove(trie, hash_slot(5))
    with pytest.raises(ProofError):
        verify_slot(trie.root(), 5, proof)
    assert checks.ask("slot", trie.root(), (5).to_bytes(32, "big"), proof) == "InvalidProof"


def test_c27_values_of_slots(checks: Checks) -> None:
    slots = {0: 1, 1: 0x7F, 2: 0x80, 3: 2**256 - 1, 4: 2**248, 5: 0xFF00}
    trie = built({hash_slot(key): rlp.encode(value) for key, value in slots.items()})
    for key in [*slots, 77]:
        proof = prove(trie, hash_slot(key))
        assert checks.ask("slot", trie.root(), key.to_bytes(32, "big"), proof) == slots.get(key, 0)
        assert verify_slot(trie.root(), key, proof) == slots.get(key, 0)
    assert checks.ask("slot", EMPTY_ROOT, bytes(32), []) == 0


@pytest.mark.parametrize(
    ("items", "good"),
    [
        ([b"\x05", b"\x07", EMPTY_ROOT, EMPTY_HASH], True),
        ([b"", b"", EMPTY_ROOT, EMPTY_HASH], True),
        ([b"\xff" * 8, b"\xff" * 32, EMPTY_ROOT, EMPTY_HASH], True),
        ([b"\x00\x05", b"", EMPTY_ROOT, EMPTY_HASH], False),
        ([b"\x00", b"", EMPTY_ROOT, EMPTY_HASH], False),
        ([b"\x01" * 9, b"", EMPTY_ROOT, EMPTY_HASH], False),
        ([b"", b"\x00\x05", EMPTY_ROOT, EMPTY_HASH], False),
        ([b"", b"\x01" * 33, EMPTY_ROOT, EMPTY_HASH], False),
        ([b"", b"", EMPTY_ROOT[:31], EMPTY_HASH], False),
        ([b"", b"", EMPTY_ROOT, EMPTY_HASH + b"\x00"], False),
        ([b"", b"", EMPTY_ROOT], False),
        ([b"", b"", EMPTY_ROOT, EMPTY_HASH, b""], False),
        ([b"", [b"\x05"], EMPTY_ROOT, EMPTY_HASH], False),
        (b"\x05" * 40, False),
    ],
)
def test_c27_accounts(checks: Checks, items: object, *, good: bool) -> None:
    address = b"\x0a" * 20
    trie = built({keccak256(address): rlp.encode(items), keccak256(b"\x0b" * 20): b"x" * 40})
    proof = prove(trie, keccak256(address))
    answer = checks.ask("account", trie.root(), address, proof)
    if good:
        account = verify_account(trie.root(), address, proof)
        assert account is not None
        assert answer == (account.nonce, account.balance, account.storage_root, account.code_hash)
    else:
        with pytest.raises(ProofError):
            verify_account(trie.root(), address, proof)
        assert answer == "InvalidProof"
    absent = b"\x0c" * 20
    assert checks.ask("account", trie.root(), absent, prove(trie, keccak256(absent))) == "NoSuchAccount"


def test_c27_what_the_chain_itself_proves(registry: Deployed, checks: Checks) -> None:
    slots = {0: 5, 1: 2**200, 77: 1, 2**255: 2**256 - 1}
    holder = bytes(19) + b"\x99"
    registry.chain.put(holder, code=b"\x00", nonce=1, balance=10**18, storage=slots)
    root, proof = registry.chain.proof(holder, (*slots, 3))
    said = proof.account
    expected = (said.nonce, said.balance, said.storage_root, said.code_hash)
    assert said.balance == 10**18
    assert checks.ask("account", root, holder, proof.proof) == expected
    for slot in proof.slots:
        key = slot.key.to_bytes(32, "big")
        assert checks.ask("slot", said.storage_root, key, slot.proof) == slots.get(slot.key, 0)
    absent = thread_address(registry.address, thread_id(registry.domain, registry.terms()))
    root, proof = registry.chain.proof(absent)
    assert checks.ask("account", root, absent, proof.proof) == "NoSuchAccount"
    root, proof = registry.chain.proof(ORIGIN)
    assert checks.ask("account", root, ORIGIN, proof.proof[:-1]) == "InvalidProof"


def test_c27_foreign_roots(checks: Checks) -> None:
    trie, keys = some_trie(random.Random(8))
    other = built({keys[0]: b"other", keys[1]: b"values" * 8})
    case = (other.root(), keys[0], prove(trie, keys[0]))
    assert checks.verdicts([case]) == [REFUSED]
    with pytest.raises((BadTrieProof, ProofError)):
        their_verdict(*case)
