"""The command line of what draws a results file as a picture. Knows no format and no picture."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.results import ResultsError, read_results


def run(
    module: str,
    doc: str | None,
    form: str,
    draw: Callable[[dict[str, Any], Path], None],
    arguments: list[str] | None = None,
) -> int:
    """Draws what the arguments name. Exit code 0, 1 when the picture can't be made, 2 when the file holds no results.

    `draw(record, out)` raises ImportError without matplotlib, ValueError for a format that it can't write.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=(doc or "").partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path, help="a path that ends in .svg or .png")
    options = parser.parse_args(arguments)
    try:
        draw(read_results(options.results, form), options.out)
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
