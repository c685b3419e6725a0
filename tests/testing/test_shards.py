"""Work in several processes: the same events in the same order as in one."""

from pathlib import Path

import pytest

from evmthread.errors import BackendError
from evmthread.testing import shards
from evmthread.testing.runner import Event, Options, Row, Selection, Unreadable, find_files, new_cache, run_file
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


def test_files_are_found_below_a_folder(tmp_path: Path) -> None:
    for name in ("b.json", "a/x.jsonl.gz", "a/y.txt", "c.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert find_files(tmp_path) == [tmp_path / "a/x.jsonl.gz", tmp_path / "b.json", tmp_path / "c.jsonl"]
