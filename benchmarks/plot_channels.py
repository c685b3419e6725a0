"""Draw a results file of benchmarks.channels: where a move's time goes, and moves a second, as SVG or PNG.

    python -m benchmarks.plot_channels RESULTS OUT

Needs matplotlib (the extra `bench`).
"""

# mypy: disable-error-code="import-not-found,no-untyped-call"

import sys
from pathlib import Path
from typing import Any

from benchmarks.channel_floor import PIECES
from benchmarks.drawing import run
from benchmarks.results import CHANNELS_FORMAT, ResultsError

COLOURS = ("#08519c", "#2f7fbc", "#6baed6", "#d94801", "#f4a259", "#bbbbbb")
DISK, PEER = "#74a27a", "#888888"


def draw(record: dict[str, Any], out: Path) -> None:
    """Writes the picture. Raises ImportError without matplotlib, ValueError for a format that it can't write."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "evmthread"  # the same picture from the same results
    mpl.rcParams["svg.fonttype"] = "none"  # letters, not their outlines
    lines = {line["row"]: line for line in record["lines"]}
    if "memory" not in lines:
        raise ResultsError("the results lack the row memory")
    figure = Figure(figsize=(9, 4), layout="constrained")
    parts, rates = figure.subplots(2, 1, height_ratios=(1, 2))
    memory = lines["memory"]
    left = 0.0
    pieces = {**memory["floor"], "all else": max(memory["cpuSeconds"] - memory["floorSeconds"], 0.0)}
    for (name, seconds), colour in zip(pieces.items(), COLOURS, strict=True):
        parts.barh(0, seconds * 1e6, left=left, color=colour, label=name)
        left += seconds * 1e6
    parts.set_yticks([])
    parts.set_title("a Morpion move of two parties in memory, microseconds of CPU", fontsize=10)
    parts.legend(ncols=len(PIECES) + 1, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.25), frameon=False)
    bars = [("in memory (CPU)", 1 / memory["cpuSeconds"], COLOURS[0])]
    if "peerSeconds" in memory:
        bars.append(("py-evm + trie + eth-account (CPU)", 1 / memory["peerSeconds"], PEER))
    if "many" in lines:
        many = lines["many"]
        bars.append((f"durable, {many['threads']} threads at once", 1 / many["wallSeconds"], DISK))
    if "durable" in lines:
        bars.append(("durable, one thread", 1 / lines["durable"]["wallSeconds"], DISK))
    names, values, colours = zip(*reversed(bars), strict=True)
    drawn = rates.barh(names, values, color=colours)
    rates.bar_label(drawn, fmt="{:,.0f}", fontsize=8, padding=3)
    rates.set_title("moves a second", fontsize=10)
    rates.margins(x=0.1)
    for axes in (parts, rates):
        axes.tick_params(labelsize=8)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
    figure.savefig(out, dpi=150, metadata={"Date": None} if out.suffix == ".svg" else None)


def main(arguments: list[str] | None = None) -> int:
    """See benchmarks.drawing."""
    return run("benchmarks.plot_channels", __doc__, CHANNELS_FORMAT, draw, arguments)


if __name__ == "__main__":
    sys.exit(main())
