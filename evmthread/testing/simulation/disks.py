"""Where a simulated participant's store lies: in memory, or in an SQLite file, with power cuts and copies of either.

Knows stores, and nothing of what is in them.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

from evmthread.channel.kept import Record
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.thread_store import KeptThread, Lease
from evmthread.store.threadfile import ThreadHead
from evmthread.testing.simulation.crashing import Boundaries


class Disk(Protocol):
    """A store as far as a simulated participant asks; see ThreadStore and MemoryThreadStore."""

    def create(self, head: ThreadHead, key: bytes) -> None:
        """See ThreadStore."""

    def look(self, thread_id: bytes) -> KeptThread:
        """See ThreadStore."""

    def acquire(self, thread_id: bytes) -> Lease:
        """See ThreadStore."""

    def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
        """See ThreadStore."""

    def sync(self) -> None:
        """What was written until now outlasts a crash."""

    def crash(self) -> Self:
        """The store as a restart finds it: what wasn't synced is gone. This one is of no use then."""

    def copy(self, *, restored: bool) -> Self:
        """A copy of the store as it is now, which is `restored` when it is used."""

    def close(self) -> None:
        """See ThreadStore."""


class SqliteDisk:
    """A SqliteThreadStore in a file of its own, with a boundary before each commit.

    Of what it writes SQLite syncs all but that a thread was acquired; so that is what a power cut may undo. What one
    does to bytes on their way is the matter of the tests of stores.
    """

    def __init__(self, path: Path, boundaries: Boundaries, *, restored: bool = False) -> None:
        """Opens the file, and makes it where there is none."""
        self._path = path
        self._boundaries = boundaries
        self._copies = 0
        self._before: dict[Path, bytes] | None = None
        self._store = SqliteThreadStore(path, restored=restored)
        self._store.before_commit = boundaries.pass_one

    def create(self, head: ThreadHead, key: bytes) -> None:
        """See Disk."""
        self._store.create(head, key)

    def look(self, thread_id: bytes) -> KeptThread:
        """See Disk."""
        return self._store.look(thread_id)

    def acquire(self, thread_id: bytes) -> Lease:
        """See Disk."""
        self._before = {file: file.read_bytes() for file in self._files()}
        return self._store.acquire(thread_id)

    def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
        """See Disk."""
        return self._store.write(batch)

    def sync(self) -> None:
        """Each write is synced by itself."""

    def crash(self) -> "SqliteDisk":
        """See Disk."""
        database = self._store._database
        lost = database._synced < database._unsynced
        self._store.close()
        if lost and self._before is not None:
            for file in self._files():
                file.unlink()
            for file, content in self._before.items():
                file.write_bytes(content)
        return SqliteDisk(self._path, self._boundaries)

    def copy(self, *, restored: bool) -> "SqliteDisk":
        """See Disk."""
        self._copies += 1
        path = self._path.with_name(f"{self._path.name}_{self._copies}")
        for file in self._files():
            shutil.copy(file, path.with_name(path.name + file.name.removeprefix(self._path.name)))
        return SqliteDisk(path, self._boundaries, restored=restored)

    def close(self) -> None:
        """See Disk."""
        self._store.close()

    def _files(self) -> list[Path]:
        # Beside the file lies what isn't in it yet; the third one, -shm, is made anew from these.
        known = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return [file for file in known if file.exists()]


def disk(folder: Path | None, name: str, boundaries: Boundaries) -> Disk:
    """A new one, in a file of this folder, or in memory where there is none."""
    return MemoryThreadStore(syncs=False) if folder is None else SqliteDisk(folder / name, boundaries)
