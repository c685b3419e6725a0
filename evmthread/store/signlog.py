"""What one key has signed, in an SQLite file: written and synced before a signature exists outside.

One key, one log, one process: whoever opens the log takes it over, and what an earlier process still asks is refused
(`LogTaken`). It must not know what the entries' contents mean.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from evmthread.commit.signing import LogState
from evmthread.errors import BackendError
from evmthread.primitives.arguments import address_bytes
from evmthread.store.database import Database, FileKind, Run
from evmthread.store.signed_rows import SCHEMA, SignedEntry, SignedRows

APPLICATION_ID = 0x65766D73
"""What SQLite keeps in the file's header to tell whose it is: "evms"."""
FORMAT_VERSION = 2


class LogTaken(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """Another process opened this log after us: it is the one that signs now."""


class NotASignLog(BackendError):  # noqa: N818 - see above
    """The file is no log of signatures, one of another version, or another key's."""


class DamagedSignLog(BackendError):  # noqa: N818 - see above
    """The file isn't what was written: nothing is to be signed by it."""


_KIND = FileKind(APPLICATION_ID, FORMAT_VERSION, SCHEMA, NotASignLog, DamagedSignLog)


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
        key = address_bytes(key)
        self.place = str(path)
        self._database = Database(path, _KIND, durable=durable)
        self._rows = SignedRows(self._database)
        try:
            with self._database.writing() as run:
                self._take_over(run, key, restored=restored)
        except BaseException:
            self._database.close()
            raise

    def _take_over(self, run: Run, key: bytes, *, restored: bool) -> None:
        database = self._database
        owner = database.meta(run, "key")
        if not owner:
            database.put_meta(run, "key", key)
        elif owner != key:
            raise NotASignLog(f"{self.place} belongs to 0x{owner.hex()}, not to 0x{key.hex()}")
        self._epoch = database.count_meta(run, "epoch")
        if restored:
            self._rows.count_restore(run)
        self._restored = self._rows.restores(run) > 0

    def _check_epoch(self, run: Run) -> None:
        if self._database.meta_number(run, "epoch") != self._epoch:
            raise LogTaken(f"{self.place}: another process has opened it")

    # What a SignLog does ----------------------------------------------------------------------------------------------
    def put_if_absent(self, thread_id: bytes, nonce: int, digest: bytes, *, final: bool, content: bytes) -> LogState:
        """See SignLog. Raises LogTaken and other BackendErrors; FloorWanted in a restored log without a floor."""
        with self._database.writing() as run:
            self._check_epoch(run)
            return self._rows.put(run, thread_id, nonce, digest, final=final, content=content)

    def final(self, thread_id: bytes) -> bytes | None:
        """See SignLog."""
        with self._database.reading() as run:
            last = self._rows.last(run, thread_id)
            return last.digest if last is not None and last.final else None

    # What comes beside it ---------------------------------------------------------------------------------------------
    @property
    def before_commit(self) -> Callable[[], None] | None:
        """For tests: called when all is written and nothing is synced."""
        return self._database.before_commit

    @before_commit.setter
    def before_commit(self, called: Callable[[], None] | None) -> None:
        self._database.before_commit = called

    @property
    def restored(self) -> bool:
        """Whether the file was once put back from a copy."""
        return self._restored

    def set_floor(self, thread_id: bytes, nonce: int) -> None:
        """Never sign at or below this nonce again (signer law, rule 5); durable. A floor is only ever raised."""
        with self._database.writing() as run:
            self._check_epoch(run)
            self._rows.raise_floor(run, thread_id, nonce)

    def floor(self, thread_id: bytes) -> int:
        """The floor, 0 for none."""
        with self._database.reading() as run:
            return self._rows.floor(run, thread_id) or 0

    def content(self, thread_id: bytes, nonce: int) -> bytes | None:
        """What was written with the entry, to be sent again as the same bytes."""
        with self._database.reading() as run:
            entry = self._rows.at(run, thread_id, nonce)
            return None if entry is None else entry.content

    def entries(self, thread_id: bytes, *, above: int = -1) -> list[SignedEntry]:
        """What was signed in a thread above a nonce, in order."""
        with self._database.reading() as run:
            return self._rows.above(run, thread_id, above)

    def check(self) -> None:
        """Reads everything. Raises DamagedSignLog where the file isn't whole."""
        self._database.check()
        with self._database.reading() as run:
            self._rows.check(run)

    def close(self) -> None:
        """Lets go of the file. A second time does nothing."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
