"""Tell where evmthread has become slower: a drop of more than a tenth in the ratio to py-evm between two results files.

python -m benchmarks.regression OLD NEW
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.report import OURS
from benchmarks.results import ResultsError, read_results

MOST_LOST = 0.10


def ratios(record: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """What is watched, by name: evmthread's ratios on each workload, and their means over groups."""
    for line in record["workloads"]:
        for name in OURS:
            if name in line["ratio"]:
                yield f"{line['name']}, {name}", line["ratio"][name]
    for group, evms in record["summary"].items():
        for name in OURS:
            if name in evms:
                yield f"all {group}, {name}", evms[name]["geometric_mean"]


def drops(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """One line for each ratio that fell by more than a tenth, or that is measured no more."""
    now = dict(ratios(new))
    lines = []
    for what, before in ratios(old):
        after = now.get(what)
        if after is None:
            lines.append(f"{what}: {before:.2f} x before, not measured now")
        elif after < before * (1 - MOST_LOST):
            lines.append(f"{what}: {before:.2f} x before, {after:.2f} x now ({after / before - 1:+.0%})")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when nothing fell, 1 when something did, 2 when a file holds no results."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.regression", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args(arguments)
    try:
        found = drops(read_results(options.old), read_results(options.new))
    except (ResultsError, KeyError, TypeError, AttributeError) as error:
        print(
            f"regression: {error if isinstance(error, ResultsError) else f'incomplete results: {error!r}'}",
            file=sys.stderr,
        )
        return 2
    for line in found:
        print(line)
    print(f"{len(found)} of the ratios to py-evm fell by more than {MOST_LOST:.0%}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
