"""Roots of a secure storage trie, beside the trie package (HexaryTrie) on the same data.

Run with `pytest benchmarks/test_trie.py`. Times of `changed` are for a whole batch: divide by its slots. Keys are
hashed inside the timed part. Each benchmark checks the root that it came to.
"""

import random
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from trie.hexary import HexaryTrie

from evmthread.merkle.accounts import StateRoots, hash_slot
from evmthread.merkle.proofs import prove, verify_slot
from evmthread.merkle.trie import Trie
from evmthread.primitives.keccak import EMPTY_HASH
from evmthread.primitives.rlp import encode_int

FRESH = 1_000
LARGE = 10_000
ADDRESS = b"\x0a" * 20
Slots = list[tuple[int, int]]
Pair = tuple[HexaryTrie, Trie]  # with the same slots


def slots_of(count: int) -> Slots:
    generator = random.Random(count)
    return [(key, generator.getrandbits(generator.choice((8, 64, 160, 256))) | 1) for key in range(count)]


def batches_of(size: int) -> list[Slots]:
    generator = random.Random(size)
    return [[(generator.randrange(LARGE), generator.getrandbits(256) | 1) for _ in range(size)] for _ in range(100)]


def our_root(trie: Trie, slots: Slots) -> bytes:
    for key, value in slots:
        trie.set(hash_slot(key), encode_int(value))
    return trie.root()


def their_root(trie: HexaryTrie, slots: Slots) -> bytes:
    for key, value in slots:
        trie[hash_slot(key)] = encode_int(value)
    root: bytes = trie.root_hash
    return root


@pytest.fixture(scope="module")
def ours() -> Trie:
    trie = Trie()
    our_root(trie, slots_of(LARGE))
    return trie


@pytest.fixture(scope="module")
def theirs(ours: Trie) -> Pair:
    trie = HexaryTrie({}, prune=True)
    assert their_root(trie, slots_of(LARGE)) == ours.root()
    return trie, ours.copy()


@pytest.fixture(scope="module")
def state() -> StateRoots:
    roots = StateRoots()
    roots.set_account(ADDRESS, 1, 0, EMPTY_HASH)
    for key, value in slots_of(LARGE):
        roots.set_slot(ADDRESS, key, value)
    roots.root()
    return roots


@pytest.mark.benchmark(group="1000 fresh slots")
@pytest.mark.parametrize("which", ["evmthread", "trie"])
def test_fresh(benchmark: BenchmarkFixture, which: str) -> None:
    slots = slots_of(FRESH)
    runs: dict[str, Callable[[], bytes]] = {
        "evmthread": lambda: our_root(Trie(), slots),
        "trie": lambda: their_root(HexaryTrie({}, prune=True), slots),
    }
    root = benchmark.pedantic(runs[which], rounds=20 if which == "evmthread" else 3, warmup_rounds=1)
    assert root == our_root(Trie(), slots) == their_root(HexaryTrie({}, prune=True), slots)


@pytest.mark.benchmark(group="batches of changed slots in 10000")
@pytest.mark.parametrize("size", [3, 5, 10])
@pytest.mark.parametrize("which", ["evmthread", "trie"])
def test_changed(
    benchmark: BenchmarkFixture, which: str, size: int, ours: Trie, theirs: tuple[HexaryTrie, Trie]
) -> None:
    batches = batches_of(size)
    upcoming = iter(batches)
    if which == "evmthread":
        mine = ours.copy()
        benchmark.pedantic(lambda batch: our_root(mine, batch), setup=lambda: ((next(upcoming),), {}), rounds=100)
        plain = Trie()
        our_root(plain, slots_of(LARGE))
        assert mine.root() == [our_root(plain, batch) for batch in batches][-1]
    else:
        trie, mirror = theirs
        benchmark.pedantic(lambda batch: their_root(trie, batch), setup=lambda: ((next(upcoming),), {}), rounds=20)
        assert trie.root_hash == [our_root(mirror, batch) for batch in batches[:20]][-1]


@pytest.mark.benchmark(group="state: 5 changed slots and 2 accounts")
def test_state(benchmark: BenchmarkFixture, state: StateRoots) -> None:
    upcoming = iter(enumerate(batches_of(5)))

    def move(number: int, slots: Slots) -> bytes:
        snapshot = state.copy()
        for key, value in slots:
            state.set_slot(ADDRESS, key, value)
        state.set_account(ADDRESS, 1, number, EMPTY_HASH)
        state.set_account(b"\x0b" * 20, number, 0, EMPTY_HASH)
        root = state.root()
        assert root != snapshot.root()
        return root

    benchmark.pedantic(move, setup=lambda: (next(upcoming), {}), rounds=100)
    assert state.slot(ADDRESS, batches_of(5)[-1][-1][0]) == batches_of(5)[-1][-1][1]


@pytest.mark.benchmark(group="reopened: 5 slots in 10000")
def test_reopened(benchmark: BenchmarkFixture, ours: Trie) -> None:
    store: dict[bytes, bytes] = {}
    root = ours.copy().commit(store)
    slots = batches_of(5)[0]
    changed = benchmark(lambda: our_root(Trie.open(root, store), slots))
    assert changed == our_root(ours.copy(), slots)


@pytest.mark.benchmark(group="commit after 5 changed slots")
def test_commit(benchmark: BenchmarkFixture, ours: Trie) -> None:
    store: dict[bytes, bytes] = {}
    trie = ours.copy()
    trie.commit(store)
    upcoming = iter(batches_of(5))

    def commit(slots: Slots) -> bytes:
        our_root(trie, slots)
        return trie.commit(store)

    root = benchmark.pedantic(commit, setup=lambda: ((next(upcoming),), {}), rounds=100)
    assert dict(Trie.open(root, store).items()) == dict(trie.items())


@pytest.mark.benchmark(group="proofs")
@pytest.mark.parametrize("action", ["prove", "verify"])
def test_proofs(benchmark: BenchmarkFixture, ours: Trie, action: str) -> None:
    key, value = slots_of(LARGE)[77]
    proof = prove(ours, hash_slot(key))
    root = ours.root()
    if action == "prove":
        assert benchmark(lambda: prove(ours, hash_slot(key))) == proof
    else:
        assert benchmark(lambda: verify_slot(root, key, proof)) == value
