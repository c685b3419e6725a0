"""A process to be killed: keeps the same stream of records in a store, and says on its output what is durable.

python -m tests.store.keeper PATH [COUNT [careless]]

After COUNT writes it ends at once and closes nothing. A careless one lets the database answer before it has synced.
"""

import os
import random
import sys
from collections.abc import Mapping
from functools import cache
from itertools import count

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, InputRecord, Record, SignedRecord
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.thread_store import KeptThread, SavedThread
from evmthread.testing.thread_model import ZERO, ThreadModel
from evmthread.testing.thread_samples import HEADS, KEY

SEED = 11
BEGINNINGS = len(HEADS)
"""Each thread is created by a transaction of its own, and told of as a write is."""


class Stream:
    """What is written, one batch after the other, and the threads as each batch leaves them."""

    def __init__(self) -> None:
        self._random = random.Random(SEED)
        self.models = {thread: ThreadModel() for thread in HEADS}

    def step(self) -> dict[bytes, list[Record]]:
        """The next batch: proposals signed, inputs, agreements, sometimes on another one's parent, evidence."""
        generator, batch = self._random, {}
        for thread in generator.sample(list(HEADS), generator.randrange(1, BEGINNINGS + 1)):
            model = self.models[thread]
            line = model.line
            behind = len(line) > 1 and generator.random() < 0.2
            parent = (line[-2] if behind else line[-1]).digest if line else ZERO
            used = [record.nonce for record in model.records if not isinstance(record, EvidenceRecord)]
            nonce = max(used) + generator.randrange(1, 3) if line else 0
            digest = generator.randbytes(32)
            content = generator.randbytes(generator.randrange(1500))
            records: list[Record] = [
                InputRecord(0, nonce, parent, digest, content[:200]),
                SignedRecord(nonce, digest, False, content),
                AgreedRecord(nonce, digest, parent, content, content[:300], generator.random() < 0.2),
                EvidenceRecord("Equivocation", 1, content[:50]),
            ]
            kept = [record for record in records[:3] if generator.random() < 0.9 or nonce == 0]
            batch[thread] = kept + records[3:] * (generator.random() < 0.1)
            assert [model.put(record) for record in batch[thread]] == [None] * len(batch[thread])
        return batch


def said(
    threads: Mapping[bytes, KeptThread],
) -> dict[bytes, tuple[SavedThread, list[AgreedRecord], list[EvidenceRecord]]]:
    """All that a store says of its threads."""
    return {
        thread: (each.load(), each.line_after(-1, 10**6), each.evidence()) for thread, each in sorted(threads.items())
    }


@cache
def expected(writes: int) -> dict[bytes, tuple[SavedThread, list[AgreedRecord], list[EvidenceRecord]]]:
    """What a store must say after so many writes, creations included."""
    stream = Stream()
    for _ in range(writes - BEGINNINGS):
        stream.step()
    begun = list(HEADS)[:writes]
    return {
        thread: (model.saved(), model.line, model.evidence)
        for thread in sorted(begun)
        for model in [stream.models[thread]]
    }


def main(path: str, writes: str = "", careless: str = "") -> None:
    stream = Stream()
    with SqliteThreadStore(path, durable=not careless) as store:
        done = 0

        def tell() -> None:
            nonlocal done
            done += 1
            sys.stdout.write(f"{done}\n")
            sys.stdout.flush()

        for head in HEADS.values():
            store.create(head, KEY)
            tell()
        leases = {thread: store.acquire(thread) for thread in HEADS}
        for _ in range(int(writes) - BEGINNINGS) if writes else count():
            batch = stream.step()
            assert store.write([(leases[thread], records) for thread, records in batch.items()]) == [None] * len(batch)
            tell()
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
