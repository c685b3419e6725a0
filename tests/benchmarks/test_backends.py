"""`python -m benchmarks.backends` and its picture."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import backends, plot_backends
from benchmarks.backends import main, row
from benchmarks.results import BACKENDS_FORMAT, FORMAT, ResultsError, read_results

Captured = pytest.CaptureFixture[str]


def test_a_line_for_each_backend_and_size(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "RESULTS", tmp_path)
    monkeypatch.setattr(backends, "BACKENDS", ("memory", "sqlite"))
    flags = ["--slots", "20", "--slots", "30"]
    assert main([*flags, "--save"]) == 0
    output, errors = capsys.readouterr()
    (path,) = tmp_path.iterdir()
    assert errors.splitlines()[-1] == f"saved as benchmarks/results/{path.name}"
    lines = read_results(path, BACKENDS_FORMAT)["lines"]
    assert [(line["slots"], line["backend"]) for line in lines] == [
        (slots, name) for slots in (20, 30) for name in ("memory", "sqlite")
    ]
    assert [printed.split()[0] for printed in output.splitlines()] == ["backend", *["memory", "sqlite"] * 2]
    for line in lines:
        assert all(value > 0 for name, value in line.items() if name.endswith("Seconds"))
        assert ("openSeconds" in line) is (line["backend"] != "memory")
        assert row(line)[:2] == (line["backend"], str(line["slots"]))


def test_bad_arguments() -> None:
    for flags in (["--slots", "9"], ["--backend", "paper"]):
        with pytest.raises(SystemExit) as leaving:
            main(flags)
        assert leaving.value.code == 2


def test_the_picture_refuses_what_is_no_result(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, out = tmp_path / "results.json", str(tmp_path / "out.svg")
    results.write_text(json.dumps({"format": FORMAT, "workloads": []}))
    assert plot_backends.main([str(results), out]) == 2
    with pytest.raises(ResultsError, match=BACKENDS_FORMAT):
        read_results(results, BACKENDS_FORMAT)
    results.write_text(json.dumps({"format": BACKENDS_FORMAT, "lines": []}))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plot_backends.main([str(results), out]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "plot: matplotlib is not installed: pip install -e '.[bench]'"
