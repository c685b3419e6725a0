"""A state in one SQLite file: the embedded default for whatever must last. Needs nothing but the standard library."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from threading import Lock, RLock

from evmthread.errors import BackendError, InvalidInput
from evmthread.state.files import (
    is_there,
    open_regular,
    own_unfinished_name,
    path_of,
    publish,
    system_errors,
    take_away,
)
from evmthread.state.store import TABLES, CorruptState, Expected, NotAState, StateBusy, StoreFull, Write
from evmthread.state.stored import StoredState

APPLICATION_ID = 0x65766D74
"""What SQLite keeps in the file's header to tell whose it is: "evmt"."""
FORMAT_VERSION = 2
_MAGIC = b"SQLite format 3\x00"  # https://www.sqlite.org/fileformat.html, section 1.3
_PAGE = 512  # rows that a scan reads at once
_BUSY_SECONDS = 5.0

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteStore:
    """Tables of bytes in an SQLite file, in write-ahead mode.

    `durable`: a write is on the disk when it returns (synchronous=FULL); else a power cut, though no crash of the
    process, may undo the last ones. `read_only` keeps seeing the state as it was when the file was opened.
    """

    def __init__(self, path: str | Path, *, durable: bool = True, read_only: bool = False) -> None:
        self.place = str(path)
        self.before_step: Callable[[int], None] | None = None
        self._path = path_of(path)
        self._read_only = read_only
        if not read_only and not is_there(self._path):
            with self._errors(), system_errors(self.place):
                _create(self._path)
        self._check_head()
        with self._errors():
            uri = f"{self._path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
            self._connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS
            )
        try:
            with self._errors():
                self._set_up(durable=durable)
        except BaseException:
            self._connection.close()
            raise
        # Two threads that run one statement would share it, since a connection keeps what it prepared by its text: from
        # CPython 3.12 on the one may bind its key before the other has begun to read.
        self._reading = Lock()
        # A connection has one transaction: a second thread's would fail, or end the first one's in the middle.
        self._writing = RLock()
        self._select = {table: f"SELECT value FROM {table} WHERE key = ?" for table in TABLES}  # noqa: S608

    def _check_head(self) -> None:
        # SQLite would take an empty file for a new database.
        found = None
        with system_errors(self.place):
            while (again := self._head_and_size()) != found:
                found = again
                head, size = found
                if len(head) < 100 or head[:16] != _MAGIC:
                    raise NotAState(f"{self.place} is no SQLite file: it begins with {head[:16]!r}")
                log = self._path.with_name(self._path.name + "-wal")
                with suppress(FileNotFoundError):
                    if log.stat().st_size:
                        return  # after a crash the file may lack what its log holds
                # Sections 1.3.2 and 1.3.6. SQLite reads a file that ends within a page as if zeros followed.
                page_bytes = int.from_bytes(head[16:18], "big")
                page_bytes = 65536 if page_bytes == 1 else page_bytes
                pages = int.from_bytes(head[28:32], "big")
                if size == pages * page_bytes:
                    return
        # It is so twice: nobody moved a log into the file meanwhile.
        raise CorruptState(self.place, f"it has {size} bytes, and its head says {pages} pages of {page_bytes}")

    def _head_and_size(self) -> tuple[bytes, int]:
        with open_regular(self._path) as file:
            return file.read(100), self._path.stat().st_size

    def _set_up(self, *, durable: bool) -> None:
        run = self._connection.execute
        (application,) = run("PRAGMA application_id").fetchone()
        (version,) = run("PRAGMA user_version").fetchone()
        if (application, version) != (APPLICATION_ID, FORMAT_VERSION):
            raise NotAState(
                f"{self.place} is no state of version {FORMAT_VERSION}: application {application:#x}, version {version}"
            )
        run("PRAGMA cell_size_check = ON")
        if self._read_only:
            run("BEGIN")
            run("SELECT count(*) FROM meta").fetchone()  # from here on the snapshot is held
        else:
            run(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
            if code in _CORRUPT:
                raise CorruptState(self.place, str(error)) from error
            if code in _BUSY:
                raise StateBusy(f"{self.place}: {error}") from error
            if code == sqlite3.SQLITE_FULL:
                raise StoreFull(f"{self.place}: {error}") from error
            raise BackendError(f"{self.place}: {error}") from error
        except UnicodeDecodeError as error:  # of the message, which quotes what is damaged
            raise CorruptState(self.place, "names in it are no text") from error

    def get(self, table: str, key: bytes) -> bytes | None:
        try:
            with self._reading:
                row = self._connection.execute(self._select[table], (key,)).fetchone()
        except sqlite3.Error:
            with self._errors():
                raise
        if row is None:
            return None
        value = row[0]
        if type(value) is not bytes:
            raise CorruptState(self.place, f"a value of table {table} is no blob")
        return value

    def scan(self, table: str, prefix: bytes = b"", *, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        query = f"SELECT key, value FROM {table} WHERE key >= ? ORDER BY key LIMIT {_PAGE}"  # noqa: S608 - a known table
        start = max(prefix, start)
        while True:
            with self._errors(), self._reading:
                rows = self._connection.execute(query, (start,)).fetchall()
            for key, value in rows:
                if type(key) is not bytes or type(value) is not bytes or key < start:
                    raise CorruptState(self.place, f"a row of table {table} is out of order or no blob")
                if not key.startswith(prefix):
                    return
                yield key, value
            if len(rows) < _PAGE:
                return
            start = rows[-1][0] + b"\x00"

    def write(self, writes: Iterable[Write], *, expected: Expected | None = None) -> None:
        if self._read_only:
            raise InvalidInput(f"{self.place} was opened to be read only")
        run = self._connection.execute
        step = self.before_step or (lambda _: None)
        with self._writing, self._errors():
            run("BEGIN IMMEDIATE")
            try:
                if expected is not None and self.get(expected.table, expected.key) != expected.value:
                    raise StateBusy(f"{self.place} was written by another process since it was opened here")
                number = 0
                for (table, deletes), group in groupby(writes, key=lambda write: (write[0], write[2] is None)):
                    step(number)
                    number += 1
                    if deletes:
                        statement = f"DELETE FROM {table} WHERE key = ?"  # noqa: S608 - a known table
                        self._connection.executemany(statement, [(key,) for _, key, _ in group])
                    else:
                        statement = f"INSERT OR REPLACE INTO {table} VALUES (?, ?)"  # noqa: S608 - a known table
                        self._connection.executemany(statement, map(itemgetter(1, 2), group))
                step(number)
                run("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    run("ROLLBACK")
                raise

    def check(self) -> None:
        with self._errors():
            rows = self._connection.execute("PRAGMA integrity_check(3)").fetchall()
        if rows != [("ok",)]:
            raise CorruptState(self.place, "; ".join(str(row[0]) for row in rows))

    def size(self) -> int:
        files = [self._path, self._path.with_name(self._path.name + "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        with self._errors():
            self._connection.close()


def _create(path: Path) -> None:
    # Under another name first: so the file is a whole database as soon as it is there.
    unfinished = own_unfinished_name(path)
    try:
        connection = sqlite3.connect(unfinished, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN")
            for table in TABLES:
                connection.execute(f"CREATE TABLE {table} (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            connection.execute("COMMIT")
        finally:
            connection.close()
        with suppress(FileExistsError):  # another process made it meanwhile
            publish(unfinished, path)
    finally:
        take_away(unfinished)


class SqliteState(StoredState):
    """A state in an SQLite file, which is made where there is none.

    `history`: what every apply leaves stays readable by its nonce, until pruned. For `durable` and `read_only` see
    SqliteStore. Raises NotAState, CorruptState, StateBusy or another BackendError.
    """

    def __init__(
        self, path: str | Path, *, history: bool = False, durable: bool = True, read_only: bool = False
    ) -> None:
        super().__init__(SqliteStore(path, durable=durable, read_only=read_only), history=history)
