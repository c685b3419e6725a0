"""Draw a results file of benchmarks.backends: reads, applies, commits and bytes by the number of slots, as SVG or PNG.

    python -m benchmarks.plot_backends RESULTS OUT

Needs matplotlib (the extra `bench`).
"""

# mypy: disable-error-code="import-not-found,no-untyped-call"

import sys
from pathlib import Path
from typing import Any

from benchmarks.drawing import run
from benchmarks.results import BACKENDS_FORMAT

STYLES = {
    "memory": ("o", "#08519c"),
    "overlay": ("s", "#4292c6"),
    "sqlite": ("^", "#d94801"),
    "lmdb": ("v", "#74a27a"),
}
PANELS = (
    ("reads a second", lambda line: 1 / line["readSeconds"]),
    ("applies of ten slots a second", lambda line: 1 / line["applySeconds"]),
    ("commits of ten slots a second", lambda line: 1 / line["commitSeconds"]),
    ("bytes a slot", lambda line: line["bytesPerSlot"]),
)


def draw(record: dict[str, Any], out: Path) -> None:
    """Writes the picture. Raises ImportError without matplotlib, ValueError for a format that it can't write."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "evmthread"  # the same picture from the same results
    mpl.rcParams["svg.fonttype"] = "none"  # letters, not their outlines
    figure = Figure(figsize=(9, 6), layout="constrained")
    for axes, (title, value) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        for name, (marker, colour) in STYLES.items():
            points = sorted((line["slots"], value(line)) for line in record["lines"] if line["backend"] == name)
            if points:
                axes.plot(*zip(*points, strict=True), marker=marker, color=colour, markersize=5, label=name)
        axes.set_xscale("log")
        if title != "bytes a slot":
            axes.set_yscale("log")
        axes.set_ylim(bottom=0 if title == "bytes a slot" else None)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("slots", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(color="#dddddd", linewidth=0.6)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=len(STYLES), frameon=False)
    figure.savefig(out, dpi=150, metadata={"Date": None} if out.suffix == ".svg" else None)


def main(arguments: list[str] | None = None) -> int:
    """See benchmarks.drawing."""
    return run("benchmarks.plot_backends", __doc__, BACKENDS_FORMAT, draw, arguments)


if __name__ == "__main__":
    sys.exit(main())
