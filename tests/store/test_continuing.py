"""Going on from a sealed file: what the new file begins with, and that nothing is left where it can't."""

from pathlib import Path

import pytest

from evmthread.channel.party import Party
from evmthread.commit import GuardedSigner, MemorySignLog
from evmthread.commit.refusals import Refusal
from evmthread.errors import BackendError
from evmthread.store.continuing import continue_file
from evmthread.store.replaying import replay_file
from evmthread.store.threadfile import ThreadFileReader, UnfinishedFile
from tests.channel.games import MorpionMatch
from tests.store.files import flipped, item_of, join, split, with_item, write


def begun(path: Path) -> tuple[MorpionMatch, bytes]:
    match = MorpionMatch().begin()
    match.play(0, 4)
    return match, write(match, path)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("out", ["game", "new"])
def test_threads_and_a_file_that_go_on(tmp_path: Path, out: str) -> None:
    match, old = begun(tmp_path / "game")
    with ThreadFileReader(tmp_path / "game") as reader:
        continued = continue_file(reader, tmp_path / out, copies=2)
    assert (tmp_path / "game").read_bytes() == old
    assert listed(tmp_path) == ["game", f"{out}.unfinished"]
    assert (tmp_path / f"{out}.unfinished").read_bytes() == join(old, split(old)[:-1])
    first, second = continued.threads
    for thread in continued.threads:
        assert thread.agreement is not None
        assert thread.agreement.digest == match.tip.digest

    # One goes its way, the other stays: they share no state. Then the other party takes its place at the table.
    match.parties = [
        Party(thread, GuardedSigner(signer, MemorySignLog()))
        for thread, signer in zip(continued.threads, match.signers, strict=True)
    ]
    move = match.batch([match.input(0, b"")])
    first.prepare(move)
    assert first.account_nonce(match.terms.owners[0]) == second.account_nonce(match.terms.owners[0]) + 1
    first.discard()
    match.play(1)
    continued.writer.append(*match.line[-1])
    assert (tmp_path / "game").read_bytes() == old
    continued.writer.seal()
    assert replay_file(tmp_path / out)[1] == 6
    assert out == "game" or (tmp_path / "game").read_bytes() == old


def test_a_file_that_does_not_hold_leaves_nothing(tmp_path: Path) -> None:
    _, old = begun(tmp_path / "game")
    records = split(old)
    cases = {
        "cut": (old[:-1], UnfinishedFile),
        "seal": (join(old, [*records[:-2], records[-1]]), Refusal),
        "signature": (join(old, [*records[:5], with_item(records[5], flipped(item_of(records[5]), (0, 2, 1), 100)),
                                 *records[6:]]), Refusal),
        "gas": (join(old, [*records[:6], with_item(records[6], flipped(item_of(records[6]), (0, 0, 10), 0)),
                           *records[7:]]), Refusal),
    }  # fmt: skip
    for name, (data, error) in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "g").write_bytes(data)
        with ThreadFileReader(folder / "g") as reader, pytest.raises(error):
            continue_file(reader, folder / "g")
        assert listed(folder) == ["g"]
        assert (folder / "g").read_bytes() == data


def test_an_unfinished_file_beside_it_is_left_alone(tmp_path: Path) -> None:
    begun(tmp_path / "game")
    (tmp_path / "game.unfinished").write_bytes(b"of another run")
    with ThreadFileReader(tmp_path / "game") as reader, pytest.raises(BackendError, match="is there already"):
        continue_file(reader, tmp_path / "game")
    assert (tmp_path / "game.unfinished").read_bytes() == b"of another run"


def test_of_two_who_go_on_one_is_refused(tmp_path: Path) -> None:
    """Whoever has opened the file before another sealed would take the other's moves away."""
    match, _ = begun(tmp_path / "game")
    with ThreadFileReader(tmp_path / "game") as late:
        with ThreadFileReader(tmp_path / "game") as reader:
            continued = continue_file(reader, tmp_path / "game")
        match.play(8)
        continued.writer.append(*match.line[-1])
        continued.writer.seal()
        after = (tmp_path / "game").read_bytes()
        assert not late.is_current()
        with pytest.raises(BackendError, match="was replaced while it was read"):
            continue_file(late, tmp_path / "game")
    assert (tmp_path / "game").read_bytes() == after
    assert listed(tmp_path) == ["game"]


def test_a_file_that_is_deleted_while_it_is_read_is_not_current(tmp_path: Path) -> None:
    begun(tmp_path / "game")
    with ThreadFileReader(tmp_path / "game") as reader:
        assert reader.is_current()
        (tmp_path / "game").unlink()
        assert not reader.is_current()
