"""Print a results file as the tables of docs/performance.md.

python -m benchmarks.table RESULTS
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.report import GROUPS
from benchmarks.results import ResultsError, read_results

COLUMNS = {
    "stepper": "stepper",
    "cold": "cold",
    "both cold": "both cold",
    "stored": "disk cache",
    "warm": "**warm**",
    "pyrevm": "pyrevm",
    "eels": "EELS",
}


def ratio(value: float | None) -> str:
    """A ratio with three figures or none after the point."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def workload_rows(lines: list[dict[str, Any]]) -> list[str]:
    """A heading and a row for each workload."""
    rows = [
        f"| workload | opcodes | {' | '.join(COLUMNS.values())} | ns an opcode, warm |",
        f"|---|---:|{'---:|' * len(COLUMNS)}---:|",
    ]
    for line in lines:
        ratios = " | ".join([ratio(line["ratio"].get(name)) for name in COLUMNS])
        price = line["cpu_seconds"]["warm"] / line["opcodes"] * 1e9
        rows.append(f"| {line['name']} | {line['opcodes']:,} | {ratios} | {price:,.1f} |")
    return rows


def summary_rows(groups: dict[str, Any]) -> list[str]:
    """A heading and a row for each group: geometric mean, and the least one."""
    rows = [f"| group | | {' | '.join(COLUMNS.values())} |", f"|---|---|{'---:|' * len(COLUMNS)}"]
    for group, evms in groups.items():
        for key, what in (("geometric_mean", "geometric mean"), ("least", "least")):
            cells = [ratio(evms[name][key]) if name in evms else "-" for name in COLUMNS]
            rows.append(f"| {group} | {what} | {' | '.join(cells)} |")
    return rows


def stored_rows(lines: list[dict[str, Any]]) -> list[str]:
    """Milliseconds of first calls with and without a disk cache, beside those of a warm call, longest first."""
    rows = [
        "| workload | py-evm, cold | cold | disk cache | warm | disk cache / warm |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for line in sorted(lines, key=lambda each: -float(each["cpu_seconds"]["warm"])):
        seconds = line["cpu_seconds"]
        theirs = f"{seconds['py-evm, cold'] * 1e3:.3g}" if "py-evm, cold" in seconds else "-"
        cold, stored, warm = (seconds[name] * 1e3 for name in ("cold", "stored", "warm"))
        rows.append(f"| {line['name']} | {theirs} | {cold:.3g} | {stored:.3g} | {warm:.3g} | {stored / warm:.1f} |")
    return rows


def tables(record: dict[str, Any]) -> str:
    """All tables, in Markdown."""
    lines = record["workloads"]
    parts = [summary_rows(record["summary"])]
    for group in (*GROUPS, None):
        inside = [line for line in lines if line["group"] == group]
        if inside:
            parts.append([f"{group or 'alone'}:", "", *workload_rows(inside)])
    stored = [line for line in lines if "stored" in line["cpu_seconds"] and line["group"] != GROUPS[-1]]
    if stored:
        parts.append(stored_rows(stored))
    return "\n\n".join(["\n".join(part) for part in parts]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 when the file holds no results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path)
    options = parser.parse_args(arguments)
    try:
        print(tables(read_results(options.results)), end="")
    except ResultsError as error:
        print(f"table: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
