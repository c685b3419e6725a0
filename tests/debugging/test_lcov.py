"""lcov tracefiles, read back by somebody who knows the format alone, and the table."""

from collections import defaultdict

import pytest

from evmthread.contracts.artifact import SourceBranch, SourceFunction
from evmthread.debugging.coverage import BranchCoverage, Coverage, FileCoverage, FunctionCoverage
from evmthread.debugging.known_code import KnownCode
from evmthread.debugging.lcov import summary, tracefile
from evmthread.execution.world import World
from tests.debugging.contracts import artifact, called, deployed


@pytest.fixture(scope="module")
def file() -> FileCoverage:
    contract = artifact("Covered")
    coverage = Coverage(KnownCode([contract]))
    world = World(hooks=[coverage])
    address = deployed(world, contract, 5)
    called(world, contract, address, "checked", 7)
    called(world, contract, address, "sum", 2)
    (found,) = coverage.files()
    return found


def records(text: str) -> dict[str, list[list[str]]]:
    assert text.endswith("end_of_record\n")
    found = defaultdict(list)
    for line in text.splitlines()[:-1]:
        key, _, value = line.partition(":")
        found[key].append(value.split(","))
    return found


def test_a_tracefile_says_what_was_counted(file: FileCoverage) -> None:
    found = records(tracefile([file], test_name="game"))
    assert found["TN"] == [["game"]]
    assert found["SF"] == [["tests/contracts/Covered.sol"]]
    assert {int(line): int(count) for line, count in found["DA"]} == file.lines
    assert {name: int(count) for count, name in found["FNDA"]} == {
        each.function.name: each.count for each in file.functions
    }
    assert {name: int(line) for line, name in found["FN"]}["Covered.sum"] == 34
    ways = {(int(block), int(way)): count for _, block, way, count in found["BRDA"]}
    assert (ways[1, 0], ways[1, 1]) == ("2", "1")  # the loop
    assert (ways[2, 0], ways[2, 1]) == ("-", "-")  # nothing came to isSmall
    assert len(found["BRDA"]) == 2 * len(file.branches)


def test_totals_are_those_of_the_lines(file: FileCoverage) -> None:
    found = records(tracefile([file]))
    for total, hit, rows, column in (("LF", "LH", "DA", 1), ("FNF", "FNH", "FNDA", 0), ("BRF", "BRH", "BRDA", 3)):
        counts = [row[column] for row in found[rows]]
        assert int(found[total][0][0]) == len(counts)
        assert int(found[hit][0][0]) == sum(1 for count in counts if count not in ("0", "-"))
        assert 0 < int(found[hit][0][0]) < len(counts)


def of(name: str, lines: dict[int, int]) -> FileCoverage:
    functions = tuple(
        FunctionCoverage(SourceFunction(line, 1, line, "function", "C.f"), line, count) for line, count in lines.items()
    )
    branch = SourceBranch(1, 1, "if", (1, 1))
    return FileCoverage(name, lines, functions, (BranchCoverage(branch, 1, (0, 4)), BranchCoverage(branch, 2, None)))


def test_functions_of_one_name_are_told_apart_by_their_lines() -> None:
    found = records(tracefile([of("a.sol", {3: 1, 7: 0})]))
    assert found["FN"] == [["3", "C.f:3"], ["7", "C.f:7"]]
    assert found["FNDA"] == [["1", "C.f:3"], ["0", "C.f:7"]]


def test_the_table() -> None:
    table = summary([of("a.sol", {1: 1, 3: 0, 5: 0, 9: 2, 10: 0}), of("b.sol", {2: 1})])
    assert [" ".join(line.split()) for line in table.splitlines()] == [
        "source lines functions branches lines that didn't run",
        "a.sol 2/5 40.0% 2/5 40.0% 1/4 25.0% 3-5, 10",
        "b.sol 1/1 100.0% 1/1 100.0% 1/4 25.0%",
        "all 3/6 50.0% 3/6 50.0% 2/8 25.0%",
    ]
