"""The store of threads in one SQLite file: all threads of a process, written in write-ahead mode and synced.

docs/store.md has the tables and the guarantees. Epochs fence: whoever acquires a thread, in whatever process, is the
only one to write to it from then on. It must not know what contents and states mean.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, Record, SignedRecord
from evmthread.commit.signing import LogState
from evmthread.errors import EvmthreadError, InvalidInput
from evmthread.store import signed_rows, thread_rows
from evmthread.store.database import Database, FileKind, Run
from evmthread.store.thread_rows import ThreadRows
from evmthread.store.thread_store import (
    DamagedThreadStore,
    EarlierRefused,
    Lease,
    LeaseLost,
    NotAThreadStore,
    SavedThread,
    UnknownThread,
    check_record,
    identify,
)
from evmthread.store.threadfile import ThreadHead

APPLICATION_ID = 0x65766D70
"""What SQLite keeps in the file's header to tell whose it is: "evmp", a party's threads."""
FORMAT_VERSION = 1

_KIND = FileKind(
    APPLICATION_ID,
    FORMAT_VERSION,
    f"{signed_rows.SCHEMA};{thread_rows.SCHEMA}",
    NotAThreadStore,
    DamagedThreadStore,
)


class SqliteThread:
    """A thread of a SqliteThreadStore. See KeptThread."""

    def __init__(self, database: Database, rows: ThreadRows, thread_id: bytes) -> None:
        self._database = database
        self._rows = rows
        self._thread_id = thread_id

    @property
    def thread_id(self) -> bytes:
        return self._thread_id

    @cached_property
    def _begun(self) -> tuple[ThreadHead, bytes]:
        with self._database.reading() as run:
            begun = self._rows.head(run, self._thread_id)
        if begun is None:
            raise UnknownThread(self._thread_id)
        return begun

    @property
    def head(self) -> ThreadHead:
        return self._begun[0]

    @property
    def key(self) -> bytes:
        return self._begun[1]

    @property
    def restored(self) -> bool:
        with self._database.reading() as run:
            return self._rows.signed.floor_wanted(run, self._thread_id)

    @property
    def floor(self) -> int | None:
        with self._database.reading() as run:
            return self._rows.signed.floor(run, self._thread_id)

    def load(self) -> SavedThread:
        """See KeptThread."""
        with self._database.reading() as run:
            return self._rows.load(run, self._thread_id)

    def agreed(self, digest: bytes) -> AgreedRecord | None:
        """See KeptThread."""
        with self._database.reading() as run:
            return self._rows.agreed(run, self._thread_id, digest)

    def line_after(self, nonce: int, limit: int) -> list[AgreedRecord]:
        """See KeptThread."""
        with self._database.reading() as run:
            return self._rows.line_after(run, self._thread_id, nonce, limit)

    def evidence(self) -> list[EvidenceRecord]:
        """See KeptThread."""
        with self._database.reading() as run:
            return self._rows.evidence(run, self._thread_id)


class SqliteLease(SqliteThread):
    """The right to write to a thread of a SqliteThreadStore. See Lease. It is its thread's SignLog, too."""

    def __init__(self, database: Database, rows: ThreadRows, thread_id: bytes, epoch: int) -> None:
        super().__init__(database, rows, thread_id)
        self._epoch = epoch

    @property
    def epoch(self) -> int:
        return self._epoch

    def is_of(self, database: Database) -> bool:
        """Whether the lease was acquired there."""
        return self._database is database

    def check(self, run: Run) -> None:
        """Nothing, or LeaseLost, as it is in this transaction."""
        epoch = self._rows.epoch(run, self._thread_id)
        if epoch != self._epoch:
            raise LeaseLost(f"thread 0x{self._thread_id.hex()}: acquired again since epoch {self._epoch}")

    def set_floor(self, nonce: int) -> None:
        """See Lease."""
        with self._database.writing() as run:
            self.check(run)
            self._rows.signed.raise_floor(run, self._thread_id, nonce)

    def sign_log(self) -> Self:
        """See Lease."""
        return self

    def put_if_absent(self, thread_id: bytes, nonce: int, digest: bytes, *, final: bool, content: bytes) -> LogState:
        """See SignLog."""
        self._check_thread(thread_id)
        check_record(SignedRecord(nonce, digest, final, content))
        signed = self._rows.signed
        with self._database.reading() as run:
            self.check(run)
            state = signed.state(run, thread_id, nonce)
        if state.digest is not None:
            self._database.settle()
            return state
        with self._database.writing() as run:
            self.check(run)
            return signed.put(run, thread_id, nonce, bytes(digest), final=final, content=bytes(content))

    def final(self, thread_id: bytes) -> bytes | None:
        """See SignLog."""
        self._check_thread(thread_id)
        with self._database.reading() as run:
            self.check(run)
            last = self._rows.signed.last(run, thread_id)
        return last.digest if last is not None and last.final else None

    def _check_thread(self, thread_id: bytes) -> None:
        if thread_id != self._thread_id:
            raise InvalidInput(f"the log is of thread 0x{self._thread_id.hex()}, not of 0x{thread_id.hex()}")


class SqliteThreadStore:
    """A ThreadStore in one file."""

    def __init__(
        self, path: str | Path, *, restored: bool = False, durable: bool = True, read_only: bool = False
    ) -> None:
        """Opens the file, and makes it where there is none.

        `restored`: it has just been put back from a copy, and what was signed since isn't in it; then each thread in it
        needs a floor before anything is signed there. To be said once for each time that it was put back. `read_only`:
        it is there, and stays as it is; others who write aren't disturbed, nor seen. `durable` False is for tests: a
        power cut, though no crash of the process, may undo what was written last, and then a key may sign twice.
        Raises NotAThreadStore, DamagedThreadStore, other BackendErrors.
        """
        self.place = str(path)
        if restored and read_only:
            raise InvalidInput(f"{self.place}: what is read only can't be marked as restored")
        self._database = Database(path, _KIND, durable=durable, read_only=read_only)
        self._rows = ThreadRows(self._database)
        if restored:
            try:
                with self._database.writing() as run:
                    self._rows.signed.count_restore(run)
            except BaseException:
                self._database.close()
                raise

    @property
    def before_commit(self) -> Callable[[], None] | None:
        """For tests: called when all is written and nothing is synced."""
        return self._database.before_commit

    @before_commit.setter
    def before_commit(self, called: Callable[[], None] | None) -> None:
        self._database.before_commit = called

    def create(self, head: ThreadHead, key: bytes) -> None:
        """See ThreadStore."""
        identity = identify(head, key)
        with self._database.writing() as run:
            self._rows.create(run, identity, head, key)

    def threads(self) -> list[bytes]:
        """See ThreadStore."""
        with self._database.reading() as run:
            return self._rows.threads(run)

    def look(self, thread_id: bytes) -> SqliteThread:
        """See ThreadStore."""
        with self._database.reading() as run:
            if self._rows.epoch(run, thread_id) is None:
                raise UnknownThread(thread_id)
        return SqliteThread(self._database, self._rows, thread_id)

    def acquire(self, thread_id: bytes) -> SqliteLease:
        """See ThreadStore.

        It isn't synced by itself: a power cut, which may undo it, ends all who could have held an earlier lease.
        """
        with self._database.writing(synced=False) as run:
            self._rows.next_epoch(run, thread_id)
            epoch = self._rows.epoch(run, thread_id)
            if epoch is None:
                raise UnknownThread(thread_id)
        return SqliteLease(self._database, self._rows, thread_id, epoch)

    def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
        """See ThreadStore."""
        refused: set[Lease] = set()
        with self._database.writing() as run:
            return [self._written(run, lease, records, refused) for lease, records in batch]

    def _written(self, run: Run, lease: Lease, records: Sequence[Record], refused: set[Lease]) -> Exception | None:
        if not isinstance(lease, SqliteLease) or not lease.is_of(self._database):
            return InvalidInput("a lease of this store is wanted")
        if lease in refused:
            return EarlierRefused(f"thread 0x{lease.thread_id.hex()}: what was handed over before was refused")
        run("SAVEPOINT item")
        try:
            lease.check(run)
            for record in records:
                self._rows.put(run, lease.thread_id, record)
        except EvmthreadError as error:
            run("ROLLBACK TO item")
            refused.add(lease)
            return error
        finally:
            run("RELEASE item")
        return None

    def check(self) -> None:
        """Reads everything. Raises DamagedThreadStore where the file isn't what was written."""
        self._database.check()
        with self._database.reading() as run:
            self._rows.check(run)

    def close(self) -> None:
        """See ThreadStore."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
