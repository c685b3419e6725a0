"""All official test vectors, the slowest last: `pytest -m slow tests/conformance`.

A test for each file of vectors, and one for each slow test and fork, so that a run that is cut off has passed what it
has reached. The same cases on all cores with one summary: `evmthread statetest FOLDER --workers N`.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from evmthread.machine.code_cache import CodeCache
from evmthread.testing.fixtures import FixtureTest, read_tests
from evmthread.testing.runner import Options, Row, Selection, run_test
from evmthread.testing.suites import suite_of
from tests.conformance.test_fast import FILES, FOLDER, SLOW, is_slow

pytestmark = pytest.mark.slow

INDEX = json.loads((FOLDER / "index.json").read_text())
CACHE = CodeCache()


def name_of(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def run(test: FixtureTest, options: Options) -> Counter[str]:
    """Runs the cases of a test; how many there were of each fork."""
    rows = list(run_test(test, options, cache=CACHE))
    for row in rows:
        assert isinstance(row, Row), row
        assert row.passed, row
    return Counter(row.fork for row in rows if isinstance(row, Row))


def slow_pieces() -> list[tuple[Path, str, str]]:
    """(file of vectors, file of the test's origin, fork) of all slow cases: small enough to stop between them."""
    pieces = [(FOLDER / "vm" / "vmPerformance.jsonl.gz", "vmPerformance/", "Frontier")]
    for suite, origin in sorted(SLOW):
        folder = origin.decode().rpartition("/")[0].replace("/", "__")
        path = FOLDER / "state" / suite.decode() / f"{folder}.jsonl.gz"
        pieces += [(path, origin.decode(), fork) for fork in INDEX[name_of(path)]["cases"]]
    return pieces


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_case_passes(path: Path) -> None:
    forks: Counter[str] = Counter()
    tests = 0
    for test in read_tests(path):
        tests += 1
        if not is_slow(test):
            forks += run(test, Options())
            continue
        suite = suite_of(test)
        assert suite is not None
        forks += Counter(case.fork for case in suite.cases(test))
    entry = INDEX[name_of(path)]
    assert tests == entry["tests"]
    if "cases" in entry:
        assert forks == Counter(entry["cases"])


@pytest.mark.parametrize(("path", "origin", "fork"), slow_pieces(), ids=lambda value: str(value).rpartition("/")[2])
def test_every_slow_case_passes(path: Path, origin: str, fork: str) -> None:
    found = [test for test in read_tests(path) if test.file.startswith(origin)]
    assert found
    for test in found:
        assert is_slow(test)
        run(test, Options(Selection(fork=fork)))
