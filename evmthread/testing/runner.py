"""Runs files of fixtures: finds them, picks the cases that are asked for, and makes a row of each outcome.

Knows neither terminals nor clocks nor processes (see shards.py for many at once).
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from evmthread.errors import EvmthreadError
from evmthread.isa.forks import fork_named
from evmthread.machine.code_cache import CodeCache, RegionStore
from evmthread.testing.cases import Case, CaseOutcome, Hooks
from evmthread.testing.fixtures import FixtureError, FixtureTest, read_tests
from evmthread.testing.suites import suite_of

# A test runs its own code in a few cases and no other test does: what is kept for later needn't be much.
CACHE_ENTRIES = 512
CACHE_CODE_BYTES = 2**26
ERROR_CHARACTERS = 1000  # of a case's error: what is wrong in a fixture may be of any length

SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")


class Row(NamedTuple):
    """The outcome of one case, ready to be printed or sent to another process. `seconds` is 0 without a clock."""

    name: str
    file: str
    suite: str
    fork: str
    case_index: int
    passed: bool
    error: str
    state_root: str | None
    logs_hash: str | None
    gas_used: int | None
    seconds: float
    dump: dict[str, object] | None


class Unreadable(NamedTuple):
    """A file or a test that can't be read: one line that says why."""

    message: str


class Foreign(NamedTuple):
    """A test of a kind that isn't run here, as a blockchain test."""

    file: str


Event = Row | Unreadable | Foreign


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cases are run: all that fit everything that isn't None. `pattern` is searched for in a test's name."""

    fork: str | None = None
    pattern: str | None = None
    index: int | None = None

    def __post_init__(self) -> None:
        if self.fork is not None:
            object.__setattr__(self, "fork", fork_named(self.fork).name)
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise FixtureError(f"{self.pattern!r} is no regular expression: {error}") from None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.fork is None and self.pattern is None and self.index is None

    def test(self, name: str) -> bool:
        """Whether a test of this name is asked for."""
        return self.pattern is None or re.search(self.pattern, name) is not None

    def case(self, case: Case) -> bool:
        """Whether a case is asked for."""
        if self.index is not None and case.index != self.index:
            return False
        if self.fork is None:
            return True
        try:
            return bool(case.fork) and fork_named(case.fork).name == self.fork
        except EvmthreadError:
            return False


@dataclass(frozen=True, slots=True)
class Options:
    """What to do with each case. `clock` tells how long it took; `store` keeps compiled code for later runs."""

    selection: Selection = Selection()
    with_dump: bool = False
    clock: Callable[[], float] | None = None
    store: RegionStore | None = None


def new_cache(store: RegionStore | None = None) -> CodeCache:
    """A cache of decoded code as a long run of many tests wants it."""
    return CodeCache(entries=CACHE_ENTRIES, code_bytes=CACHE_CODE_BYTES, store=store)


def find_files(path: Path) -> list[Path]:
    """The file itself, or all fixture files in a folder and below it, sorted. Raises FixtureError.

    A folder that can't be listed stands among them, so that whoever reads them finds out. Links to folders aren't
    followed.
    """
    try:
        if not path.is_dir():
            if not path.exists():
                raise FixtureError(f"{path}: no such file or folder")
            return [path]
    except OSError as error:
        raise FixtureError(f"{path}: {error.strerror or error}") from None
    found: list[Path] = []
    for folder, _, names in os.walk(path, onerror=lambda error: found.append(Path(error.filename))):
        found.extend([Path(folder, name) for name in names if name.endswith(SUFFIXES)])
    if not found:
        raise FixtureError(f"{path}: no fixture files ({', '.join(SUFFIXES)}) in this folder")
    return sorted(found)


def run_file(path: Path, options: Options, *, cache: CodeCache, hooks: Hooks = ()) -> Iterator[Event]:
    """Runs the cases of one file that are asked for. Never raises on what the file holds."""
    try:
        for test in read_tests(path):
            yield from run_test(test, options, cache=cache, hooks=hooks)
    except FixtureError as error:
        yield Unreadable(str(error))


def run_test(
    test: FixtureTest, options: Options, *, cache: CodeCache, hooks: Hooks = (), only: int | None = None
) -> Iterator[Event]:
    """Runs the cases of one test; with `only`, the one of this number among all of them."""
    selection = options.selection
    if not selection.test(test.name):
        return
    try:
        suite = suite_of(test)
        if suite is None:
            yield Foreign(test.file)
            return
        for number, case in enumerate(suite.cases(test)):
            if (only is None or number == only) and selection.case(case):
                yield _run_case(test, suite.name, case, options, cache, hooks)
    except FixtureError as error:
        yield Unreadable(f"{test.file}: {error}")


def _run_case(test: FixtureTest, suite: str, case: Case, options: Options, cache: CodeCache, hooks: Hooks) -> Row:
    clock = options.clock
    began = clock() if clock is not None else 0.0
    try:
        outcome = case.check(cache, hooks)
    except FixtureError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug of ours must fail its case, not hide the cases after it
        outcome = CaseOutcome(f"internal error: {type(error).__name__}: {str(error)[:200]}")
    seconds = clock() - began if clock is not None else 0.0
    dump = outcome.dump() if options.with_dump and outcome.dump is not None else None
    root, logs = outcome.state_root, outcome.logs_hash
    return Row(
        case.name,
        test.file,
        test.suite or suite,
        case.fork,
        case.index,
        outcome.passed,
        outcome.error[:ERROR_CHARACTERS],
        None if root is None else "0x" + root.hex(),
        None if logs is None else "0x" + logs.hex(),
        outcome.gas_used,
        seconds,
        dump,
    )
