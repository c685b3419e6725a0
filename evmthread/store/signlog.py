"""What one key has signed, in an SQLite file: written and synced before a signature exists outside.

One key, one log, one process: whoever opens the log takes it over, and what an earlier process still asks is refused
(`LogTaken`). It must not know what the entries' contents mean.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Self

from evmthread.commit.signing import LogState
from evmthread.errors import BackendError, InvalidInput

APPLICATION_ID = 0x65766D73
"""What SQLite keeps in the file's header to tell whose it is: "evms"."""
FORMAT_VERSION = 1
BUSY_SECONDS = 5.0
_NONCE_BYTES = 8

_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE signed(thread BLOB, nonce BLOB, digest BLOB NOT NULL, final INTEGER NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY(thread, nonce)) WITHOUT ROWID;
CREATE TABLE floors(thread BLOB PRIMARY KEY, nonce BLOB NOT NULL) WITHOUT ROWID;
"""


class LogTaken(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """Another process opened this log after us: it is the one that signs now."""


class NotASignLog(BackendError):  # noqa: N818 - see above
    """The file is no log of signatures, one of another version, or another key's."""


class DamagedSignLog(BackendError):  # noqa: N818 - see above
    """The file isn't what was written: nothing is to be signed by it."""


@dataclass(frozen=True, slots=True)
class SignedEntry:
    """One commitment that was signed, with what has to be sent again."""

    nonce: int
    digest: bytes
    final: bool
    content: bytes


class SqliteSignLog:
    """A SignLog in one file. Durable: an entry is on the disk when `put_if_absent` returns.

    Its threads may share it. `restored`: the file was put back from a copy, and what the key signed since isn't in it;
    then every thread needs a floor (`set_floor`) before anything is signed in it.
    """

    def __init__(self, path: str | Path, key: bytes, *, restored: bool = False, durable: bool = True) -> None:
        """Opens, or makes, the log of the key with this address (20 bytes), and takes it over from any other process.

        `durable` False is for tests: a power cut, though no crash of the process, may undo what was signed last, and
        then the key may sign twice. Raises NotASignLog, DamagedSignLog, BackendError.
        """
        if len(key) != 20:
            raise InvalidInput(f"an address is 20 bytes, not {len(key)}")
        self.place = str(path)
        self.before_commit: Callable[[], None] | None = None  # for tests
        self._lock = RLock()
        with self._errors():
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
            )
        try:
            with self._errors():
                self._set_up(key, restored=restored, durable=durable)
        except BaseException:
            self._connection.close()
            raise

    def _set_up(self, key: bytes, *, restored: bool, durable: bool) -> None:
        run = self._connection.execute
        (application,) = run("PRAGMA application_id").fetchone()
        (version,) = run("PRAGMA user_version").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0):
            run("PRAGMA journal_mode = WAL")
        elif (application, version) != (APPLICATION_ID, FORMAT_VERSION):
            raise NotASignLog(f"{self.place}: application {application:#x}, version {version}")
        run(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        with self._writing():
            if not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                run(f"PRAGMA application_id = {APPLICATION_ID}")
                run(f"PRAGMA user_version = {FORMAT_VERSION}")
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    run(statement)
                self._put_meta("key", key)
            if self._meta("key") != key:
                raise NotASignLog(f"{self.place} belongs to 0x{self._meta('key').hex()}, not to 0x{key.hex()}")
            self._epoch = int.from_bytes(self._meta("epoch"), "big") + 1
            self._put_meta("epoch", self._epoch.to_bytes(8, "big"))
            if restored:
                self._put_meta("restored", b"\x01")
            self._restored = self._meta("restored") == b"\x01"

    def _meta(self, name: str) -> bytes:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def _put_meta(self, name: str, value: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (name, value))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_NOTADB:
                raise NotASignLog(f"{self.place}: {error}") from error
            if code == sqlite3.SQLITE_CORRUPT:
                raise DamagedSignLog(f"{self.place}: {error}") from error
            raise BackendError(f"{self.place}: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, synced at its end."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            yield
            if self.before_commit is not None:
                self.before_commit()
            run("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                run("ROLLBACK")
            raise

    def _check_epoch(self) -> None:
        if int.from_bytes(self._meta("epoch"), "big") != self._epoch:
            raise LogTaken(f"{self.place}: another process has opened it")

    # What a SignLog does ----------------------------------------------------------------------------------------------
    def put_if_absent(self, thread_id: bytes, nonce: int, digest: bytes, *, final: bool, content: bytes) -> LogState:
        """See SignLog. Raises LogTaken and other BackendErrors; InvalidInput in a restored log without a floor."""
        with self._lock, self._errors(), self._writing():
            self._check_epoch()
            state = self._state(thread_id, nonce)
            if state.digest is None and nonce > state.highest and state.final is None:
                if self._restored and self._floor(thread_id) is None:
                    raise InvalidInput(f"{self.place} was restored: thread 0x{thread_id.hex()} needs a floor first")
                row = (thread_id, _nonce(nonce), digest, int(final), content)
                self._connection.execute("INSERT INTO signed VALUES(?, ?, ?, ?, ?)", row)
                return LogState(digest, nonce, digest if final else None)
            return state

    def _state(self, thread_id: bytes, nonce: int) -> LogState:
        run = self._connection.execute
        row = run("SELECT digest FROM signed WHERE thread = ? AND nonce = ?", (thread_id, _nonce(nonce))).fetchone()
        (highest,) = run("SELECT max(nonce) FROM signed WHERE thread = ?", (thread_id,)).fetchone()
        floor = self._floor(thread_id)
        most = max(-1 if highest is None else int.from_bytes(highest, "big"), -1 if floor is None else floor)
        return LogState(None if row is None else bytes(row[0]), most, self._final(thread_id))

    def _final(self, thread_id: bytes) -> bytes | None:
        query = "SELECT digest FROM signed WHERE thread = ? AND final = 1"
        row = self._connection.execute(query, (thread_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def _floor(self, thread_id: bytes) -> int | None:
        row = self._connection.execute("SELECT nonce FROM floors WHERE thread = ?", (thread_id,)).fetchone()
        return None if row is None else int.from_bytes(row[0], "big")

    def final(self, thread_id: bytes) -> bytes | None:
        """See SignLog."""
        with self._lock, self._errors():
            return self._final(thread_id)

    # What comes beside it ---------------------------------------------------------------------------------------------
    @property
    def restored(self) -> bool:
        """Whether the file was once put back from a copy."""
        return self._restored

    def set_floor(self, thread_id: bytes, nonce: int) -> None:
        """Never sign at or below this nonce again (signer law, rule 5); durable. A floor is only ever raised."""
        with self._lock, self._errors(), self._writing():
            self._check_epoch()
            floor = max(nonce, self._floor(thread_id) or 0)
            self._connection.execute("INSERT OR REPLACE INTO floors VALUES(?, ?)", (thread_id, _nonce(floor)))

    def floor(self, thread_id: bytes) -> int:
        """The floor, 0 for none."""
        with self._lock, self._errors():
            return self._floor(thread_id) or 0

    def content(self, thread_id: bytes, nonce: int) -> bytes | None:
        """What was written with the entry, to be sent again as the same bytes."""
        with self._lock, self._errors():
            query = "SELECT content FROM signed WHERE thread = ? AND nonce = ?"
            row = self._connection.execute(query, (thread_id, _nonce(nonce))).fetchone()
            return None if row is None else bytes(row[0])

    def entries(self, thread_id: bytes, *, above: int = -1) -> list[SignedEntry]:
        """What was signed in a thread above a nonce, in order."""
        with self._lock, self._errors():
            query = "SELECT nonce, digest, final, content FROM signed WHERE thread = ? AND nonce >= ? ORDER BY nonce"
            rows = self._connection.execute(query, (thread_id, _nonce(above + 1))).fetchall()
            return [
                SignedEntry(int.from_bytes(row[0], "big"), bytes(row[1]), bool(row[2]), bytes(row[3])) for row in rows
            ]

    def check(self) -> None:
        """Reads everything. Raises DamagedSignLog where the file isn't whole."""
        with self._lock, self._errors():
            (said,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
            if said != "ok":
                raise DamagedSignLog(f"{self.place}: {said}")

    def close(self) -> None:
        """Lets go of the file. A second time does nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nonce(nonce: int) -> bytes:
    """A nonce as SQLite sorts it: its own integers end at 2^63."""
    if not 0 <= nonce < 1 << (8 * _NONCE_BYTES):
        raise InvalidInput(f"nonce {nonce} is no unsigned number of 64 bits")
    return nonce.to_bytes(_NONCE_BYTES, "big")
