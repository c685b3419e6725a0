"""Draw a results file: how many times faster than py-evm each EVM runs each workload, as SVG or PNG.

    python -m benchmarks.plot RESULTS OUT

Needs matplotlib (the extra `bench`).
"""

# mypy: disable-error-code="import-not-found"

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.results import ResultsError, read_results

LABELS = {
    "stepper": "evmthread, stepper",
    "cold": "evmthread, cold",
    "stored": "evmthread, disk cache",
    "warm": "evmthread, warm",
    "pyrevm": "pyrevm (Rust)",
    "eels": "EELS",
}
STYLES = {
    "stepper": ("o", "#9ecae1"),
    "cold": ("s", "#4292c6"),
    "stored": ("P", "#6baed6"),
    "warm": ("D", "#08519c"),
    "pyrevm": ("^", "#d94801"),
    "eels": ("v", "#74a27a"),
}


def draw(record: dict[str, Any], out: Path) -> None:
    """Writes the picture. Raises ImportError without matplotlib, ValueError for a format that it can't write."""
    from matplotlib.figure import Figure

    lines = sorted(record["workloads"], key=lambda line: (str(line["group"]), line["name"]))
    figure = Figure(figsize=(9, 1.6 + 0.26 * len(lines)), layout="constrained")
    axes = figure.add_subplot()
    for name, (marker, colour) in STYLES.items():
        points = [(line["ratio"][name], row) for row, line in enumerate(lines) if name in line["ratio"]]
        if points:
            axes.scatter(*zip(*points, strict=True), marker=marker, color=colour, s=26, label=LABELS[name], zorder=3)
    axes.axvline(1, color="black", linewidth=1, zorder=2)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} x")
    axes.set_yticks(range(len(lines)), [line["name"] for line in lines], fontsize=8)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.grid(axis="both", color="#dddddd", linewidth=0.6, zorder=0)
    python_evm = record["evms"]["py-evm"]["py-evm"]
    axes.set_xlabel(
        f"times as fast as py-evm {python_evm} (line), CPU time, Python {record['python']}, {record['date'][:10]}"
    )
    figure.legend(loc="outside upper center", ncols=len(STYLES), fontsize=8, frameon=False)
    figure.savefig(out, dpi=150)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, 1 when the picture can't be made, 2 when the file holds no results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path, help="a path that ends in .svg or .png")
    options = parser.parse_args(arguments)
    try:
        draw(read_results(options.results), options.out)
    except ResultsError as error:
        print(f"plot: {error}", file=sys.stderr)
        return 2
    except ImportError:
        print("plot: matplotlib is not installed: pip install -e '.[bench]'", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"plot: {options.out}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
