"""The thread file's bytes: what is written is read again, and nothing else is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.errors import BackendError, DecodingError, InvalidInput
from evmthread.primitives import rlp
from evmthread.store.threadfile import (
    MAGIC,
    AgreedRecord,
    RecordKind,
    Seal,
    ThreadFileReader,
    ThreadFileWriter,
    ThreadHead,
    UnfinishedFile,
    encode_agreed,
    encode_head,
    encode_seal,
    frame,
    unfinished_path,
)
from tests.channel.games import MorpionMatch, finished_game


@pytest.fixture(scope="module")
def match() -> MorpionMatch:
    return finished_game()


@pytest.fixture
def head(match: MorpionMatch) -> ThreadHead:
    return ThreadHead(LOCAL_DOMAIN, match.terms, match.rules, match.code)


def read(path: Path) -> tuple[ThreadHead, list[AgreedRecord], Seal | None]:
    with ThreadFileReader(path) as reader:
        return reader.head, list(reader.agreed()), reader.seal


def test_what_was_written_is_read(tmp_path: Path, match: MorpionMatch, head: ThreadHead) -> None:
    path = tmp_path / "game.thread"
    with ThreadFileWriter.create(path, head) as writer:
        for agreement, batch in match.line:
            writer.append(agreement, batch)
        assert not path.exists()
        writer.seal()
    assert [entry.name for entry in tmp_path.iterdir()] == ["game.thread"]
    got_head, records, seal = read(path)
    assert got_head == head
    assert [record.signed for record in records] == [agreement.signed for agreement, _ in match.line]
    assert [record.batch for record in records] == [batch for _, batch in match.line]
    assert seal == Seal(len(match.line), match.tip.digest)


def test_the_bytes_are_those_of_the_document(tmp_path: Path, match: MorpionMatch, head: ThreadHead) -> None:
    path = tmp_path / "game.thread"
    with ThreadFileWriter.create(path, head) as writer:
        writer.append(*match.line[0])
        writer.seal()

    def record(kind: int, item: rlp.Item) -> bytes:
        body = bytes((kind, 1)) + rlp.encode(item)
        return len(body).to_bytes(4, "big") + body

    def members(each: object) -> list[rlp.Decoded]:
        decoded = rlp.decode(each.to_rlp())  # type: ignore[attr-defined]
        assert isinstance(decoded, list)
        return decoded

    agreement, signed = match.line[0]
    environment, inputs = signed.batch.environment, signed.batch.inputs
    assert path.read_bytes() == b"".join(
        (
            b"evmthread\x00\x00\x01",
            record(1, members(match.terms)),
            record(2, members(match.rules)),
            record(3, [b"\x7a\x69", LOCAL_DOMAIN.verifying_contract, match.code]),
            record(
                4,
                [
                    [members(agreement.commitment), b"\x03", list(agreement.signatures.signatures)],
                    [members(environment), [members(each) for each in inputs], list(signed.signatures)],
                ],
            ),
            record(5, [b"\x01", agreement.digest]),
        )
    )


def test_each_record_is_on_disk_when_append_returns(
    tmp_path: Path, match: MorpionMatch, head: ThreadHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    plain = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    growing = tmp_path / "game.thread.unfinished"
    with ThreadFileWriter.create(tmp_path / "game.thread", head) as writer:
        assert growing.stat().st_size == len(encode_head(head)) == synced[0]
        for agreement, batch in match.line[:3]:
            writer.append(agreement, batch)
            assert synced[-1] == growing.stat().st_size
        with pytest.raises(UnfinishedFile, match="after 3 agreed commitments"):
            read(growing)
        synced.clear()
        writer.seal()
        assert len(synced) == 2  # the seal, then the folder


def test_an_interrupted_file_stays_as_unfinished(tmp_path: Path, match: MorpionMatch, head: ThreadHead) -> None:
    path = tmp_path / "game.thread"
    with ThreadFileWriter.create(path, head) as writer:
        writer.append(*match.line[0])
    assert not path.exists()
    with pytest.raises(UnfinishedFile):
        read(unfinished_path(path))
    with pytest.raises(BackendError, match=r"unfinished.*is there already"):
        ThreadFileWriter.create(path, head)


def test_sealing_replaces_what_had_the_name(tmp_path: Path, head: ThreadHead) -> None:
    path = tmp_path / "game.thread"
    path.write_text("old")
    with ThreadFileWriter.create(path, head) as writer:
        assert path.read_text() == "old"
        writer.seal()
    assert read(path) == (head, [], Seal(0, bytes(32)))


def test_a_file_that_is_not_wanted_is_removed(tmp_path: Path, head: ThreadHead) -> None:
    ThreadFileWriter.create(tmp_path / "game.thread", head).remove()
    assert not list(tmp_path.iterdir())


def test_the_writer_takes_only_what_builds_on_the_last(tmp_path: Path, match: MorpionMatch, head: ThreadHead) -> None:
    with ThreadFileWriter.create(tmp_path / "game.thread", head) as writer:
        for wrong in (match.line[1], (match.line[0][0], match.line[1][1])):
            with pytest.raises(InvalidInput):
                writer.append(*wrong)
        writer.append(*match.line[0])
        with pytest.raises(InvalidInput):
            writer.append(*match.line[0])
        writer.seal()
        with pytest.raises(InvalidInput, match="closed"):
            writer.append(*match.line[1])


def test_half_a_record_is_taken_back_when_writing_fails(
    tmp_path: Path, match: MorpionMatch, head: ThreadHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "game.thread"
    with ThreadFileWriter.create(path, head) as writer:
        writer.append(*match.line[0])

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(BackendError, match="No space left"):
                writer.append(*match.line[1])
        writer.append(*match.line[1])
        writer.seal()
    assert [record.signed for record in read(path)[1]] == [agreement.signed for agreement, _ in match.line[:2]]


@pytest.mark.parametrize("place", ["missing/game.thread", ""])
def test_where_no_file_can_be_is_said(tmp_path: Path, head: ThreadHead, place: str) -> None:
    with pytest.raises(BackendError):
        ThreadFileWriter.create(tmp_path / place, head)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(BackendError):
            ThreadFileReader(path)


def test_every_truncation_is_unfinished(tmp_path: Path, match: MorpionMatch, head: ThreadHead) -> None:
    records = b"".join(encode_agreed(AgreedRecord(a.signed, batch)) for a, batch in match.line[1:3])
    whole = encode_head(head) + records + encode_seal(Seal(2, match.line[2][0].digest))
    path = tmp_path / "cut.thread"
    path.write_bytes(whole)
    assert len(read(path)[1]) == 2
    for length in range(len(whole) - 1, -1, -1):
        os.truncate(path, length)
        with pytest.raises(UnfinishedFile):
            read(path)


ODD: list[tuple[str, Callable[[ThreadHead], bytes]]] = [
    ("begins with", lambda head: b"EVMTHREAD" + encode_head(head)[9:]),
    ("of version 2", lambda head: MAGIC + b"\x00\x02" + encode_head(head)[12:]),
    ("of version 256", lambda head: MAGIC + b"\x01\x00" + encode_head(head)[12:]),
    ("bytes where 2 to", lambda head: MAGIC + b"\x00\x01" + bytes(4)),
    ("bytes where 2 to", lambda head: MAGIC + b"\x00\x01" + b"\xff\xff\xff\xff"),
    ("kind 2 where terms", lambda head: MAGIC + b"\x00\x01" + frame(RecordKind.RULESET, head.ruleset.encode())),
    ("version byte 0x02", lambda head: MAGIC + b"\x00\x01" + frame(RecordKind.TERMS, b"\x02" + head.terms.to_rlp())),
    ("after the RLP item", lambda head: MAGIC + b"\x00\x01" + frame(RecordKind.TERMS, head.terms.encode() + b"\x00")),
    ("kind 1 where an agreement", lambda head: encode_head(head) + frame(RecordKind.TERMS, head.terms.encode())),
    ("kind 3 where an agreement", lambda head: encode_head(head) + frame(RecordKind.ORIGIN, b"\x01\xc0")),
    ("record of kind 9", lambda head: encode_head(head) + b"\x00\x00\x00\x03\x09\x01\xc0"),
    ("Agreed", lambda head: encode_head(head) + frame(RecordKind.AGREED, b"\x01\xc0")),
    ("Agreed", lambda head: encode_head(head) + frame(RecordKind.AGREED, b"\x01\x80")),
    ("nested too deep", lambda head: encode_head(head) + frame(RecordKind.AGREED, b"\x01" + nested(9))),
    ("after the seal", lambda head: encode_head(head) + encode_seal(Seal(0, bytes(32))) + b"\x00"),
    ("Seal", lambda head: encode_head(head) + frame(RecordKind.SEAL, b"\x01\xc1\x80")),
    ("leading zero", lambda head: encode_head(head) + frame(RecordKind.SEAL, b"\x01\xe2\x00\xa0" + bytes(32))),
    ("31 bytes where 32", lambda head: encode_head(head) + frame(RecordKind.SEAL, b"\x01\xe1\x80\x9f" + bytes(31))),
    ("uint64|64 bits", lambda head: encode_head(head) + frame(RecordKind.SEAL, long_count())),
]


def nested(depth: int) -> bytes:
    item: rlp.Item = b""
    for _ in range(depth):
        item = [item]
    return rlp.encode(item)


def long_count() -> bytes:
    return b"\x01" + rlp.encode([b"\x01" + bytes(8), bytes(32)])


@pytest.mark.parametrize(("message", "make"), ODD, ids=[f"{i}-{message[:18]}" for i, (message, _) in enumerate(ODD)])
def test_other_bytes_are_unreadable(
    tmp_path: Path, head: ThreadHead, message: str, make: Callable[[ThreadHead], bytes]
) -> None:
    path = tmp_path / "odd.thread"
    path.write_bytes(make(head) + bytes(0))
    with pytest.raises(DecodingError, match=message) as caught:
        read(path)
    assert not isinstance(caught.value, UnfinishedFile)


def test_a_record_longer_than_the_batch_bound_is_unreadable(tmp_path: Path, head: ThreadHead) -> None:
    most = head.ruleset.batch_bytes + 65_536
    path = tmp_path / "long.thread"
    path.write_bytes(encode_head(head) + frame(RecordKind.AGREED, bytes(most + 1)))
    with pytest.raises(DecodingError, match=f"2 to {most + 1} are accepted"):
        read(path)


def test_a_length_that_the_file_does_not_have_takes_no_memory(tmp_path: Path, match: MorpionMatch) -> None:
    from dataclasses import replace

    rules = replace(match.rules, batch_bytes=2**32 - 1)
    path = tmp_path / "huge.thread"
    path.write_bytes(
        encode_head(ThreadHead(LOCAL_DOMAIN, match.terms, rules, match.code)) + b"\xff\xff\xff\xf0\x04\x01"
    )
    with pytest.raises(UnfinishedFile, match="2 of the 4294967280 bytes"):
        read(path)


def test_a_device_is_not_replaced_by_a_file(tmp_path: Path, head: ThreadHead) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(BackendError, match="is no ordinary file"):
        ThreadFileWriter.create(pipe, head)
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.glob("pipe*")] == ["pipe"]
