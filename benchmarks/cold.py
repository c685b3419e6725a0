"""Times the first call in a fresh process: `python -m benchmarks.cold PATH ENGINE [FOLDER]` prints it as JSON.

Nothing is cached: no decoded or compiled code, no specialised bytecode of the engine itself. Imports don't count. With
FOLDER, compiled code is found there that a former process has left: `python -m benchmarks.cold PATH ENGINE FOLDER
--fill` is that process. To open the folder doesn't count, to read the code does.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Subject, Timing
from benchmarks.workload import Workload, read_workload
from evmthread.machine.region_files import RegionFiles
from evmthread.machine.tiers import DEFAULT_THRESHOLD

REPOSITORY = Path(__file__).resolve().parent.parent
MANY_OPCODES = 1_000_000
CALLS = 5
CALLS_OF_MANY = 3


class ColdError(Exception):
    """The fresh process failed."""


def call_cold(workload: Workload, engine: str, *further: str) -> tuple[float, str | None]:
    """CPU seconds of the first call in a fresh process, and what it got wrong, or None. Raises ColdError."""
    command = [sys.executable, "-m", "benchmarks.cold", str(workload.path.resolve()), engine, *further]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ColdError(f"{workload.name}, cold: {lines[-1]}")
    answer = json.loads(done.stdout)
    return answer["seconds"], answer["problem"]


@contextmanager
def stored_code(workload: Workload, engine: str) -> Iterator[str]:
    """A folder in which a process that was warmed up has left its compiled code. Raises ColdError."""
    with tempfile.TemporaryDirectory() as folder:
        call_cold(workload, engine, folder, "--fill")
        yield folder


def time_cold(workload: Workload, engine: str, *, stored: bool = False) -> Timing:
    """The median over a few fresh processes; `stored`: with the compiled code of a former one. Raises ColdError."""
    if stored:
        with stored_code(workload, engine) as folder:
            return _time(workload, engine, folder)
    return _time(workload, engine)


def _time(workload: Workload, engine: str, *further: str) -> Timing:
    count = CALLS_OF_MANY if workload.expect.opcodes > MANY_OPCODES else CALLS
    samples: list[float] = []
    for _ in range(count):
        seconds, problem = call_cold(workload, engine, *further)
        samples.append(seconds)
        if problem:
            break
    return Timing(statistics.median(samples), len(samples), problem)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold")
    parser.add_argument("path", type=Path)
    parser.add_argument("engine")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--fill", action="store_true")
    parser.add_argument("--threshold", type=int, default=DEFAULT_THRESHOLD)
    options = parser.parse_args()
    store = None if options.folder is None else RegionFiles(options.folder)
    subject = Subject(read_workload(options.path), options.engine, store=store, threshold=options.threshold)
    gc.collect(0)  # what the preparation has left isn't the call's to clear away: a sixth of the time of a short one
    seconds, problem = subject.check()
    if options.fill:
        subject.warm_up()
        subject.world.cache.save()
    print(json.dumps({"seconds": seconds, "problem": problem}))


if __name__ == "__main__":
    main()
