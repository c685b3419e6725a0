"""A state in one LMDB file: quick reads, and writes that copy pages instead of logging. Needs the extra `lmdb`."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
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

_FIRST_MAP_BYTES = 1 << 26  # grows by itself; a sparse file takes no more of the disk than what is written
_META_KEY = b"evmthread"
_FORMAT = b"state 2"
_PAGE = 512  # rows that a scan reads at once


class LmdbStore:
    """Tables of bytes in an LMDB file. `durable`: a write is on the disk when it returns. For `read_only` see LMDB."""

    def __init__(self, path: str | Path, *, durable: bool = True, read_only: bool = False) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise BackendError("LMDB states need the lmdb package: pip install 'evmthread[lmdb]'") from error
        self._lmdb = lmdb
        self.place = str(path)
        self.before_step: Callable[[int], None] | None = None
        self._mapping = Lock()  # while the map grows, it may be anywhere: nobody reads
        self._writing = RLock()  # nor does anybody write; taken before the other
        self._path = path_of(path)
        self._read_only = read_only
        exists = is_there(self._path)
        if read_only and not exists:
            raise BackendError(f"{self.place} doesn't exist")
        if not exists:
            with self._errors(), system_errors(self.place):
                self._create()
        with system_errors(self.place), open_regular(self._path):
            size = self._path.stat().st_size
        if not size:
            raise NotAState(f"{self.place} is empty")
        with self._errors():
            self._environment = lmdb.open(
                str(path),
                map_size=max(_FIRST_MAP_BYTES, 1 << (size * 2).bit_length()),
                subdir=False,
                readonly=read_only,
                sync=durable,
                max_dbs=len(TABLES),
                create=False,
            )
        try:
            with self._errors():
                self._set_up()
        except BaseException:
            self._environment.close()
            raise

    def _create(self) -> None:
        # Under another name first: so the file is a whole database as soon as it is there.
        unfinished = own_unfinished_name(self._path)
        try:
            with (
                self._lmdb.open(str(unfinished), subdir=False, lock=False, max_dbs=len(TABLES)) as environment,
                environment.begin(write=True) as transaction,
            ):
                for table in TABLES:
                    environment.open_db(table.encode(), txn=transaction)
                transaction.put(_META_KEY, _FORMAT)
            with suppress(FileExistsError):  # another process made it meanwhile
                publish(unfinished, self._path)
        finally:
            take_away(unfinished)

    def _set_up(self) -> None:
        environment = self._environment
        pages = environment.info()["last_pgno"] + 1
        page_bytes = environment.stat()["psize"]
        size = self._path.stat().st_size  # after its head was read: another process may make it grow
        if size < pages * page_bytes:  # reading behind the end of a mapped file would kill the process
            raise CorruptState(self.place, f"it has {size} bytes, and its head says {pages} pages of {page_bytes}")
        with environment.begin() as transaction:
            found = transaction.get(_META_KEY)
        if found != _FORMAT:
            raise NotAState(f"{self.place} is an LMDB file, and no state of this version: {found!r}")
        self._tables = {table: environment.open_db(table.encode(), create=False) for table in TABLES}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        lmdb = self._lmdb
        try:
            yield
        except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.NotFoundError) as error:
            raise CorruptState(self.place, str(error)) from error
        except (lmdb.InvalidError, lmdb.VersionMismatchError) as error:
            raise NotAState(f"{self.place}: {error}") from error
        except lmdb.DiskError as error:
            raise StoreFull(f"{self.place}: {error}") from error
        except lmdb.LockError as error:
            raise StateBusy(f"{self.place}: {error}") from error
        except (lmdb.Error, UnicodeEncodeError) as error:  # the latter where the path has no UTF-8 form
            raise BackendError(f"{self.place!r}: {error}") from error

    def get(self, table: str, key: bytes) -> bytes | None:
        if not key:
            return None  # LMDB has no empty keys
        with self._errors():
            try:
                with self._mapping, self._environment.begin(db=self._tables[table]) as transaction:
                    return transaction.get(key)
            except self._lmdb.MapResizedError:
                self._map(0)
        return self.get(table, key)

    def scan(self, table: str, prefix: bytes = b"", *, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        start = max(prefix, start)
        while True:
            rows = self._rows(table, start)
            for key, value in rows:
                if not key.startswith(prefix):
                    return
                yield key, value
            if len(rows) < _PAGE:
                return
            start = rows[-1][0] + b"\x00"

    def _rows(self, table: str, start: bytes) -> list[tuple[bytes, bytes]]:
        with self._errors():
            try:
                with self._mapping, self._environment.begin(db=self._tables[table]) as transaction:
                    cursor = transaction.cursor()
                    found = cursor.set_range(start) if start else cursor.first()
                    return list(islice(cursor, _PAGE)) if found else []
            except self._lmdb.MapResizedError:
                self._map(0)
        return self._rows(table, start)

    def _map(self, size: int) -> None:
        # 0: as much as another process made of it
        with self._writing, self._mapping:
            self._environment.set_mapsize(size)

    def write(self, writes: Iterable[Write], *, expected: Expected | None = None) -> None:
        if self._read_only:
            raise InvalidInput(f"{self.place} was opened to be read only")
        rows = list(writes)
        with self._writing, self._errors():
            while True:
                try:
                    return self._write(rows, expected)
                except self._lmdb.MapFullError:
                    self._map(self._environment.info()["map_size"] * 2)
                except self._lmdb.MapResizedError:
                    self._map(0)

    def _write(self, rows: list[Write], expected: Expected | None) -> None:
        step = self.before_step or (lambda _: None)
        with self._environment.begin(write=True) as transaction:
            if expected is not None:
                found = transaction.get(expected.key, db=self._tables[expected.table])
                if found != expected.value:
                    raise StateBusy(f"{self.place} was written by another process since it was opened here")
            number = 0
            last = None
            for table, key, value in rows:
                if table != last:
                    step(number)
                    number += 1
                    last = table
                if value is None:
                    transaction.delete(key, db=self._tables[table])
                else:
                    transaction.put(key, value, db=self._tables[table])
            step(number)

    def check(self) -> None:
        """LMDB finds nothing by itself: the state's records and tries tell what is damaged."""

    def size(self) -> int:
        # The file is sparse: what its blocks take.
        return self._path.stat().st_blocks * 512

    def close(self) -> None:
        self._environment.close()


class LmdbState(StoredState):
    """A state in an LMDB file, which is made where there is none. `history` as for SqliteState.

    Raises NotAState, CorruptState, StateBusy or another BackendError.
    """

    def __init__(
        self, path: str | Path, *, history: bool = False, durable: bool = True, read_only: bool = False
    ) -> None:
        super().__init__(LmdbStore(path, durable=durable, read_only=read_only), history=history)
