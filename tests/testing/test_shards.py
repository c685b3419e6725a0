"""Work in several processes: the same events in the same order as in one."""

import os
from functools import partial
from pathlib import Path

import pytest

from evmthread.errors import BackendError
from evmthread.testing import shards
from evmthread.testing.fixtures import FixtureError
from evmthread.testing.held import Held
from evmthread.testing.runner import Event, Options, Row, Selection, Unreadable, new_cache, run_file
from evmthread.testing.shards import Pool, Unit, plan, run_sharded, slow_tests
from tests.conformance.test_sample import SAMPLE
from tests.testing.samples import state_test, write_json, write_lines


def serial(files: list[Path], options: Options) -> list[Event]:
    cache = new_cache()
    return [event for file in files for event in run_file(file, options, cache=cache)]


def sharded(files: list[Path], options: Options, slow: frozenset[tuple[bytes, bytes]] = frozenset()) -> list[Event]:
    heard: list[Event] = []
    told = [event for unit in run_sharded(files, options, workers=2, slow=slow, heard=heard.append) for event in unit]
    assert sorted(map(repr, heard)) == sorted(map(repr, told))
    return told


def test_sharded_is_serial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "UNIT_BYTES", 5_000)
    broken = tmp_path / "b.json"
    broken.write_text("{")
    line = {"name": "line", "file": "f", "suite": "s"} | state_test()
    lines = write_lines(tmp_path / "c.jsonl.gz", [line, line | {"pre": 5}, line])
    files = [write_json(tmp_path / "a.json", {"one": state_test()}), broken, lines, SAMPLE / "trie.jsonl.gz"]
    events = serial(files, Options())
    assert sharded(files, Options()) == events
    assert sum(isinstance(event, Unreadable) for event in events) == 2
    assert sum(isinstance(event, Row) for event in events) == 3 * 3 + 21


def test_slow_tests_are_cut_into_cases_and_come_first_but_are_told_in_order(tmp_path: Path) -> None:
    tests = [{"suite": "s", "file": f"{name}.json", "name": name} | state_test() for name in "abc"]
    lines = write_lines(tmp_path / "x.jsonl.gz", tests)
    (tmp_path / "slow.txt").write_text("s\tb.json\ttimeout\ns\tc.json\tmany\n")
    slow = slow_tests(lines)
    assert slow == {(b"s", b"b.json")}
    assert list(plan(lines, slow)) == [
        Unit(lines, 0, 1),
        Unit(lines, 1, 2, 0),
        Unit(lines, 1, 2, 1),
        Unit(lines, 1, 2, 2),
        Unit(lines, 2, 3),
    ]
    assert sharded([lines], Options(), slow) == serial([lines], Options())


def test_no_list_of_slow_tests(tmp_path: Path) -> None:
    assert slow_tests(tmp_path) == frozenset()


def test_selection_reaches_the_workers(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", {"one": state_test(), "two": state_test()})
    options = Options(Selection(fork="cancun", pattern="^t", index=1))
    rows = [event for event in sharded([path], options) if isinstance(event, Row)]
    assert [(row.name, row.fork, row.case_index) for row in rows] == [("two", "Cancun", 1)]


def test_a_dead_worker_is_a_typed_error() -> None:
    pool = Pool(1, Options())
    try:
        for process in pool._processes:
            process.kill()
            process.join()
        with pytest.raises(BackendError, match="a worker process died"):
            pool.feed([(0, Unit(SAMPLE / "rlp.jsonl.gz"))])
    finally:
        pool.close()


def test_no_more_processes_than_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    class Watched(Pool):
        def __init__(self, workers: int, options: Options) -> None:
            started.append(workers)
            super().__init__(workers, options)
            assert len(self._processes) == workers

    monkeypatch.setattr(shards, "Pool", Watched)
    path = write_json(tmp_path / "a.json", {"one": state_test()})
    broken = tmp_path / "b.json"
    broken.write_text("{")
    events = [event for some in run_sharded([path], Options(), workers=200, slow=frozenset()) for event in some]
    assert len(events) == 3
    # A file that is found to be broken while the work is planned needs none.
    monkeypatch.setattr(shards, "plan", lambda path, _: (_ for _ in ()).throw(FixtureError(f"{path}: broken")))
    assert list(run_sharded([broken], Options(), workers=200, slow=frozenset())) == [[Unreadable(f"{broken}: broken")]]
    assert started == [1, 0]


def test_what_waits_for_its_turn_may_go_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "Held", partial(Held, held_bytes=100))
    monkeypatch.setattr(shards, "UNIT_BYTES", 5_000)
    tests = [{"suite": "s", "file": f"{name}.json", "name": name} | state_test() for name in "abcdefgh"]
    lines = write_lines(tmp_path / "x.jsonl.gz", tests)
    # The last is run first.
    slow = frozenset([(b"s", b"h.json")])
    assert sharded([lines], Options(with_dump=True), slow) == serial([lines], Options(with_dump=True))


def test_events_are_told_while_their_file_is_worked_on() -> None:
    """What is held of a file doesn't grow with the file."""
    options = Options()
    sizes = [len(some) for some in run_sharded([SAMPLE / "transaction.jsonl.gz"], options, workers=1, slow=frozenset())]
    assert sum(sizes) == len(serial([SAMPLE / "transaction.jsonl.gz"], options))
    assert max(sizes) <= shards.MESSAGE_EVENTS


def test_a_slow_test_of_very_many_cases_is_one_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = write_lines(tmp_path / "x.jsonl.gz", [{"suite": "s", "file": "b.json", "name": "b"} | state_test()])
    slow = frozenset([(b"s", b"b.json")])
    assert len(list(plan(lines, slow))) == 3
    monkeypatch.setattr(shards, "MOST_APART", 2)
    assert list(plan(lines, slow)) == [Unit(lines, 0, 1)]


def test_a_list_of_slow_tests_that_cannot_be_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "slow.txt"
    listed.write_text("s\tb.json\ttimeout\n")
    assert len(slow_tests(tmp_path)) == 1
    monkeypatch.setattr(shards, "SLOW_LIST_BYTES", 5)
    assert slow_tests(tmp_path) == frozenset()
    listed.unlink()
    os.mkfifo(listed)
    assert slow_tests(tmp_path) == frozenset()
