"""Writes what many channels want kept in few transactions, in a thread of its own, while the callers go on executing.

All that comes while one transaction is being synced goes into the next one: so a hundred threads share a sync. It must
not know what records mean, nor what follows once they are kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from time import monotonic
from types import TracebackType
from typing import Generic, Self, TypeVar

from evmthread.channel.kept import Record
from evmthread.errors import BackendError, InvalidInput
from evmthread.store.thread_store import EarlierRefused, Lease, ThreadStore

K = TypeVar("K")

LINGER_SECONDS = 0.05
"""How long what isn't urgent waits for something urgent to go with."""


class WriterCrashed(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The thread that writes ended by an error that no store should raise: nothing more is kept."""


@dataclass(frozen=True, slots=True)
class Completed(Generic[K]):
    """What became of a submission: its records are durable (`error` None), or none of them is kept."""

    key: K
    error: Exception | None


@dataclass(frozen=True, slots=True)
class _Submission(Generic[K]):
    lease: Lease
    records: Sequence[Record]
    key: K
    urgent: bool
    at: float


class GroupCommit(Generic[K]):
    """The writer of one store. Any thread may submit, and ask what is completed.

    Per lease the order of submissions is kept. Where one fails, those that came after it with the same lease are not
    written either (EarlierRefused), until `completed` has told of the failure: what is submitted then is tried again.
    """

    def __init__(
        self, store: ThreadStore, *, linger: float = LINGER_SECONDS, wake: Callable[[], None] | None = None
    ) -> None:
        """`wake` is called, mostly in the writer's thread, whenever something is completed: to wake an event loop."""
        self._store = store
        self._linger = linger
        self._wake = wake
        self._changed = Condition()  # guards all below; told of every change
        self._queue: list[_Submission[K]] = []
        self._writing: list[_Submission[K]] = []
        self._urgent = False
        self._done: list[tuple[Lease, Completed[K]]] = []
        self._failed: set[Lease] = set()
        self._closing = False
        self._crash: WriterCrashed | None = None
        self._thread = Thread(target=self._run, name="evmthread group commit", daemon=True)
        self._thread.start()

    def submit(self, lease: Lease, records: Sequence[Record], key: K, *, urgent: bool = True) -> None:
        """Has records of one thread kept, all or none; `completed` gives the key back once they are, or can't be.

        Not `urgent`: they go along with whatever is, or after a short time, or when this is closed. Raises InvalidInput
        once it is closed, WriterCrashed.
        """
        with self._changed:
            if self._crash is not None:
                raise self._crash
            if self._closing:
                raise InvalidInput("the group commit is closed")
            failed = lease in self._failed
            if failed:
                self._done.append((lease, Completed(key, _earlier(lease))))
            else:
                self._queue.append(_Submission(lease, tuple(records), key, urgent, monotonic()))
                self._urgent = self._urgent or urgent
            self._changed.notify_all()
        if failed and self._wake is not None:
            self._wake()

    def completed(self, timeout: float | None = 0.0) -> list[Completed[K]]:
        """What was completed since it was asked last, in order for each lease.

        Waits for something as long as `timeout` seconds, None for ever, but not where nothing is to come. Raises
        WriterCrashed once every submission was told of.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._done or not (self._queue or self._writing), timeout)
            told, self._done = self._done, []
            if not told and self._crash is not None:
                raise self._crash
            self._failed -= {lease for lease, each in told if each.error is not None}
            return [each for _, each in told]

    def close(self) -> None:
        """Writes what is left and ends the thread; what became of it `completed` tells. A second time does nothing."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The writer's thread ----------------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            while self._take():
                self._write()
        except BaseException as error:  # noqa: BLE001 - whatever ends this thread, those who wait for it are told
            self._fail_all(error)

    def _take(self) -> bool:
        """Waits for a transaction's worth; False when there is nothing left and nothing more comes."""
        with self._changed:
            while not self._ready():
                self._changed.wait(self._queue[0].at + self._linger - monotonic() if self._queue else None)
            self._writing, self._queue, self._urgent = self._queue, [], False
            return bool(self._writing)

    def _ready(self) -> bool:
        if not self._queue:
            return self._closing
        return self._urgent or self._closing or monotonic() >= self._queue[0].at + self._linger

    def _write(self) -> None:
        batch = self._writing
        errors: Sequence[Exception | None]
        try:
            errors = self._store.write([(each.lease, each.records) for each in batch])
        except BackendError as error:
            errors = [error] * len(batch)
        with self._changed:
            self._writing = []
            for each, outcome in zip(batch, errors, strict=True):
                self._done.append((each.lease, Completed(each.key, outcome)))
                if outcome is not None:
                    self._failed.add(each.lease)
            left, self._queue = self._queue, []
            for each in left:
                if each.lease in self._failed:
                    self._done.append((each.lease, Completed(each.key, _earlier(each.lease))))
                else:
                    self._queue.append(each)
            self._changed.notify_all()
        if self._wake is not None:
            self._wake()

    def _fail_all(self, error: BaseException) -> None:
        crash = WriterCrashed(f"the writer crashed: {type(error).__name__}: {error}")
        crash.__cause__ = error
        with self._changed:
            self._crash = crash
            self._done += [(each.lease, Completed(each.key, crash)) for each in (*self._writing, *self._queue)]
            self._writing, self._queue = [], []
            self._changed.notify_all()
        if self._wake is not None:
            self._wake()


def _earlier(lease: Lease) -> EarlierRefused:
    return EarlierRefused(f"thread 0x{lease.thread_id.hex()}: what was handed over before was not kept")
