"""Coverage: what a contract's source says ran is what ran, and how often."""

from collections import Counter

import pytest

from evmthread.contracts import Artifact
from evmthread.contracts.source_map import SourceMap
from evmthread.debugging.coverage import Coverage, FileCoverage
from evmthread.debugging.known_code import KnownCode
from evmthread.execution.world import World
from evmthread.isa.frame import Frame
from evmthread.isa.halts import HaltReason
from evmthread.isa.instruction import Instruction
from evmthread.machine.breakpoints import AtPc, AtStep
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Suspended
from tests.conftest import Engine
from tests.debugging.contracts import artifact, called, deployed, line_of

CALLS = (
    *(("add", 3), ("add", 11), ("addTwice", 4), ("sum", 5), ("isSmall", 1), ("larger", 1, 2)),
    *(("checked", 8), ("checked", 7), ("factorial", 5)),
)


@pytest.fixture(scope="module")
def contract() -> Artifact:
    return artifact("Covered")


def only_file(coverage: Coverage) -> FileCoverage:
    (file,) = coverage.files()
    return file


def covered(engine: Engine, contract: Artifact) -> FileCoverage:
    coverage = Coverage(KnownCode([contract]))
    world = engine.world(hooks=[coverage])
    address = deployed(world, contract, 5)
    for name, *arguments in CALLS:
        called(world, contract, address, str(name), *arguments)
    return only_file(coverage)


def test_lines(engine: Engine, contract: Artifact) -> None:
    file = covered(engine, contract)
    assert file.name == "tests/contracts/Covered.sol"
    for text, count in (
        ("total = start", 1),
        ("if (number > bound)", 3),
        ('revert("too much")', 1),
        ("for (uint256 i", 6),
        ("result += i", 5),
        ("require(number", 2),
        ("return 1;\n", 1),
        ("else return 2", 0),
        ("return 3", 0),
        ("if (number < 2)", 5),
        ("* _factorial", 4),
        ("total += number", 3),
        ("emit Added", 3),
    ):
        assert file.lines[line_of(contract, text.strip()) if text != "return 1;\n" else 50] == count, text
    for text in ("uint256 public total", "modifier atMost", "function never", "event Added"):
        assert line_of(contract, text) not in file.lines
    assert len(file.lines) == 22


def test_functions(engine: Engine, contract: Artifact) -> None:
    assert {each.function.name: each.count for each in covered(engine, contract).functions} == {
        "Covered.constructor": 1,
        "Covered.atMost": 3,
        "Covered.add": 2,
        "Covered.addTwice": 1,
        "Covered.sum": 1,
        "Covered.isSmall": 1,
        "Covered.larger": 1,
        "Covered.checked": 2,
        "Covered.never": 0,
        "Covered.factorial": 1,
        "Covered._factorial": 5,
        "Covered._add": 3,
    }


def test_branches(engine: Engine, contract: Artifact) -> None:
    assert [(each.branch.kind, each.line, each.ways) for each in covered(engine, contract).branches] == [
        ("if", line_of(contract, "if (number > bound)"), (1, 2)),
        ("for", line_of(contract, "for (uint256 i"), (5, 1)),
        ("or", line_of(contract, "number == 0 ||"), (1, 0)),
        ("conditional", line_of(contract, "a > b ? a : b"), (0, 1)),
        ("require", line_of(contract, "require("), (1, 1)),
        ("if", line_of(contract, "if (number == 8)"), (1, 0)),
        ("if", line_of(contract, "if (number < 2)"), (1, 4)),
    ]


def test_what_never_ran_is_listed_unless_only_what_ran_is_wanted(contract: Artifact) -> None:
    coverage = Coverage(KnownCode([contract]))
    file = only_file(coverage)
    assert set(file.lines.values()) == {0}
    assert {each.ways for each in file.branches} == {None}
    assert {each.count for each in file.functions} == {0}
    assert coverage.files(only_run=True) == ()


class Stepped(Hook):
    """The same counts by the long way: every instruction."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def step_start(self, frame: Frame, instruction: Instruction | None) -> None:
        self.counts[frame.pc] += 1


@pytest.mark.parametrize("gas", [10**6, 900, 1500, 2100])
def test_counts_are_those_of_stepping(engine: Engine, contract: Artifact, gas: int) -> None:
    coverage, stepped = Coverage(KnownCode([contract])), Stepped()
    world, other = engine.world(), engine.world()
    for each in (world, other):
        address = deployed(each, contract, 5)
    world.hooks, other.hooks = (coverage,), (stepped,)
    for name, *arguments in CALLS:
        first = called(world, contract, address, str(name), *arguments, gas=gas)
        second = called(other, contract, address, str(name), *arguments, gas=gas)
        assert (first.status, first.gas_used) == (second.status, second.gas_used)
    source_map, lines = SourceMap(contract), Counter[int]()
    for pc in source_map.pcs:
        place = source_map.at(pc)
        in_modifier = place is not None and place.function is not None and place.function.kind == "modifier"
        if place is not None and place.is_code and not in_modifier:
            lines[place.line] = max(lines[place.line], stepped.counts[pc])
    found = only_file(coverage).lines
    assert {line: found[line] for line in lines} == lines


def test_a_run_of_one_instruction_counts(engine: Engine, contract: Artifact) -> None:
    source_map, line = SourceMap(contract), line_of(contract, "* _factorial")
    stop = next(
        pc
        for pc in source_map.pcs
        if source_map.code[pc] == 0x56 and (place := source_map.at(pc)) is not None and place.line == line
    )
    coverage = Coverage(KnownCode([contract]))
    result = engine.world(hooks=[coverage]).call(b"\x01" * 20, code=contract.runtime_code, start_pc=stop)
    assert result.halt_reason is HaltReason.STACK_UNDERFLOW
    assert {line for line, count in only_file(coverage).lines.items() if count} == {line}


def test_a_computation_that_stops_and_goes_on_is_counted_once(engine: Engine, contract: Artifact) -> None:
    whole, parts = Coverage(KnownCode([contract])), Coverage(KnownCode([contract]))
    for coverage, hooks in ((whole, ()), (parts, (AtStep(1),))):
        world = engine.world()
        address = deployed(world, contract, 5)
        world.hooks = (coverage, *hooks)
        computation = world.open_call(address, contract.function("addTwice").encode(4))
        outcome = computation.run()
        while isinstance(outcome, Suspended):
            outcome = computation.resume()
    assert only_file(parts).lines == only_file(whole).lines
    assert only_file(parts).functions == only_file(whole).functions


def test_a_machine_that_comes_from_elsewhere_is_counted_from_there(engine: Engine, contract: Artifact) -> None:
    source_map = SourceMap(contract)
    stop = next(pc for pc in source_map.pcs if source_map.code[pc] == 0x55)  # SSTORE, of `total += number`
    world = engine.world(hooks=[AtPc(stop)])
    address = deployed(world, contract, 5)
    world.settle()
    computation = world.open_call(address, contract.function("add").encode(1))
    assert isinstance(computation.run(), Suspended)
    snapshot = computation.snapshot()
    coverage = Coverage(KnownCode([contract]))
    elsewhere = engine.world(view=world.view, hooks=[coverage])
    assert elsewhere.load(snapshot).resume().success  # type: ignore[union-attr]
    ran = {line for line, count in only_file(coverage).lines.items() if count}
    assert ran == {line_of(contract, text) for text in ("total += number", "emit Added")} | {24, 25}


def test_calls_between_contracts_and_creations() -> None:
    caller, failing = artifact("Caller"), artifact("Failing")
    coverage = Coverage(KnownCode([caller, failing]))
    world = World(hooks=[coverage])
    one, other = deployed(world, caller), deployed(world, failing, False)
    assert called(world, caller, one, "catches", other).success
    assert not called(world, caller, one, "creates").success
    (file,) = coverage.files(only_run=True)
    assert file.lines[line_of(failing, "revert Silent()")] == 1
    assert file.lines[line_of(failing, "return true;")] == 1
    assert file.lines[line_of(failing, "return false;")] == 0
    assert file.lines[line_of(failing, "if (fails)")] == 2
    counts = {each.function.name: each.count for each in file.functions}
    assert (counts["Failing.constructor"], counts["Failing.isSilent"], counts["Caller.catches"]) == (2, 1, 1)


def test_contracts_that_nobody_knows_are_left_alone(engine: Engine, contract: Artifact) -> None:
    coverage = Coverage(KnownCode([contract]))
    world = engine.world(hooks=[coverage])
    failing = artifact("Failing")
    assert called(world, failing, deployed(world, failing, False), "asserts", 1).success
    assert coverage.files(only_run=True) == ()
