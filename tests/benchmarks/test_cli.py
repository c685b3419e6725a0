"""`python -m benchmarks`: what it prints and with which exit code it ends."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plot, regression
from benchmarks.__main__ import main
from benchmarks.compare import Comparison, summary
from benchmarks.report import geometric_mean, group_of
from benchmarks.workload import WORKLOADS, WorkloadError, read_workload, read_workloads

SMALL = WORKLOADS / "swap_math.received.json"
SMALLEST = WORKLOADS / "call_noop.json"
LOOPING = WORKLOADS / "solidity" / "sort.json"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def changed(tmp_path: Path, **expect: object) -> Path:
    """A copy of the small workload that expects something else."""
    record = json.loads(SMALL.read_bytes())
    record["expect"] |= expect
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


@pytest.mark.parametrize("engine", ["stepper", "auto"])
def test_one_json_object_for_each_workload(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SMALL), str(SMALLEST), "--engine", engine]) == 0
    first, second = lines(capsys)
    assert (first["name"], first["opcodes"], second["name"]) == ("swap_math.received", 1038, "call_noop")
    for line in (first, second):
        assert line["correct"] is True
        assert line["engine"] == engine
        assert line["cold"] is False
        assert line["cpu_seconds"] > 0
        assert line["ns_per_opcode"] == pytest.approx(line["cpu_seconds"] / line["opcodes"] * 1e9, rel=1e-2)


def test_cold_runs_fresh_processes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SMALL), "--engine", "stepper", "--cold", "--json"]) == 0
    (line,) = lines(capsys)
    assert line["cold"] is True
    assert line["correct"] is True
    assert line["cpu_seconds"] > 0


def test_stored_runs_fresh_processes_with_code_that_a_former_one_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, commands = subprocess.run, list[list[str]]()

    def noted(command: list[str], **options: Any) -> Any:
        if len(commands) > 1:
            (left,) = Path(command[-1]).iterdir()
            assert left.stat().st_size > 1000
        commands.append(command)
        return plain(command, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    assert main([str(LOOPING), "--stored", "--json"]) == 0
    (line,) = lines(capsys)
    assert (line["stored"], line["cold"], line["correct"]) == (True, False, True)
    assert line["calls"] > 1
    assert [command[-1] == "--fill" for command in commands] == [True] + [False] * line["calls"]
    assert not Path(commands[-1][-1]).exists()


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SMALLEST), "--table"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["workload", "opcodes", "seconds", "ns/opcode", "calls", "correct"]
    assert (row.split()[0], row.split()[1], row.split()[-1]) == ("call_noop", "1", "yes")


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ({"output": "0x01"}, "not 0x01"),
        ({"execGas": 1}, "execGas 3"),
        ({"refund": 7}, "refund 0, not 7"),
        ({"success": False}, "success True, not False"),
    ],
    ids=["output", "gas", "refund", "success"],
)
def test_a_wrong_result_is_told(
    tmp_path: Path, expect: dict[str, object], problem: str, cold: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = changed(tmp_path, **expect)
    assert main([str(path), str(SMALLEST), "--engine", "stepper", *(["--cold"] if cold else [])]) == 1
    wrong, right = lines(capsys)
    assert wrong["correct"] is False
    assert problem in wrong["problem"]
    assert right["correct"] is True


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "not a workload"),
        ('{"format": "evmthread-bench/9"}', "not a workload of the format evmthread-bench/1"),
        ('{"format": "evmthread-bench/1"}', "env is missing"),
    ],
)
def test_a_malformed_file_is_one_line(
    tmp_path: Path, content: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "malformed.json"
    path.write_text(content, encoding="utf-8")
    assert main([str(SMALLEST), str(path)]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""  # nothing is timed before all is read
    (line,) = streams.err.splitlines()
    assert str(path) in line
    assert complaint in line


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("call", "to", "0x12345"),
        ("call", "gas", "much"),
        ("call", "data", None),
        ("env", "coinbase", "c01b"),
        ("expect", "refund", None),
        ("expect", "output", "0x0"),
    ],
)
def test_a_bad_value_is_refused(tmp_path: Path, part: str, key: str, value: object) -> None:
    record = json.loads(SMALL.read_bytes())
    record[part][key] = value
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(WorkloadError, match=r"bad\.json"):
        read_workload(path)
    del record[part][key]
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(WorkloadError, match=rf"bad\.json: {key} is missing"):
        read_workload(path)


def test_an_unknown_fork_and_missing_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(SMALL.read_bytes()) | {"fork": "atlantis"}
    path = tmp_path / "fork.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert main([str(path)]) == 2
    assert "atlantis" in capsys.readouterr().err
    assert main([str(tmp_path / "none.json")]) == 2
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_folder_stands_for_the_files_in_and_below_it() -> None:
    assert len(read_workloads([WORKLOADS])) == len(list(WORKLOADS.rglob("*.json")))
    assert [workload.name for workload in read_workloads([SMALLEST])] == ["call_noop"]


def test_gas_after_refunds_is_what_a_transaction_pays() -> None:
    workload = read_workload(SMALL)
    expect = workload.record["expect"]
    data = workload.call.data
    gas = 21_000 + sum(16 if byte else 4 for byte in data) + expect["execGas"]
    answer = {"success": True, "output": expect["output"]}
    assert workload.problem(answer | {"gas": gas}) is None
    assert workload.problem(answer | {"gas": gas + 1}) == f"gas {gas + 1}, not {gas}"


def test_groups_and_means() -> None:
    groups = {workload.name: group_of(workload.name, solidity=False) for workload in read_workloads([WORKLOADS])}
    assert groups["call_noop"] is groups["ecrecover_loop"] is None
    assert (
        groups["call_loop"] == groups["sload_sstore_loop"] == group_of("solidity_sort", solidity=True) == "host-heavy"
    )
    assert groups["snailtracer"] == "computing"
    assert geometric_mean([1, 100]) == pytest.approx(10)


def test_a_ratio_is_the_median_pair() -> None:
    rounds = {"py-evm": [10.0, 20.0, 90.0], "stepper": [1.0, 1.0, 10.0], "cold": [5.0]}
    line = Comparison(read_workload(SMALL), rounds).line()
    assert line["ratio"] == {"stepper": 10.0, "cold": 2.0}
    assert line["cpu_seconds"]["py-evm"] == 20.0
    assert summary([line])["computing"]["stepper"] == {
        "workloads": 1,
        "geometric_mean": 10.0,
        "least": 10.0,
        "least_of": "swap_math.received",
    }


def results(tmp_path: Path, name: str, ratio: float) -> str:
    line = {
        "name": "one",
        "group": "computing",
        "opcodes": 9,
        "cpu_seconds": {},
        "ratio": {"warm": ratio, "pyrevm": 1.0},
    }
    record = {"format": "evmthread-results/1", "workloads": [line], "summary": summary([line])}
    path = tmp_path / name
    path.write_text(json.dumps(record), encoding="utf-8")
    return str(path)


def test_regression_reports_more_than_a_tenth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, slightly, much = (
        results(tmp_path, name, ratio) for name, ratio in (("a.json", 50.0), ("b.json", 45.5), ("c.json", 44.0))
    )
    assert regression.main([old, slightly]) == 0
    assert regression.main([much, old]) == 0
    capsys.readouterr()
    assert regression.main([old, much]) == 1
    assert "one, warm: 50.00 x before, 44.00 x now (-12%)" in capsys.readouterr().out


def test_regression_and_plot_refuse_what_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = results(tmp_path, "good.json", 1.0)
    for bad in (str(SMALL), str(tmp_path / "none.json")):
        assert regression.main([good, bad]) == 2
        assert plot.main([bad, str(tmp_path / "out.svg")]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 2
