"""The official trie vectors."""

import bisect
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from evmthread.merkle.trie import Trie
from evmthread.primitives.keccak import keccak256
from tests.conformance_data import read_vectors, require_conformance


def as_bytes(text: str | None) -> bytes:
    if text is None:
        return b""
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()


def root_of(steps: Sequence[tuple[str, str | None]], *, secure: bool) -> str:
    trie = Trie()
    for key, value in steps:
        trie.set(keccak256(as_bytes(key)) if secure else as_bytes(key), as_bytes(value))
    return "0x" + trie.root().hex()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("trietest", 3),
        ("trietest_secureTrie", 3),
        ("trieanyorder", 5),
        ("trieanyorder_secureTrie", 7),
        ("hex_encoded_securetrie_test", 2),
    ],
)
def test_roots(name: str, count: int) -> None:
    vectors: list[dict[str, Any]] = list(read_vectors(require_conformance() / "trie" / f"{name}.jsonl.gz"))
    secure = "secure" in name.lower()
    for vector in vectors:
        given = vector["in"]
        orders = [given]
        if isinstance(given, dict):
            orders = list(itertools.islice(itertools.permutations(given.items()), 120))
        for order in orders:
            assert root_of(order, secure=secure) == vector["root"], vector["name"]
    assert len(vectors) >= count


def test_neighbours_in_key_order() -> None:
    for vector in read_vectors(require_conformance() / "trie" / "trietestnextprev.jsonl.gz"):
        trie = Trie()
        for key in vector["in"]:
            trie.set(as_bytes(key), b"any")
        keys = [b"", *(key for key, _ in trie.items()), b""]
        for key, before, after in vector["tests"]:
            inner = keys[1:-1]
            assert keys[bisect.bisect_left(inner, as_bytes(key))] == as_bytes(before)
            assert keys[bisect.bisect_right(inner, as_bytes(key)) + 1] == as_bytes(after)
