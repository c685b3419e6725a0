"""Files that only their owner can have written: who is refused, what is whole, how much is kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evmthread.errors import BackendError
from evmthread.machine import private_folder
from evmthread.machine.private_folder import LARGEST_FILE, PrivateFolder, default_cache_folder


def folder_in(tmp_path: Path, *, most_bytes: int = 2**20) -> PrivateFolder:
    return PrivateFolder(tmp_path / "a" / "b", most_bytes=most_bytes)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = folder_in(tmp_path)
        folder.write("x.kept", b"one")
        folder.write("x.kept", b"two")
    finally:
        os.umask(before)
    assert folder.read("x.kept") == b"two"
    assert folder.read("y.kept") is None
    assert [path.name for path in folder.path.iterdir()] == ["x.kept"]
    modes = [oct(path.stat().st_mode & 0o777) for path in (folder.path.parent, folder.path, folder.path / "x.kept")]
    assert modes == ["0o700", "0o700", "0o600"]


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = folder_in(tmp_path)
    folder.write("x.kept", b"one")
    (folder.path / "x.kept").chmod(mode)
    assert folder.read("x.kept") is None
    (folder.path / "x.kept").chmod(0o644)
    assert folder.read("x.kept") == b"one"
    for place in (folder.path, folder.path.parent):
        place.chmod(0o700 | mode & 0o022)
        with pytest.raises(BackendError, match=f"{place}: others may write"):
            folder_in(tmp_path)
        place.chmod(0o700)
    # As in /tmp: others may write there, but not put something in the place of what is ours.
    folder.path.parent.chmod(0o1777)
    folder_in(tmp_path)


def test_another_owner_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_in(tmp_path)
    folder.write("x.kept", b"one")
    somebody_else = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: somebody_else)
    assert folder.read("x.kept") is None
    with pytest.raises(BackendError, match="others may write"):
        folder_in(tmp_path)


def test_only_plain_files_are_read_and_only_folders_taken(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    (tmp_path / "elsewhere").write_bytes(b"one")
    (folder.path / "link.kept").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder.path / "pipe.kept")
    (folder.path / "folder.kept").mkdir()
    with (folder.path / "large.kept").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    for name in ("link.kept", "pipe.kept", "folder.kept", "large.kept"):
        assert folder.read(name) is None
    (tmp_path / "link").symlink_to(folder.path)
    with pytest.raises(BackendError, match="not a folder itself"):
        PrivateFolder(tmp_path / "link", most_bytes=1)
    with pytest.raises(BackendError):
        PrivateFolder(tmp_path / "elsewhere" / "below", most_bytes=1)


def test_a_folder_that_can_only_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_in(tmp_path)
    folder.write("x.kept", b"one")
    os.utime(folder.path / "x.kept", (1, 1))  # so that reading would note the use
    plain_open = os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(30, "Read-only file system")
        return plain_open(path, flags, mode)

    def no_touching(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(os, "utime", no_touching)
    again = folder_in(tmp_path)
    assert again.read("x.kept") == b"one"
    with pytest.raises(BackendError, match=r"x\.kept: Read-only file system"):
        again.write("x.kept", b"two")


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_in(tmp_path)
    (folder.path / "x.kept").mkdir()  # nothing can be put in its place
    with pytest.raises(BackendError):
        folder.write("x.kept", b"one")
    assert [path.name for path in folder.path.iterdir()] == ["x.kept"]


def test_what_was_not_used_for_longest_goes(tmp_path: Path) -> None:
    folder = folder_in(tmp_path, most_bytes=1000)
    for number in range(10):
        folder.write(f"{number}.kept", bytes(100))
        os.utime(folder.path / f"{number}.kept", (number, number))
    (folder.path / "foreign").write_bytes(bytes(5000))
    assert folder.read("0.kept") is not None  # so it is used now
    folder.write("10.kept", bytes(100))
    left = {path.name for path in folder.path.iterdir()}
    assert left == {"foreign", "0.kept", "10.kept", *(f"{number}.kept" for number in range(5, 10))}


def test_unfinished_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    for name, mtime in (("x.kept.1.new", 1_000_000), ("x.kept.2.new", None)):
        (folder.path / name).write_bytes(b"half")
        if mtime is not None:
            os.utime(folder.path / name, (mtime, mtime))
    folder.write("x.kept", b"one")
    assert {path.name for path in folder.path.iterdir()} == {"x.kept", "x.kept.2.new"}


WRITER = """
import sys
from pathlib import Path
from evmthread.machine.private_folder import PrivateFolder
folder = PrivateFolder(Path(sys.argv[1]), most_bytes=10**6)
for turn in range(200):
    content = bytes([int(sys.argv[2])]) * (50_000 + turn)
    folder.write("x.kept", content)
    found = folder.read("x.kept")
    assert found is None or len(set(found)) == 1 and len(found) >= 50_000
    folder.write(f"{turn}.kept", content)
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "shared")]
    writers = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in ("1", "2")]
    for writer in writers:
        assert writer.communicate()[1] == ""
        assert writer.returncode == 0
    sizes = [path.stat().st_size for path in (tmp_path / "shared").iterdir()]
    assert sum(sizes) <= 2 * 10**6  # each counts what it wrote itself, and all when that is too much


def test_the_default_lies_in_the_users_own_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/caches")
    default = default_cache_folder()
    assert default.parent == Path("/var/tmp/caches/evmthread")
    assert default.name == sys.implementation.cache_tag
    for ignored in ("", "relative/caches"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert default_cache_folder() == tmp_path / ".cache" / "evmthread" / default.name
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_cache_folder() == tmp_path / "Library" / "Caches" / "evmthread" / default.name


def test_without_a_home_or_without_owners_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(private_folder.Path, "home", homeless)
    with pytest.raises(BackendError, match="no folder for caches"):
        default_cache_folder()
    monkeypatch.delattr(os, "geteuid")
    with pytest.raises(BackendError, match="whose files are whose"):
        folder_in(tmp_path)
