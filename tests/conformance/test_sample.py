"""The sample of official test vectors that lies in the repository: all of it passes, with no other data there."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from evmthread.isa.forks import HISTORY, fork_named
from evmthread.machine.code_cache import CodeCache
from evmthread.testing.fixtures import read_tests
from evmthread.testing.runner import Options, Row, run_file
from evmthread.testing.suites import SUITES, suite_of

SAMPLE = Path(__file__).parent / "sample"
FILES = sorted(SAMPLE.rglob("*.jsonl.gz"))
NOT_IN_FIXTURES = {"DAOFork", "BPO1", "BPO2"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_case_passes(path: Path) -> None:
    cache = CodeCache()
    events = list(run_file(path, Options(), cache=cache))
    rows = [event for event in events if isinstance(event, Row)]
    assert [event for event in events if not isinstance(event, Row)] == []
    assert [row for row in rows if not row.passed] == []
    with gzip.open(path) as lines:
        tests = [json.loads(line) for line in lines]
    # Said apart from the code under test: a state test has a case for each entry of `post`.
    assert len(rows) == sum(
        sum(map(len, test["post"].values()))
        if "transaction" in test
        else len(test["result"])
        if "txbytes" in test
        else 1
        for test in tests
    )


def test_the_sample_has_every_fork_and_every_kind_of_test() -> None:
    forks: Counter[str] = Counter()
    suites = set()
    for path in FILES:
        for test in read_tests(path):
            suite = suite_of(test)
            assert suite is not None
            suites.add(suite.name)
            if suite.name == "state":
                forks.update({fork_named(fork).name: len(entries) for fork, entries in test.body["post"].items()})
    assert suites == {suite.name for suite in SUITES}
    assert forks.keys() == {fork.name for fork in HISTORY} - NOT_IN_FIXTURES
    assert min(forks.values()) >= 100


def test_the_sample_is_small_and_has_its_licence() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) <= 2_000_000
    assert "Ethereum Foundation" in (SAMPLE / "LICENSE").read_text()
