"""`python -m benchmarks.hooks`: a row for each kind of hook, right results only."""

import json
from pathlib import Path

import pytest

from benchmarks import hooks
from benchmarks.workload import WORKLOADS


def test_a_row_for_each_kind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "RESULTS", tmp_path)
    monkeypatch.setattr("benchmarks.measure.WARM_UP_CALLS", 2)
    assert hooks.main([str(WORKLOADS / "swap_math.received.json"), "--rounds", "1", "--save"]) == 0
    output, errors = capsys.readouterr()
    heading, none, *rows = output.splitlines()
    assert "times no hook" in heading
    assert "none" in none
    assert len(rows) == len(hooks.KINDS)
    (saved,) = tmp_path.iterdir()
    record = json.loads(saved.read_bytes())
    assert saved.name in errors
    told = {row["hook"]: row["told"] for row in record["rows"]}
    assert told["steps: step_start"] == 1038
    assert told["calls: call, frame_start, frame_end"] == 3


def test_a_wrong_result_counts_for_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    record = json.loads((WORKLOADS / "call_noop.json").read_bytes())
    record["expect"]["execGas"] += 1
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert hooks.main([str(path), "--rounds", "1"]) == 2
    assert "execGas" in capsys.readouterr().err
