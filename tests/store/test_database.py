"""Transactions of one file are whole or not at all, and nothing more comes after one that failed; rows tell damage."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from evmthread.errors import BackendError
from evmthread.store.database import Database, FileKind, above_bytes, nonce_bytes


class ForeignError(BackendError):
    pass


class DamagedError(BackendError):
    pass


KIND = FileKind(
    0x1234, 3, "CREATE TABLE notes(name TEXT, value BLOB UNIQUE, checksum BLOB)", ForeignError, DamagedError
)


def notes(database: Database) -> list[tuple[object, ...]]:
    with database.reading() as run:
        rows = run("SELECT name, value, checksum FROM notes ORDER BY rowid").fetchall()
    return [tuple(database.checked("notes", row)) for row in rows]


def add(database: Database, *values: str | bytes) -> None:
    """Names and values in turn, in one transaction."""
    with database.writing() as run:
        for name, value in zip(values[::2], values[1::2], strict=True):
            database.insert(run, "notes", (name, value))


def test_what_is_raised_inside_undoes_all(tmp_path: Path) -> None:
    database = Database(tmp_path / "file", KIND)
    add(database, "one", b"1")

    def stop() -> None:
        raise KeyError

    database.before_commit = stop
    with pytest.raises(KeyError):
        add(database, "two", b"2")
    database.before_commit = None
    with pytest.raises(BackendError, match="UNIQUE"):
        add(database, "three", b"3", "again", b"1")
    assert notes(database) == [("one", b"1")]


def test_nothing_is_written_after_a_transaction_that_could_not_be_ended(tmp_path: Path) -> None:
    """What a failed sync left on the disk nobody knows; who opens the file next sees."""
    database = Database(tmp_path / "file", KIND)
    add(database, "one", b"1")
    # A deferred constraint is what lets COMMIT itself fail without a failing disk.
    with database.writing() as run:
        run("CREATE TABLE parents(id INTEGER PRIMARY KEY)")
        run("CREATE TABLE children(parent INTEGER REFERENCES parents(id) DEFERRABLE INITIALLY DEFERRED)")
    database.writer.execute("PRAGMA foreign_keys = ON")
    database.before_commit = lambda: database.writer.execute("INSERT INTO children VALUES(7)").close()
    with pytest.raises(BackendError, match="FOREIGN KEY"):
        add(database, "two", b"2")
    database.before_commit = None
    for _ in range(2):
        with pytest.raises(BackendError, match=r"an earlier write failed: FOREIGN KEY"):
            add(database, "three", b"3")
    assert notes(database) == [("one", b"1")]
    database.close()
    again = Database(tmp_path / "file", KIND)
    add(again, "three", b"3")
    assert notes(again) == [("one", b"1"), ("three", b"3")]


def test_who_reads_does_not_wait_for_who_writes_and_sees_nothing_unfinished(tmp_path: Path) -> None:
    database = Database(tmp_path / "file", KIND)
    inside, done = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert done.wait(20)

    database.before_commit = wait
    writer = threading.Thread(target=add, args=(database, "one", b"1"))
    writer.start()
    assert inside.wait(20)
    assert notes(database) == []
    done.set()
    writer.join()
    assert notes(database) == [("one", b"1")]


def test_a_reader_left_in_the_middle_sees_the_next_moment_later(tmp_path: Path) -> None:
    database = Database(tmp_path / "file", KIND)
    for number in range(3):
        add(database, str(number), b"%d" % number)
    with sqlite3.connect(tmp_path / "file") as other:
        other.execute("UPDATE notes SET name = 'changed' WHERE rowid = 1")
    with pytest.raises(DamagedError, match="notes") as told, database.reading() as run:
        database.check_table(run, "notes", "name, value")
    with sqlite3.connect(tmp_path / "file") as other:
        other.execute("UPDATE notes SET name = '0' WHERE rowid = 1")
    assert len(notes(database)) == 3
    assert told.value is not None  # its frames still hold the rows that it was about


@pytest.mark.parametrize("change", ["name = 'b'", "value = x'00'", "name = CAST(name AS BLOB)", "checksum = x''"])
def test_a_changed_row_is_damage(tmp_path: Path, change: str) -> None:
    database = Database(tmp_path / "file", KIND)
    add(database, "a", b"1")
    assert notes(database) == [("a", b"1")]
    with sqlite3.connect(tmp_path / "file") as other:
        other.execute(f"UPDATE notes SET {change}")
    with pytest.raises(DamagedError):
        notes(database)


@pytest.mark.parametrize("value", ["x'ffffffffffffffff'", "zeroblob(9)", "zeroblob(100000)", "'7'"])
def test_a_count_that_is_none_is_damage(tmp_path: Path, value: str) -> None:
    """No checksum covers it."""
    database = Database(tmp_path / "file", KIND)
    with database.writing() as run:
        assert [database.count_meta(run, "times") for _ in range(2)] == [1, 2]
        assert (database.meta_number(run, "times"), database.meta_number(run, "others")) == (2, 0)
    with sqlite3.connect(tmp_path / "file") as other:
        other.execute(f"UPDATE meta SET value = {value} WHERE name = 'times'")
    with pytest.raises(DamagedError, match="times"), database.writing() as run:
        database.count_meta(run, "times")


@pytest.mark.parametrize("read_only", [False, True])
def test_a_schema_that_is_no_text_is_damage(tmp_path: Path, read_only: bool) -> None:
    """SQLite quotes it in its message, which Python then can't read."""
    with closing(Database(tmp_path / "file", KIND)) as database:
        add(database, "a", b"1")
    data = (tmp_path / "file").read_bytes()
    assert data.count(b"CREATE TABLE notes") == 1
    (tmp_path / "file").write_bytes(data.replace(b"CREATE TABLE notes", b"CREATE TABL\xc5 notes"))
    with pytest.raises(DamagedError):
        Database(tmp_path / "file", KIND, read_only=read_only)


def test_nonces_sort_as_numbers_do() -> None:
    nonces = [0, 1, 255, 256, 2**63 - 1, 2**63, 2**64 - 1]
    assert sorted(map(nonce_bytes, nonces)) == list(map(nonce_bytes, nonces))
    for nonce in nonces:
        assert all((nonce_bytes(other) > above_bytes(nonce)) == (other > nonce) for other in nonces)
        assert nonce_bytes(nonce) > above_bytes(-1)
