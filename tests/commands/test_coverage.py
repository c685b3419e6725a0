"""`evmthread coverage`: a table, and a tracefile for lcov."""

from pathlib import Path

import pytest

from evmthread.cli import main
from tests.channel.games import MORPION, MorpionMatch, finished_game
from tests.commands.draws import save
from tests.debugging.contracts import CONTRACTS, artifact

Captured = pytest.CaptureFixture[str]
SOURCE = "evmthread/contracts/morpion/Morpion.sol"


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A game that is over, and one in which X stepped back before it began."""
    folder = tmp_path_factory.mktemp("games")
    save(finished_game(), folder / "won")
    match = MorpionMatch()
    match.create()
    match.call(0, MORPION.function("join").encode(), value=match.stake)
    match.call(0, MORPION.function("unjoin").encode())
    save(match, folder / "left")
    return [str(folder / "won"), str(folder / "left")]


def counted(path: Path) -> dict[str, str]:
    records = [line.split(":", 1) for line in path.read_text().splitlines() if line.startswith("FNDA:")]
    return {name: count for count, name in [value.split(",") for _, value in records]}


def test_games(games: list[str], tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "lcov.info"
    assert main(["coverage", games[0], "--out", str(out), "--test-name", "won"]) == 0
    output, errors = capsys.readouterr()
    heads, row = output.splitlines()
    assert heads.split()[:3] == ["source", "lines", "functions"]
    assert row.startswith(SOURCE)
    assert errors == "optimized code: what the optimizer merged is counted where it put it (docs/tools.md)\n"
    assert out.read_text().startswith(f"TN:won\nSF:{SOURCE}\n")
    assert (counted(out)["Morpion.play"], counted(out)["Morpion.unjoin"]) == ("5", "0")
    assert main(["coverage", *games, "--out", str(out)]) == 0
    assert (counted(out)["Morpion.play"], counted(out)["Morpion.unjoin"], counted(out)["Morpion.join"]) == (
        "5",
        "1",
        "3",
    )


def test_a_call_with_an_artifact(capsys: Captured) -> None:
    covered = artifact("Covered")
    code = (covered.creation_code + covered.encode_constructor(7)).hex()
    assert main(["coverage", "--create", "--code", code, "--artifact", str(CONTRACTS / "Covered.json")]) == 0
    output, errors = capsys.readouterr()
    assert output.splitlines()[1].split()[:4] == [covered.source_name, "2/22", "9.1%", "1/12"]
    assert errors == ""


def test_where_no_source_is_known_there_is_nothing_to_say(capsys: Captured) -> None:
    assert main(["coverage", "--code", "00"]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors == "evmthread coverage: nothing ran whose source is known: name its artifact with --artifact\n"
