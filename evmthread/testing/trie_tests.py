"""Official trie tests: keys and values in order (null deletes) or in any order, and their root; neighbours of keys."""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from functools import partial

from evmthread.machine.code_cache import CodeCache
from evmthread.merkle.trie import Trie
from evmthread.primitives.keccak import keccak256
from evmthread.testing.cases import Case, CaseOutcome, Hooks, differences
from evmthread.testing.fixtures import FixtureError, FixtureTest, Json, data, fixed, reading, shown

REQUIRED = ("in",)
ANY_ORDERS = 120  # all orders of up to five keys

Pair = tuple[bytes, bytes]


def cases(test: FixtureTest) -> Iterator[Case]:
    """The one case of a test."""
    check = _check_neighbours if "tests" in test.body else _check_root
    yield Case(test.name, "", 0, partial(check, test))


def _bytes(text: object) -> bytes:
    if text is None:
        return b""
    if not isinstance(text, str):
        raise FixtureError(f"a string was expected, not {shown(text)}")
    return data(text) if text.startswith("0x") else text.encode()


def _orders(body: Json) -> Iterator[Sequence[Pair]]:
    given = body["in"]
    pairs = [(_bytes(key), _bytes(value)) for key, value in (given.items() if isinstance(given, dict) else given)]
    if not isinstance(given, dict):
        return iter([pairs])
    return itertools.islice(itertools.permutations(pairs), ANY_ORDERS)


def _check_root(test: FixtureTest, _cache: CodeCache, _hooks: Hooks) -> CaseOutcome:
    # Only the file's name says that keys are to be hashed.
    secure = "secure" in test.file.lower()
    with reading(test.name):
        orders, root = _orders(test.body), fixed(test.body["root"], 32)
    found = b""
    for order in orders:
        trie = Trie()
        for key, value in order:
            trie.set(keccak256(key) if secure else key, value)
        found = trie.root()
        if found != root:
            break
    return CaseOutcome(differences(("root", found, root)), found)


def _check_neighbours(test: FixtureTest, _cache: CodeCache, _hooks: Hooks) -> CaseOutcome:
    with reading(test.name):
        trie = Trie()
        for key in test.body["in"]:
            trie.set(_bytes(key), b"any")
        questions = [(_bytes(key), _bytes(before), _bytes(after)) for key, before, after in test.body["tests"]]
    keys = [key for key, _ in trie.items()]
    for key, before, after in questions:
        left, right = bisect.bisect_left(keys, key), bisect.bisect_right(keys, key)
        error = differences(
            (f"key before {key!r}", keys[left - 1] if left else b"", before),
            (f"key after {key!r}", keys[right] if right < len(keys) else b"", after),
        )
        if error:
            return CaseOutcome(error)
    return CaseOutcome()
