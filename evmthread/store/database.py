"""An SQLite file of ours: how it is made, opened, recognised, written in one synced transaction, read beside that.

It must not know what is kept in it. Rows that matter carry a checksum, because SQLite itself doesn't notice a value
that changed on the disk.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import Any, TypeAlias

from evmthread.errors import BackendError, InvalidInput

BUSY_SECONDS = 5.0
_CHECKSUM_BYTES = 16
_NONCE_BYTES = 8
_COUNT_BYTES, _COUNT_BITS = 8, 62  # no file is opened, or written to, so often

Run: TypeAlias = Callable[..., sqlite3.Cursor]
"""Runs one statement in the transaction that is open."""
Value: TypeAlias = bytes | int | str | None

_META = "CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file is recognised by, what it has in it, and what is raised where it is another or damaged."""

    application_id: int
    version: int
    schema: str
    foreign: type[BackendError]
    damaged: type[BackendError]


_KINDS: Mapping[str, type] = {"BLOB": bytes, "INTEGER": int, "TEXT": str}


def _column_kinds(schema: str) -> dict[str, tuple[tuple[type, ...], ...]]:
    """What the columns of each table hold: SQLite keeps anything in any of them."""
    tables: dict[str, tuple[tuple[type, ...], ...]] = {}
    for name, body in re.findall(r"CREATE TABLE (\w+)\((.*?)\)(?:;|\s*WITHOUT ROWID|$)", schema, re.DOTALL):
        columns = [each.split() for each in body.split(",")]
        tables[name] = tuple(
            [(_KINDS[each[1]], *(() if {"NOT", "PRIMARY"} & set(each) else (type(None),))) for each in columns]
        )
    return tables


class Database:
    """One file, shared by the threads of a process. One writes at a time; readers don't wait for it.

    `durable`: a transaction is on the disk when `writing` ends (write-ahead log, synchronous=FULL); else a power cut,
    though no crash of the process, may undo the last ones. `read_only`: the file as it is now, whatever others write.
    """

    def __init__(self, path: str | Path, kind: FileKind, *, durable: bool = True, read_only: bool = False) -> None:
        """Opens the file, and makes it where there is none, unless `read_only`.

        Raises the kind's errors and other BackendErrors.
        """
        self.place = str(path)
        self.kind = kind
        self._columns = _column_kinds(kind.schema)
        self.before_commit: Callable[[], None] | None = None  # for tests
        self._broken = ""
        # How often something was committed that may not be on the disk, and how many of these a sync came after. What
        # we find was committed by a process that may have been killed before its sync.
        self._unsynced, self._synced = 1, 0
        self._write_lock, self._read_lock = RLock(), RLock()
        self._read_only = read_only
        self._durable = durable
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        try:
            with self._errors():
                if not read_only:
                    self._writer = self._connected(path, "rwc")
                    self._set_up(self._writer.execute)
                self._reader = self._connected(path, "ro")
                if read_only:
                    self._recognise(self._reader.execute)
                    self._reader.execute("BEGIN")
                    self._reader.execute("SELECT count(*) FROM meta").fetchone()  # from here on the snapshot is held
        except BaseException:
            self.close()
            raise

    @property
    def writer(self) -> sqlite3.Connection:
        """The connection that writes. Raises InvalidInput where the file was opened to be read only, or is closed."""
        if self._writer is None:
            raise InvalidInput(f"{self.place} is closed" if self._reader is None else f"{self.place} is read only here")
        return self._writer

    def _connected(self, path: str | Path, mode: str) -> sqlite3.Connection:
        if "\0" in self.place:  # SQLite would take what stands before it
            raise BackendError(f"{self.place!r}: a zero byte in the name")
        uri = f"{Path(path).absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
        connection.text_factory = lambda text: text.decode(errors="replace")
        connection.execute("PRAGMA cell_size_check = ON")
        return connection

    def _recognise(self, run: Run) -> bool:
        """Whether it is a file of this kind; False for an empty one."""
        (application,) = run("PRAGMA application_id").fetchone()
        (version,) = run("PRAGMA user_version").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0) and not self._read_only:
            return False
        if (application, version) != (self.kind.application_id, self.kind.version):
            said = f"application {application:#x}, version {version}"
            wanted = f"application {self.kind.application_id:#x}, version {self.kind.version}"
            raise self.kind.foreign(f"{self.place}: {said}; this program reads {wanted}")
        if run("SELECT 1 FROM sqlite_master WHERE type NOT IN ('table', 'index')").fetchone() is not None:
            raise self.kind.foreign(f"{self.place}: a view or a trigger, which would run whatever its maker likes")
        return True

    def _set_up(self, run: Run) -> None:
        if not self._recognise(run):
            run("PRAGMA journal_mode = WAL")
        self._sync(run, self._durable)
        with self.writing() as run:
            if not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                run(f"PRAGMA application_id = {self.kind.application_id}")
                run(f"PRAGMA user_version = {self.kind.version}")
                for statement in filter(str.strip, (_META, *self.kind.schema.split(";"))):
                    run(statement)

    @staticmethod
    def _sync(run: Run, durable: bool) -> None:
        run(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
            if code == sqlite3.SQLITE_NOTADB:
                raise self.kind.foreign(f"{self.place}: {error}") from error
            if code == sqlite3.SQLITE_CORRUPT:
                raise self.kind.damaged(f"{self.place}: {error}") from error
            raise BackendError(f"{self.place}: {error}") from error
        except UnicodeDecodeError as error:  # of the message, which quotes what is damaged
            raise self.kind.damaged(f"{self.place}: names in it are no text") from error

    @contextmanager
    def writing(self, *, synced: bool = True) -> Iterator[Run]:
        """One transaction: all of it or, where something is raised inside, nothing. On the disk at its end.

        `synced` False: it is there for everybody at its end, and on the disk with the next one that is. Where ending it
        fails nothing is written any more: what is on the disk then is for whoever opens the file next to see.
        """
        with self._write_lock, self._errors():
            run = self.writer.execute
            if self._broken:
                raise BackendError(f"{self.place}: an earlier write failed: {self._broken}")
            if synced:
                yield from self._transaction(run, touches=self._synced < self._unsynced)
                self._synced = self._unsynced
                return
            self._sync(run, durable=False)
            try:
                yield from self._transaction(run)
                self._unsynced += 1
            finally:
                self._sync(run, self._durable)

    def settle(self) -> None:
        """What was read until now is on the disk when this returns. Costs a sync only where it may not be."""
        if self._synced < self._unsynced:
            with self.writing():
                pass

    def _transaction(self, run: Run, *, touches: bool = False) -> Iterator[Run]:
        run("BEGIN IMMEDIATE")
        try:
            yield run
            if touches:  # a transaction that changes nothing syncs nothing
                self.count_meta(run, "syncs")
            if self.before_commit is not None:
                self.before_commit()
        except BaseException:
            with suppress(sqlite3.Error):
                run("ROLLBACK")
            raise
        try:
            run("COMMIT")
        except sqlite3.Error as error:
            self._broken = str(error)
            with suppress(sqlite3.Error):
                run("ROLLBACK")
            raise

    @contextmanager
    def reading(self) -> Iterator[Run]:
        """Reads that see one moment.

        What this process wrote shows itself only after its sync; what others wrote is on the disk after `settle`.
        """
        with self._read_lock, self._errors():
            if self._reader is None:
                raise InvalidInput(f"{self.place} is closed")
            run = self._reader.execute
            if self._read_only:  # one moment for all
                yield run
                return
            run("BEGIN")
            try:
                yield run
            finally:
                run("COMMIT")

    # Rows -------------------------------------------------------------------------------------------------------------
    def insert(self, run: Run, table: str, values: Sequence[Value], *more: Value) -> None:
        """Adds a row: these values, their checksum, and what it doesn't cover."""
        row = (*values, _checksum(table, values), *more)
        run(f"INSERT INTO {table} VALUES({', '.join('?' * len(row))})", row)

    def insert_new(self, run: Run, table: str, values: Sequence[Value]) -> None:
        """Adds a row, unless one like it stands already where it must be unique."""
        row = (*values, _checksum(table, values))
        run(f"INSERT OR IGNORE INTO {table} VALUES({', '.join('?' * len(row))})", row)

    def checked(self, table: str, row: Sequence[Any]) -> Sequence[Any]:
        """The row without its last value, the checksum. Raises the kind's `damaged` where that is another's."""
        values = row[:-1]
        if row[-1] != _checksum(table, values):
            raise self.kind.damaged(f"{self.place}: a row of table {table} isn't what was written")
        if not all(type(value) in kinds for value, kinds in zip(values, self._columns[table], strict=False)):
            raise self.kind.damaged(f"{self.place}: a row of table {table} has values of other types")
        return values

    def number(self, value: object) -> int:
        """A number that no checksum covers. Raises the kind's `damaged` for anything else."""
        if type(value) is not int:
            raise self.kind.damaged(f"{self.place}: a {type(value).__name__} where a number is wanted")
        return value

    def check_table(self, run: Run, table: str, columns: str) -> None:
        """Looks at the checksum of every row. Raises the kind's `damaged`."""
        with closing(run(f"SELECT {columns}, checksum FROM {table}")) as cursor:  # noqa: S608 - a table of ours
            for row in cursor:
                self.checked(table, row)

    def meta(self, run: Run, name: str) -> bytes:
        """A value by its name; empty where there is none."""
        row = run("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row is not None and type(row[0]) is not bytes:
            raise self.kind.damaged(f"{self.place}: {name!r} isn't what was written")
        return b"" if row is None else bytes(row[0])

    def put_meta(self, run: Run, name: str, value: bytes) -> None:
        """Keeps a value under a name."""
        run("INSERT OR REPLACE INTO meta VALUES(?, ?)", (name, value))

    def meta_number(self, run: Run, name: str) -> int:
        """The count under a name; 0 where there is none. Raises the kind's `damaged` for what is none."""
        value = self.meta(run, name)
        if len(value) > _COUNT_BYTES or (number := int.from_bytes(value, "big")) >> _COUNT_BITS:
            raise self.kind.damaged(f"{self.place}: {name!r} is no count")
        return number

    def count_meta(self, run: Run, name: str) -> int:
        """Counts one more under a name, durably; gives the count."""
        number = self.meta_number(run, name) + 1
        self.put_meta(run, name, number.to_bytes(_COUNT_BYTES, "big"))
        return number

    def check(self) -> None:
        """Has SQLite read everything. Raises the kind's `damaged` where the file isn't whole."""
        with self.reading() as run:
            (said,) = run("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            raise self.kind.damaged(f"{self.place}: {said}")

    def close(self) -> None:
        """Lets go of the file. A second time does nothing."""
        with self._write_lock, self._read_lock:
            for connection in (self._reader, self._writer):  # the last one to close empties the write-ahead log
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None


def _checksum(table: str, values: Sequence[Value]) -> bytes:
    parts = [table.encode()]
    for value in values:
        data = value if type(value) is bytes else repr(value).encode()
        parts += (b"%d:" % len(data), data)
    return blake2b(b"".join(parts), digest_size=_CHECKSUM_BYTES).digest()


def nonce_bytes(nonce: int) -> bytes:
    """A nonce as SQLite sorts it: its own integers end at 2^63. Raises InvalidInput for more than 64 bits."""
    if not 0 <= nonce < 1 << (8 * _NONCE_BYTES):
        raise InvalidInput(f"nonce {nonce} is no unsigned number of 64 bits")
    return nonce.to_bytes(_NONCE_BYTES, "big")


def above_bytes(nonce: int) -> bytes:
    """What the bytes of a nonce are compared with to find those above; -1 for all."""
    return nonce_bytes(nonce) if nonce >= 0 else b""
