"""Kinds of tests are told by their content; every suite notices a wrong answer."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from evmthread.machine.code_cache import CodeCache
from evmthread.testing.cases import CaseOutcome
from evmthread.testing.fixtures import FixtureError, FixtureTest, read_tests
from evmthread.testing.suites import suite_of
from tests.conformance.test_sample import SAMPLE

Body = dict[str, Any]


def first(suite: str, name: str | None = None, **having: object) -> FixtureTest:
    """The first test in the sample of this kind, with this name, with these parts."""
    for path in sorted(SAMPLE.rglob("*.gz")):
        for test in read_tests(path):
            found = suite_of(test)
            assert found is not None
            if found.name == suite and name in (None, test.name) and having.keys() <= test.body.keys():
                return test
    raise AssertionError(suite)


def outcomes(test: FixtureTest) -> list[CaseOutcome]:
    suite, cache = suite_of(test), CodeCache()
    assert suite is not None
    return [case.check(cache, ()) for case in suite.cases(test)]


def wrong(test: FixtureTest, change: Callable[[Body], object]) -> FixtureTest:
    body = copy.deepcopy(dict(test.body))
    change(body)
    return FixtureTest(test.name, test.file, test.suite, body)


def flipped(text: str) -> str:
    """The same hex with its last digit changed."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def flip(key: str) -> Callable[[Body], object]:
    return lambda body: body.update({key: flipped(body[key])})


def flip_results(body: Body) -> None:
    for result in body["result"].values():
        result["intrinsicGas"] = hex(int(result["intrinsicGas"], 16) + 1)


def expect_refusals(body: Body) -> None:
    body["result"] = {fork: {"exception": "TR_NoFunds"} for fork in body["result"]}


CHANGES: list[tuple[FixtureTest, Callable[[Body], object]]] = [
    (first("vm", out=""), flip("gas")),
    (first("vm", out=""), lambda body: body.update(out=body["out"] + "00")),
    (first("vm", out=""), flip("logs")),
    (first("vm", out=""), lambda body: body.update(post={})),
    (first("vm", out=""), lambda body: body.pop("post")),
    (first("transaction", "RightVRSTest"), flip_results),
    (first("transaction", "RightVRSTest"), expect_refusals),
    (first("keys"), flip("key")),
    (first("keys"), flip("addr")),
    (first("signing"), lambda body: body.update(nonce=1)),
    (first("signing"), flip("key")),
    (first("hex prefix"), flip("out")),
    (first("genesis"), flip("genesis_hash")),
    (first("genesis"), flip("genesis_state_root")),
    (first("old genesis"), lambda body: body.update(result=body["result"].replace("1dcc4de8", "1dcc4de9"))),
    (first("decryption", "aes1"), flip("payload")),
    (first("decryption", "ecies1"), flip("payload")),
    (first("abi"), flip("result")),
    (first("keystore"), flip("priv")),
    (first("keystore"), lambda body: body.update(password="guess")),
    (first("trie", root=""), flip("root")),
    (first("trie", tests=""), lambda body: body["tests"].append(["cat", "dog", ""])),
    (first("rlp", "emptylist"), lambda body: body.update({"in": [[]]})),
    (first("rlp", "wrongSizeList"), lambda body: body.update({"in": "VALID"})),
    (first("rlp", "emptylist"), lambda body: body.update({"in": "INVALID"})),
]


@pytest.mark.parametrize("number", range(len(CHANGES)), ids=lambda number: f"{CHANGES[number][0].name}-{number}")
def test_a_wrong_answer_fails(number: int) -> None:
    test, change = CHANGES[number]
    assert all(outcome.passed for outcome in outcomes(test))
    assert not any(outcome.passed for outcome in outcomes(wrong(test, change)))


@pytest.mark.parametrize(
    "body",
    [
        {"exec": {}},
        {"pre": {}},
        {"post": {}, "env": {}, "transaction": {}},
        {"txbytes": "0x"},
        {"seed": "x", "key": "y"},
        {"password": "x"},
        {"inputs": {}, "result": ""} | {"seq": []},
    ],
)
def test_parts_that_are_missing_are_named(body: Body) -> None:
    with pytest.raises(FixtureError, match="test without"):
        suite_of(FixtureTest("name", "file", "", body))


@pytest.mark.parametrize("body", [{}, {"tests": 3}, {"blocks": [], "pre": {}}, {"expect": [], "env": {}, "pre": {}}])
def test_other_kinds_are_told_apart(body: Body) -> None:
    assert suite_of(FixtureTest("name", "file", "", body)) is None


@pytest.mark.parametrize(
    ("suite", "key", "value"),
    [
        ("vm", "exec", []),
        ("vm", "pre", None),
        ("transaction", "txbytes", 5),
        ("transaction", "result", []),
        ("trie", "in", 5),
        ("trie", "in", {"a": 5}),
        ("trie", "root", "0x00"),
        ("rlp", "out", "0x1"),
        ("rlp", "in", 0.5),
        ("abi", "types", ["uint999"]),
        ("abi", "args", []),
        ("keystore", "json", []),
        ("keys", "seed", None),
        ("signing", "signed", []),
        ("hex prefix", "seq", [999]),
        ("genesis", "genesis_rlp_hex", "00"),
        ("old genesis", "result", "c0"),
        ("decryption", "cipher", ""),
        ("decryption", "decryption_type", "rot13"),
    ],
)
def test_wrong_types_fail_or_are_typed_errors(suite: str, key: str, value: object) -> None:
    test = wrong(first(suite, **{key: ""}), lambda body: body.update({key: value}))
    try:
        passed = all(outcome.passed for outcome in outcomes(test))
    except FixtureError:
        passed = False
    assert not passed
