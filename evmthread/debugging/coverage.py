"""Which lines, functions and branches of Solidity ran: a hook for any World, and what it counted.

It is told of jumps alone, from which everything else follows: what lies between two jumps ran from the first to the
last. So it costs something at jumps and nothing in between. Knows no format (see lcov.py).
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from evmthread.contracts.artifact import Artifact, Source, SourceBranch, SourceFunction
from evmthread.contracts.source_map import Jump, Place, SourceMap
from evmthread.debugging.known_code import KnownCode
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.isa.message import Message
from evmthread.machine.hooks import Hook

_ENDED = -1  # where a run leads that a frame's end ends
_JUMP, _JUMPI, _PUSH1, _PUSH32 = 0x56, 0x57, 0x60, 0x7F  # Yellow Paper, appendix H
_SEARCHED = 64  # instructions in which a branch's part must begin after the jump that decides it

# How often code ran from one pc to another (both included), and where it went from there.
Runs = Counter[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class FunctionCoverage:
    """How often a function, or a modifier, was run."""

    function: SourceFunction
    line: int
    count: int


@dataclass(frozen=True, slots=True)
class BranchCoverage:
    """How often a branch's part was run, and how often it was not. None where nothing came so far.

    The part is the body of an if or a loop, the first value of a conditional, the right side of && and ||; of require
    and assert the way that fails.
    """

    branch: SourceBranch
    line: int
    ways: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """One source. `lines` holds the lines that have code, with how often they ran."""

    name: str
    lines: dict[int, int]
    functions: tuple[FunctionCoverage, ...]
    branches: tuple[BranchCoverage, ...]


class Coverage(Hook):
    """Counts what runs of the contracts that are known; any number of Worlds may have it, one after the other."""

    opcodes: Iterable[str] = ("JUMP", "JUMPI")

    def __init__(self, known: KnownCode) -> None:
        self._known = known
        self._runs: dict[SourceMap, Runs] = {}
        # Of each open frame: the frame, its counts where it is known, and where its present run began.
        self._open: list[tuple[Frame, Runs | None]] = []
        self._starts: list[int] = []

    def files(self, *, only_run: bool = False) -> tuple[FileCoverage, ...]:
        """What was counted so far, by source; of contracts that never ran too, unless `only_run`."""
        files: dict[tuple[str, bytes], _File] = {}
        run = {id(artifact) for artifact in self.ran()}
        for source_map in self._known.maps():
            if only_run and id(source_map.artifact) not in run:
                continue
            code = _Code(source_map, self._runs.get(source_map, Runs()))
            for source in source_map.artifact.sources:
                files.setdefault((source.name, source.keccak256), _File(source)).add(code)
        found = [file.coverage() for _, file in sorted(files.items(), key=lambda item: item[0])]
        return tuple([file for file in found if file.lines])

    def ran(self) -> tuple[Artifact, ...]:
        """The contracts of which something ran."""
        return tuple({id(each.artifact): each.artifact for each in self._runs}.values())

    # What it is told --------------------------------------------------------------------------------------------------
    def transaction_start(self, message: Message) -> None:  # noqa: ARG002 - as Hook has it
        self._open, self._starts = [], []

    def resumed(self, frames: tuple[Frame, ...]) -> None:
        if [frame for frame, _ in self._open] != list(frames):
            self._open, self._starts = [], []
            for frame in frames:
                self.frame_start(frame)

    def frame_start(self, frame: Frame) -> None:
        source_map = self._known.source_map(frame.message)
        self._open.append((frame, None if source_map is None else self._runs.setdefault(source_map, Runs())))
        self._starts.append(frame.pc)

    def frame_end(self, frame: Frame) -> None:
        if not self._open or self._open[-1][0] is not frame:
            return  # a precompile, or an answer: nothing ran
        runs = self._open.pop()[1]
        start = self._starts.pop()
        if runs is not None:
            runs[start, frame.pc, _ENDED] += 1

    def opcode_end(self, frame: Frame, instruction: Instruction, operands: tuple[int, ...], result: object) -> None:  # noqa: ARG002
        runs = self._open[-1][1]
        if runs is not None:
            pc = frame.pc
            target = result if isinstance(result, int) else pc + 1
            runs[self._starts[-1], pc, target] += 1
            self._starts[-1] = target


class _Code:
    """One code with what was counted of it."""

    def __init__(self, source_map: SourceMap, runs: Runs) -> None:
        self.map = source_map
        self.pcs = source_map.pcs
        self.runs = runs
        self.counts = self._counts()
        self.calls: Counter[tuple[str, SourceFunction]] = Counter()
        self.jumps: dict[int, Counter[int]] = defaultdict(Counter)
        for (_, end, target), count in runs.items():
            self.jumps[end][target] += count
            place, there = source_map.at(end), source_map.at(target)
            if place is not None and place.jump is Jump.INTO and there is not None and there.function is not None:
                self.calls[there.source, there.function] += count

    def places(self, source: str) -> Iterator[tuple[int, int, Place, SourceFunction | None]]:
        """(pc, count, place, user) of all code of a source; `user` is the function into which a modifier is copied."""
        user: SourceFunction | None = None
        for pc, count in zip(self.pcs, self.counts, strict=True):
            place = self.map.at(pc)
            if place is None or place.generated:
                continue
            in_modifier = place.function is not None and place.function.kind == "modifier"
            if not in_modifier:
                user = place.function
            if place.is_code and place.source == source:
                yield pc, count, place, user if in_modifier else None

    def calls_of(self, source: str, function: SourceFunction, first: int) -> int:
        """How often a function was called, where its first line ran so often."""
        if function.kind == "constructor":
            return sum(count for (_, _, target), count in self.runs.items() if target == _ENDED)
        return self.calls.get((source, function), first)

    def decided(self, pc: int, branch: SourceBranch) -> tuple[int, int] | None:
        """How often the jump that decides a branch led to its part, and elsewhere; None where it never ran."""
        ways = self.jumps.get(pc)
        if ways is None:
            return None
        on = self._next(pc)
        fell = ways[on]
        jumped = ways.total() - fell
        return (jumped, fell) if self._jumps_to_part(pc, on, branch) else (fell, jumped)

    def _counts(self) -> list[int]:
        """How often each instruction ran."""
        pcs, changes = self.pcs, [0] * (len(self.pcs) + 1)
        for (start, end, _), count in self.runs.items():
            first, last = bisect_left(pcs, start), bisect_left(pcs, end)
            changes[first] += count
            changes[min(last + 1, len(pcs))] -= count
        counts, running = [], 0
        for change in changes[:-1]:
            running += change
            counts.append(running)
        return counts

    def _next(self, pc: int) -> int:
        opcode = self.map.code[pc]
        return pc + 1 + (opcode - _PUSH1 + 1 if _PUSH1 <= opcode <= _PUSH32 else 0)

    def _jumps_to_part(self, pc: int, on: int, branch: SourceBranch) -> bool:
        """Whether it is the jump that leads to the branch's part; else it is reached by falling through."""
        if branch.part == (0, 0) or self._leads_to(on, branch):
            return False
        target = self._pushed_before(pc)
        return target is not None and self._leads_to(target, branch)

    def _leads_to(self, pc: int, branch: SourceBranch) -> bool:
        """Whether code from here on comes to the branch's part before it comes to anything else."""
        code = self.map.code
        for _ in range(_SEARCHED):
            place = self.map.at(pc)
            if pc >= len(code):
                return False
            if place is not None and place.is_code:
                start, length = branch.part
                if start <= place.start and place.start + place.length <= start + length:
                    return True
                if (place.start, place.length) != (branch.start, branch.length):
                    return False
            if code[pc] == _JUMPI:
                return False
            if code[pc] == _JUMP:
                target = self._pushed_before(pc)
                if target is None:
                    return False
                pc = target
            else:
                pc = self._next(pc)
        return False

    def _pushed_before(self, pc: int) -> int | None:
        """What the instruction before this one pushed, where it is a PUSH."""
        before = self.pcs[bisect_left(self.pcs, pc) - 1]
        opcode = self.map.code[before]
        return int.from_bytes(self.map.code[before + 1 : pc], "big") if _PUSH1 <= opcode <= _PUSH32 else None


@dataclass(slots=True)
class _File:
    """Puts together what different codes say of one source."""

    source: Source
    lines: Counter[int] = field(default_factory=Counter)
    functions: Counter[SourceFunction] = field(default_factory=Counter)
    branches: dict[SourceBranch, list[tuple[int, int]]] = field(default_factory=dict)
    line_of: dict[object, int] = field(default_factory=dict)

    def add(self, code: _Code) -> None:
        """Adds what one code counted."""
        lines: dict[tuple[int, SourceFunction | None], int] = {}
        # Of each function, and of each copy of a modifier: where its code begins in the source, and how often that ran.
        first: dict[tuple[SourceFunction, SourceFunction | None], tuple[int, int]] = {}
        branches = {(branch.start, branch.length): branch for branch in self.source.branches}
        for pc, count, place, user in code.places(self.source.name):
            function, line = place.function, (place.line, user)
            lines[line] = max(count, lines.get(line, 0))
            if function is not None:
                start, known = first.get((function, user), (place.start, 0))
                if place.start <= start:
                    first[function, user] = place.start, max(count, known if place.start == start else 0)
            branch = branches.get((place.start, place.length))
            if branch is not None and code.map.code[pc] == _JUMPI:
                self.line_of[branch] = place.line
                ways = code.decided(pc, branch)
                self.branches.setdefault(branch, []).extend([] if ways is None else [ways])
        for (line_number, _), count in lines.items():
            self.lines[line_number] += count
        text = code.map.text(self.source.name)
        assert text is not None
        for (function, _), (_, count) in first.items():
            self.line_of[function] = text.line_at(function.start)
            self.functions[function] += code.calls_of(self.source.name, function, count)

    def coverage(self) -> FileCoverage:
        """The whole."""
        functions = [
            FunctionCoverage(function, self.line_of[function], count) for function, count in self.functions.items()
        ]
        branches = [
            BranchCoverage(
                branch, self.line_of[branch], (sum(a for a, _ in ways), sum(b for _, b in ways)) if ways else None
            )
            for branch, ways in self.branches.items()
        ]
        return FileCoverage(
            self.source.name,
            dict(sorted(self.lines.items())),
            tuple(sorted(functions, key=lambda each: each.function.start)),
            tuple(sorted(branches, key=lambda each: (each.branch.start, -each.branch.length))),
        )
