"""A computation whose every step can be reached, forwards and backwards.

Steps back are steps forward from an earlier snapshot: some are kept on the way, so that none is far from where one
wants to go. Everything is done with a public hook and public computations; knows no sources but to name open functions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from evmthread.debugging.function_calls import FunctionCall, after_jump
from evmthread.debugging.known_code import KnownCode
from evmthread.errors import InvalidInput
from evmthread.execution.computation import Computation, Finished
from evmthread.execution.world import World
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Break, Question

INTERVAL = 1000  # steps between two snapshots at first
KEPT_BYTES = 2**26  # of snapshots; where there are more, every other one goes, and the interval doubles

Calls: TypeAlias = tuple[FunctionCall, ...]
Depth: TypeAlias = tuple[int, int]  # of calls, and of functions inside the innermost one
Line: TypeAlias = tuple[Depth, str, int]  # with source and number


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is debugged. `world` makes a World with these hooks in which nothing is pending, the same each time.

    `begin` makes the computation in it. One that it loads suspended is resumed, with `answer` where it asked.
    """

    world: Callable[[Sequence[Hook]], World]
    begin: Callable[[World], Computation]
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """A machine before one of its steps. `calls` are the functions open in the innermost frame."""

    step: int
    frame: Frame
    calls: Calls
    known: KnownCode

    @property
    def depth(self) -> Depth:
        """How deep it is: in calls, and in functions inside the innermost one."""
        return self.frame.depth, len(self.calls)

    @property
    def instruction(self) -> Instruction | None:
        """What is about to run; None for an invalid opcode."""
        frame = self.frame
        opcode = frame.code[frame.pc] if frame.pc < len(frame.code) else 0  # beyond the end is STOP
        record: Instruction | None = frame.fork.table[opcode]
        return record

    @property
    def operands(self) -> tuple[int, ...] | None:
        """The words that the instruction will take; None where there are too few, or no instruction."""
        instruction, stack = self.instruction, self.frame.stack
        if instruction is None or len(stack) < instruction.pops:
            return None
        return tuple(stack[: -instruction.pops - 1 : -1])

    @property
    def line(self) -> Line | None:
        """(depth, source, line) of code that somebody wrote; None elsewhere."""
        source_map = self.known.source_map(self.frame.message)
        place = None if source_map is None else source_map.at(self.frame.pc)
        return (self.depth, place.source, place.line) if place is not None and place.is_code else None


# Says why to stop at a moment, None where not. It is also given the last line before the moment at the same depth: what
# ran deeper in between doesn't count.
Condition: TypeAlias = Callable[[Moment, Line | None], str | None]


class _Pilot(Hook):
    """Counts steps, follows functions, and stops where it is told to."""

    def __init__(self, known: KnownCode) -> None:
        self.known = known
        self.step = 0
        self.lines: list[Line] = []  # the last one of each depth down to the present one
        self.line_before: Line | None = None
        self.calls: list[Calls] = []  # by depth of the frame
        self.stop: Callable[[Moment], str | None] = lambda _: "the beginning"

    def frame_start(self, frame: Frame) -> None:
        del self.calls[frame.depth :]
        self.calls.append(())

    def resumed(self, frames: tuple[Frame, ...]) -> None:
        self.calls += [()] * (len(frames) - len(self.calls))

    def moment(self, frame: Frame) -> Moment:
        return Moment(self.step, frame, self.calls[frame.depth], self.known)

    def pass_by(self, moment: Moment) -> None:
        """Notes the line of a moment."""
        depth, line, lines = moment.depth, moment.line, self.lines
        while lines and lines[-1][0] > depth:
            lines.pop()
        self.line_before = lines[-1] if lines and lines[-1][0] == depth else None
        if line is not None:
            if self.line_before is not None:
                lines.pop()
            lines.append(line)

    def step_start(self, frame: Frame, instruction: Instruction | None) -> str | None:  # noqa: ARG002 - as Hook has it
        return self.stop(self.moment(frame))

    def step_end(self, frame: Frame, instruction: Instruction | None, pc: int) -> None:
        self.step += 1
        if instruction is not None and instruction.name == "JUMP" and frame.halt_reason is None:
            source_map = self.known.source_map(frame.message)
            if source_map is not None:
                self.calls[frame.depth] = after_jump(source_map, self.calls[frame.depth], pc, frame.pc, frame.stack)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A snapshot, and what the pilot knew then."""

    snapshot: bytes
    calls: tuple[Calls, ...]
    lines: tuple[Line, ...]
    line_before: Line | None


@dataclass(slots=True)
class _Found:
    """Why a run stopped; None while it only stops for a snapshot."""

    reason: str | None = None


def _note(
    moment: Moment, last_line: Line | None, *, condition: Condition, end: int, found: list[tuple[int, str]]
) -> str | None:
    """Writes down the moments before `end` that meet a condition."""
    if moment.step >= end:
        return "far enough"
    reason = condition(moment, last_line)
    if reason is not None:
        found.append((moment.step, reason))
    return None


class Timeline:
    """Stands before one step of a computation, or at its end; goes wherever it is told.

    Steps count from 0. Methods may raise what running raises.
    """

    def __init__(
        self, beginning: Beginning, known: KnownCode, *, interval: int = INTERVAL, kept_bytes: int = KEPT_BYTES
    ) -> None:
        """Goes to the first step."""
        self.known = known
        self.interrupted = False  # set by whoever wants a run to stop at its next step
        self._beginning = beginning
        self._interval, self._most = interval, kept_bytes
        self._kept: dict[int, _Kept] = {}
        self._answers: dict[int, bytes] = {}
        self._pilot = _Pilot(known)
        self.world = beginning.world([self._pilot])
        self._computation = beginning.begin(self.world)
        trap = self._computation.trap
        if isinstance(trap, Break):  # it stands before an instruction already
            self._pilot.resumed(self._computation.frames)
        elif trap is not None:
            self._computation.resume(beginning.answer)
        else:
            self._computation.run()
        self._keep()

    # Where it stands --------------------------------------------------------------------------------------------------
    @property
    def step(self) -> int:
        """How many steps were made."""
        return self._pilot.step

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The open frames, the outermost first; only to be read."""
        return self._computation.frames

    @property
    def result(self) -> Finished | None:
        """What came of it, where it has ended."""
        return self._computation.result

    @property
    def question(self) -> Question | None:
        """What it asks, where it waits for an answer."""
        trap = self._computation.trap
        return trap if isinstance(trap, Question) else None

    @property
    def moment(self) -> Moment | None:
        """The machine before the next step; None at the end."""
        frames = self.frames
        return self._pilot.moment(frames[-1]) if frames else None

    def calls(self, depth: int) -> Calls:
        """The functions open in the frame of this depth, the innermost last."""
        return self._pilot.calls[depth]

    # Going ------------------------------------------------------------------------------------------------------------
    def run(self, condition: Condition) -> str | None:
        """Goes on, a step at least, to the next moment that meets a condition, and gives its reason.

        None where the end came first, or a question. What running raises leaves it at an earlier step.
        """
        self.interrupted = False
        while self.result is None:
            pilot, found = self._pilot, _Found()
            pilot.stop = partial(self._stop, pilot, condition, found)
            if self.question is not None and self.step not in self._answers:
                return None
            try:
                self._computation.resume(self._answers.get(self.step) if self.question is not None else None)
            except BaseException:
                self._load(max(self._kept))
                raise
            if pilot.step % self._interval == 0:
                self._keep()
            if found.reason is not None:
                return found.reason
        return None

    def _stop(self, pilot: _Pilot, condition: Condition, found: "_Found", moment: Moment) -> str | None:
        pilot.pass_by(moment)
        found.reason = "interrupted" if self.interrupted else condition(moment, pilot.line_before)
        if found.reason is None and moment.step % self._interval == 0 and moment.step not in self._kept:
            return "a snapshot is due"
        return found.reason

    def go_to(self, step: int) -> None:
        """Goes to a step, or to the end where there are fewer."""
        if step < self.step:
            self._load(max(kept for kept in self._kept if kept <= max(step, 0)))
        if step > self.step:
            self.run(lambda moment, _: "there" if moment.step == step else None)

    def last(self, condition: Condition) -> str | None:
        """Goes back to the last moment before this one that meets a condition, and gives its reason.

        Goes to the first step, and gives None, where there is none.
        """
        end = self.step
        for start in sorted((kept for kept in self._kept if kept < end), reverse=True):
            found: list[tuple[int, str]] = []
            self._load(start)
            first = self.moment
            assert first is not None
            _note(first, self._pilot.line_before, condition=condition, end=end, found=found)
            self.run(partial(_note, condition=condition, end=end, found=found))
            if found:
                step, reason = found[-1]
                self.go_to(step)
                return reason
            end = start
        self.go_to(0)
        return None

    def answer(self, answer: bytes) -> None:
        """Answers the question, or answers it anew just after an answer, and goes to the next step.

        Raises InvalidInput where nothing is asked.
        """
        step = self.step
        if self.question is None and step not in self._answers:
            raise InvalidInput("nothing is asked here")
        self._answers = {each: given for each, given in self._answers.items() if each < step} | {step: answer}
        self._kept = {each: kept for each, kept in self._kept.items() if each < step}
        if self.question is None:
            self._load(max(self._kept))
        self.run(lambda moment, _: "answered" if moment.step == step else None)

    # Snapshots --------------------------------------------------------------------------------------------------------
    def _keep(self) -> None:
        pilot = self._pilot
        if not self.frames or self.question is not None or pilot.step in self._kept:
            return
        self._kept[pilot.step] = _Kept(
            self._computation.snapshot(), tuple(pilot.calls), tuple(pilot.lines), pilot.line_before
        )
        if sum(len(kept.snapshot) for kept in self._kept.values()) > self._most and len(self._kept) > 2:
            self._interval *= 2
            self._kept = {step: kept for step, kept in self._kept.items() if step % self._interval == 0}

    def _load(self, step: int) -> None:
        kept = self._kept[step]
        pilot = _Pilot(self.known)
        pilot.step, pilot.calls = step, list(kept.calls)
        pilot.lines, pilot.line_before = list(kept.lines), kept.line_before
        self.world = self._beginning.world([pilot])
        self._computation = self.world.load(kept.snapshot)
        self._pilot = pilot
