"""Stores full of threads with a history, and a fresh process that opens them all: seconds, and bytes of memory.

    python -m benchmarks.channel_stores PATH    (what the fresh process runs; prints JSON)

The history is made by one Thread with both keys, and written as a channel writes it: every signature and every state
is real. It is some party's store; the other's would hold the same.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.backends import ROOT, resident
from benchmarks.channel_games import CALL_GAS, ERC20, SIGNERS, START, head_of
from evmthread.channel.desk import WHOLE_EVERY
from evmthread.channel.kept import AgreedRecord, Record, SignedRecord
from evmthread.channel.messages import Agreed, Propose, encode_body
from evmthread.channel.saved import encode_step
from evmthread.channel.thread import Thread
from evmthread.commit import Agreement, Batch, Input, InputKind, SignatureSet, SignedBatch, TypedData
from evmthread.commit.eip712 import digest
from evmthread.machine.code_cache import CodeCache
from evmthread.store.endpoint import Endpoint
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.threadfile import ThreadHead

PARTY = 1  # whose store it is


def transfer(number: int) -> bytes:
    """The data of a transfer, to one of 32 receivers."""
    return ERC20.function("transfer").encode((0x1000 + number % 32).to_bytes(20, "big"), 10**18 + number)


def history(head: ThreadHead, commitments: int, cache: CodeCache) -> list[Record]:
    """What a party keeps of a thread: the genesis, the minting, and a transfer in each further commitment."""
    thread = Thread.open(head.domain, head.terms, head.ruleset, code=head.code, cache=cache)
    datas = [ERC20.function("run").encode(0), *map(transfer, range(commitments - 2))]
    records: list[Record] = []
    for number in range(commitments):
        signed = _batch(thread, datas[number - 1 : number] if number else [])
        commitment = thread.prepare(signed)
        typed = TypedData(head.domain, commitment)
        signatures = [signer.sign(typed) for signer in SIGNERS]
        leader = number % len(SIGNERS)
        propose = Propose(commitment, signed, None, b"" if leader == PARTY else signatures[leader])
        records.append(SignedRecord(number, typed.digest(), False, encode_body(propose)))
        step = thread.prepared_step()
        agreement = Agreement(
            head.domain,
            head.terms,
            commitment,
            SignatureSet.of(dict(enumerate(signatures))),
            recoveries=thread.recoveries,
        )
        thread.adopt(agreement)
        whole = thread.whole_step() if (number + 1) % WHOLE_EVERY == 0 else None
        agreed = encode_body(Agreed(agreement.signed, signed, None))
        state = encode_step(step if whole is None else whole)
        records.append(AgreedRecord(number, agreement.digest, commitment.parent, agreed, state, whole is not None))
    return records


def _batch(thread: Thread, datas: Sequence[bytes]) -> SignedBatch:
    owner, signer = thread.terms.owners[0], SIGNERS[0]
    inputs = []
    for data in datas:
        each = Input(
            thread_id=thread.thread_id,
            nonce=thread.account_nonce(owner),
            parent=thread.parent,
            kind=InputKind.CALL,
            actor=owner,
            to=thread.address,
            value=0,
            gas=CALL_GAS,
            data=data,
        )
        inputs.append((each, signer.sign(TypedData(thread.domain, each))))
    batch = Batch(thread.environment(timestamp=START), tuple([each for each, _ in inputs]))
    return SignedBatch(batch, tuple([signature for _, signature in inputs]))


def fill(path: Path, threads: int, commitments: int) -> None:
    """A new store with so many threads, each with so many commitments."""
    cache = CodeCache()
    with SqliteThreadStore(path, durable=False) as store:
        for salt in range(threads):
            head = head_of(salt, ERC20)
            store.create(head, SIGNERS[PARTY].address)
            lease = store.acquire(digest(head.domain, head.terms))
            (refused,) = store.write([(lease, history(head, commitments, cache))])
            assert refused is None
            if salt % 100 == 99:
                print(f"{salt + 1:,} of {threads:,} threads", file=sys.stderr, flush=True)


def open_all(path: Path) -> dict[str, Any]:
    """Opens every thread of a store: seconds, CPU seconds; then bytes of memory each, greeted and idle."""
    gc.collect()
    before = resident()
    cache = CodeCache()
    began, cpu = time.perf_counter(), time.process_time()
    store = SqliteThreadStore(path)
    endpoints = [
        Endpoint.open(
            store,
            thread,
            SIGNERS[PARTY],
            now=START,
            random=Random(number),
            send=lambda _to, _data: None,
            notify=lambda _event: None,
            cache=cache,
        )
        for number, thread in enumerate(store.threads())
    ]
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    commitments = 0
    for endpoint in endpoints:
        endpoint.start()
        assert endpoint.channel.agreement is not None
        commitments += endpoint.channel.agreement.commitment.nonce + 1
    size = (resident() - before) / len(endpoints)
    return {
        "threads": len(endpoints),
        "commitments": commitments,
        "seconds": seconds,
        "cpuSeconds": cpu,
        "bytesEach": size,
    }


def opened_apart(path: Path) -> dict[str, Any]:
    """The same in a process of its own. Raises CalledProcessError."""
    command = [sys.executable, "-m", "benchmarks.channel_stores", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT)
    line: dict[str, Any] = json.loads(done.stdout)
    return line


if __name__ == "__main__":
    print(json.dumps(open_all(Path(sys.argv[1]))))
