"""Power cuts and copies of the simulated participants' files."""

from pathlib import Path
from random import Random

import pytest

from evmthread.channel.kept import SignedRecord
from evmthread.testing.simulation.crashing import Boundaries, Crash
from evmthread.testing.simulation.disks import Disk, disk
from tests.channel.endpoints import Table, word


def made(folder: Path | None) -> tuple[Disk, bytes, Boundaries]:
    table, boundaries = Table(2, begin=False), Boundaries(Random(1))
    store = disk(folder, "member0", boundaries)
    store.create(table.head, table.terms.keys[0])
    return store, table.id, boundaries


def signed(nonce: int) -> SignedRecord:
    return SignedRecord(nonce, word(nonce), False, b"x")


def test_a_crash_keeps_what_was_synced_and_undoes_the_rest(tmp_path: Path) -> None:
    store, thread, boundaries = made(tmp_path)
    assert store.acquire(thread).epoch == 1
    store = store.crash()
    lease = store.acquire(thread)
    assert lease.epoch == 1, "that it was acquired wasn't synced"
    assert store.write([(lease, [signed(1)])]) == [None]
    boundaries.rate = 1.0
    with pytest.raises(Crash):
        store.write([(lease, [signed(2)])])
    boundaries.rate = 0.0
    store = store.crash()
    assert store.look(thread).load().signed == (signed(1),)
    assert store.acquire(thread).epoch == 2
    store.close()


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_copy_is_what_was_there_and_is_marked_where_it_is_said(tmp_path: Path, in_memory: bool) -> None:
    store, thread, _ = made(None if in_memory else tmp_path)
    lease = store.acquire(thread)
    store.write([(lease, [signed(1)])])
    store.sync()
    marked, plain = store.copy(restored=True), store.copy(restored=False)
    store.write([(lease, [signed(2)])])
    store.sync()
    for copy, restored in ((marked, True), (plain, False)):
        assert copy.look(thread).load().signed == (signed(1),)
        assert copy.look(thread).restored == restored
        copy.close()
    left = store.crash()
    assert left.look(thread).load().highest == 2
    left.close()
