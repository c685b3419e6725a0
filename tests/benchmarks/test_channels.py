"""`python -m benchmarks.channels` and its picture."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import channel_floor, channel_measures, channels, plot_channels
from benchmarks.channel_games import MOVES, Table, head_of, warm_caches
from benchmarks.channels import ROWS, main, table
from benchmarks.results import CHANNELS_FORMAT, FORMAT, read_results
from evmthread.machine.code_cache import CodeCache

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def caches() -> tuple[CodeCache, CodeCache]:
    return warm_caches(1)


def test_rows_are_measured_and_kept(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "RESULTS", tmp_path)
    monkeypatch.setattr(channels, "warm_caches", lambda: warm_caches(1))
    assert main(["verify", "durable", "--quick", "--no-peer", "--save"]) == 0
    output, errors = capsys.readouterr()
    (path,) = tmp_path.iterdir()
    assert errors.splitlines()[-1] == f"saved as benchmarks/results/{path.name}"
    lines = read_results(path, CHANNELS_FORMAT)["lines"]
    assert [line["row"] for line in lines] == ["verify", "durable"]
    assert all(value > 0 for line in lines for name, value in line.items() if name != "row")
    assert "an agreement of two verified, us" in output
    assert len(output.splitlines()) == 1 + sum(len(table(line)) for line in lines)


def test_a_game_in_memory_beside_its_floor(caches: tuple[CodeCache, CodeCache]) -> None:
    line = channel_measures.in_memory(1, caches, peer=False)
    assert set(line["floor"]) == set(channel_floor.PIECES)
    assert line["floorSeconds"] == pytest.approx(sum(line["floor"].values()))
    assert 0 < line["ofFloor"] == pytest.approx(line["floorSeconds"] / line["cpuSeconds"])


def test_the_floor_is_of_what_was_agreed(caches: tuple[CodeCache, CodeCache]) -> None:
    head, begun = head_of(3), Table(head_of(3), caches).begin()
    state = begun.endpoints[0].channel.thread.whole_step()
    assert state is not None
    line = begun.play().agreed()[-MOVES:]
    assert all(seconds > 0 for seconds in channel_floor.floor(head, state.changes, line, CodeCache()).values())
    (agreement, signed), *_ = line
    changed = replace(signed.batch.inputs[0], data=begun.adopted[-1].batch.batch.inputs[0].data)
    other = replace(signed, batch=replace(signed.batch, inputs=(changed,)))
    with pytest.raises(AssertionError):
        channel_floor.floor(head, state.changes, [(agreement, other)], CodeCache())


def test_another_implementation_is_given_the_game_and_held_to_its_digests(
    caches: tuple[CodeCache, CodeCache],
) -> None:
    game = channel_measures.played_game(5, caches)
    assert len(game.record["moves"]) == len(game.digests) == MOVES
    assert json.loads(json.dumps(game.record)) == game.record
    assert game.problem({"digests": game.digests}) is None
    assert game.problem({"digests": game.digests[::-1]})


def test_a_goal_that_is_not_met_says_so() -> None:
    def verdict(seconds: float) -> str:
        ((_, _, _, said),) = table({"row": "verify", "seconds": seconds})
        return said

    assert (verdict(0.000_2), verdict(0.000_3)) == ("", "short")


def test_bad_arguments(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["nothing"])
    assert leaving.value.code == 2
    assert ", ".join(ROWS) in capsys.readouterr().err


def test_the_picture_refuses_what_is_no_result(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, out = tmp_path / "results.json", str(tmp_path / "out.svg")
    results.write_text(json.dumps({"format": FORMAT, "workloads": []}))
    assert plot_channels.main([str(results), out]) == 2
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    results.write_text(json.dumps({"format": CHANNELS_FORMAT, "lines": []}))
    assert plot_channels.main([str(results), out]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "plot: matplotlib is not installed: pip install -e '.[bench]'"
