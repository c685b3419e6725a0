"""What benchmarks.channels measures, one function a row or two; each gives plain numbers and checks what it timed."""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.channel_floor import PIECES, Bare, floor, timed
from benchmarks.channel_games import (
    CALL_GAS,
    DRAW,
    ERC20,
    KEYS,
    MOVES,
    PLAYERS,
    PLAYS,
    Hall,
    Table,
    head_of,
)
from benchmarks.channel_stores import fill, opened_apart, transfer
from benchmarks.peers import CHANNEL_PEER, Worker, start
from evmthread.channel.desk import ChannelOptions
from evmthread.channel.rules import thread_rules
from evmthread.commit import Agreement
from evmthread.commit.eip712 import digest, typed_data
from evmthread.commit.signature import recover_signer
from evmthread.machine.code_cache import CodeCache
from evmthread.state.view import StateChanges
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.threadfile import ThreadHead

BATCH = 100
RECEIVER = 1  # who gets the batch's proposal
_BYTES_OF_PAGE = 4096

Caches = tuple[CodeCache, CodeCache]


# In memory, beside the floor and a channel on py-evm ------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PlayedGame:
    """A game for another implementation to play: what it begins with, and the digests that it must come to."""

    name: str
    record: dict[str, Any]
    digests: list[str]

    def problem(self, answer: Mapping[str, object]) -> str | None:
        """What is wrong with its answer, or None."""
        return None if answer == {"digests": self.digests} else f"{answer}, not the digests {self.digests}"


def _begun(salt: int, caches: Caches) -> tuple[Table, StateChanges]:
    table = Table(head_of(salt), caches).begin()
    state = table.endpoints[0].channel.thread.whole_step()
    assert state is not None
    return table, state.changes


def played_game(salt: int, caches: Caches) -> PlayedGame:
    """A drawn game as our endpoints played it."""
    head = head_of(salt)
    table, state = _begun(salt, caches)
    thread, parent = table.endpoints[0].channel.thread, table.endpoints[0].channel.agreement
    assert parent is not None
    table.play()
    line = [(agreement, signed) for agreement, signed in table.agreed() if agreement.commitment.nonce > 2]
    first = line[0][1].batch
    pre = {
        "0x" + address.hex(): {
            "balance": hex(change.after.balance),
            "nonce": hex(change.after.nonce),
            "code": "0x" + state.codes.get(change.after.code_hash, b"").hex(),
            "storage": {hex(key): hex(value) for key, (_, value) in change.slots.items()},
        }
        for address, change in state.accounts.items()
        if change.after is not None
    }
    record = {
        "domain": typed_data(head.domain, parent.commitment)["domain"],
        "types": {
            "Input": typed_data(head.domain, first.inputs[0])["types"],
            "Commitment": typed_data(head.domain, parent.commitment)["types"],
            "Batch": {name: of for name, of in _types(first).items() if name != "EIP712Domain"},
        },
        "threadId": "0x" + thread.thread_id.hex(),
        "address": "0x" + thread.address.hex(),
        "owners": ["0x" + owner.hex() for owner in PLAYERS],
        "keys": ["0x" + key.hex() for key in KEYS],
        "environment": first.environment.to_json(),
        "pre": pre,
        "nonce": parent.commitment.nonce + 1,
        "parent": "0x" + parent.digest.hex(),
        "gasUsed": parent.commitment.gas_used,
        "gas": str(CALL_GAS),
        "moves": [
            {"actor": number % 2, "data": "0x" + PLAYS[cell].hex(), "nonce": line[number][1].batch.inputs[0].nonce}
            for number, cell in enumerate(DRAW)
        ],
    }
    return PlayedGame("morpion", record, ["0x" + agreement.digest.hex() for agreement, _ in line])


def _types(batch: Any) -> dict[str, Any]:
    return {
        each.name: [{"name": member.name, "type": member.type_name} for member in each.members]
        for each in (batch.STRUCT, *batch.STRUCT.referenced)
    }


def in_memory(rounds: int, caches: Caches, *, peer: bool) -> dict[str, Any]:
    """Moves through two endpoints in memory; in each round a game, its floor, and the same game on py-evm."""
    cache = CodeCache()
    worker = start(CHANNEL_PEER, Worker) if peer else None
    game = played_game(99, caches)
    if worker is not None:
        worker.prepare(game)
        worker.call(game, 2)
    cpu, wall, floors, theirs = [], [], [], []
    for number in range(rounds + 4):
        table, state = _begun(100 + number, caches)
        began, began_cpu = time.perf_counter(), time.process_time()
        table.play()
        used = time.process_time() - began_cpu, time.perf_counter() - began
        table.check_drawn()
        line = [each for each in table.agreed() if each[0].commitment.nonce > 2]
        assert len(line) == MOVES
        pieces = floor(head_of(100 + number), state, line, cache)
        seconds = worker.call(game, 1)[0] if worker is not None else 0.0
        if number < 4:
            continue  # the floor's code is compiled by then
        cpu.append(used[0] / MOVES)
        wall.append(used[1] / MOVES)
        floors.append({piece: pieces[piece] / MOVES for piece in PIECES})
        theirs.append(seconds / MOVES)
    if worker is not None:
        worker.close()
    sums = [sum(pieces.values()) for pieces in floors]
    line_of: dict[str, Any] = {
        "cpuSeconds": median(cpu),
        "wallSeconds": median(wall),
        "floorSeconds": median(sums),
        "floor": {piece: median([pieces[piece] for pieces in floors]) for piece in PIECES},
        "ofFloor": median([bare / mine for bare, mine in zip(sums, cpu, strict=True)]),
    }
    if worker is not None:
        line_of["peerSeconds"] = median(theirs)
        line_of["timesPeer"] = median([other / mine for other, mine in zip(theirs, cpu, strict=True)])
    return line_of


# On disk --------------------------------------------------------------------------------------------------------------
def sync_seconds(folder: str, times: int = 15) -> float:
    """Median seconds to append a page to a file and have it on the disk."""
    seconds = []
    descriptor = os.open(Path(folder) / "synced", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        for _ in range(times):
            began = time.perf_counter()
            os.write(descriptor, bytes(_BYTES_OF_PAGE))
            os.fsync(descriptor)
            seconds.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
    return median(seconds)


def durable(rounds: int, caches: Caches) -> dict[str, Any]:
    """Moves of one thread at a time with both parties' stores in files, as they are by default."""
    wall, cpu, syncs = [], [], []
    with tempfile.TemporaryDirectory(prefix="evmthread-") as folder:
        stores = [SqliteThreadStore(Path(folder) / f"party{index}") for index in range(2)]
        for number in range(rounds):
            table = Table(head_of(number), caches, stores).begin()
            syncs.append(sync_seconds(folder))
            began, began_cpu = time.perf_counter(), time.process_time()
            table.play()
            wall.append((time.perf_counter() - began) / MOVES)
            cpu.append((time.process_time() - began_cpu) / MOVES)
            table.check_drawn()
        for store in stores:
            store.close()
    ratio = median([2 * sync / mine for sync, mine in zip(syncs, wall, strict=True)])
    return {
        "wallSeconds": median(wall),
        "cpuSeconds": median(cpu),
        "syncSeconds": median(syncs),
        "ofTwoSyncs": ratio,
    }


def many_threads(rounds: int, caches: Caches, threads: int = 100) -> dict[str, Any]:
    """Moves of many threads at once, each party's on one file with one writer."""
    wall, cpu = [], []
    with tempfile.TemporaryDirectory(prefix="evmthread-") as folder:
        for number in range(rounds):
            stores = [SqliteThreadStore(Path(folder) / f"party{index}-{number}") for index in range(2)]
            hall = Hall(range(number * threads, (number + 1) * threads), caches, stores).begin()
            began, began_cpu = time.perf_counter(), time.process_time()
            hall.play()
            wall.append((time.perf_counter() - began) / (MOVES * threads))
            cpu.append((time.process_time() - began_cpu) / (MOVES * threads))
            hall.check_drawn()
            hall.close()
            for store in stores:
                store.close()
    return {"threads": threads, "wallSeconds": median(wall), "cpuSeconds": median(cpu)}


# A batch of many inputs -----------------------------------------------------------------------------------------------
def batch(rounds: int) -> dict[str, Any]:
    """A commitment of a hundred ERC-20 transfers, for each transfer and signer, beside what a signer can't do without.

    `received`: from a proposal's bytes, none of whose inputs was seen before, to the signature on it. `agreed`: from
    all requests to the agreement of both, the actor's signatures included. The floor: bare execution of each transfer,
    the digest of its Input, and one recovery.
    """
    caches, cache = (CodeCache(), CodeCache()), CodeCache()
    options = ChannelOptions(automatic=False)
    received, agreed, floors = [], [], []
    for number in range(rounds + 3):
        head = head_of(number, ERC20)
        whole, _ = _transfers(head, caches, options, requests_arrive=True)
        one, line = _transfers(head, caches, options, requests_arrive=False)
        if number >= 3:
            agreed.append(whole / (2 * BATCH))
            received.append(one / BATCH)
            floors.append(_batch_floor(head, line, cache))
        else:
            _batch_floor(head, line, cache)
    return {
        "inputs": BATCH,
        "receivedSeconds": median(received),
        "agreedSeconds": median(agreed),
        "floorSeconds": median(floors),
        "receivedOfFloor": median([mine / bare for mine, bare in zip(received, floors, strict=True)]),
        "agreedOfFloor": median([mine / bare for mine, bare in zip(agreed, floors, strict=True)]),
    }


def _transfers(
    head: ThreadHead, caches: Caches, options: ChannelOptions, *, requests_arrive: bool
) -> tuple[float, tuple[StateChanges, Table]]:
    table = Table(head, caches, options=options)
    leader, other = table.endpoints
    leader.do(lambda channel: channel.propose())
    table.deliver()
    table.call(0, ERC20.function("run").encode(0))
    other.do(lambda channel: channel.propose())
    table.deliver()
    state = leader.channel.thread.whole_step()
    assert state is not None

    datas = [transfer(number) for number in range(BATCH)]

    def request() -> None:
        for data in datas:
            leader.do(lambda channel: channel.request(data, gas=CALL_GAS))  # noqa: B023

    def agree() -> None:
        request()
        table.deliver()
        leader.do(lambda channel: channel.propose())
        table.deliver()

    if requests_arrive:
        seconds = timed(agree)
    else:
        request()
        table.waiting()
        leader.do(lambda channel: channel.propose())
        ((to, data),) = table.waiting()
        assert to == RECEIVER
        seconds = timed(lambda: other.receive(0, data))
        table.deliver()
    for endpoint in table.endpoints:
        assert endpoint.channel.agreement is not None
        assert endpoint.channel.agreement.commitment.nonce == 2
    return seconds, (state.changes, table)


def _batch_floor(head: ThreadHead, line: tuple[StateChanges, Table], cache: CodeCache) -> float:
    state, table = line
    agreement, signed = table.agreed()[-1]
    bare = Bare(thread_rules(head.domain, head.terms, head.ruleset), state, cache)
    executed: list[Any] = []
    seconds = timed(lambda: executed.append(bare.execute(signed)))
    assert bare.root(*executed[0])[0] == agreement.commitment.state_root
    inputs = [replace(each) for each in signed.batch.inputs]  # new ones, which remember no hash
    seconds += timed(lambda: [digest(head.domain, each) for each in inputs])
    questions = list(zip([digest(head.domain, each) for each in inputs], signed.signatures, strict=True))
    seconds += timed(lambda: [recover_signer(*question) for question in questions])
    return seconds / BATCH


# Verifying, restarting, holding ---------------------------------------------------------------------------------------
def verification(rounds: int, caches: Caches) -> dict[str, Any]:
    """An agreement of two, from its bytes to the verified object."""
    head = head_of(7)
    table = Table(head, caches).begin().play()
    table.check_drawn()
    line = [agreement for agreement, _ in table.agreed()]
    seconds = []
    for _ in range(rounds):
        for agreement in line:
            data = agreement.encode()
            got: list[Agreement] = []
            seconds.append(timed(lambda: got.append(Agreement.decode(head.domain, head.terms, data))))  # noqa: B023
            assert got == [agreement]
    return {"seconds": median(seconds)}


def restart(threads: int, commitments: int) -> dict[str, Any]:
    """A fresh process opens the channels of a store in a file."""
    with tempfile.TemporaryDirectory(prefix="evmthread-") as folder:
        path = Path(folder) / "threads"
        fill(path, threads, commitments)
        return opened_apart(path)
