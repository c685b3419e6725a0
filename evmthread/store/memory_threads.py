"""A store of threads that is as durable as the process: for tests and simulations, with crashes that can be played.

Without `syncs` what is written is there for whoever reads, and safe once `sync` was called: `crash` loses the rest, as
a power cut does.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile
from threading import RLock
from typing import TypeVar

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, Record, SignedRecord
from evmthread.commit.signing import LogState
from evmthread.errors import BackendError, EvmthreadError, InvalidInput
from evmthread.primitives.types import ZERO_HASH
from evmthread.store.memory_rows import Rows, Undo, put, put_signed
from evmthread.store.thread_store import (
    EarlierRefused,
    Lease,
    LeaseLost,
    SavedThread,
    ThreadExists,
    UnknownThread,
    check_record,
    identify,
)
from evmthread.store.threadfile import ThreadHead

T = TypeVar("T")


class MemoryThread:
    """A thread of a MemoryThreadStore. See KeptThread."""

    def __init__(self, store: "MemoryThreadStore", rows: Rows) -> None:
        self._store = store
        self._rows = rows
        self.thread_id = rows.thread_id  # plain: asked for a dozen times a round

    @property
    def head(self) -> ThreadHead:
        return self._rows.head

    @property
    def key(self) -> bytes:
        return self._rows.key

    @property
    def restored(self) -> bool:
        return self._rows.restored

    @property
    def floor(self) -> int | None:
        return self._rows.floor

    def load(self) -> SavedThread:
        """See KeptThread."""
        with self._store.open():
            rows = self._rows
            tip = rows.line[-1] if rows.line else None
            first = next((at for at in range(len(rows.line) - 1, -1, -1) if rows.line[at].whole), 0)
            last = rows.last
            above, parent = (-1, ZERO_HASH) if tip is None else (tip.nonce, tip.digest)
            signed = takewhile(lambda nonce: nonce > above, reversed(rows.signed))
            return SavedThread(
                base=tuple(rows.line[first:]),
                signed=tuple([rows.signed[nonce] for nonce in signed][::-1]),
                highest=-1 if last is None else last.nonce,
                final=last.digest if last is not None and last.final else None,
                inputs=tuple([rows.inputs[key] for key in sorted(rows.inputs) if key[2] == parent]),
                agreed=len(rows.agreed),
            )

    def agreed(self, digest: bytes) -> AgreedRecord | None:
        """See KeptThread."""
        with self._store.open():
            return self._rows.agreed.get(digest)

    def line_after(self, nonce: int, limit: int) -> list[AgreedRecord]:
        """See KeptThread."""
        with self._store.open():
            line = self._rows.line
            at = len(line)
            while at and line[at - 1].nonce > nonce:
                at -= 1
            return line[at : at + limit]

    def evidence(self) -> list[EvidenceRecord]:
        """See KeptThread."""
        with self._store.open():
            return list(self._rows.evidence)


class MemoryLease(MemoryThread):
    """The right to write to a thread of a MemoryThreadStore. See Lease."""

    def __init__(self, store: "MemoryThreadStore", rows: Rows) -> None:
        super().__init__(store, rows)
        self.epoch = rows.epoch

    def is_of(self, store: "MemoryThreadStore") -> bool:
        """Whether the lease was acquired there."""
        return self._store is store

    def set_floor(self, nonce: int) -> None:
        """See Lease."""

        def change(rows: Rows, undo: Undo) -> None:
            check_record(SignedRecord(nonce, ZERO_HASH, False, b""))
            before = (rows.floor, rows.restored)

            def back() -> None:
                rows.floor, rows.restored = before

            undo.append(back)
            rows.floor, rows.restored = max(nonce, rows.floor or 0), False

        self._store.change(self, change)

    def sign_log(self) -> "MemoryLease":
        """See Lease."""
        return self

    def put_if_absent(self, thread_id: bytes, nonce: int, digest: bytes, *, final: bool, content: bytes) -> LogState:
        """See SignLog."""
        _check_thread(self, thread_id)
        record = SignedRecord(nonce, digest, final, content)

        def change(rows: Rows, undo: Undo) -> LogState:
            check_record(record)
            return put_signed(rows, record, undo)

        return self._store.change(self, change)

    def final(self, thread_id: bytes) -> bytes | None:
        """See SignLog."""
        _check_thread(self, thread_id)
        return self._store.change(self, lambda rows, _undo: rows.final, synced=False)


def _check_thread(lease: MemoryLease, thread_id: bytes) -> None:
    if thread_id != lease.thread_id:
        raise InvalidInput(f"the log is of thread 0x{lease.thread_id.hex()}, not of 0x{thread_id.hex()}")


class _Open:
    """A store that is open, held by one thread of the process at a time. Hot: entered fifteen times a round."""

    __slots__ = ("_lock", "ended")

    def __init__(self) -> None:
        self._lock = RLock()
        self.ended = False

    def __enter__(self) -> None:
        self._lock.acquire()
        if self.ended:
            self._lock.release()
            raise BackendError("the store is closed")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class MemoryThreadStore:
    """A ThreadStore in memory. See the module's docstring."""

    def __init__(self, *, syncs: bool = True) -> None:
        """`syncs` False: what `write` keeps is safe once `sync`, or what must be durable at once, comes after it."""
        self._syncs = syncs
        self._open = _Open()
        self._threads: dict[bytes, Rows] = {}
        self._undo: Undo = []  # of what isn't safe yet, oldest first

    def open(self) -> "_Open":
        """Inside, nobody else changes anything. Raises BackendError in a store that was closed, or crashed."""
        return self._open

    def change(self, lease: MemoryLease, change: Callable[[Rows, Undo], T], *, synced: bool = True) -> T:
        """Changes one thread, by a function that notes what undoes it: all of it or nothing. Raises LeaseLost."""
        with self._open:
            return self._change(lease, change, synced=synced)

    def _change(self, lease: MemoryLease, change: Callable[[Rows, Undo], T], *, synced: bool) -> T:
        """As `change`, in an open store."""
        rows = self._threads[lease.thread_id]
        undo: Undo = []
        if rows.epoch != lease.epoch:
            raise LeaseLost(f"thread 0x{lease.thread_id.hex()}: acquired again since epoch {lease.epoch}")
        try:
            changed = change(rows, undo)
        except BaseException:
            _go_back(undo)
            raise
        if synced:
            self._undo.clear()
        else:
            self._undo += undo
        return changed

    def create(self, head: ThreadHead, key: bytes) -> None:
        """See ThreadStore."""
        identity = identify(head, key)
        with self.open():
            if identity in self._threads:
                raise ThreadExists(identity)
            self._threads[identity] = Rows(identity, head, key)
            self.sync()

    def threads(self) -> list[bytes]:
        """See ThreadStore."""
        with self.open():
            return sorted(self._threads)

    def look(self, thread_id: bytes) -> MemoryThread:
        """See ThreadStore."""
        with self.open():
            return MemoryThread(self, self._found(thread_id))

    def acquire(self, thread_id: bytes) -> MemoryLease:
        """See ThreadStore."""
        with self.open():
            rows = self._found(thread_id)
            rows.epoch += 1
            return MemoryLease(self, rows)

    def _found(self, thread_id: bytes) -> Rows:
        if (rows := self._threads.get(thread_id)) is None:
            raise UnknownThread(thread_id)
        return rows

    def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
        """See ThreadStore."""
        with self._open:
            refused: set[Lease] = set()
            results = [self._written(lease, records, refused) for lease, records in batch]
            if self._syncs:
                self._undo.clear()
            return results

    def _written(self, lease: Lease, records: Sequence[Record], refused: set[Lease]) -> Exception | None:
        if not isinstance(lease, MemoryLease) or not lease.is_of(self):
            return InvalidInput("a lease of this store is wanted")
        if lease in refused:
            return EarlierRefused(f"thread 0x{lease.thread_id.hex()}: what was handed over before was refused")

        def change(rows: Rows, undo: Undo) -> None:
            for record in records:
                put(rows, record, undo)

        try:
            self._change(lease, change, synced=False)
        except EvmthreadError as error:
            refused.add(lease)
            return error
        return None

    def sync(self) -> None:
        """What was written until now outlasts a crash."""
        with self.open():
            self._undo.clear()

    def close(self) -> None:
        """See ThreadStore."""
        self._open.ended = True

    # What only a store in memory can do -------------------------------------------------------------------------------
    def crash(self) -> "MemoryThreadStore":
        """The store as a restart finds it: what wasn't synced is gone. This one, and its leases, are of no use then."""
        with self.open():
            _go_back(self._undo)
            self._open.ended = True
            return self._with({each.thread_id: each for each in self._threads.values()})

    def copy(self, *, restored: bool) -> "MemoryThreadStore":
        """A copy of the store as it is now: a backup, which is `restored` when it is used."""
        with self.open():
            return self._with({each.thread_id: each.copied(restored=restored) for each in self._threads.values()})

    def _with(self, threads: dict[bytes, Rows]) -> "MemoryThreadStore":
        other = MemoryThreadStore(syncs=self._syncs)
        other._threads = threads
        return other


def _go_back(undo: Undo) -> None:
    while undo:
        undo.pop()()
