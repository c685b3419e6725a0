"""Coverage as an lcov tracefile (geninfo's manual page has the format), and as a table for people."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from evmthread.debugging.coverage import FileCoverage


def tracefile(files: Iterable[FileCoverage], *, test_name: str = "") -> str:
    """The text of a tracefile. A branch's two ways are branch 0 (its part, see BranchCoverage) and branch 1."""
    return "".join(line + "\n" for file in files for line in _record(file, test_name))


def _record(file: FileCoverage, test_name: str) -> Iterator[str]:
    yield f"TN:{test_name}"
    yield f"SF:{file.name}"
    names = _names(file)
    for name, function in zip(names, file.functions, strict=True):
        yield f"FN:{function.line},{name}"
    for name, function in zip(names, file.functions, strict=True):
        yield f"FNDA:{function.count},{name}"
    yield f"FNF:{len(file.functions)}"
    yield f"FNH:{_hit(function.count for function in file.functions)}"
    for block, branch in enumerate(file.branches):
        for way in (0, 1):
            yield f"BRDA:{branch.line},{block},{way},{'-' if branch.ways is None else branch.ways[way]}"
    ways = _ways(file)
    yield f"BRF:{len(ways)}"
    yield f"BRH:{_hit(ways)}"
    for line, count in file.lines.items():
        yield f"DA:{line},{count}"
    yield f"LF:{len(file.lines)}"
    yield f"LH:{_hit(file.lines.values())}"
    yield "end_of_record"


def _names(file: FileCoverage) -> list[str]:
    """The functions' names; those that stand for several have their line with them, as lcov goes by name."""
    names = [function.function.name for function in file.functions]
    return [
        name if names.count(name) == 1 else f"{name}:{function.line}"
        for name, function in zip(names, file.functions, strict=True)
    ]


def _ways(file: FileCoverage) -> list[int]:
    return [count for branch in file.branches for count in branch.ways or (0, 0)]


def _hit(counts: Iterable[int]) -> int:
    return sum(1 for count in counts if count)


def summary(files: Sequence[FileCoverage]) -> str:
    """A table: of each source how many lines, functions and branches ran, and which lines did not."""
    counts: list[tuple[str, list[int], list[int], list[int], str]] = [
        (file.name, list(file.lines.values()), [each.count for each in file.functions], _ways(file), _missing(file))
        for file in files
    ]
    if len(counts) > 1:
        lines, functions = list(chain(*[row[1] for row in counts])), list(chain(*[row[2] for row in counts]))
        counts.append(("all", lines, functions, list(chain(*[row[3] for row in counts])), ""))
    heads = ("source", "lines", "functions", "branches", "lines that didn't run")
    rows = [heads, *((name, _share(a), _share(b), _share(c), missing) for name, a, b, c, missing in counts)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{name:<{widths[0]}}  {a:>{widths[1]}}  {b:>{widths[2]}}  {c:>{widths[3]}}  {missing}".rstrip()
        for name, a, b, c, missing in rows
    )


def _share(counts: Sequence[int]) -> str:
    if not counts:
        return "-"
    return f"{_hit(counts)}/{len(counts)} {100 * _hit(counts) / len(counts):5.1f}%"


def _missing(file: FileCoverage) -> str:
    """The lines that have code and didn't run, as ranges: lines without code don't interrupt one."""
    ranges: list[list[int]] = []
    goes_on = False
    for line, count in file.lines.items():
        if count:
            goes_on = False
        elif goes_on:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
            goes_on = True
    return ", ".join(f"{first}-{last}" if first != last else str(first) for first, last in ranges)
