"""Timelines: whichever way a step is reached, the machine there is the same."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from evmthread.debugging.known_code import KnownCode
from evmthread.debugging.timeline import Beginning, Condition, Line, Moment, Timeline
from evmthread.errors import InvalidInput
from evmthread.execution.result import CallResult
from evmthread.execution.world import World
from evmthread.machine.breakpoints import AtOpcode, Traps
from evmthread.machine.hooks import Hook
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.debugging.contracts import artifact, beginning_of

COVERED, FAILING, CALLER = artifact("Covered"), artifact("Failing"), artifact("Caller")
KNOWN = KnownCode([COVERED, FAILING, CALLER])


def factorial(number: int = 4) -> Beginning:
    return beginning_of(COVERED, number, name="factorial", constructor=(5,))


def never(moment: Moment, line: Line | None) -> None:
    return None


def picture(timeline: Timeline) -> tuple[object, ...]:
    """All that can be seen of where it stands."""
    moment = timeline.moment
    if moment is None:
        result = timeline.result
        return timeline.step, result.gas_used if result is not None else None
    frame = moment.frame
    names = [call.name for call in moment.calls]
    return timeline.step, frame.pc, frame.gas, list(frame.stack), list(frame.memory), names, moment.line


@pytest.fixture(scope="module")
def pictures() -> list[tuple[object, ...]]:
    """A computation's steps one after the other, and its end."""
    timeline = Timeline(factorial(), KNOWN)
    found = [picture(timeline)]
    while timeline.result is None:
        timeline.go_to(timeline.step + 1)
        found.append(picture(timeline))
    return found


def test_every_step_is_there(pictures: list[tuple[object, ...]]) -> None:
    assert [each[0] for each in pictures] == list(range(len(pictures)))
    assert pictures[0][1] == 0
    names = [name for each in pictures[:-1] for name in [each[5]]]
    assert max(len(each) for each in names) > 4  # type: ignore[arg-type]
    assert ["Covered.factorial", *["Covered._factorial"] * 4] in names


@hypothesis_settings(max_examples=15)
@given(data=st.data(), interval=st.sampled_from([1, 7, 50, 10**6]))
def test_any_way_leads_to_the_same_machine(
    pictures: list[tuple[object, ...]], data: st.DataObject, interval: int
) -> None:
    timeline = Timeline(factorial(), KNOWN, interval=interval)
    for step in data.draw(st.lists(st.integers(0, len(pictures) + 5), min_size=1, max_size=6)):
        timeline.go_to(step)
        assert picture(timeline) == pictures[min(step, len(pictures) - 1)]


def at(*steps: int) -> Condition:
    return lambda moment, line: f"step {moment.step}" if moment.step in steps else None


@pytest.mark.parametrize("interval", [1, 10, 64, 10**6])
def test_the_last_moment_before_this_one(pictures: list[tuple[object, ...]], interval: int) -> None:
    timeline = Timeline(factorial(), KNOWN, interval=interval)
    timeline.go_to(300)
    assert timeline.last(at(20, 64, 300)) == "step 64"
    assert picture(timeline) == pictures[64]
    assert timeline.last(at(20, 64, 300)) == "step 20"
    assert timeline.last(at(0)) == "step 0"
    assert timeline.last(at(0)) is None
    timeline.go_to(10**6)
    assert timeline.last(at(20, len(pictures) - 2)) == f"step {len(pictures) - 2}"
    assert timeline.last(never) is None
    assert picture(timeline) == pictures[0]


def test_lines_that_a_condition_is_given_are_the_same_in_both_directions() -> None:
    def lines(timeline: Timeline, going: str) -> list[tuple[int, Line | None]]:
        found: list[tuple[int, Line | None]] = []

        def note(moment: Moment, line: Line | None) -> None:
            found.append((moment.step, line))

        timeline.run(note) if going == "forward" else timeline.last(note)
        return found

    timeline = Timeline(factorial(3), KNOWN, interval=50)
    forward = dict(lines(timeline, "forward"))
    backward = dict(lines(timeline, "back"))
    assert len({line for line in forward.values() if line is not None}) > 5
    assert {step: line for step, line in backward.items() if step} == forward


def test_few_snapshots_are_kept_and_far_ones_are_still_reached(pictures: list[tuple[object, ...]]) -> None:
    timeline = Timeline(factorial(), KNOWN, interval=1, kept_bytes=20_000)
    timeline.go_to(10**6)
    for step in (len(pictures) - 2, 333, 5, 0):
        timeline.go_to(step)
        assert picture(timeline) == pictures[step]


def test_failing_frames_and_creations() -> None:
    world = World()
    failing = world.create(FAILING.creation_code + FAILING.encode_constructor(False)).created
    caller = world.create(CALLER.creation_code).created
    assert failing is not None
    assert caller is not None
    world.settle()
    for name, arguments in (("catches", [failing]), ("creates", []), ("handsOn", [failing, 3])):
        data = CALLER.function(name).encode(*arguments)
        plain = World(view=world.view).call(caller, data)
        beginning = Beginning(
            lambda hooks: World(view=world.view, hooks=hooks),
            lambda other, data=data: other.open_call(caller, data),  # type: ignore[misc]
        )
        timeline = Timeline(beginning, KNOWN)
        depths: list[int] = []
        timeline.run(lambda moment, line: depths.append(moment.frame.depth))  # noqa: B023
        result = timeline.result
        assert isinstance(result, CallResult)
        assert (result.status, result.gas_used, result.output) == (plain.status, plain.gas_used, plain.output)
        assert max(depths) == 1
        end = timeline.step
        timeline.go_to(end - 1)
        timeline.go_to(end)
        again = timeline.result
        assert isinstance(again, CallResult)
        assert (again.status, again.gas_used) == (plain.status, plain.gas_used)


def test_a_call_that_runs_nothing_is_at_its_end() -> None:
    beginning = Beginning(lambda hooks: World(hooks=hooks), lambda world: world.open_call(bytes(19) + b"\x04"))
    timeline = Timeline(beginning, KNOWN)
    assert (timeline.step, timeline.moment) == (0, None)
    assert timeline.result is not None
    assert timeline.last(never) is None
    timeline.go_to(5)
    assert timeline.step == 0


def test_an_interrupted_run_stands_where_it_was() -> None:
    timeline = Timeline(factorial(), KNOWN)

    def interrupt(moment: Moment, line: Line | None) -> None:
        if moment.step == 50:
            timeline.interrupted = True

    assert timeline.run(interrupt) == "interrupted"
    assert timeline.step == 51
    assert timeline.run(at(60)) == "step 60"


def test_what_running_raises_leaves_an_earlier_step() -> None:
    class Refuses(Hook):
        opcodes = ("SLOAD",)

        def opcode_start(self, *_: object) -> str | None:
            raise InvalidInput("no SLOAD here")

    made = beginning_of(COVERED, 1, name="add", constructor=(5,))
    world = made.world([]).view
    beginning = Beginning(lambda hooks: World(view=world, hooks=[Refuses(), *hooks]), made.begin)
    timeline = Timeline(beginning, KNOWN, interval=10)
    with pytest.raises(InvalidInput, match="no SLOAD here"):
        timeline.run(never)
    assert timeline.step > 0
    assert timeline.moment is not None
    timeline.go_to(3)
    assert timeline.step == 3


A, WHO = b"\xaa" * 20, b"\x05".rjust(20, b"\0")
# Asks 0x05 with no question at the trap address, and returns the answer.
ASKS = (
    "PUSH1 5 PUSH1 0 MSTORE PUSH1 64 PUSH1 32 MSTORE PUSH1 0 PUSH1 64 MSTORE "
    "PUSH1 0 PUSH1 0 PUSH1 96 PUSH1 0 PUSH1 0 PUSH20 0x{trap} GAS CALL POP "
    "RETURNDATASIZE PUSH1 0 PUSH1 0 RETURNDATACOPY "
)


def asking(times: int) -> Beginning:
    traps = Traps()
    code = assemble(ASKS.format(trap=traps.address.hex()) * times + "RETURNDATASIZE PUSH1 0 RETURN")
    view = MemoryState()
    view.set_account(A, code=code)
    return Beginning(lambda hooks: World(view=view, hooks=[traps, *hooks]), lambda world: world.open_call(A, gas=10**6))


def output(timeline: Timeline) -> bytes:
    result = timeline.result
    assert isinstance(result, CallResult)
    return result.output


def test_questions_are_answered_and_answered_anew() -> None:
    timeline = Timeline(asking(2), KNOWN, interval=5)
    with pytest.raises(InvalidInput, match="nothing is asked"):
        timeline.answer(b"x")
    assert timeline.run(never) is None
    question = timeline.question
    assert question is not None
    assert question.who == WHO
    first = timeline.step
    assert timeline.run(never) is None  # it still asks
    assert timeline.step == first
    timeline.answer(b"one")
    assert (timeline.step, timeline.question) == (first, None)
    timeline.run(never)
    second = timeline.step
    timeline.answer(b"two")
    timeline.run(never)
    assert output(timeline) == b"two"
    timeline.go_to(first + 1)  # what was answered is answered again
    timeline.run(never)
    assert output(timeline) == b"two"
    timeline.go_to(second)
    timeline.answer(b"three")
    assert timeline.step == second
    timeline.run(never)
    assert output(timeline) == b"three"
    timeline.go_to(first)
    timeline.answer(b"four")  # the second one is forgotten with what came after the first
    timeline.run(never)
    assert timeline.question is not None


def test_a_computation_that_was_loaded_goes_on_from_there() -> None:
    made = asking(1)
    world = made.world([])
    computation = made.begin(world)
    computation.run()
    snapshot = computation.snapshot()
    loaded = Beginning(made.world, lambda world: world.load(snapshot), b"yes")
    timeline = Timeline(loaded, KNOWN)
    moment = timeline.moment
    assert moment is not None
    assert (timeline.step, moment.instruction and moment.instruction.name) == (0, "POP")
    timeline.run(never)
    assert output(timeline) == b"yes"
    timeline.go_to(2)
    timeline.run(never)
    assert output(timeline) == b"yes"


def test_a_computation_that_was_loaded_before_an_instruction_stands_there() -> None:
    made = factorial(2)
    stopping = World(view=made.world([]).view, hooks=[AtOpcode("MUL")])
    computation = made.begin(stopping)
    computation.run()
    snapshot = computation.snapshot()
    timeline = Timeline(Beginning(made.world, lambda world: world.load(snapshot)), KNOWN)
    moment = timeline.moment
    assert moment is not None
    assert (timeline.step, moment.instruction and moment.instruction.name) == (0, "MUL")
    timeline.go_to(1)
    moment = timeline.moment
    assert moment is not None
    assert moment.instruction is not None
    assert moment.instruction.name != "MUL"
    timeline.run(never)
    assert int.from_bytes(output(timeline), "big") == 2
