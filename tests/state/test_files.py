"""Files of states: what else has their name, or is in their way, is told; and nobody's file is replaced."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evmthread.errors import BackendError, EvmthreadError, InvalidInput
from evmthread.state import files
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.opening import import_into, open_state
from evmthread.state.sqlite import SqliteState, SqliteStore
from evmthread.state.stored import StoredState
from evmthread.state.transfer import check_export, export_state
from evmthread.state.view import Account, AccountChange, StateChanges

A = b"\x0a" * 20
CHANGE = StateChanges({A: AccountChange(None, Account(1, 7))}, {})
Open = Callable[..., StoredState]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"no folder")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    return tmp_path


@pytest.fixture
def nobody_waits() -> Iterator[None]:
    def too_long(_signal: int, _frame: object) -> None:
        raise AssertionError("it waits for a FIFO")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


NAMES = ["file/x", "none/x", "folder", "fifo", "loop", "x" * 300, "x\0y"]


@pytest.mark.usefixtures("nobody_waits")
@pytest.mark.parametrize("name", NAMES)
def test_what_can_not_be_a_state_is_told(folder: Path, name: str) -> None:
    export = folder / "export"
    export_state(MemoryState(), export)
    before = sorted(folder.rglob("*"))
    actions: list[Callable[[], object]] = [
        lambda: open_state(f"sqlite:{folder / name}"),
        lambda: open_state(f"lmdb:{folder / name}"),
        lambda: SqliteState(folder / name),
        lambda: SqliteState(folder / name, read_only=True),
        lambda: LmdbState(folder / name),
        lambda: LmdbState(folder / name, read_only=True),
        lambda: import_into(f"sqlite:{folder / name}", export),
        lambda: import_into(f"lmdb:{folder / name}", export),
        lambda: export_state(MemoryState(), folder / name),
        lambda: check_export(folder / name),
    ]
    for action in actions:
        with pytest.raises(EvmthreadError):
            action()
    assert [path for path in sorted(folder.rglob("*")) if path not in before] == []


def test_a_name_without_utf_8(tmp_path: Path) -> None:
    with pytest.raises(BackendError):
        LmdbState(tmp_path / "\udcff")


def test_a_file_that_can_be_opened_and_not_read() -> None:
    for path in ("/proc/self/mem", "/dev/full"):
        with pytest.raises(BackendError):
            check_export(path)


@pytest.mark.parametrize("kind", [SqliteState, LmdbState])
def test_who_makes_a_file_second_takes_the_first_ones(
    tmp_path: Path, kind: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = files.publish

    def first_of_another(unfinished: Path, path: Path) -> None:
        monkeypatch.setattr(f"{kind.__module__}.publish", publish)
        with kind(path) as other:
            other.apply(CHANGE)
        publish(unfinished, path)

    monkeypatch.setattr(f"{kind.__module__}.publish", first_of_another)
    with kind(tmp_path / "state") as state:
        assert state.account(A) == Account(1, 7)
        state.verify()
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith("-lock")] == ["state"]


def test_another_process_writes_first_while_a_state_is_opened(tmp_path: Path) -> None:
    place = tmp_path / "state"

    class Late(SqliteStore):
        def get(self, table: str, key: bytes) -> bytes | None:
            found = super().get(table, key)
            if table == "meta" and found is None:
                with SqliteState(place) as other:
                    other.apply(CHANGE)
            return found

    state = StoredState(Late(place))
    assert state.nonce == 1
    assert state.account(A) == Account(1, 7)
    state.close()


def test_nothing_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_bytes(b"ours")
    theirs.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        files.publish(ours, theirs)
    assert (ours.read_bytes(), theirs.read_bytes()) == (b"ours", b"theirs")

    def no_links(_from: Path, _to: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
    files.publish(ours, tmp_path / "new")
    assert (ours.exists(), (tmp_path / "new").read_bytes()) == (False, b"ours")


def test_no_path_has_a_zero_byte() -> None:
    with pytest.raises(InvalidInput):
        files.path_of("a\0b")
