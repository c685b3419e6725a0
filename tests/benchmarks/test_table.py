"""Results files as Markdown tables."""

import json
from pathlib import Path

import pytest

from benchmarks import table
from benchmarks.results import FORMAT

RATIOS = {"stepper": 7.0, "cold": 12.5, "both cold": 15.0, "stored": 30.25, "warm": 120.4, "pyrevm": 200.0}
SECONDS = {"py-evm": 0.12, "py-evm, cold": 0.15, "cold": 0.008, "stored": 0.002, "warm": 0.001}
RESULTS = {
    "format": FORMAT,
    "workloads": [
        {"name": "sort", "group": "host-heavy", "opcodes": 1000, "ratio": RATIOS, "cpu_seconds": SECONDS},
        {"name": "noop", "group": None, "opcodes": 1, "ratio": RATIOS, "cpu_seconds": SECONDS},
    ],
    "summary": {"host-heavy": {name: {"geometric_mean": value, "least": value} for name, value in RATIOS.items()}},
}


def test_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(RESULTS))
    assert table.main([str(path)]) == 0
    text = capsys.readouterr().out
    assert "| sort | 1,000 | 7.00 | 12.5 | 15.0 | 30.2 | 120 | 200 | - | 1,000.0 |" in text
    assert "| host-heavy | least | 7.00 | 12.5 | 15.0 | 30.2 | 120 | 200 | - |" in text
    assert "| sort | 150 | 8 | 2 | 1 | 2.0 |" in text
    assert "alone:" in text


def test_a_file_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.json"
    path.write_text("{}")
    assert table.main([str(path)]) == 2
    assert "no results of the format" in capsys.readouterr().err
