import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from trie.hexary import HexaryTrie

from evmthread.errors import BackendError, InvalidInput
from evmthread.merkle.trie import (
    EMPTY_ROOT,
    CorruptNodeError,
    MissingNodeError,
    Trie,
    index_key,
    ordered_root,
    ordered_trie,
)
from evmthread.primitives.keccak import keccak256
from tests.merkle.definition import defined_root

# Few different bytes, so that keys share prefixes and are prefixes of each other.
SHORT_KEYS = st.lists(st.sampled_from([0x00, 0x01, 0x10, 0x11, 0xFF]), max_size=4).map(bytes)
HASHED_KEYS = st.integers(0, 60).map(lambda number: keccak256(bytes([number])))
# Lengths around those where a node stops to fit into its parent, and where RLP changes its form.
VALUES = st.one_of(st.binary(min_size=1, max_size=3), st.binary(min_size=1, max_size=100), st.just(b"\x7f" * 60))
CHANGES = st.one_of(VALUES, st.just(b""))
HISTORIES = st.one_of(
    st.lists(st.tuples(SHORT_KEYS, CHANGES), max_size=30),
    st.lists(st.tuples(HASHED_KEYS, CHANGES), max_size=30),
    st.lists(st.tuples(st.binary(max_size=6), CHANGES), max_size=30),
)


class CountingStore(dict[bytes, bytes]):
    """A node store that counts what is read from it."""

    reads = 0

    def get(self, digest: bytes, /) -> bytes | None:  # type: ignore[override]
        self.reads += 1
        return super().get(digest)


def built(mapping: Mapping[bytes, bytes]) -> Trie:
    trie = Trie()
    trie.update(mapping)
    return trie


def numbered(count: int, *, size: int = 20) -> dict[bytes, bytes]:
    generator = random.Random(count)
    return {keccak256(number.to_bytes(4, "big")): generator.randbytes(size) for number in range(count)}


def test_empty_trie_has_the_known_root() -> None:
    assert Trie().root() == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
def test_every_step_of_a_history_has_the_root_of_the_trie_package(history: list[tuple[bytes, bytes]]) -> None:
    ours, theirs = Trie(), HexaryTrie({}, prune=True)
    model: dict[bytes, bytes] = {}
    for key, value in history:
        ours.set(key, value)
        if value:
            theirs[key] = model[key] = value
        else:
            del theirs[key]
            model.pop(key, None)
        assert ours.root() == theirs.root_hash
    assert dict(ours.items()) == model
    for key in sorted(model):
        ours.delete(key)
        del theirs[key]
        assert ours.root() == theirs.root_hash
    assert ours.root() == EMPTY_ROOT


@settings(max_examples=200, deadline=None)
@given(HISTORIES)
def test_a_root_taken_once_at_the_end_equals_the_definition(history: list[tuple[bytes, bytes]]) -> None:
    trie = Trie()
    for key, value in history:
        trie.set(key, value)
    model = {key: value for key, value in dict(history).items() if value}
    assert trie.root() == defined_root(model)
    assert list(trie.items()) == sorted(model.items())
    assert all(trie.get(key) == model.get(key) for key, _ in history)


def test_two_thousand_hashed_keys_in_batches_as_the_trie_package_roots_them() -> None:
    generator = random.Random(5)
    ours, theirs = Trie(), HexaryTrie({}, prune=True)
    keys = list(numbered(400))
    for _ in range(40):
        for key in generator.sample(keys, 50):
            value = generator.randbytes(generator.choice([0, 1, 9, 33, 70]))
            ours.set(key, value)
            if value:
                theirs[key] = value
            else:
                del theirs[key]
        assert ours.root() == theirs.root_hash


class Versions(RuleBasedStateMachine):
    """Versions of one trie, copied, changed, committed to one store and opened again, each apart from the others."""

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[bytes, bytes] = {}
        self.versions: list[tuple[Trie, dict[bytes, bytes]]] = [(Trie(), {})]
        self.kept: list[tuple[bytes, dict[bytes, bytes]]] = []

    @rule(place=st.integers(0, 7), key=st.one_of(SHORT_KEYS, HASHED_KEYS), value=CHANGES)
    def change(self, place: int, key: bytes, value: bytes) -> None:
        trie, model = self.versions[place % len(self.versions)]
        trie.set(key, value)
        if value:
            model[key] = value
        else:
            model.pop(key, None)

    @rule(place=st.integers(0, 7), changes=st.dictionaries(SHORT_KEYS, CHANGES, max_size=6))
    def change_many(self, place: int, changes: dict[bytes, bytes]) -> None:
        trie, model = self.versions[place % len(self.versions)]
        trie.update(changes)
        model.update(changes)
        for key in [key for key, value in model.items() if not value]:
            del model[key]

    @precondition(lambda self: len(self.versions) < 5)
    @rule(place=st.integers(0, 7))
    def copy(self, place: int) -> None:
        trie, model = self.versions[place % len(self.versions)]
        self.versions.append((trie.copy(), dict(model)))

    @rule(place=st.integers(0, 7))
    def commit(self, place: int) -> None:
        trie, model = self.versions[place % len(self.versions)]
        root = trie.commit(self.store)
        assert root == trie.root()
        assert trie.is_committed
        self.kept.append((root, dict(model)))

    @precondition(lambda self: self.kept)
    @rule(place=st.integers(0, 7), which=st.integers(0, 100))
    def open(self, place: int, which: int) -> None:
        root, model = self.kept[which % len(self.kept)]
        self.versions[place % len(self.versions)] = (Trie.open(root, self.store), dict(model))

    @invariant()
    def every_version_is_its_model(self) -> None:
        for trie, model in self.versions:
            assert trie.root() == defined_root(model)

    def teardown(self) -> None:
        for trie, model in self.versions:
            assert list(trie.items()) == sorted(model.items())
        for root, model in self.kept:
            assert dict(Trie.open(root, self.store).items()) == model


Versions.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestVersions = Versions.TestCase


def test_a_copy_of_an_unrooted_trie_goes_its_own_way() -> None:
    one = built(numbered(50))
    two = one.copy()
    two.set(b"only two", b"x")
    assert one.get(b"only two") is None
    assert two.root() != one.root() == built(numbered(50)).root()


def test_only_changed_nodes_are_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    trie = built(numbered(4096))
    trie.root()
    hashed: list[bytes] = []

    def counted(data: bytes) -> bytes:
        hashed.append(data)
        return keccak256(data)

    monkeypatch.setattr("evmthread.merkle.nodes.keccak256", counted)
    trie.set(next(iter(numbered(4096))), b"changed" * 5)
    trie.root()
    assert 1 < len(hashed) < 8  # one path
    hashed.clear()
    trie.root()
    trie.copy().root()
    trie.set(next(iter(numbered(4096))), b"changed" * 5)  # the value it has
    trie.delete(b"absent")
    trie.root()
    assert hashed == []


def test_keys_thousands_of_nibbles_deep_need_no_deep_python_stack() -> None:
    mapping = {bytes(size): b"v" * 40 for size in range(600)}
    trie = built(mapping)
    store: dict[bytes, bytes] = {}
    root = trie.commit(store)
    assert dict(Trie.open(root, store).items()) == mapping
    for key in mapping:
        trie.delete(key)
    assert trie.root() == EMPTY_ROOT


def test_an_opened_trie_reads_one_path_for_one_key_and_keeps_it() -> None:
    store = CountingStore()
    mapping = numbered(3000)
    root = built(mapping).commit(store)
    trie = Trie.open(root, store)
    key, value = next(iter(mapping.items()))
    assert store.reads == 0
    assert trie.root() == root
    assert trie.get(key) == value
    first = store.reads
    assert 1 < first < 8
    assert trie.get(key) == value
    assert store.reads == first


def test_a_commit_hands_out_only_what_changed() -> None:
    mapping = numbered(3000)
    trie = built(mapping)
    first: dict[bytes, bytes] = {}
    trie.commit(first)
    assert all(keccak256(node) == digest for digest, node in first.items())
    opened = Trie.open(trie.root(), first)
    for key in list(mapping)[:500]:
        opened.get(key)
    for version in (trie, opened):
        second: dict[bytes, bytes] = {}
        version.commit(second)
        assert second == {}
        version.set(next(iter(mapping)), b"changed" * 5)
        root = version.commit(second)
        assert 1 < len(second) < 8
        assert dict(Trie.open(root, first | second).items()) == mapping | {next(iter(mapping)): b"changed" * 5}


def test_a_commit_after_reading_hands_out_only_what_changed() -> None:
    mapping = numbered(3000)
    store: dict[bytes, bytes] = {}
    root = built(mapping).commit(store)
    keys = list(mapping)
    read_first, read_later = Trie.open(root, store), Trie.open(root, store)
    for key in keys[:500]:
        read_first.get(key)
    for trie in (read_first, read_later):
        trie.set(keys[600], b"changed" * 5)
    for key in keys[:500]:
        read_later.get(key)
    for trie in (read_first, read_later):
        changed: dict[bytes, bytes] = {}
        trie.commit(changed)
        assert 1 < len(changed) < 8


def test_a_commit_after_a_shared_prefix_was_parted_hands_out_only_what_changed() -> None:
    mapping = {b"\x11\x11\x11" + key: value for key, value in numbered(300).items()}
    for parting in (b"\x11\x11\x21", b"\x11\x11\x12", b"\x21", b"\x11\x11"):
        trie = built(mapping)
        store: dict[bytes, bytes] = {}
        trie.commit(store)
        trie.set(parting, b"x" * 40)
        changed: dict[bytes, bytes] = {}
        root = trie.commit(changed)
        assert len(changed) < 6
        trie.delete(parting)
        again: dict[bytes, bytes] = {}
        trie.commit(again)
        assert len(again) < 6
        assert dict(Trie.open(root, store | changed).items()) == mapping | {parting: b"x" * 40}


def test_a_failed_sink_leaves_the_commit_to_be_made() -> None:
    class Full:
        def update(self, nodes: Mapping[bytes, bytes], /) -> None:
            raise OSError("disk full")

    trie = built(numbered(10))
    with pytest.raises(OSError, match="disk full"):
        trie.commit(Full())
    store: dict[bytes, bytes] = {}
    assert dict(Trie.open(trie.commit(store), store).items()) == numbered(10)


def test_a_missing_node_is_a_typed_error_and_changes_nothing() -> None:
    mapping = numbered(200)
    store: dict[bytes, bytes] = {}
    root = built(mapping).commit(store)
    for missing in list(store):
        node = store.pop(missing)
        trie = Trie.open(root, store)
        with pytest.raises(MissingNodeError) as caught:
            dict(trie.items())
        assert caught.value.digest == missing
        assert isinstance(caught.value, BackendError)
        with pytest.raises(MissingNodeError):
            trie.update(dict.fromkeys(mapping, b"new"))
        assert trie.root() == root
        store[missing] = node
        assert dict(trie.items()) == mapping


def test_a_delete_that_needs_a_missing_sibling_changes_nothing() -> None:
    mapping = {b"\x10" + bytes(31): b"a" * 40, b"\x20" + bytes(31): b"b" * 40}
    store: dict[bytes, bytes] = {}
    root = built(mapping).commit(store)
    opened = Trie.open(root, store)
    opened.get(b"\x10" + bytes(31))
    sibling = next(digest for digest, node in store.items() if b"b" * 40 in node)
    node = store.pop(sibling)
    with pytest.raises(MissingNodeError):
        opened.delete(b"\x10" + bytes(31))
    assert opened.root() == root
    store[sibling] = node
    opened.delete(b"\x10" + bytes(31))
    assert opened.root() == defined_root({b"\x20" + bytes(31): b"b" * 40})


def test_a_store_that_gives_other_bytes_is_found_out() -> None:
    store: dict[bytes, bytes] = {}
    root = built(numbered(5)).commit(store)
    store[root] = store[root][:-1] + b"\x01"
    with pytest.raises(CorruptNodeError, match="another hash"):
        Trie.open(root, store).get(b"x")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x61", "no list"),
        (b"\xc1\x80", "1 items"),
        (b"\xc2\x20\x80", "value of a leaf"),
        (b"\xc2\x00\x80", "extension"),
        (b"\xc8\x82\x00\x11\x84abcd", "reference of 4 bytes"),
        (b"\xc2\x40\x61", "begins with 0x40"),
        (b"\xc2\x21\x61", "begins with 0x21"),
        (b"\xc2\x80\x61", "path"),
        (b"\xc3\x11\xc1\x80", "1 items"),
        (b"\xc4\x11\xc2\x31\x61", "without a branch"),
        (b"\xd1" + b"\x80" * 17, "fewer than two"),
        (b"\xd1" + b"\x80" * 16 + b"\x61", "fewer than two"),
        (b"\xc2\x20", "RLP"),
        (b"\xe2\x00\xa0" + bytes(32), "extension without a path"),
        (b"\xf0" + b"\xdf\x20\x9d" + bytes(29) + b"\x61" + b"\x80" * 15, "inlined node of 32 bytes"),
    ],
)
def test_a_stored_node_that_no_trie_has_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CorruptNodeError, match=reason):
        Trie.open(keccak256(data), {keccak256(data): data}).get(b"a")


def test_a_stored_node_in_a_place_where_no_trie_has_it_is_refused() -> None:
    short = b"\xc2\x31\x61"
    branch = b"\xf8\x51" + (b"\xa0" + keccak256(short)) * 2 + b"\x80" * 15
    leaf = b"\xe1\x31\x9f" + b"v" * 31
    extension = b"\xe2\x10\xa0" + keccak256(leaf)
    store = {keccak256(node): node for node in (short, branch, leaf, extension)}
    with pytest.raises(CorruptNodeError, match="should have been inlined"):
        Trie.open(keccak256(branch), store).get(b"\x01")
    with pytest.raises(CorruptNodeError, match="no branch"):
        Trie.open(keccak256(extension), store).get(b"\x01")


def test_arguments_of_the_wrong_form_are_refused() -> None:
    with pytest.raises(InvalidInput, match="32 bytes"):
        Trie.open(b"\x00" * 31, {})
    with pytest.raises(InvalidInput, match="not str"):
        Trie().set(b"key", "value")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="not int"):
        Trie().set(b"key", 5)  # type: ignore[arg-type]
    changing = bytearray(b"first")
    trie = Trie()
    trie.set(b"key", changing)  # type: ignore[arg-type]
    changing[:] = b"later"
    assert trie.get(b"key") == b"first"


@pytest.mark.parametrize("count", [0, 1, 2, 3, 16, 127, 128, 129, 256, 300])
def test_ordered_root_of_lists(count: int) -> None:
    values = [bytes([index % 255 + 1]) * (index % 90 + 1) for index in range(count)]
    assert ordered_root(values) == defined_root({index_key(index): value for index, value in enumerate(values)})
    assert dict(ordered_trie(values).items()) == {index_key(index): value for index, value in enumerate(values)}


def test_ordered_root_refuses_an_empty_item() -> None:
    with pytest.raises(InvalidInput, match="item 1"):
        ordered_root([b"a", b""])
