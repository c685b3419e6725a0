"""`python -m benchmarks.memory`: what it measures, and that the code cache counts what it holds."""

from pathlib import Path

import pytest

from benchmarks import memory
from benchmarks.workload import WORKLOADS, read_workload

NAMES = ("swap_math.received", "sload_sstore_loop", "solidity/sort")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "WARM_UP_SECONDS", 0.4)


@pytest.mark.parametrize("name", NAMES)
def test_the_cache_counts_about_what_it_holds(name: str) -> None:
    workload = read_workload(WORKLOADS / f"{name}.json")
    decoded = memory.held_by_cache(workload, "stepper")
    compiled = memory.held_by_cache(workload, "auto")
    assert compiled.traced > 1.3 * decoded.traced
    for held in (decoded, compiled):
        assert held.code == sum(len(account.code) for account in workload.accounts.values())
        assert 1 / 1.5 < held.share < 1.5


def test_a_machine_and_its_frames_are_small() -> None:
    machine = memory.machine_bytes()
    assert 500 < machine < 5_000
    plain = memory.recursion_bytes(memory.RECURSION, "auto")
    with_memory = memory.recursion_bytes(memory.RECURSION_WITH_MEMORY, "auto")
    assert memory.DEPTH * 500 < plain < memory.DEPTH * 2_000
    # A kilobyte of memory is 32 words: a pointer each, and what they point at, which is zero and shared.
    assert memory.DEPTH * 240 < with_memory - plain < memory.DEPTH * 400


def test_the_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert memory.main([str(WORKLOADS / "call_noop.json")]) == 0
    first, *frames, headings, row = capsys.readouterr().out.splitlines()
    assert first.startswith("a machine with its first frame: ")
    assert [line.split(":")[0] for line in frames] == ["1,024 frames, stepper", "1,024 frames, auto"]
    assert headings.split()[0] == "workload"
    assert row.split()[:2] == ["call_noop", "1"]
    assert memory.main([str(tmp_path / "none.json")]) == 2
