"""`python -m benchmarks.regression`: made-up results files, and what is said of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import regression
from benchmarks.compare import summary

Ratios = dict[str, dict[str, float]]
OLD: Ratios = {
    "sort": {"stepper": 8.0, "cold": 10.0, "stored": 50.0, "warm": 100.0, "pyrevm": 300.0},
    "sha1": {"stepper": 9.0, "cold": 11.0, "stored": 40.0, "warm": 60.0, "pyrevm": 200.0},
}


def results(path: Path, ratios: Ratios) -> str:
    workloads: list[dict[str, Any]] = [
        {"name": name, "group": "computing", "opcodes": 9, "cpu_seconds": {}, "ratio": ratio}
        for name, ratio in ratios.items()
    ]
    record = {"format": "evmthread-results/1", "workloads": workloads, "summary": summary(workloads)}
    path.write_text(json.dumps(record), encoding="utf-8")
    return str(path)


def compared(tmp_path: Path, new: Ratios, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = regression.main([results(tmp_path / "old.json", OLD), results(tmp_path / "new.json", new)])
    return code, capsys.readouterr().out.splitlines()


def changed(name: str, **ratios: float) -> Ratios:
    return OLD | {name: OLD[name] | ratios}


@pytest.mark.parametrize("evm", ["stepper", "cold", "stored", "warm"])
def test_a_drop_of_more_than_a_tenth_is_reported(evm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = OLD["sort"][evm]
    code, lines = compared(tmp_path, changed("sort", **{evm: before * 0.89}), capsys)
    assert code == 1
    assert lines == [
        f"sort, {evm}: {before:.2f} x before, {before * 0.89:.2f} x now (-11%)",
        "1 of the ratios to py-evm fell by more than 10%",
    ]


def test_a_drop_of_a_tenth_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = changed("sort", warm=90.0, cold=9.0, stepper=100.0)
    assert compared(tmp_path, new, capsys) == (0, ["0 of the ratios to py-evm fell by more than 10%"])


def test_other_evms_may_fall(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(tmp_path, changed("sort", pyrevm=1.0), capsys)[0] == 0


def test_many_falls_show_in_the_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = {name: ratio | {"warm": ratio["warm"] * 0.8} for name, ratio in OLD.items()}
    code, lines = compared(tmp_path, new, capsys)
    assert code == 1
    assert lines[:2] == [
        "sort, warm: 100.00 x before, 80.00 x now (-20%)",
        "sha1, warm: 60.00 x before, 48.00 x now (-20%)",
    ]
    assert lines[2] == "all computing, warm: 77.46 x before, 61.97 x now (-20%)"


def test_what_is_measured_no_more_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = compared(tmp_path, {"sort": OLD["sort"]}, capsys)
    assert code == 1
    assert "sha1, warm: 60.00 x before, not measured now" in lines
    # What is new has nothing to be compared with.
    assert compared(tmp_path, OLD | {"new": {"warm": 80.0}}, capsys)[0] == 0
