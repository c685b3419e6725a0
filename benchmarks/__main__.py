"""Time workloads on evmthread: CPU time of the message call, from a prepared state.

Prints a table on a terminal, else one JSON object a line. Exit code 0 when every call gave what it must, 1 when one
didn't, 2 when a file is no workload.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import compare
from benchmarks.cold import ColdError, time_cold
from benchmarks.measure import ENGINES, time_warm
from benchmarks.report import columns
from benchmarks.workload import WORKLOADS, Workload, WorkloadError, read_workloads

HEADINGS = ("workload", "opcodes", "seconds", "ns/opcode", "calls", "correct")
WIDTHS = (36, 10, 11, 10, 6, 8)


def measured(workload: Workload, engine: str, *, cold: bool, stored: bool) -> dict[str, object]:
    """One workload's line. Raises ColdError."""
    fresh = cold or stored
    timing = time_cold(workload, engine, stored=stored) if fresh else time_warm(workload, engine)
    opcodes = workload.expect.opcodes
    line: dict[str, object] = {
        "name": workload.name,
        "engine": engine,
        "cold": cold,
        "stored": stored,
        "opcodes": opcodes,
        "calls": timing.calls,
        "cpu_seconds": timing.seconds,
        "ns_per_opcode": round(timing.seconds / opcodes * 1e9, 2) if opcodes else None,
        "correct": timing.problem is None,
    }
    return line if timing.problem is None else line | {"problem": timing.problem}


def row(line: dict[str, object]) -> str:
    seconds, price = line["cpu_seconds"], line["ns_per_opcode"]
    cells = (
        str(line["name"]),
        f"{line['opcodes']:,}",
        f"{seconds:.6f}",
        "-" if price is None else f"{price:.1f}",
        str(line["calls"]),
        "yes" if line["correct"] else "NO",
    )
    return columns(cells, WIDTHS) + (f"  {line['problem']}" if "problem" in line else "")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or folders (default: all workloads)")
    parser.add_argument("--engine", choices=ENGINES, default="auto", help="auto (default) compiles what is hot")
    state = parser.add_mutually_exclusive_group()
    state.add_argument("--cold", action="store_true", help="each call in a fresh process with empty caches")
    state.add_argument("--stored", action="store_true", help="each in a fresh process, with a former one's disk cache")
    parser.add_argument("--peers", action="store_true", help="compare with other EVMs instead: benchmarks.compare")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line, on a terminal too")
    form.add_argument("--table", action="store_true", help="a table, not on a terminal either")
    options = parser.parse_args(arguments)
    if options.peers:
        paths = [str(path) for path in options.paths]
        return compare.main(paths + (["--json"] if options.json else []))
    table = options.table or (sys.stdout.isatty() and not options.json)
    correct = True
    try:
        workloads = read_workloads(options.paths or [WORKLOADS])
        if table:
            print(columns(HEADINGS, WIDTHS))
        for workload in workloads:
            line = measured(workload, options.engine, cold=options.cold, stored=options.stored)
            correct = correct and bool(line["correct"])
            print(row(line) if table else json.dumps(line), flush=True)
    except (WorkloadError, ColdError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
