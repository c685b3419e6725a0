"""All official test vectors, the slowest too, over all cores: `pytest -m slow tests/conformance`."""

import json
import os
from collections import Counter

import pytest

from evmthread.testing.runner import Options, Row, find_files
from evmthread.testing.shards import run_sharded, slow_tests
from tests.conformance_data import require_conformance

pytestmark = pytest.mark.slow


def test_every_case_passes() -> None:
    folder = require_conformance()
    files = [path for path in find_files(folder) if path.name.endswith(".jsonl.gz")]
    failed, forks, others = [], Counter[str](), Counter[str]()
    events = run_sharded(files, Options(), workers=os.cpu_count() or 1, slow=slow_tests(folder))
    for event in (event for unit in events for event in unit):
        assert isinstance(event, Row), event
        if not event.passed:
            failed.append(event)
        if (folder / "state" / event.suite).is_dir():
            forks[event.fork] += 1
        else:
            others[event.suite] += 1
    assert failed == []
    index = json.loads((folder / "index.json").read_text())
    expected: Counter[str] = Counter()
    for entry in index.values():
        expected.update(entry.get("cases", {}))
    assert forks == expected
    assert all(others[suite] >= index_tests(index, suite) for suite in ("vm", "transaction", "rlp", "trie", "basic"))


def index_tests(index: dict[str, dict[str, int]], suite: str) -> int:
    """How many tests of a suite the folder's index names."""
    return sum(entry["tests"] for name, entry in index.items() if name.startswith(suite + "/"))
