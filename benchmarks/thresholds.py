"""How the first call in a fresh process hangs on the threshold: the curve by which the default was chosen.

    python -m benchmarks.thresholds RESULTS [--rounds N] [PATH...]

RESULTS is a file of benchmarks.compare, which has py-evm's times on the same machine. Every threshold takes one turn in
each round; of its turns the shortest counts.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.cold import ColdError, call_cold
from benchmarks.compare import REFERENCE
from benchmarks.report import APART, columns, geometric_mean
from benchmarks.results import ResultsError, read_results
from benchmarks.workload import WORKLOADS, Workload, WorkloadError, read_workloads

THRESHOLDS = (64, 128, 256, 512, 1024, 2048)
MOST_OPCODES = 1_000_000  # longer ones say nothing more, and take long
ROUNDS = 3
WIDTHS = (12, 18, 10, 28)


def shortest(workload: Workload, rounds: int) -> dict[int, float]:
    """CPU seconds of the first call, by threshold. Raises ColdError."""
    least: dict[int, float] = {}
    for _ in range(rounds):
        for threshold in THRESHOLDS:
            seconds, problem = call_cold(workload, "auto", "--threshold", str(threshold))
            if problem:
                raise ColdError(f"{workload.name}: {problem}")
            least[threshold] = min(seconds, least.get(threshold, seconds))
    return least


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, 1 when a call goes wrong, 2 when a file holds no results or no workload."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.thresholds", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or folders (default: all workloads)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    try:
        lines = read_results(options.results)["workloads"]
        theirs = {line["name"]: line["cpu_seconds"][REFERENCE] for line in lines}
        ratios: dict[int, dict[str, float]] = {threshold: {} for threshold in THRESHOLDS}
        for workload in read_workloads(options.paths or [WORKLOADS]):
            if workload.name in APART or workload.name not in theirs or workload.expect.opcodes > MOST_OPCODES:
                continue
            for threshold, seconds in shortest(workload, options.rounds).items():
                ratios[threshold][workload.name] = theirs[workload.name] / seconds
    except (ResultsError, WorkloadError) as error:
        print(f"thresholds: {error}", file=sys.stderr)
        return 2
    except ColdError as error:
        print(f"thresholds: {error}", file=sys.stderr)
        return 1
    print(columns(("threshold", "geometric mean", "least", "of"), WIDTHS))
    for threshold, found in ratios.items():
        if found:
            least = min(found, key=lambda name: found[name])
            mean = geometric_mean(found.values())
            print(columns((str(threshold), f"{mean:.1f} x", f"{found[least]:.1f} x", least), WIDTHS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
