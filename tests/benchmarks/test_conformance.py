"""`python -m benchmarks.conformance`: what is drawn, and what counts as a disagreement. Without peers."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.conformance import FORKS, SAMPLE, Drawn, Times, draw, main, record_of
from tests.testing.samples import state_test, write_json

Captured = pytest.CaptureFixture[str]
ALONE = ["--without", "py-evm", "--without", "eels"]


def test_cases_are_drawn_evenly_and_again_the_same() -> None:
    cases = draw([SAMPLE], 52, 7)
    assert Counter(case.fork for case in cases) == dict.fromkeys(FORKS, 4)
    assert cases == draw([SAMPLE], 52, 7)
    assert cases != draw([SAMPLE], 52, 8)


def test_evmthread_reaches_the_roots_of_the_sample(capsys: Captured) -> None:
    assert main([*ALONE, "--cases", "130", "--rounds", "1", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["cases"] == 130
    assert list(record["evms"]) == ["evmthread"]
    found = record["evms"]["evmthread"]
    assert (found["other_root"], found["raised"], found["disagrees"]) == (0, 0, [])
    assert found["cases_per_second"] == pytest.approx(130 / found["cpu_seconds"], rel=0.05)


def test_another_root_is_a_disagreement_and_exit_code_1(tmp_path: Path, capsys: Captured) -> None:
    test = state_test()
    test["post"]["Berlin"][0]["hash"] = "0x" + "11" * 32
    assert main([*ALONE, "--rounds", "2", str(write_json(tmp_path / "a.json", {"wrong": test}))]) == 1
    output = capsys.readouterr().out
    assert "2 cases: Berlin 1, Cancun 1" in output or "2 cases: Cancun 1, Berlin 1" in output
    assert output.count("evmthread disagrees: ") == 1
    assert "wrong Berlin[0]: " in output


@pytest.mark.parametrize("content", [{}, {"a": {"in": [], "out": ""}}])
def test_files_without_state_tests_are_refused(content: object, tmp_path: Path, capsys: Captured) -> None:
    assert main([*ALONE, str(write_json(tmp_path / "a.json", content))]) == 1
    assert "no state tests" in capsys.readouterr().err
    assert main([*ALONE, str(tmp_path / "none.json")]) == 2


def test_medians_ratios_and_what_was_raised() -> None:
    cases = [Drawn("f", "n", "Berlin", index, {}, "00") for index in range(10)]
    times = {
        "evmthread": Times([1.0, 2.0, 9.0]),
        "py-evm": Times([10.0, 30.0, 36.0], {3: "11", 4: "! KeyError: x"}),
    }
    evms = record_of(cases, times, {"evmthread": {}, "py-evm": {}})["evms"]
    assert (evms["evmthread"]["cpu_seconds"], evms["evmthread"]["cases_per_second"]) == (2.0, 5.0)
    assert evms["evmthread"]["ratio"] == 10.0
    assert (evms["py-evm"]["ratio"], evms["py-evm"]["other_root"], evms["py-evm"]["raised"]) == (1.0, 1, 1)
    assert evms["py-evm"]["disagrees"] == ["f n Berlin[3]: 11", "f n Berlin[4]: ! KeyError: x"]
