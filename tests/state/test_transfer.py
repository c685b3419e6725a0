import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from evmthread.errors import BackendError, DecodingError, InvalidInput, VerificationError
from evmthread.state.memory import MemoryState
from evmthread.state.overlay import OverlayState
from evmthread.state.sqlite import SqliteState
from evmthread.state.transfer import check_export, export_state, import_state
from evmthread.state.view import Account, AccountChange, StateChanges
from tests.state.changes import ADDRESSES, Told, memory_of, states, told_by


def large(slots: int = 5000) -> MemoryState:
    state = MemoryState()
    state.set_account(ADDRESSES[0], nonce=1, code=b"\x60\x01", storage={key: key + 1 for key in range(slots)})
    state.set_account(ADDRESSES[1], balance=7, code=b"\x60\x01")
    state.set_account(ADDRESSES[2], balance=8, code=b"\x00" * 3000, storage={2**256 - 1: 2**256 - 1})
    return state


def test_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmthread.state.transfer._BATCH", 1500)
    state = large()
    heard: list[tuple[str, int]] = []
    root = export_state(state, tmp_path / "file", nonce=9, progress=lambda *told: heard.append(told))
    assert heard[-1] == ("slots written", 5001)
    assert check_export(tmp_path / "file").nonce == 9
    with SqliteState(tmp_path / "state", durable=False) as stored:
        heard.clear()
        tip = import_state(tmp_path / "file", stored, progress=lambda *told: heard.append(told))
        assert (tip.nonce, tip.root, stored.root) == (9, root, root)
        assert heard[-1] == ("slots imported", 5001)
        assert stored.nonce > 2  # in batches
        stored.verify()
        export_state(stored, tmp_path / "again", nonce=9)
        assert (tmp_path / "again").read_bytes() == (tmp_path / "file").read_bytes()
        with pytest.raises(InvalidInput, match="only an empty state"):
            import_state(tmp_path / "file", stored)
    with pytest.raises(InvalidInput, match="is there already"):
        export_state(state, tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "file", "state"]


@settings(max_examples=40)
@given(told=states)
def test_any_state(told: dict[bytes, Told], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("export") / "file"
    export_state(OverlayState(memory_of(told)), path)
    anew = MemoryState()
    import_state(path, anew)
    assert told_by(anew) == told


def test_a_damaged_file_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    export_state(large(300), tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    generator = random.Random(1)
    damaged = [whole[:size] for size in (0, 5, 17, 20, len(whole) // 2, len(whole) - 1)] + [whole + b"\x00"]
    for _ in range(60):
        data = bytearray(whole)
        data[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        damaged.append(bytes(data))
    for data in damaged:
        (tmp_path / "damaged").write_bytes(data)
        state = MemoryState()
        with pytest.raises(DecodingError):
            import_state(tmp_path / "damaged", state)
        assert told_by(state) == {}


def resealed(data: bytes) -> bytes:
    body = data[:-32]
    return body + hashlib.sha256(body).digest()


def test_a_whole_file_that_lies_is_refused(tmp_path: Path) -> None:
    export_state(large(), tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    root = large().roots().root()
    (tmp_path / "lie").write_bytes(resealed(whole.replace(root, b"\x11" * 32)))
    state = MemoryState()
    with pytest.raises(VerificationError, match="says its root is 0x1111"):
        import_state(tmp_path / "lie", state)
    assert told_by(state) == {}
    first = (0).to_bytes(32, "big") + (1).to_bytes(32, "big")
    second = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
    lies = {
        "slot 0x0 is zero or out of order": whole.replace(first + second, second + first),
        "slot 0x1 is zero": whole.replace(second, (1).to_bytes(32, "big") + bytes(32)),
        "its code doesn't come before": whole.replace(b"\x60\x01", b"\x60\x02"),
        "is out of order": whole.replace(ADDRESSES[1], ADDRESSES[0]),
        "another version": whole[:17] + b"\x02" + whole[18:],
    }
    for message, data in lies.items():
        (tmp_path / "lie").write_bytes(resealed(data))
        with pytest.raises(DecodingError, match=message):
            check_export(tmp_path / "lie")


def test_a_truth_that_was_changed_is_a_lie(tmp_path: Path) -> None:
    """Whatever of a state is not what its root says: a value, an address, an account that is left out."""
    state = large()
    export_state(state, tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    value = (5000).to_bytes(32, "big")
    second = whole.index(ADDRESSES[1]) - 5
    lies = [
        whole.replace(value, (5001).to_bytes(32, "big"), 1),
        whole.replace(ADDRESSES[1], ADDRESSES[1][:-1] + b"\x99"),
        whole[:second] + whole[second + 5 + int.from_bytes(whole[second + 1 : second + 5], "big") :],
    ]
    for lie in lies:
        assert lie != whole
        (tmp_path / "lie").write_bytes(resealed(lie))
        with pytest.raises(VerificationError, match="says its root is"):
            check_export(tmp_path / "lie")


def test_a_file_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="No such file"):
        export_state(large(), tmp_path / "nowhere" / "file")
    with pytest.raises(BackendError, match="No such file"):
        check_export(tmp_path / "file")
    with pytest.raises(BackendError, match="directory"):
        check_export(tmp_path)

    class Ends(MemoryState):
        def slots(self, address: bytes) -> Iterator[tuple[int, int]]:
            raise BackendError("the state ended")

    state = Ends()
    state.apply(StateChanges({ADDRESSES[0]: AccountChange(None, Account(1, 1))}, {}))
    with pytest.raises(BackendError, match="the state ended"):
        export_state(state, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
