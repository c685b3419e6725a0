"""Many submissions, few syncs: each is told what became of it, in order; after a failure nothing is built on it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from evmthread.channel.kept import AgreedRecord, Record, SignedRecord
from evmthread.commit import EquivocationError
from evmthread.errors import BackendError, InvalidInput
from evmthread.store.group_commit import Completed, GroupCommit, WriterCrashed
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.thread_store import EarlierRefused, Lease, LeaseLost
from evmthread.testing.thread_samples import HEADS, KEY

SECONDS = 20.0  # more than anything here takes


def digest(nonce: int, other: int = 0) -> bytes:
    return (nonce + 1).to_bytes(31, "big") + bytes([other])


def signed(nonce: int, other: int = 0) -> list[Record]:
    return [SignedRecord(nonce, digest(nonce, other), False, b"")]


class Gated(MemoryThreadStore):
    """A store whose writes wait until they may; it remembers how many items each had."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.began = threading.Event()
        self.sizes: list[int] = []
        self.error: BaseException | None = None

    def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
        self.began.set()
        assert self.may.wait(SECONDS)
        self.sizes.append(len(batch))
        if self.error is not None:
            raise self.error
        return super().write(batch)


@pytest.fixture
def store() -> Gated:
    made = Gated()
    for head in HEADS.values():
        made.create(head, KEY)
    return made


@pytest.fixture
def leases(store: Gated) -> list[Lease]:
    return [store.acquire(thread) for thread in HEADS]


@pytest.fixture
def group(store: Gated) -> Iterator[GroupCommit[object]]:
    with GroupCommit[object](store, linger=SECONDS) as made:
        yield made
        store.may.set()


def collected(group: GroupCommit[object], count: int) -> list[Completed[object]]:
    told: list[Completed[object]] = []
    while len(told) < count:
        more = group.completed(SECONDS)
        assert more, "nothing came"
        told += more
    return told


def test_what_comes_during_a_sync_goes_into_the_next_one(
    store: Gated, leases: list[Lease], group: GroupCommit[object]
) -> None:
    group.submit(leases[0], signed(0), "first")
    assert store.began.wait(SECONDS)
    for number in range(1, 6):
        for place, lease in enumerate(leases):
            group.submit(lease, signed(number), (place, number))
    assert group.completed() == []  # nothing is durable yet
    store.may.set()
    told = collected(group, 16)
    assert told[0] == Completed("first", None)
    assert [each.key for each in told[1:]] == [(place, number) for number in range(1, 6) for place in range(3)]
    assert store.sizes == [1, 15]
    assert all(lease.load().highest == 5 for lease in leases)


def test_what_is_not_urgent_rides_along(store: Gated, leases: list[Lease], group: GroupCommit[object]) -> None:
    store.may.set()
    group.submit(leases[0], signed(0), "patient", urgent=False)
    group.submit(leases[1], signed(0), "patient too", urgent=False)
    assert not store.began.wait(0.05)
    group.submit(leases[0], signed(1), "urgent")
    assert [each.key for each in collected(group, 3)] == ["patient", "patient too", "urgent"]
    assert store.sizes == [3]


def test_what_is_not_urgent_is_written_after_a_while(store: Gated, leases: list[Lease]) -> None:
    store.may.set()
    with GroupCommit[object](store, linger=0.02) as group:
        group.submit(leases[0], signed(0), "patient", urgent=False)
        assert collected(group, 1) == [Completed("patient", None)]


def test_closing_writes_what_is_left(store: Gated, leases: list[Lease]) -> None:
    store.may.set()
    group = GroupCommit[object](store, linger=SECONDS)
    group.submit(leases[0], signed(0), "patient", urgent=False)
    store.may.clear()
    threading.Timer(0.05, store.may.set).start()
    group.close()
    group.close()
    assert group.completed() == [Completed("patient", None)]  # all is written when it is closed
    assert group.completed(SECONDS) == []
    assert leases[0].load().highest == 0
    with pytest.raises(InvalidInput, match="closed"):
        group.submit(leases[0], signed(1), "late")


def test_after_a_refusal_nothing_later_of_its_lease_is_written(
    store: Gated, leases: list[Lease], group: GroupCommit[object]
) -> None:
    group.submit(leases[0], signed(0), "good")
    assert store.began.wait(SECONDS)
    group.submit(leases[0], signed(0, 1), "refused")
    group.submit(leases[0], signed(1), "same batch")
    group.submit(leases[1], signed(0), "another's")
    store.may.set()
    while len(store.sizes) < 2:
        time.sleep(0.001)
    group.submit(leases[0], signed(2), "not told yet")
    told = {each.key: each.error for each in collected(group, 5)}
    assert isinstance(told["refused"], EquivocationError)
    assert isinstance(told["same batch"], EarlierRefused)
    assert isinstance(told["not told yet"], EarlierRefused)
    assert (told["good"], told["another's"]) == (None, None)
    assert leases[0].load().highest == 0
    group.submit(leases[0], signed(1), "tried again")
    assert collected(group, 1) == [Completed("tried again", None)]


def test_what_waits_while_its_forerunner_fails_is_not_written(
    store: Gated, leases: list[Lease], group: GroupCommit[object]
) -> None:
    group.submit(leases[0], [SignedRecord(-1, b"", False, b"")], "refused")
    assert store.began.wait(SECONDS)
    group.submit(leases[0], signed(1), "waiting")
    group.submit(leases[1], signed(1), "another's")
    store.may.set()
    told = {each.key: each.error for each in collected(group, 3)}
    assert isinstance(told["refused"], InvalidInput)
    assert isinstance(told["waiting"], EarlierRefused)
    assert told["another's"] is None
    assert leases[0].load().highest == -1


def test_a_lost_lease_harms_nobody_else(store: Gated, leases: list[Lease], group: GroupCommit[object]) -> None:
    newer = store.acquire(leases[0].thread_id)
    store.may.set()
    group.submit(leases[0], signed(0, 1), "lost", urgent=False)
    group.submit(newer, signed(0), "newer")
    told = {each.key: each.error for each in collected(group, 2)}
    assert isinstance(told["lost"], LeaseLost)
    assert told["newer"] is None


def test_a_store_that_fails_fails_its_batch_alone(
    store: Gated, leases: list[Lease], group: GroupCommit[object]
) -> None:
    store.error = BackendError("the disk is gone")
    group.submit(leases[0], signed(0), "first")
    store.may.set()
    (first,) = collected(group, 1)
    assert first.error is store.error
    store.error = None
    group.submit(leases[0], signed(0), "again")
    assert collected(group, 1) == [Completed("again", None)]


def test_a_writer_that_crashes_is_an_error_for_all(
    store: Gated, leases: list[Lease], group: GroupCommit[object]
) -> None:
    store.error = RuntimeError("a bug")
    group.submit(leases[0], signed(0), "writing")
    assert store.began.wait(SECONDS)
    group.submit(leases[1], signed(0), "waiting", urgent=False)
    store.may.set()
    told = collected(group, 2)
    assert [each.key for each in told] == ["writing", "waiting"]
    assert all(isinstance(each.error, WriterCrashed) and each.error.__cause__ is store.error for each in told)
    for use in (lambda: group.submit(leases[2], signed(0), "late"), group.completed):
        with pytest.raises(WriterCrashed, match="a bug"):
            use()


def test_an_event_loop_is_woken(store: Gated, leases: list[Lease]) -> None:
    woken = threading.Semaphore(0)
    store.may.set()
    with GroupCommit[object](store, wake=woken.release) as group:
        group.submit(leases[0], signed(3), "good")
        assert woken.acquire(timeout=SECONDS)
        group.submit(leases[0], signed(3, 1), "refused")
        assert woken.acquire(timeout=SECONDS)
        group.submit(leases[0], signed(4), "not told yet")
        assert woken.acquire(timeout=SECONDS)
        assert [each.key for each in group.completed()] == ["good", "refused", "not told yet"]


def test_waiting_costs_no_time_of_the_processor(store: Gated, leases: list[Lease]) -> None:
    """No busy waiting: neither for a sync, nor for work."""
    used: Callable[[], float] = time.process_time
    with GroupCommit[object](store, linger=SECONDS) as group:
        group.submit(leases[0], signed(0), "slow")
        assert store.began.wait(SECONDS)
        group.submit(leases[1], signed(0), "patient", urgent=False)
        before = used()
        assert group.completed(0.3) == []
        assert used() - before < 0.1
        store.may.set()


def test_many_channels_on_a_file(tmp_path: Path) -> None:
    """Each thread's line is whole, and what was told as kept is there for whoever opens the file."""
    moves = 40
    store = SqliteThreadStore(tmp_path / "threads")
    for head in HEADS.values():
        store.create(head, KEY)
    with GroupCommit[tuple[bytes, int]](store) as group:
        leases = {thread: store.acquire(thread) for thread in HEADS}
        parents = dict.fromkeys(HEADS, bytes(32))

        def move(thread: bytes, nonce: int) -> None:
            record = AgreedRecord(nonce, digest(nonce), parents[thread], b"content", b"state", nonce == 0)
            parents[thread] = digest(nonce)
            group.submit(leases[thread], signed(nonce), (thread, -1), urgent=False)
            group.submit(leases[thread], [record], (thread, nonce))

        for thread in HEADS:
            move(thread, 0)
        open_threads = len(HEADS)
        while open_threads:
            for each in group.completed(SECONDS):
                thread, nonce = each.key
                assert each.error is None
                if nonce >= 0:
                    beside = store.look(thread).load()
                    assert beside.tip is not None
                    assert beside.tip.nonce == nonce
                    if nonce + 1 == moves:
                        open_threads -= 1
                    else:
                        move(thread, nonce + 1)
    store.close()
    with SqliteThreadStore(tmp_path / "threads") as again:
        for thread in HEADS:
            assert [record.nonce for record in again.look(thread).line_after(-1, 100)] == list(range(moves))
