"""The rows that keep a key from signing two things: put once, above the floor, never after a final one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evmthread.commit.signing import LogState
from evmthread.errors import BackendError
from evmthread.store.database import Database, FileKind
from evmthread.store.signed_rows import SCHEMA, SignedEntry, SignedRows
from evmthread.store.thread_store import FloorWanted

THREAD, OTHER = b"\x11" * 32, b"\x22" * 32


class ForeignError(BackendError):
    pass


class DamagedError(BackendError):
    pass


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "rows", FileKind(7, 1, SCHEMA, ForeignError, DamagedError), durable=False)
    yield opened
    opened.close()


def put(database: Database, nonce: int, number: int = 1, *, final: bool = False, thread: bytes = THREAD) -> LogState:
    with database.writing() as run:
        return SignedRows(database).put(run, thread, nonce, digest(number), final=final, content=b"c%d" % nonce)


def test_a_nonce_takes_one_digest_and_nothing_below_the_highest(database: Database) -> None:
    assert put(database, 5) == LogState(digest(1), 5, None)
    assert put(database, 5, 2) == LogState(digest(1), 5, None), "what stands, stands"
    assert put(database, 4, 2) == LogState(None, 5, None), "nothing below the highest"
    assert put(database, 8, 3) == LogState(digest(3), 8, None)
    assert put(database, 5, 9) == LogState(digest(1), 8, None), "an older one is still known"
    assert put(database, 0, 9, thread=OTHER) == LogState(digest(9), 0, None), "each thread for itself"
    rows = SignedRows(database)
    with database.reading() as run:
        assert rows.state(run, THREAD, 9) == LogState(None, 8, None)
        assert rows.state(run, b"\x33" * 32, 0) == LogState(None, -1, None)
        assert rows.last(run, THREAD) == SignedEntry(8, digest(3), False, b"c8")
        assert rows.last(run, b"\x33" * 32) is None
        assert rows.at(run, THREAD, 5) == SignedEntry(5, digest(1), False, b"c5")
        assert rows.at(run, THREAD, 4) is None
        assert [entry.nonce for entry in rows.above(run, THREAD, -1)] == [5, 8]
        assert [entry.nonce for entry in rows.above(run, THREAD, 5)] == [8]
        assert rows.above(run, THREAD, 8) == []


def test_after_a_final_one_nothing_is_put(database: Database) -> None:
    put(database, 5)
    assert put(database, 6, 2, final=True) == LogState(digest(2), 6, digest(2))
    assert put(database, 7, 3) == LogState(None, 6, digest(2))
    assert put(database, 7, 3, final=True) == LogState(None, 6, digest(2))
    assert put(database, 6, 2, final=True) == LogState(digest(2), 6, digest(2))
    assert put(database, 5) == LogState(digest(1), 6, digest(2))


def test_a_floor_bars_what_is_at_or_below_it_and_only_rises(database: Database) -> None:
    rows = SignedRows(database)
    with database.writing() as run:
        assert rows.floor(run, THREAD) is None
        rows.raise_floor(run, THREAD, 0)
        assert rows.floor(run, THREAD) == 0
        rows.raise_floor(run, THREAD, 10)
        rows.raise_floor(run, THREAD, 7)
        assert rows.floor(run, THREAD) == 10
        assert rows.floor(run, OTHER) is None
    assert put(database, 10) == LogState(None, 10, None)
    assert put(database, 11) == LogState(digest(1), 11, None)
    with database.writing() as run:
        rows.raise_floor(run, THREAD, 20)
        assert rows.state(run, THREAD, 11) == LogState(digest(1), 20, None)
    assert put(database, 20, 2) == LogState(None, 20, None)


def test_after_a_restore_each_thread_needs_a_floor_once(database: Database) -> None:
    rows = SignedRows(database)
    put(database, 5)
    with database.writing() as run:
        assert not rows.floor_wanted(run, THREAD)
        assert rows.restores(run) == 0
        rows.count_restore(run)
        rows.count_restore(run)
        assert rows.restores(run) == 2
        assert rows.floor_wanted(run, THREAD)
    assert put(database, 5, 2) == LogState(digest(1), 5, None), "what stands is no new signature"
    assert put(database, 4, 2) == LogState(None, 5, None)
    with pytest.raises(FloorWanted):
        put(database, 6)
    with database.writing() as run:
        rows.raise_floor(run, THREAD, 3)
        assert not rows.floor_wanted(run, THREAD)
        assert rows.floor_wanted(run, OTHER)
    assert put(database, 6, 2) == LogState(digest(2), 6, None)
    with database.writing() as run:
        rows.count_restore(run)
        assert rows.floor_wanted(run, THREAD)
        assert rows.floor(run, THREAD) == 3


def test_a_thread_that_begins_after_a_restore_needs_none(database: Database) -> None:
    rows = SignedRows(database)
    with database.writing() as run:
        rows.begin(run, OTHER)
        assert run("SELECT count(*) FROM floors").fetchone() == (0,), "nothing to remember without a restore"
        rows.count_restore(run)
        rows.begin(run, THREAD)
        assert not rows.floor_wanted(run, THREAD)
        assert rows.floor(run, THREAD) is None
        assert rows.floor_wanted(run, OTHER)
    assert put(database, 0) == LogState(digest(1), 0, None)
    with database.writing() as run:
        rows.count_restore(run)
        assert rows.floor_wanted(run, THREAD)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE signed SET digest = zeroblob(32)",
        "UPDATE signed SET final = 1",
        "UPDATE signed SET content = x'00'",
        "UPDATE floors SET nonce = zeroblob(8)",
        "UPDATE floors SET restores = 9",
    ],
)
def test_a_changed_row_is_told(database: Database, change: str) -> None:
    rows = SignedRows(database)
    with database.writing() as run:
        rows.raise_floor(run, THREAD, 3)
    put(database, 5)
    with database.reading() as run:
        rows.check(run)
    with database.writing() as run:
        run(change)
    with database.reading() as run, pytest.raises(DamagedError):
        rows.check(run)
    with pytest.raises(DamagedError):
        put(database, 6)
