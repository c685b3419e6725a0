"""Threads of a store as others check them: the file that is exported is the one that playing would have written."""

from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.channel.kept import AgreedRecord
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Agreed, encode_body
from evmthread.commit.refusals import BrokenParent, WrongSignature
from evmthread.errors import BackendError, DecodingError
from evmthread.store.handing_on import OtherContent, export_thread, read_agreed, verified_line, verify_thread
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.replaying import replay_line
from evmthread.store.thread_store import Lease, ThreadStore
from evmthread.store.threadfile import ThreadHead
from evmthread.store.verification import verify_file
from tests.channel.games import Match, finished_game
from tests.store.files import write
from tests.test_architecture import loaded_by


def records_of(match: Match) -> list[AgreedRecord]:
    """The match's line as a channel has it kept."""
    return [
        AgreedRecord(
            agreement.commitment.nonce,
            agreement.digest,
            agreement.commitment.parent,
            encode_body(Agreed(agreement.signed, batch, suspension)),
            b"state",
            False,
        )
        for agreement, batch, suspension in match.whole_line
    ]


def keep(store: ThreadStore, match: Match, records: list[AgreedRecord] | None = None) -> Lease:
    """The match in a store: its whole line, or these records of it."""
    store.create(ThreadHead(LOCAL_DOMAIN, match.terms, match.rules, match.code), match.terms.keys[0])
    lease = store.acquire(match.thread.thread_id)
    assert store.write([(lease, records_of(match) if records is None else records)]) == [None]
    return lease


@pytest.fixture(scope="module")
def game() -> Match:
    return finished_game()


def test_what_is_exported_is_the_file_that_playing_writes(game: Match, tmp_path: Path) -> None:
    lease = keep(MemoryThreadStore(), game)
    told: list[int] = []
    report = export_thread(lease, tmp_path / "out", progress=lambda _what, count: told.append(count))
    assert (tmp_path / "out").read_bytes() == write(game, tmp_path / "played")
    assert report == verify_file(tmp_path / "out") == verify_thread(lease)
    assert told == list(range(1, 11))
    with pytest.raises(BackendError, match="is there already"):
        export_thread(lease, tmp_path / "out")


def test_a_store_is_executed_again_as_a_file_is(game: Match) -> None:
    lease = keep(MemoryThreadStore(), game)
    thread, count = replay_line(lease.head, verified_line(lease))
    assert count == 10
    assert thread.agreement == game.tip


def test_a_thread_without_a_genesis(game: Match, tmp_path: Path) -> None:
    lease = keep(MemoryThreadStore(), game, [])
    report = export_thread(lease, tmp_path / "out")
    assert (report.count, report.tip) == (0, None)
    assert verify_file(tmp_path / "out") == report


def test_what_does_not_hold_is_refused_and_leaves_no_file(game: Match, tmp_path: Path) -> None:
    records = records_of(game)
    agreement, batch = game.line[3]
    signatures = replace(agreement.signatures, signatures=agreement.signatures.signatures[::-1])
    forged = replace(
        records[3], content=encode_body(Agreed(replace(agreement.signed, signatures=signatures), batch, None))
    )
    for record, error in (
        (forged, WrongSignature),
        (replace(records[3], content=records[4].content), OtherContent),
        (replace(records[3], nonce=3, content=records[3].content + b"\0"), DecodingError),
        (replace(records[3], content=b""), DecodingError),
    ):
        lease = keep(MemoryThreadStore(), game, [*records[:3], record, *records[4:]])
        with pytest.raises(error):
            verify_thread(lease)
        with pytest.raises(error):
            export_thread(lease, tmp_path / "out")
        assert list(tmp_path.iterdir()) == []


def test_a_record_is_kept_under_its_own_names(game: Match) -> None:
    """Also where a store mixes them up, which no store of ours does."""
    head = ThreadHead(LOCAL_DOMAIN, game.terms, game.rules, game.code)
    record = records_of(game)[3]
    assert read_agreed(head, record).signed == game.line[3][0].signed
    for changed in (
        replace(record, nonce=4),
        replace(record, parent=record.digest),
        replace(record, digest=record.parent),
    ):
        with pytest.raises(OtherContent, match=f"nonce {changed.nonce}"):
            read_agreed(head, changed)


def test_a_line_that_lacks_its_genesis_is_refused(game: Match) -> None:
    lease = keep(MemoryThreadStore(), game)
    lease._rows.line.pop(0)  # type: ignore[attr-defined]
    with pytest.raises(BrokenParent):
        verify_thread(lease)


def test_it_loads_no_evm() -> None:
    loaded = loaded_by("import evmthread.store.handing_on, evmthread.store.sqlite_threads")
    assert "evmthread.store.handing_on" in loaded
    for package in ("isa", "machine", "execution"):
        assert f"evmthread.{package}" not in loaded
