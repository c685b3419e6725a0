"""Times the first call of fresh code in a fresh process: `python -m benchmarks.cold PATH ENGINE` prints it as JSON.

Nothing is cached: no decoded or compiled code, no specialised bytecode of the engine itself. Imports don't count.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Subject, Timing
from benchmarks.workload import Workload, read_workload

REPOSITORY = Path(__file__).resolve().parent.parent
MANY_OPCODES = 1_000_000
CALLS = 5
CALLS_OF_MANY = 3


class ColdError(Exception):
    """The fresh process failed."""


def call_cold(workload: Workload, engine: str) -> tuple[float, str | None]:
    """CPU seconds of the first call in a fresh process, and what it got wrong, or None. Raises ColdError."""
    command = [sys.executable, "-m", "benchmarks.cold", str(workload.path.resolve()), engine]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ColdError(f"{workload.name}, cold: {lines[-1]}")
    answer = json.loads(done.stdout)
    return answer["seconds"], answer["problem"]


def time_cold(workload: Workload, engine: str) -> Timing:
    """The median over a few fresh processes. Raises ColdError."""
    count = CALLS_OF_MANY if workload.expect.opcodes > MANY_OPCODES else CALLS
    samples: list[float] = []
    for _ in range(count):
        seconds, problem = call_cold(workload, engine)
        samples.append(seconds)
        if problem:
            break
    return Timing(statistics.median(samples), len(samples), problem)


def main() -> None:
    seconds, problem = Subject(read_workload(Path(sys.argv[1])), sys.argv[2]).check()
    print(json.dumps({"seconds": seconds, "problem": problem}))


if __name__ == "__main__":
    main()
