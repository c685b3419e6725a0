"""The storage root that the registry makes from all slots is evmthread's, and that of the trie package."""

import random

import pytest
import rlp
from trie.hexary import HexaryTrie

from evmthread.merkle.accounts import StateRoots, hash_slot
from evmthread.merkle.proofs import prove_slot
from evmthread.primitives.keccak import EMPTY_HASH
from tests.contracts.registry.checks import Checks
from tests.contracts.registry.deployed import Deployed

# Two keys whose hashes have their first ten nibbles in common, found by trying three million: their leaves, with a byte
# of value, have less than 32 bytes and lie inside their branch.
TWINS = (247476, 515151)
ADDRESS = bytes(20)


def some_slots(count: int, *others: int) -> dict[int, int]:
    generator = random.Random(count)
    made = {generator.getrandbits(256): generator.getrandbits(generator.choice([1, 7, 8, 64, 256])) | 1
            for _ in range(count)}  # fmt: skip
    return made | {key: 1 + number for number, key in enumerate(others)}


def ascending(slots: dict[int, int]) -> tuple[list[bytes], list[bytes]]:
    """Keys and values as the registry takes them."""
    keys = sorted(slots, key=hash_slot)
    return [key.to_bytes(32, "big") for key in keys], [slots[key].to_bytes(32, "big") for key in keys]


def roots_of(slots: dict[int, int]) -> StateRoots:
    roots = StateRoots()
    roots.set_account(ADDRESS, 1, 0, EMPTY_HASH)
    for key, value in slots.items():
        roots.set_slot(ADDRESS, key, value)
    return roots


@pytest.mark.parametrize(
    "slots",
    [
        *(some_slots(count) for count in (0, 1, 2, 3, 16, 17, 60, 300)),
        some_slots(0, *TWINS),
        some_slots(40, *TWINS),
        dict.fromkeys(range(100), 2**256 - 1),
        dict.fromkeys(range(100), 1),
    ],
    ids=lambda slots: f"{len(slots)} slots",
)
def test_c28_storage_roots_are_evmthreads(registry: Deployed, slots: dict[int, int]) -> None:
    theirs = HexaryTrie({})
    for key, value in slots.items():
        theirs[hash_slot(key)] = rlp.encode(value)
    made = Checks.on(registry.chain).ask("rootOf", *ascending(slots))
    assert made == roots_of(slots).storage_root(ADDRESS) == theirs.root_hash


def test_c27_a_slot_whose_leaf_lies_in_its_branch(registry: Deployed) -> None:
    checks = Checks.on(registry.chain)
    slots = some_slots(40, *TWINS)
    roots = roots_of(slots)
    for key in TWINS:
        proof = prove_slot(roots, ADDRESS, key)
        assert len(proof[-1]) > 32 * 2  # the branch that holds both
        assert checks.ask("slot", roots.storage_root(ADDRESS), key.to_bytes(32, "big"), proof) == slots[key]


def test_slots_out_of_order_make_no_root(registry: Deployed) -> None:
    checks = Checks.on(registry.chain)
    keys, values = ascending(some_slots(20))
    assert checks.ask("rootOf", keys[::-1], values[::-1]) == "MisplacedSlot"
    assert checks.ask("rootOf", [keys[0], *keys], [values[0], *values]) == "MisplacedSlot"
    assert checks.ask("rootOf", keys, [*values[:-1], bytes(32)]) == "MisplacedSlot"
