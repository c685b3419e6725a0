"""Channels between two endpoints in one process; both execute, root, sign and check everything.

Run with `pytest benchmarks/test_channels.py`. A round of the games is the nine moves of a drawn game of Morpion;
opening the thread and paying the stakes in isn't timed. `benchmarks.channels` measures the same beside a floor.
"""

from itertools import count
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.channel_games import MOVES, Hall, Table, head_of, warm_caches
from benchmarks.channel_measures import BATCH, batch
from benchmarks.channel_stores import fill, open_all
from evmthread.commit import Agreement
from evmthread.machine.code_cache import CodeCache
from evmthread.store.sqlite_threads import SqliteThreadStore

Caches = tuple[CodeCache, CodeCache]


@pytest.fixture(scope="module")
def caches() -> Caches:
    return warm_caches()


def moves_a_second(benchmark: BenchmarkFixture, threads: int = 1) -> int:
    return round(MOVES * threads / benchmark.stats.stats.median)


def test_moves_in_memory(benchmark: BenchmarkFixture, caches: Caches) -> None:
    salts = count(100)
    table = benchmark.pedantic(
        Table.play, setup=lambda: ((Table(head_of(next(salts)), caches).begin(),), {}), rounds=30, warmup_rounds=2
    )
    benchmark.extra_info["moves_per_second"] = moves_a_second(benchmark)
    table.check_drawn()


def test_moves_with_stores_on_disk(benchmark: BenchmarkFixture, caches: Caches, tmp_path: Path) -> None:
    stores = [SqliteThreadStore(tmp_path / f"party{index}") for index in range(2)]
    salts = count(100)
    table = benchmark.pedantic(
        Table.play, setup=lambda: ((Table(head_of(next(salts)), caches, stores).begin(),), {}), rounds=5
    )
    benchmark.extra_info["moves_per_second"] = moves_a_second(benchmark)
    table.check_drawn()
    for store in stores:
        store.close()


def test_moves_of_many_threads_on_disk(benchmark: BenchmarkFixture, caches: Caches, tmp_path: Path) -> None:
    threads = 20
    stores = [SqliteThreadStore(tmp_path / f"party{index}") for index in range(2)]
    hall = Hall(range(threads), caches, stores).begin()
    benchmark.pedantic(hall.play, rounds=1)
    benchmark.extra_info["moves_per_second"] = moves_a_second(benchmark, threads)
    hall.check_drawn()
    hall.close()
    for store in stores:
        store.close()


def test_a_batch_of_many_inputs(benchmark: BenchmarkFixture) -> None:
    line = benchmark.pedantic(batch, (3,), rounds=1)
    assert line["inputs"] == BATCH
    assert line["floorSeconds"] > 0
    benchmark.extra_info |= {name: round(line[name], 3) for name in ("receivedOfFloor", "agreedOfFloor")}


def test_an_agreement_of_two_is_verified(benchmark: BenchmarkFixture, caches: Caches) -> None:
    head = head_of(7)
    agreement, _ = Table(head, caches).begin().agreed()[-1]
    data = agreement.encode()
    assert benchmark(Agreement.decode, head.domain, head.terms, data) == agreement


def test_threads_are_opened_after_a_restart(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    threads, commitments = 10, 100
    fill(tmp_path / "threads", threads, commitments)
    opened = benchmark.pedantic(open_all, (tmp_path / "threads",), rounds=3)
    assert (opened["threads"], opened["commitments"]) == (threads, threads * commitments)
