"""The store in memory keeps what every store keeps, and its crashes lose what wasn't synced, and nothing else."""

import pytest

from evmthread.channel.kept import AgreedRecord, SignedRecord
from evmthread.errors import BackendError
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.thread_store import FloorWanted
from evmthread.testing.thread_samples import DIGESTS, HEADS, KEY
from evmthread.testing.thread_stores import thread_store_tests

THREAD = next(iter(HEADS))


def restored(store: MemoryThreadStore) -> MemoryThreadStore:
    return store.copy(restored=True)


def unsynced() -> MemoryThreadStore:
    return MemoryThreadStore(syncs=False)


def after_a_sync(store: MemoryThreadStore) -> MemoryThreadStore:
    store.sync()
    return store.crash()


TestMemoryThreadStore = thread_store_tests(MemoryThreadStore, reopen=MemoryThreadStore.crash, restore=restored)
TestUnsyncedMemoryThreadStore = thread_store_tests(unsynced, reopen=after_a_sync, restore=restored)


def begun(*, syncs: bool) -> MemoryThreadStore:
    store = MemoryThreadStore(syncs=syncs)
    store.create(HEADS[THREAD], KEY)
    return store


def test_a_crash_loses_what_was_not_synced() -> None:
    store = begun(syncs=False)
    lease = store.acquire(THREAD)
    genesis = AgreedRecord(0, DIGESTS[0], bytes(32), b"", b"", True)
    assert store.write([(lease, [SignedRecord(0, DIGESTS[0], False, b""), genesis])]) == [None]
    store.sync()
    later = [AgreedRecord(7, DIGESTS[1], DIGESTS[0], b"", b"", False), SignedRecord(7, DIGESTS[1], True, b"")]
    assert store.write([(lease, later)]) == [None]
    fork = AgreedRecord(8, DIGESTS[2], DIGESTS[0], b"", b"", False)
    assert store.write([(lease, [fork])]) == [None]
    assert lease.line_after(-1, 9) == [genesis, fork]
    after = store.crash()
    saved = after.look(THREAD).load()
    assert (saved.tip, saved.highest, saved.final, saved.agreed) == (genesis, 0, None, 1)
    assert after.look(THREAD).line_after(-1, 9) == [genesis]
    for use in (store.threads, lease.load, lambda: store.write([(lease, [])])):
        with pytest.raises(BackendError, match="closed"):
            use()


def test_what_must_be_durable_at_once_takes_the_rest_along() -> None:
    store = begun(syncs=False)
    lease = store.acquire(THREAD)
    assert store.write([(lease, [SignedRecord(3, DIGESTS[0], False, b"")])]) == [None]
    lease.sign_log().put_if_absent(THREAD, 3, DIGESTS[0], final=False, content=b"")
    assert store.crash().look(THREAD).load().highest == 3


def test_a_refused_item_leaves_nothing_to_be_lost() -> None:
    store = begun(syncs=False)
    lease = store.acquire(THREAD)
    (error,) = store.write(
        [(lease, [SignedRecord(3, DIGESTS[0], False, b""), SignedRecord(3, DIGESTS[1], False, b"")])]
    )
    assert error is not None
    assert lease.load().highest == -1
    assert store.crash().look(THREAD).load().highest == -1


def test_a_backup_lacks_what_came_later() -> None:
    store = begun(syncs=True)
    backup = store.copy(restored=True)
    lease = store.acquire(THREAD)
    assert store.write([(lease, [SignedRecord(0, DIGESTS[0], False, b"")])]) == [None]
    old = backup.acquire(THREAD)
    assert old.restored
    (error,) = backup.write([(old, [SignedRecord(1, DIGESTS[1], False, b"")])])
    assert isinstance(error, FloorWanted)
    assert old.load().highest == -1
    old.set_floor(2**32)
    assert not old.restored
    assert backup.write([(old, [SignedRecord(2**32 + 1, DIGESTS[1], False, b"")])]) == [None]
