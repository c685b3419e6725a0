"""Finding files and running them: what is found, what is passed over, what stands for what can't be read."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from evmthread.testing import runner
from evmthread.testing.fixtures import FixtureError
from evmthread.testing.runner import Options, Row, Unreadable, find_files, new_cache, run_file
from tests.testing.samples import state_test, write_json


def test_files_are_found_below_a_folder(tmp_path: Path) -> None:
    for name in ("b.json", "a/x.jsonl.gz", "a/y.txt", "c.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert find_files(tmp_path) == [tmp_path / "a/x.jsonl.gz", tmp_path / "b.json", tmp_path / "c.jsonl"]


def test_links_that_lead_in_a_circle_or_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    good = write_json(folder / "a.json", {})
    (folder / "up").symlink_to(tmp_path)
    (folder / "self").symlink_to("self")
    (folder / "nowhere.json").symlink_to("none")
    assert find_files(tmp_path) == [good, folder / "nowhere.json"]
    (event,) = run_file(folder / "nowhere.json", Options(), cache=new_cache())
    assert isinstance(event, Unreadable)
    for name in ("self", "nowhere.json"):
        with pytest.raises(FixtureError, match="no such file"):
            find_files(folder / name)


def test_a_folder_without_permission_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = write_json(tmp_path / "a.json", {})
    secret = tmp_path / "secret"
    secret.mkdir()
    scandir = os.scandir

    def guarded(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path) == str(secret):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert find_files(tmp_path) == [good, secret]
    (event,) = run_file(secret, Options(), cache=new_cache())
    assert isinstance(event, Unreadable)
    assert event.message.startswith(str(secret))


def test_a_path_that_cannot_be_looked_at_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(FixtureError, match=r"too long|no such file"):  # the latter from CPython 3.14 on
        find_files(tmp_path / ("x" * 5000))


def test_an_error_of_any_length_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ERROR_CHARACTERS", 20)
    test = state_test()
    test["post"] = {"Cancun": [test["post"]["Cancun"][0] | {"hash": "0x" + "11" * 32}]}
    (row,) = run_file(write_json(tmp_path / "a.json", {"a": test}), Options(), cache=new_cache())
    assert isinstance(row, Row)
    assert row.error == "post state root mism"
