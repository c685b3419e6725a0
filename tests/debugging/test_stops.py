"""Breakpoints and lines: where a debugger stops on real contracts."""

import pytest

from evmthread.debugging.known_code import KnownCode
from evmthread.debugging.stops import at_other_instruction, at_other_line, at_return, parse_breakpoint
from evmthread.debugging.timeline import Beginning, Timeline
from evmthread.errors import InvalidInput
from evmthread.execution.world import World
from evmthread.isa.forks import CANCUN
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.debugging.contracts import artifact, beginning_of, line_of

COVERED, FAILING, CALLER = (artifact(name) for name in ("Covered", "Failing", "Caller"))
KNOWN = KnownCode([COVERED, FAILING, CALLER])
SOURCE = COVERED.source_name


def timeline_of(name: str, *arguments: object) -> Timeline:
    return Timeline(beginning_of(COVERED, *arguments, name=name, constructor=(5,)), KNOWN)


def stops(timeline: Timeline, text: str, here: str | None = None) -> list[str]:
    """The reasons of all stops at a breakpoint, with the lines on which they are."""
    condition = parse_breakpoint(text.split(), KNOWN, CANCUN, here=here).meets
    found = []
    while (reason := timeline.run(condition)) is not None:
        moment = timeline.moment
        assert moment is not None
        assert moment.instruction is not None
        line = moment.line
        found.append(f"{reason}: {'-' if line is None else line[2]} {moment.instruction.name}")
    return found


ADD, EMIT = line_of(COVERED, "total += number"), line_of(COVERED, "emit Added")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "slot 0",
            [f"read of slot 0x0: {ADD} SLOAD", f"write of slot 0x0: {ADD} SSTORE", "read of slot 0x0: 25 SLOAD"],
        ),
        ("slot 0x0 write", [f"write of slot 0x0: {ADD} SSTORE"]),
        ("slot 0 read", [f"read of slot 0x0: {ADD} SLOAD", "read of slot 0x0: 25 SLOAD"]),
        ("slot 1", []),
        ("opcode log2", [f"opcode LOG2: {EMIT} LOG2"]),
        ("opcode SSTORE LOG2", [f"opcode SSTORE: {ADD} SSTORE", f"opcode LOG2: {EMIT} LOG2"]),
        ("topic Added", [f"log with topic 0x{COVERED.event('Added').topic.hex()}: {EMIT} LOG2"]),
        (f"topic 0x{COVERED.event('Added').topic.hex()}", None),
        ("topic 0x" + "00" * 32, []),
        (f"line Covered.sol:{ADD}", [f"{SOURCE}:{ADD}: {ADD} DUP1"]),
        (f"line {SOURCE}:{ADD}", [f"{SOURCE}:{ADD}: {ADD} DUP1"]),
        ("function _add", ["function Covered._add: - JUMPDEST"]),
        ("function Covered._add", ["function Covered._add: - JUMPDEST"]),
        ("pc 0", []),
        ("pc 0x2", ["pc 2: - PUSH1"]),
    ],
)
def test_breakpoints(text: str, found: list[str] | None) -> None:
    assert stops(timeline_of("add", 3), text) == (
        found if found is not None else stops(timeline_of("add", 3), "topic Added")
    )


def test_a_line_without_code_is_the_next_with_code() -> None:
    head = line_of(COVERED, "function _add")
    assert stops(timeline_of("add", 3), f"line {head}", SOURCE) == [f"{SOURCE}:{ADD}: {ADD} DUP1"]


def test_a_line_is_met_where_it_begins_and_in_each_call() -> None:
    line = line_of(COVERED, "* _factorial")
    assert len(stops(timeline_of("factorial", 5), f"line {line}", SOURCE)) == 4
    assert len(stops(timeline_of("sum", 3), f"line {line_of(COVERED, 'result += i')}", SOURCE)) == 3


def test_calls_by_address_selector_and_name() -> None:
    view = MemoryState()
    a, b = b"\xaa" * 20, b"\xbb" * 20
    selector = FAILING.function("asserts").selector.hex()
    code = f"PUSH4 0x{selector} PUSH1 224 SHL PUSH1 0 MSTORE PUSH1 0 PUSH1 0 PUSH1 36 PUSH1 0 PUSH20 0x{b.hex()} GAS"
    view.set_account(a, code=assemble(f"{code} STATICCALL STOP"))
    beginning = Beginning(lambda hooks: World(view=view, hooks=hooks), lambda world: world.open_call(a))
    for text in (f"0x{b.hex()}", f"0x{selector}", "asserts", "asserts(uint256)"):
        assert stops(Timeline(beginning, KNOWN), f"call {text}") == [
            f"call of 0x{b.hex()} with 0x{selector}: - STATICCALL"
        ]
    for text in (f"0x{a.hex()}", "0x01020304", "refuses"):
        assert stops(Timeline(beginning, KNOWN), f"call {text}") == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "a breakpoint is one of pc N"),
        ("pc", "a breakpoint is one of pc N"),
        ("pc x", "no number: 'x'"),
        ("pc -1", "no number"),
        ("pc 1 2", "no breakpoint: 'pc 1 2'"),
        ("slot 1 both", "no breakpoint"),
        ("slot " + "9" * 90, "no number"),
        ("opcode FOO", "no instruction FOO"),
        ("line 5", "line 5 of which source"),
        ("line Nothing.sol:5", "no source 'Nothing.sol'"),
        ("line Covered.sol:5000", "no code on line 5000"),
        ("line Covered.sol:x", "no number"),
        ("function nothing", "no function 'nothing'"),
        ("call 0x0102", "no address .* and no selector"),
        ("call 0x0", "odd number of digits"),
        ("call nothing", "no function 'nothing'"),
        ("topic 0x01", "32 bytes, not 1"),
        ("topic Nothing", "no event 'Nothing'"),
        ("gas 5", "no breakpoint"),
    ],
)
def test_breakpoints_of_another_form_are_refused(text: str, error: str) -> None:
    with pytest.raises(InvalidInput, match=error):
        parse_breakpoint(text.split(), KNOWN, CANCUN, here=None)


def test_names_of_more_than_one_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"2 functions 'constructor': Covered\.constructor, Failing\.constructor"):
        parse_breakpoint(["function", "constructor"], KNOWN, CANCUN, here=None)


def lines(timeline: Timeline, *, over_calls: bool) -> list[int]:
    found = []
    while (
        timeline.moment is not None and timeline.run(at_other_line(timeline.moment, over_calls=over_calls)) is not None
    ):
        assert timeline.moment.line is not None
        found.append(timeline.moment.line[2])
    return found


IF = line_of(COVERED, "if (number > bound)")


def test_lines_into_calls_and_over_them() -> None:
    assert lines(timeline_of("addTwice", 4), over_calls=False) == [IF, 29, ADD, EMIT, 30, ADD, EMIT, 31]
    assert lines(timeline_of("addTwice", 4), over_calls=True) == [IF, 29, 30, 31]


def back(timeline: Timeline, *, over_calls: bool) -> list[int]:
    timeline.go_to(10**6)
    found = []
    while timeline.last(at_other_line(timeline.moment, over_calls=over_calls)) is not None:
        assert timeline.moment is not None
        assert timeline.moment.line is not None
        found.append(timeline.moment.line[2])
    return found


def test_lines_going_back() -> None:
    assert back(timeline_of("addTwice", 4), over_calls=False) == [31, EMIT, ADD, 30, EMIT, ADD, 29, IF]
    assert back(timeline_of("addTwice", 4), over_calls=True) == [31, 30, 29, IF]


def test_a_return_goes_out_of_one_function_of_a_recursion() -> None:
    timeline = timeline_of("factorial", 5)
    base = parse_breakpoint(["line", "63"], KNOWN, CANCUN, here=SOURCE).meets
    for _ in range(3):
        timeline.run(base)
    depths = []
    while timeline.moment is not None:
        depths.append(len(timeline.moment.calls))
        timeline.run(at_return(timeline.moment))
    assert depths == [4, 3, 2, 1, 0]


def test_without_source_lines_are_instructions_and_calls_can_be_passed_over() -> None:
    view = MemoryState()
    a, b = b"\xaa" * 20, b"\xbb" * 20
    view.set_account(a, code=assemble(f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH20 0x{b.hex()} GAS STATICCALL POP STOP"))
    view.set_account(b, code=assemble("PUSH1 1 POP STOP"))
    beginning = Beginning(lambda hooks: World(view=view, hooks=hooks), lambda world: world.open_call(a))
    timeline = Timeline(beginning, KNOWN)
    names = []
    while (moment := timeline.moment) is not None:
        assert moment.instruction is not None
        names.append((moment.frame.depth, moment.instruction.name))
        timeline.run(at_other_line(moment, over_calls=False))
    assert names[6:] == [(0, "STATICCALL"), (1, "PUSH1"), (1, "POP"), (1, "STOP"), (0, "POP"), (0, "STOP")]
    timeline.go_to(6)
    assert timeline.moment is not None
    timeline.run(at_other_instruction(timeline.moment, over_calls=True))
    assert timeline.step == 10
    timeline.last(at_other_line(timeline.moment, over_calls=True))
    assert timeline.step == 6
