"""One case of every official test but the slowest, chosen by a hash: every file of the vectors is touched.

Needs the folder of vectors (tests/conformance_data.py). Which case is run changes with nothing but the vectors.
"""

import hashlib
from pathlib import Path

import pytest

from evmthread.machine.code_cache import CodeCache
from evmthread.testing.fixtures import FixtureTest, read_tests
from evmthread.testing.runner import Options, Row, run_test
from evmthread.testing.shards import slow_tests
from evmthread.testing.suites import suite_of
from tests.conformance_data import require_conformance

FOLDER = require_conformance(module=True)
FILES = sorted(FOLDER.rglob("*.jsonl.gz"))
SLOW = slow_tests(FOLDER)
CACHE = CodeCache()


def chosen(test: FixtureTest) -> int | None:
    """The number of the case that is run; None for all of them."""
    suite = suite_of(test)
    assert suite is not None
    if suite.name != "state":
        return None
    count = sum(1 for _ in suite.cases(test))
    digest = hashlib.sha256(f"{test.suite}/{test.file}/{test.name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % count


def is_slow(test: FixtureTest) -> bool:
    return (test.suite.encode(), test.file.encode()) in SLOW or test.file.startswith("vmPerformance/")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)).removesuffix(".jsonl.gz"))
def test_one_case_of_each_test(path: Path) -> None:
    count = 0
    for test in read_tests(path):
        if is_slow(test):
            count += 1
            continue
        for event in run_test(test, Options(), cache=CACHE, only=chosen(test)):
            assert isinstance(event, Row), event
            assert event.passed, event
            count += 1
    assert count
