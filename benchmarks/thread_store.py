"""Time the store of threads: restarts, single writes beside the disk's own sync, and group commit over many threads.

    python -m benchmarks.thread_store [--threads N] [--records N] [--folder DIR] [--rounds N]

Records have the sizes that a game of Morpion gives them. Wall-clock time, as syncs are waited for; each number is the
median of some rounds. The floor is the disk's bare sync.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from evmthread.channel.kept import AgreedRecord, Record, SignedRecord
from evmthread.contracts import load_artifact
from evmthread.store.group_commit import GroupCommit
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.thread_store import Lease
from evmthread.store.threadfile import ThreadHead
from evmthread.testing.thread_samples import sample_head

CONTENT_BYTES, SIGNED_BYTES, STEP_BYTES, WHOLE_BYTES = 709, 750, 350, 3500
WHOLE_EVERY = 64  # channel/desk.py
MOVES = 200
WAIT_SECONDS = 60.0


def heads(count: int) -> Iterator[ThreadHead]:
    """Morpion's threads."""
    code = load_artifact("Morpion").runtime_code
    return (sample_head(salt, code) for salt in range(count))


class Mover:
    """The records of one thread, move by move."""

    def __init__(self, lease: Lease, seed: int) -> None:
        self.lease = lease
        self.nonce = 0
        self._parent = bytes(32)
        self._random = random.Random(seed)

    def move(self) -> tuple[list[Record], list[Record]]:
        """What is kept before the signature, and once the move is agreed."""
        bytes_of = self._random.randbytes
        digest, nonce = bytes_of(32), self.nonce
        whole = nonce % WHOLE_EVERY == 0
        state = bytes_of(WHOLE_BYTES if whole else STEP_BYTES)
        agreed = AgreedRecord(nonce, digest, self._parent, bytes_of(CONTENT_BYTES), state, whole)
        self._parent, self.nonce = digest, nonce + 1
        return [SignedRecord(nonce, digest, False, bytes_of(SIGNED_BYTES))], [agreed]


def filled(place: Path, threads: int, records: int) -> None:
    """A store with so many agreed records in all, evenly over its threads."""
    with SqliteThreadStore(place, durable=False) as store:
        for head in heads(threads):
            store.create(head, head.terms.keys[0])
        movers = [Mover(store.acquire(thread), number) for number, thread in enumerate(store.threads())]
        for _ in range(records // threads):
            batch = [(mover.lease, [*signed, *agreed]) for mover in movers for signed, agreed in [mover.move()]]
            assert not any(store.write(batch))


def seconds_of(action: Callable[[], object]) -> tuple[float, float]:
    """(wall clock, processor) of one run."""
    start, used = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - start, time.process_time() - used


def restart(place: Path) -> None:
    """What a process does first: takes all threads, and reads what it goes on from."""
    with SqliteThreadStore(place) as store:
        for thread in store.threads():
            lease = store.acquire(thread)
            assert lease.load().base
            assert lease.head.code


def bare_syncs(folder: Path, count: int, size: int) -> None:
    """The disk's own: a file that has its size already, as a write-ahead log mostly has, synced after each write."""
    with (folder / "bare").open("wb", buffering=0) as file:
        file.write(bytes(count * size))
        os.fsync(file.fileno())
        file.seek(0)
        for _ in range(count):
            file.write(bytes(size))
            os.fdatasync(file.fileno())


def one_thread(folder: Path) -> None:
    """Moves of one thread, each with two syncs: before the signature, and once it is agreed."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh, SqliteThreadStore(Path(fresh) / "store") as store:
        (head,) = heads(1)
        store.create(head, head.terms.keys[0])
        mover = Mover(store.acquire(store.threads()[0]), 1)
        for _ in range(MOVES):
            for records in mover.move():
                assert store.write([(mover.lease, records)]) == [None]


def many_threads(folder: Path, threads: int) -> None:
    """As many moves of each of many threads: each waits for its own, all share the syncs."""
    moves = max(1, 10 * MOVES // threads)
    with tempfile.TemporaryDirectory(dir=folder) as fresh, SqliteThreadStore(Path(fresh) / "store") as store:
        for head in heads(threads):
            store.create(head, head.terms.keys[0])
        movers = [Mover(store.acquire(thread), number) for number, thread in enumerate(store.threads())]
        with GroupCommit[tuple[Mover, list[Record] | None]](store) as group:

            def begin(mover: Mover) -> None:
                signed, agreed = mover.move()
                group.submit(mover.lease, signed, (mover, agreed))

            for mover in movers:
                begin(mover)
            done = 0
            while done < threads:
                for each in group.completed(WAIT_SECONDS):
                    assert each.error is None
                    mover, agreed = each.key
                    if agreed is not None:
                        group.submit(mover.lease, agreed, (mover, None))
                    elif mover.nonce < moves:
                        begin(mover)
                    else:
                        done += 1


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.thread_store", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--threads", type=int, default=1000, help="of the store that is opened (default 1000)")
    parser.add_argument("--records", type=int, default=100_000, help="agreed records in it (default 100000)")
    parser.add_argument(
        "--folder", type=Path, help="on the disk that is measured (default: the system's scratch folder)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        folder = Path(scratch)
        place = folder / "filled"
        filled(place, given.threads, given.records)
        print(f"| {given.threads:,} threads, {given.records:,} agreed and signed records | |\n|---|---:|")
        print(f"| file, bytes a record | {place.stat().st_size / given.records:,.0f} |")
        rounds = range(given.rounds)
        restarts = [seconds_of(lambda: restart(place)) for _ in rounds]
        wall, used = (statistics.median(each) for each in zip(*restarts, strict=True))
        print(f"| restart: acquire and load all, seconds | {wall:.2f} |")
        print(f"| of it processor time | {used:.2f} |")
        pairs = [(seconds_of(lambda: bare_syncs(folder, 2 * MOVES, 4096))[0], seconds_of(lambda: one_thread(folder))[0])
                 for _ in rounds]  # fmt: skip # turn by turn: other users of the disk disturb both
        print(f"| a bare sync, ms | {statistics.median(bare for bare, _ in pairs) / (2 * MOVES) * 1000:.2f} |")
        single = statistics.median(ours for _, ours in pairs) / MOVES
        print(f"| one thread, two syncs a move: moves a second | {1 / single:,.0f} |")
        print(f"| time of the two bare syncs in it | {statistics.median(bare / ours for bare, ours in pairs):.0%} |")
        for threads in (10, 100):
            total = threads * max(1, 10 * MOVES // threads)
            runs = [seconds_of(lambda threads=threads: many_threads(folder, threads)) for _ in rounds]  # type: ignore[misc]
            wall, used = (statistics.median(each) for each in zip(*runs, strict=True))
            print(f"| group commit, {threads} threads: moves a second | {total / wall:,.0f} |")
            print(f"| the same, microseconds of the processor a move | {used / total * 1e6:,.0f} |")


if __name__ == "__main__":
    main()
