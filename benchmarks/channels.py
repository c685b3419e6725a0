"""Measure channels: Morpion moves through two real endpoints, in memory and on disk, beside a floor and py-evm.

    python -m benchmarks.channels [ROW]... [--quick] [--no-peer] [--save]

Both parties are in this process, on one core; both execute, root, sign and check everything. What can be is CPU time,
medians; what a disk takes is the time that passed. The floor is the sum of a move's pieces, measured in the same
rounds: see benchmarks/channel_floor.py. A time counts only when both agreed on the right state. Rows by default: all.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import channel_measures as measures
from benchmarks.channel_games import warm_caches
from benchmarks.peers import PeerError
from benchmarks.report import columns
from benchmarks.results import CHANNELS_FORMAT

RESULTS = Path(__file__).resolve().parent / "results"
IDLE_COMMITMENTS = 4
WIDTHS = (64, 14, 14, 8)
HEADINGS = ("what", "reached", "goal", "")


def _rows(options: argparse.Namespace) -> dict[str, Callable[[], dict[str, Any]]]:
    quick = options.quick
    caches = warm_caches()
    return {
        "memory": lambda: measures.in_memory(10 if quick else 60, caches, peer=not options.no_peer),
        "durable": lambda: measures.durable(3 if quick else 15, caches),
        "many": lambda: measures.many_threads(1 if quick else 5, caches, 20 if quick else 100),
        "batch": lambda: measures.batch(5 if quick else 25),
        "verify": lambda: measures.verification(5 if quick else 40, caches),
        "restart": lambda: measures.restart(20 if quick else 1000, 100),
        "idle": lambda: measures.restart(100 if quick else 10_000, IDLE_COMMITMENTS),
    }


ROWS = ("memory", "durable", "many", "batch", "verify", "restart", "idle")


def table(line: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """A row's numbers for people: what, reached, goal, whether the goal is met."""

    def cells(what: str, value: float, goal: float, form: str, *, most: bool = False) -> tuple[str, str, str, str]:
        met = value <= goal if most else value >= goal
        sign = "<=" if most else ">="
        return what, format(value, form), f"{sign} {format(goal, form)}", "" if met else "short"

    match line["row"]:
        case "memory":
            rows = [
                cells("in memory, moves/s (CPU)", 1 / line["cpuSeconds"], 800, ",.0f"),
                ("in memory, moves/s (wall clock)", f"{1 / line['wallSeconds']:,.0f}", "", ""),
                ("the floor, moves/s", f"{1 / line['floorSeconds']:,.0f}", "", ""),
                cells("in memory, part of the floor's speed", line["ofFloor"], 0.8, ".2f"),
            ]
            rows += [
                (f"  the floor's {piece}, us a move", f"{seconds * 1e6:,.0f}", "", "")
                for piece, seconds in line["floor"].items()
            ]
            if "peerSeconds" in line:
                rows.append(("py-evm + trie + eth-account, moves/s (CPU)", f"{1 / line['peerSeconds']:,.1f}", "", ""))
                rows.append(("in memory, times py-evm + trie + eth-account", f"{line['timesPeer']:,.1f}", "", ""))
            return rows
        case "durable":
            return [
                cells("durable, one thread, moves/s (wall clock)", 1 / line["wallSeconds"], 70, ",.0f"),
                ("  CPU us a move", f"{line['cpuSeconds'] * 1e6:,.0f}", "", ""),
                ("  a sync of this disk, ms", f"{line['syncSeconds'] * 1e3:.2f}", "", ""),
                ("  part of the speed of two syncs a move", f"{line['ofTwoSyncs']:.2f}", "", ""),
            ]
        case "many":
            what = f"durable, {line['threads']} threads at once, moves/s (wall clock)"
            return [
                cells(what, 1 / line["wallSeconds"], 300, ",.0f"),
                ("  CPU us a move", f"{line['cpuSeconds'] * 1e6:,.0f}", "", ""),
            ]
        case "batch":
            return [
                (f"batch of {line['inputs']}: floor, us a transfer", f"{line['floorSeconds'] * 1e6:,.0f}", "", ""),
                cells("  a received proposal, of the floor", line["receivedOfFloor"], 1.0, ".2f", most=True),
                cells(
                    "  from requests to agreement, a signer, of the floor", line["agreedOfFloor"], 1.0, ".2f", most=True
                ),
            ]
        case "verify":
            return [cells("an agreement of two verified, us", line["seconds"] * 1e6, 250, ",.0f", most=True)]
        case "restart":
            what = f"restart of {line['threads']:,} threads, {line['commitments']:,} commitments, s (wall clock)"
            goal = 5 * line["threads"] / 1000
            return [
                cells(what, line["seconds"], goal, ".2f", most=True),
                ("  CPU s", f"{line['cpuSeconds']:.2f}", "", ""),
            ]
        case _:
            return [(f"memory of {line['threads']:,} idle threads, bytes each", f"{line['bytesEach']:,.0f}", "", "")]


def save(record: dict[str, Any]) -> Path:
    """Writes a results file, named after its date."""
    path = RESULTS / f"channels-{record['date'][:16].replace(':', '')}Z.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 when the peer can't be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.channels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"what to measure: {', '.join(ROWS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="few rounds and small stores, to see that it works")
    parser.add_argument("--no-peer", action="store_true", help="without py-evm")
    parser.add_argument("--save", action="store_true", help="keep the results under benchmarks/results")
    options = parser.parse_args(arguments)
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no row {min(unknown)!r}: {', '.join(ROWS)}")
    print(columns(HEADINGS, WIDTHS), flush=True)
    rows, lines = _rows(options), []
    for name in options.rows or ROWS:
        try:
            lines.append({"row": name} | rows[name]())
        except PeerError as error:
            print(f"channels: {error}", file=sys.stderr)
            return 1
        for cells in table(lines[-1]):
            print(columns(cells, WIDTHS), flush=True)
    record = {
        "format": CHANNELS_FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "lines": lines,
    }
    if options.save:
        print(f"saved as benchmarks/results/{save(record).name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
