"""The store in a file keeps what every store keeps; what isn't such a file, or isn't whole, is told."""

import shutil
import tempfile
from pathlib import Path

from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.testing.thread_stores import thread_store_tests


def fresh() -> SqliteThreadStore:
    return SqliteThreadStore(Path(tempfile.mkdtemp(prefix="evmthread-")) / "threads", durable=False)


def reopened(store: SqliteThreadStore) -> SqliteThreadStore:
    store.close()
    return SqliteThreadStore(store.place, durable=False)


def restored(store: SqliteThreadStore) -> SqliteThreadStore:
    store.close()
    place = Path(tempfile.mkdtemp(prefix="evmthread-")) / "threads"
    shutil.copy(store.place, place)
    shutil.rmtree(Path(store.place).parent)
    return SqliteThreadStore(place, restored=True, durable=False)


def beside(store: SqliteThreadStore) -> SqliteThreadStore:
    return SqliteThreadStore(store.place, durable=False)


def removed(store: SqliteThreadStore) -> None:
    store.close()
    shutil.rmtree(Path(store.place).parent)


TestSqliteThreadStore = thread_store_tests(fresh, reopen=reopened, restore=restored, beside=beside, close=removed)
