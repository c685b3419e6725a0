"""`evmthread statetest PATH...`: runs official Ethereum test fixtures and compares the results."""

import argparse
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evmthread.commands.kept_code import add_cache_option, keep, open_files

if TYPE_CHECKING:
    from evmthread.commands.progress import Tally
    from evmthread.machine.hooks import Hook
    from evmthread.testing.runner import Event, Options, Row


MOST_WORKERS = 256  # each is a process of some 50 MB, begun before the first case

NAME = "statetest"
HELP = "run official Ethereum test fixtures and compare the results"
DESCRIPTION = """\
Run official Ethereum test fixtures and compare the results.

PATH is a fixture file of ethereum/tests or execution-spec-tests, a folder of them, or a file of JSON lines
(.jsonl, .jsonl.gz). What kind of test is in a file is told by its content: state tests, VM tests, transaction tests,
RLP, trie, ABI, key file and basic tests are run. Without PATH, file names are read from standard input, one a line,
and each file is answered at once.

Standard output has an array of results, in the form of go-ethereum's `evm statetest`, or JSON lines with --jsonl.
Traces, progress and the summary go to standard error. Exit code: 0 all cases passed, 1 some failed, 2 something could
not be read.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("paths", nargs="*", metavar="PATH", type=Path, help="fixture file, or folder of them")
    which = parser.add_argument_group("which cases")
    which.add_argument("--fork", metavar="F", help="only cases of this fork (Cancun, Berlin, ...)")
    which.add_argument(
        "--run", dest="pattern", metavar="REGEX", help="only tests with a name in which this expression is found"
    )
    which.add_argument("--name", help="only tests of exactly this name")
    which.add_argument("--index", type=int, metavar="N", help="only cases with this index in their fork; -1: all")
    output = parser.add_argument_group("what to print")
    output.add_argument("--jsonl", action="store_true", help="one JSON object a case, and a last one with the counts")
    output.add_argument("--dump", action="store_true", help="the state after each case too")
    output.add_argument("--trace", "--json", action="store_true", help="EIP-3155 trace lines on standard error")
    output.add_argument("--trace.format", choices=("json",), help=argparse.SUPPRESS)  # go-ethereum has others too
    output.add_argument("--memory", action="store_true", help="memory in trace lines")
    output.add_argument("--returndata", action="store_true", help="return data in trace lines")
    output.add_argument("--nostack", action="store_true", help="no stack in trace lines")
    output.add_argument("--progress", action="store_true", help="progress lines even where there is no terminal")
    output.add_argument("--slowest", type=int, default=0, metavar="N", help="name the N slowest cases at the end")
    add_cache_option(parser)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes to spread the files over")
    parser.add_argument(
        "--exit-zero", action="store_true", help="exit code 0 though cases fail, as go-ethereum's (for fuzzers)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    import re
    import time

    from evmthread.commands.progress import Tally
    from evmthread.errors import InvalidInput
    from evmthread.testing.runner import Options, Selection

    if not 1 <= arguments.workers <= MOST_WORKERS:
        raise InvalidInput(f"--workers: {arguments.workers} is no number of processes from 1 to {MOST_WORKERS}")
    pattern = arguments.pattern
    if arguments.name is not None:
        pattern = rf"\A{re.escape(arguments.name)}\Z"
    selection = Selection(arguments.fork, pattern, None if arguments.index == -1 else arguments.index)
    clock = time.perf_counter if arguments.slowest else None
    options = Options(selection, arguments.dump, clock, open_files(arguments))
    if arguments.paths:
        tally = Tally(shows=arguments.progress or sys.stderr.isatty(), slowest=arguments.slowest)
        _answer(arguments, options, arguments.paths, tally)
        if not arguments.trace:
            tally.summarise()
        return tally.exit_code(zero=arguments.exit_zero)
    if sys.stdin.isatty():
        raise InvalidInput("a PATH is needed, or file names on standard input (evmthread statetest --help)")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # a file name is bytes, as in arguments
    worst = 0
    for line in sys.stdin:
        name = line.strip()
        if not name:
            break
        tally = Tally(shows=False, slowest=0)
        _answer(arguments, options, [Path(name)], tally)
        worst = max(worst, tally.exit_code(zero=arguments.exit_zero))
    return worst


def _answer(arguments: argparse.Namespace, options: "Options", paths: list[Path], tally: "Tally") -> None:
    """Runs some paths and prints one answer."""
    rows = _rows(arguments, options, paths, tally)
    if arguments.jsonl:
        for row in rows:
            print(json.dumps(_line(row)))
        print(json.dumps(tally.counts()))
    else:
        _print_array(rows)
    sys.stdout.flush()


def _rows(arguments: argparse.Namespace, options: "Options", paths: list[Path], tally: "Tally") -> "Iterator[Row]":
    """The rows of all files that can be read; the others are complained of, and counted."""
    from evmthread.testing.runner import Row, find_files

    roots = _tells_roots(arguments)
    for path in paths:
        try:
            files = find_files(path)
        except ValueError as error:
            tally.complain(str(error))
            continue
        before = tally.total
        for event in _events(arguments, options, path, files, tally):
            if isinstance(event, Row):
                if roots and event.state_root is not None:
                    print(f'{{"stateRoot": "{event.state_root}"}}', file=sys.stderr, flush=True)
                yield event
        if tally.total == before and not tally.unreadable and options.selection.is_everything:
            tally.complain(f"{path}: no fixture file, or tests of a kind that is not run here")


def _tells_roots(arguments: argparse.Namespace) -> bool:
    """Whether each state root goes to standard error too, as go-ethereum's does, for drivers that read it from there.

    They name one file of JSON, or feed names, and read standard error; people and whole folders are spared.
    """
    if arguments.trace or not arguments.paths:
        return True
    spared = arguments.jsonl or arguments.progress or sys.stderr.isatty()
    return not spared and len(arguments.paths) == 1 and arguments.paths[0].suffix == ".json"


def _events(
    arguments: argparse.Namespace, options: "Options", path: Path, files: list[Path], tally: "Tally"
) -> "Iterator[Event]":
    """What happens with each case of the files, told to the tally as soon as it is known."""
    from evmthread.testing.runner import new_cache, run_file
    from evmthread.testing.shards import run_sharded, slow_tests

    if arguments.workers > 1 and not arguments.trace:
        shards = run_sharded(files, options, workers=arguments.workers, slow=slow_tests(path), heard=tally.hear)
        for events in shards:
            yield from events
        return
    cache = new_cache(options.store)
    hooks = _hooks(arguments)
    for file in files:
        for event in run_file(file, options, cache=cache, hooks=hooks):
            tally.hear(event)
            yield event
    keep(cache)


def _hooks(arguments: argparse.Namespace) -> "Sequence[Hook]":
    """None, or trace lines on standard error."""
    if not arguments.trace:
        return ()
    from evmthread.commands.traced import lines_to

    return (lines_to(sys.stderr, arguments),)


def _result(row: "Row") -> dict[str, object]:
    """A case as go-ethereum prints it: its StatetestResult."""
    result: dict[str, object] = {"name": row.name, "pass": row.passed}
    if row.state_root is not None:
        result["stateRoot"] = row.state_root
    result["fork"] = row.fork
    if row.error:
        result["error"] = row.error
    if row.dump is not None:
        result["state"] = row.dump
    return result


def _print_array(rows: "Iterable[Row]") -> None:
    """Prints the array as it comes, so that a million cases need no memory."""
    separator = "["
    for row in rows:
        text = json.dumps(_result(row), indent=2)
        print(separator + "\n  " + text.replace("\n", "\n  "), end="")
        separator = ","
    print("[]" if separator == "[" else "\n]")


def _line(row: "Row") -> dict[str, object]:
    """A case as one JSON object."""
    line: dict[str, object] = {
        "name": row.name,
        "file": row.file,
        "suite": row.suite,
        "fork": row.fork,
        "index": row.case_index,
        "pass": row.passed,
        "stateRoot": row.state_root,
        "logsHash": row.logs_hash,
        "gasUsed": row.gas_used,
        "error": row.error,
    }
    if row.dump is not None:
        line["state"] = row.dump
    return line
