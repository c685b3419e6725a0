"""The conformance suite of stores finds stores that break their promises, each in its own way."""

import unittest
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from unittest import TestCase

import pytest
from hypothesis import Phase, settings

from evmthread.channel.kept import AgreedRecord, InputRecord, Record, SignedRecord
from evmthread.store.memory_threads import MemoryLease, MemoryThreadStore
from evmthread.store.thread_store import Lease, SavedThread
from evmthread.testing.thread_stores import thread_store_tests


def failing(tests: type[TestCase]) -> set[str]:
    """The names of the tests that fail."""
    result = unittest.TestResult()
    for name in dir(tests):
        if name.startswith("test"):
            tests(name).run(result)
    return {test.id().rpartition(".")[2] for test, _ in (*result.failures, *result.errors)}


def test_the_suite_has_nothing_against_a_good_store() -> None:
    assert failing(thread_store_tests(MemoryThreadStore, reopen=MemoryThreadStore.crash)) == set()


class HalfItems(MemoryThreadStore):
    """Keeps the records before the one that is refused."""

    def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
        results = []
        for lease, records in batch:
            single = [super(HalfItems, self).write([(lease, [record])])[0] for record in records]
            results.append(next((error for error in single if error is not None), None))
        return results


class Forgetful(MemoryThreadStore):
    """Loses a thread's last signature when it is opened again."""

    def crash(self) -> "Forgetful":
        after = super().crash()
        other = Forgetful()
        other._threads = after._threads
        for rows in other._threads.values():
            if rows.signed:
                rows.signed.popitem()
        return other


class Unfenced(MemoryThreadStore):
    """Lets everybody write who ever acquired a thread."""

    def acquire(self, thread_id: bytes) -> MemoryLease:
        lease = super().acquire(thread_id)
        self._threads[thread_id].epoch = 1
        lease._epoch = 1
        return lease


class GuessingLease(MemoryLease):
    def load(self) -> SavedThread:
        saved = super().load()
        last = next(reversed(self._rows.agreed.values()), None)
        return saved if last is None else replace(saved, base=(*saved.base[:-1], last))


class Guessing(MemoryThreadStore):
    """Takes what was kept last for the tip."""

    def acquire(self, thread_id: bytes) -> MemoryLease:
        super().acquire(thread_id)
        return GuessingLease(self, self._threads[thread_id])


def without(kind: type[Record]) -> Callable[[], MemoryThreadStore]:
    """A store that overwrites what stands under a record's key."""

    class Overwriting(MemoryThreadStore):
        def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
            for lease, records in batch:
                for record in records:
                    if lease.thread_id in self._threads and isinstance(record, kind):
                        rows = self._threads[lease.thread_id]
                        if isinstance(record, InputRecord):
                            rows.inputs.pop((record.kind, record.nonce, record.parent), None)
                        elif isinstance(record, SignedRecord):
                            rows.signed.pop(record.nonce, None)
                        elif isinstance(record, AgreedRecord) and record.digest in rows.agreed:
                            rows.agreed[record.digest] = record
            return super().write(batch)

    return Overwriting


@pytest.fixture
def unshrunk() -> Iterator[None]:
    """That there is a failure counts, not how short it can be told."""
    settings.register_profile("unshrunk", phases=[Phase.generate])
    before = settings.get_current_profile_name()
    settings.load_profile("unshrunk")
    yield
    settings.load_profile(before)


@pytest.mark.usefixtures("unshrunk")
@pytest.mark.parametrize(
    "make", [HalfItems, Unfenced, Guessing, without(SignedRecord), without(InputRecord), without(AgreedRecord)]
)
def test_a_store_that_breaks_a_promise_is_found(make: Callable[[], MemoryThreadStore]) -> None:
    assert failing(thread_store_tests(make))


@pytest.mark.usefixtures("unshrunk")
def test_a_store_that_forgets_is_found() -> None:
    assert failing(thread_store_tests(Forgetful, reopen=Forgetful.crash))
