from pathlib import Path

import pytest

import evmthread
from evmthread.errors import BackendError, DecodingError, InvalidInput, VerificationError
from evmthread.state.lmdb import LmdbState
from evmthread.state.memory import MemoryState
from evmthread.state.opening import close_state, import_into, open_state
from evmthread.state.sqlite import SqliteState
from evmthread.state.stored import StoredState
from evmthread.state.transfer import export_state
from evmthread.state.view import StateChanges
from tests.state.test_transfer import large, resealed


def test_a_state_by_one_line(tmp_path: Path) -> None:
    assert evmthread.open_state is open_state
    assert isinstance(open_state("memory:"), MemoryState)
    for scheme, kind in (("sqlite", SqliteState), ("lmdb", LmdbState)):
        for history in (False, True):
            state = open_state(f"{scheme}:{tmp_path / scheme}", history=history)
            assert isinstance(state, StoredState)
            assert (type(state), state.keeps_history) == (kind, history)
            state.close()


@pytest.mark.parametrize(
    "url",
    ["", "memory", "memory:x", "sqlite:", "lmdb:", "redis:x", "http://127.0.0.1:8545", "http://a@b/c", None, Path("x")],
)
def test_what_names_no_state(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_state(url)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(("-lock", "-wal", "-shm")))


@pytest.mark.parametrize("scheme", ["sqlite", "lmdb"])
def test_what_is_not_there_is_not_made(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}:{tmp_path / 'state'}"
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(BackendError, match="there is no such file"):
            open_state(url, **options)
    assert names(tmp_path) == []
    close_state(open_state(url))
    for options in ({"create": False}, {"read_only": True}):
        close_state(open_state(url, **options))
    state = open_state(url, read_only=True)
    with pytest.raises(InvalidInput, match="read only"):
        state.apply(StateChanges({}, {}))
    close_state(state)
    close_state(open_state("memory:"))


@pytest.mark.parametrize("scheme", ["sqlite", "lmdb"])
def test_a_state_made_of_an_export(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}:{tmp_path / 'state'}"
    root = export_state(large(), tmp_path / "file", nonce=9)
    (tmp_path / "state.new").write_bytes(b"what an interrupted import left")
    assert import_into(url, tmp_path / "file").root == root
    state = open_state(url, history=True, create=False)
    assert isinstance(state, StoredState)
    assert (state.nonce, state.root, list(state.kept())) == (9, root, [9])
    state.verify()
    state.close()
    assert names(tmp_path) == ["file", "state"]
    with pytest.raises(InvalidInput, match="is there already"):
        import_into(url, tmp_path / "file")


@pytest.mark.parametrize("scheme", ["sqlite", "lmdb"])
def test_nothing_is_left_of_an_import_that_fails(tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{scheme}:{tmp_path / 'state'}"
    root = export_state(large(), tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    for data, error in (
        (whole[:-1], DecodingError),
        (resealed(whole.replace(root, bytes(32))), VerificationError),
    ):
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(error):
            import_into(url, tmp_path / "file")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / "file").write_bytes(whole)
    monkeypatch.setattr("evmthread.state.transfer._BATCH", 1500)

    def interrupted(what: str, count: int) -> None:
        if what == "slots imported" and count > 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_into(url, tmp_path / "file", progress=interrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(InvalidInput, match="only a file takes an import"):
        import_into("memory:", tmp_path / "file")
    with pytest.raises(BackendError):
        import_into(f"{scheme}:{tmp_path / 'nowhere' / 'state'}", tmp_path / "file")
