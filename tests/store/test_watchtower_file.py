"""The watchtower file: what is in it is verified, and it is whole at every moment."""

import json
from pathlib import Path
from typing import Any

import pytest

from evmthread.commit.refusals import Refusal
from evmthread.errors import BackendError, EvmthreadError
from evmthread.store.verification import verify_file
from evmthread.store.watchtower_file import FORMAT, read_watchtower_file, write_watchtower_file
from tests.channel.games import finished_game
from tests.store.files import write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(finished_game(), tmp_path / "game.thread")
    tip = verify_file(tmp_path / "game.thread").tip
    assert tip is not None
    write_watchtower_file(tmp_path / "game.watch", tip)
    return tmp_path / "game.watch"


def test_read_as_written(path: Path) -> None:
    tip = verify_file(path.with_name("game.thread")).tip
    assert tip is not None
    assert read_watchtower_file(path) == tip
    write_watchtower_file(path, tip)  # in the place of the old one
    assert read_watchtower_file(path) == tip
    assert sorted(each.name for each in path.parent.iterdir()) == ["game.thread", "game.watch"]
    assert set(json.loads(path.read_text())) == {"format", "domain", "terms", "agreement"}
    assert json.loads(path.read_text())["format"] == FORMAT


def test_what_was_changed_is_refused(path: Path) -> None:
    whole: dict[str, Any] = json.loads(path.read_text())

    def refuses(record: object) -> EvmthreadError:
        path.write_text(json.dumps(record))
        with pytest.raises(EvmthreadError) as refused:
            read_watchtower_file(path)
        return refused.value

    for name in whole:
        refuses({key: value for key, value in whole.items() if key != name})
    refuses({**whole, "more": 1})
    refuses({**whole, "format": "evmthread-watchtower/2"})
    refuses([])
    for part, member, value in (
        ("terms", "salt", "1"),
        ("domain", "chainId", "5"),
        ("agreement", "bitmap", 1),
    ):
        assert isinstance(refuses({**whole, part: {**whole[part], member: value}}), Refusal)
    commitment = {**whole["agreement"]["commitment"], "gasUsed": "1"}
    assert isinstance(refuses({**whole, "agreement": {**whole["agreement"], "commitment": commitment}}), Refusal)
    path.write_bytes(b"{" * 70_000)
    with pytest.raises(EvmthreadError, match="more than"):
        read_watchtower_file(path)
    with pytest.raises(BackendError):
        read_watchtower_file(path.with_name("none"))
    with pytest.raises(BackendError):
        write_watchtower_file(path / "below", verify_file(path.with_name("game.thread")).tip)  # type: ignore[arg-type]
