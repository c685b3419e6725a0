"""`evmthread profile`: a table, and a file that speedscope reads."""

import json
from pathlib import Path

import pytest

from evmthread.cli import main
from tests.channel.games import finished_game
from tests.commands.draws import save
from tests.debugging.contracts import CONTRACTS, artifact

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("games") / "game.thread"
    save(finished_game(), path)
    return str(path)


def test_a_game(game: str, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "gas.json"
    assert main(["profile", game, "--out", str(out), "--rows", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 4 + 2
    assert lines[1].endswith("Morpion constructor")
    assert "Morpion.play  evmthread/contracts/morpion/Morpion.sol:139" in lines[2]
    assert lines[-1].endswith("in all, of 9 calls from outside")
    record = json.loads(out.read_text())
    assert [profile["name"] for profile in record["profiles"]] == [
        "Morpion constructor",
        *["Morpion.join()"] * 2,
        *["Morpion.play(uint8)"] * 5,
        "Morpion.withdraw()",
    ]
    assert sum(profile["endValue"] for profile in record["profiles"]) == int(lines[-1].split()[0].replace(",", ""))


def test_a_call_with_an_artifact_that_fails(capsys: Captured) -> None:
    failing = artifact("Failing")
    code = (failing.creation_code + failing.encode_constructor(True)).hex()
    flags = ["--create", "--code", code, "--artifact", str(CONTRACTS / "Failing.json")]
    assert main(["profile", *flags]) == 0
    output, errors = capsys.readouterr()
    assert "Failing constructor" in output
    assert errors.startswith("the call failed: Refused(who=")
    assert "Failing.constructor (tests/contracts/Failing.sol:" in errors


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "nothing to run"),
        (["nothing.thread"], "No such file"),
        (["GAME", "--code", "00"], "either thread files, or a call"),
        (["--code", "00", "--out", "/nowhere/at/all"], "No such file"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], error: str, game: str, capsys: Captured) -> None:
    assert main(["profile", *[game if each == "GAME" else each for each in arguments]]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("evmthread: ")
    assert error in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", ["profile", "coverage"])
def test_a_file_that_is_refuted(command: str, game: str, tmp_path: Path, capsys: Captured) -> None:
    data = bytearray(Path(game).read_bytes())
    data[data.index(bytes.fromhex("53a04b05")) + 35] ^= 1
    (tmp_path / "bad").write_bytes(data)
    assert main([command, str(tmp_path / "bad")]) == 1
    assert f"evmthread {command}: refuted: " in capsys.readouterr().err
