"""--cache: a second run finds what the first compiled; a cache that can't be had is a warning."""

from pathlib import Path

import pytest

from evmthread.cli import main
from evmthread.commands.kept_code import closed
from evmthread.machine import tiers
from evmthread.machine.code_cache import CodeCache
from evmthread.store.replaying import replay_file
from tests.assembler import assemble
from tests.channel.games import finished_game
from tests.store.files import write
from tests.testing.samples import CONTRACT, state_test, write_json

Captured = pytest.CaptureFixture[str]
LOOP = assemble("PUSH2 20000 l: PUSH1 1 SWAP1 SUB DUP1 PUSH @l JUMPI PUSH1 32 PUSH1 0 RETURN").hex()


def forbid_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(tiers, "compile_region", fails)


def test_a_second_run_compiles_nothing(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kept"
    command = ["run", "--code", LOOP, f"--cache={folder}"]
    assert main(command) == 0
    first = capsys.readouterr()
    assert len(list(folder.iterdir())) == 1
    forbid_compiling(monkeypatch)
    assert main(command) == 0
    assert capsys.readouterr() == first
    with pytest.raises(AssertionError, match="compiled again"):
        main(command[:-1])


def test_a_bare_option_means_the_users_own_folder(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["run", "--cache", "--code", LOOP]) == 0
    assert len(list(tmp_path.glob("evmthread/*/*.kept"))) == 1
    assert capsys.readouterr().err == ""


def test_without_the_option_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["run", "--code", LOOP]) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_follows_a_bare_option_is_no_folder() -> None:
    assert closed(["statetest", "--cache", "x.json"]) == ["statetest", "--cache=", "x.json"]
    assert closed(["run", "--cache=f", "--", "--cache"]) == ["run", "--cache=f", "--", "--cache"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_state_tests(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, workers: str) -> None:
    test = state_test()
    test["pre"][CONTRACT]["code"] = "0x" + LOOP
    test["transaction"]["gasLimit"] = [hex(2_000_000)]
    fixture = str(write_json(tmp_path / "looping.json", {"loop": test}))
    folder = tmp_path / "kept"
    main(["statetest", fixture, f"--cache={folder}", "--workers", workers, "--exit-zero"])
    first = capsys.readouterr().out
    kept = list(folder.iterdir())
    assert kept
    assert all(file.suffix == ".kept" for file in kept)
    forbid_compiling(monkeypatch)
    main(["statetest", fixture, f"--cache={folder}", "--exit-zero"])
    assert capsys.readouterr().out == first


def test_a_cache_that_can_not_be_had_is_a_warning(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for folder, reason in ((tmp_path / "file", "no cache"), (tmp_path / "open", "others may write")):
        assert main(["run", "--code", LOOP, f"--cache={folder}"]) == 0
        output, errors = capsys.readouterr()
        assert output.startswith("0x00")
        assert reason in errors
        assert len(errors.splitlines()) == 1
    assert list((tmp_path / "open").iterdir()) == []


def test_a_cache_that_can_not_be_written_is_a_warning(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert main(["run", "--code", LOOP, f"--cache={tmp_path / 'kept'}"]) == 0
    output, errors = capsys.readouterr()
    assert output.startswith("0x00")
    assert "nothing kept" in errors
    assert "No space left" in errors
    assert list((tmp_path / "kept").iterdir()) == []


def test_replay(tmp_path: Path, capsys: Captured) -> None:
    file, folder = tmp_path / "game.thread", tmp_path / "kept"
    write(finished_game(), file)
    assert main(["replay", str(file), f"--cache={folder}"]) == 0
    assert capsys.readouterr().out.startswith("replayed: 10 commitments")
    assert folder.is_dir()
    cache = CodeCache()
    replay_file(file, cache=cache)
    assert list(cache.programs())
