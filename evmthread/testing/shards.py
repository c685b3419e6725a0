"""Spreads files of fixtures over processes: units small enough that all workers finish together, slow ones first.

Events come out in the order of the files whatever the workers do, so that output doesn't hang on their number.
"""

import itertools
import multiprocessing
import pickle
import re
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import TypeVar

from evmthread.errors import BackendError
from evmthread.testing.fixtures import FixtureError, FixtureTest, is_lines, parse_line, read_lines
from evmthread.testing.held import Held
from evmthread.testing.runner import Event, Options, Unreadable, new_cache, run_file, run_test
from evmthread.testing.suites import suite_of

UNIT_BYTES = 2**18  # of JSON lines, unpacked: about a third of a second's work
IN_FLIGHT = 2  # units that a worker has: one that it runs, one that it needn't wait for
MESSAGE_EVENTS = 64  # that a worker tells at a time; with a dump of the state, one
MOST_APART = 1000  # cases of a slow test that are worked on apart
SLOW_LIST = "slow.txt"  # beside the fixtures: SUITE, FILE and REASON by tabs
SLOW_LIST_BYTES = 2**24
SLOWEST = "timeout"
SLOW_FILES = b"vmPerformance/"  # official tests that are there to be slow

_END = b"\0"  # of a unit's events; no pickle

Reply = TypeVar("Reply")

_ORIGIN = re.compile(rb'\{"suite": ?"([^"]*)", ?"file": ?"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of work: the tests from number `first` up to `last` of a file; of a slow test, one case.

    `last` None: the whole file, which is no file of lines.
    """

    path: Path
    first: int = 0
    last: int | None = None
    case: int | None = None

    @property
    def is_slow(self) -> bool:
        return self.case is not None


def slow_tests(path: Path) -> frozenset[tuple[bytes, bytes]]:
    """(suite, file) of the tests that a list beside the fixtures, or in a folder above them, calls the slowest.

    A list that can't be read is none.
    """
    for folder in (path, *path.resolve().parents[:4]):
        listed = folder / SLOW_LIST
        with suppress(OSError):
            if listed.is_file() and listed.stat().st_size <= SLOW_LIST_BYTES:
                rows = [line.split(b"\t") for line in listed.read_bytes().splitlines()]
                return frozenset([(row[0], row[1]) for row in rows if row[2:] == [SLOWEST.encode()]])
    return frozenset()


def plan(path: Path, slow: frozenset[tuple[bytes, bytes]]) -> Iterator[Unit]:
    """The units of one file, in order. Raises FixtureError."""
    if not is_lines(path):
        yield Unit(path)
        return
    first = size = 0
    number = -1
    for number, line in enumerate(read_lines(path)):
        origin = _ORIGIN.match(line[:1000])
        if origin is not None and (origin.groups() in slow or SLOW_FILES in origin[2]):
            if first < number:
                yield Unit(path, first, number)
            count = _count_cases(parse_line(path, number, line))
            for case in range(count) if count <= MOST_APART else (None,):
                yield Unit(path, number, number + 1, case)
            first, size = number + 1, 0
            continue
        size += len(line)
        if size >= UNIT_BYTES:
            yield Unit(path, first, number + 1)
            first, size = number + 1, 0
    if first <= number:
        yield Unit(path, first, number + 1)


def _count_cases(test: FixtureTest) -> int:
    try:
        suite = suite_of(test)
        return 1 if suite is None else sum(1 for _ in suite.cases(test))
    except FixtureError:
        return 1


class Worker:
    """What a process keeps between units: its cache of code, and how far it has read in which file."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.cache = new_cache(options.store)
        self._path: Path | None = None
        self._lines: Iterator[bytes] = iter(())
        self._position = 0

    def run(self, unit: Unit) -> Iterator[Event]:
        """The events of one unit."""
        if unit.last is None:
            yield from run_file(unit.path, self.options, cache=self.cache)
            return
        try:
            for number, line in self._read(unit.path, unit.first, unit.last):
                if not line.isspace():
                    test = parse_line(unit.path, number, line)
                    yield from run_test(test, self.options, cache=self.cache, only=unit.case)
        except FixtureError as error:
            yield Unreadable(str(error))

    def _read(self, path: Path, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        if path != self._path or self._position > first:
            self._path, self._lines, self._position = path, read_lines(path), 0
        for line in itertools.islice(self._lines, last - self._position):
            number = self._position
            self._position += 1
            if number >= first:
                yield number, line


def _serve(connection: "Connection[None, Unit | None]", options: Options) -> None:
    """The life of a worker process: units in, events out, until None comes or the other side is gone.

    Events go out as bytes, a few at a time: whoever reads them can put them aside as they are.
    """
    # Only the process that reads the terminal reacts to its interrupts, and stops the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(options)
    with suppress(EOFError, OSError):
        while (unit := connection.recv()) is not None:
            events = worker.run(unit)
            while some := list(itertools.islice(events, 1 if options.with_dump else MESSAGE_EVENTS)):
                connection.send_bytes(pickle.dumps(some))
            with suppress(BackendError):  # a cache that can't be written is none
                worker.cache.save()
            connection.send_bytes(_END)


class Pool:
    """Worker processes and the units that each has been given."""

    def __init__(self, workers: int, options: Options) -> None:
        context = multiprocessing.get_context("spawn")
        self._given: dict[Connection[Unit | None, None], deque[int]] = {}
        self._processes: list[SpawnProcess] = []
        for _ in range(workers):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, options), daemon=True)
            process.start()
            there.close()
            self._processes.append(process)
            self._given[here] = deque()

    def feed(self, units: list[tuple[int, Unit]]) -> None:
        """Hands out units from the end of a list, so that each worker has work for now and for next."""
        for connection, given in self._given.items():
            while units and len(given) < IN_FLIGHT:
                number, unit = units.pop()
                self._talk(connection.send, unit)
                given.append(number)

    def collect(self) -> Iterator[tuple[int, bytes | None]]:
        """Waits for workers: events of a unit, pickled; None when it is through. Raises BackendError when one dies."""
        busy = [connection for connection, given in self._given.items() if given]
        for ready in wait(busy):
            for connection in busy:
                if connection is ready:
                    given = self._given[connection]
                    message = self._talk(connection.recv_bytes)
                    yield (given.popleft(), None) if message == _END else (given[0], message)

    def _talk(self, action: Callable[..., Reply], *arguments: object) -> Reply:
        try:
            return action(*arguments)
        except (EOFError, OSError):
            raise BackendError("a worker process died: out of memory, or killed") from None

    def close(self) -> None:
        """Ends the workers, whatever they are at."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()


def run_sharded(
    files: Sequence[Path],
    options: Options,
    *,
    workers: int,
    slow: frozenset[tuple[bytes, bytes]],
    heard: Callable[[Event], None] = lambda _: None,
) -> Iterator[list[Event]]:
    """The events of all files, some at a time, in the order of the files; `heard` is told of each at once.

    What comes before its turn is held (see held.py). Raises BackendError when a worker dies.
    """
    units: list[Unit | Unreadable] = []
    for path in files:
        try:
            units.extend(plan(path, slow))
        except FixtureError as error:
            unreadable = Unreadable(str(error))
            units.append(unreadable)
            heard(unreadable)
    # What is to be done first stands last.
    waiting = [(number, unit) for number, unit in enumerate(units) if isinstance(unit, Unit)]
    waiting.sort(key=lambda item: (item[1].is_slow, -item[0]))
    ended: set[int] = set()
    held = Held()
    pool = Pool(min(workers, len(waiting)), options)
    try:
        for turn, unit in enumerate(units):
            if isinstance(unit, Unreadable):
                yield [unit]
                continue
            while True:
                for piece in held.take(turn):
                    yield _events(piece)
                if turn in ended:
                    ended.remove(turn)
                    break
                pool.feed(waiting)
                for number, message in pool.collect():
                    if message is None:
                        ended.add(number)
                        continue
                    for event in _events(message):
                        heard(event)
                    held.put(number, message)
    finally:
        pool.close()
        held.close()


def _events(message: bytes) -> list[Event]:
    events: list[Event] = pickle.loads(message)  # noqa: S301 - from a process of our own
    return events
