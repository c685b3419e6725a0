"""The region compiler: source text to functions, and what happens when compiled code hands a frame back.

Regions are kept with their Program, which the CodeCache holds by fork and code; they know no machine and no host.
"""

import linecache
from collections.abc import Callable
from types import CodeType
from typing import Any, cast

from evmthread.errors import Missing
from evmthread.isa.frame import Frame
from evmthread.isa.halts import ExceptionalHalt, OutOfGas
from evmthread.isa.instruction import HALTED, Halted
from evmthread.machine.analysis import REFUTATIONS, Operation, Program
from evmthread.machine.regions import RegionWriter, Source
from evmthread.machine.stepper import fail

RegionFunction = Callable[[Frame], object]
VERY_HOT = 1 << 30  # visits: compiled at the next one
OBSERVED_SIZE_LIMIT = 4096  # bytes of memory that a region may take for granted at its entry


class Bail(Exception):  # noqa: N818 - a signal inside generated code
    """Compiled code can't go on here; the stepper can."""


BAIL = Bail()
STOPS = (Bail, ExceptionalHalt, Missing)


class Region:
    """A compiled region: its function, and what is needed to rebuild a frame in the middle of it."""

    __slots__ = ("code", "function", "names", "program", "refusals", "source")

    def __init__(self, program: Program, source: Source) -> None:
        self.program = program
        self.source = source
        self.refusals = 0
        filename = f"<evmthread {id(program):x}:{source.head}>"
        self.code: CodeType = compile(source.text, filename, "exec")
        linecache.cache[filename] = (len(source.text), None, source.text.splitlines(keepends=True), filename)
        self.names: dict[str, Any] = {
            **source.names,
            "BAIL": BAIL,
            "STOPS": STOPS,
            "SPILL": spill,
            "REFUSE": refuse,
            "CONTROL": control,
            "GROW": grow,
            "REGION": self,
        }
        exec(self.code, self.names)  # noqa: S102 - the text is our own; the code under analysis gives only integers
        self.function = cast("RegionFunction", self.names["region"])


def spill(frame: Frame, region: Region, number: int, values: dict[str, Any], stop: Exception) -> int | Halted:
    """Rebuilds the frame at a site: for the stepper to go on, to fail, or to wait."""
    site = region.source.sites[number]
    if site.written:
        if isinstance(stop, ExceptionalHalt):
            return fail(frame, stop.reason)
        frame.gas += site.price
        raise stop
    stack = [eval(text, region.names, values) for text in site.stack]  # noqa: S307 - our own text
    if site.depth:
        del frame.stack[-site.depth :]
    frame.stack.extend(stack)
    frame.pc = site.pc
    if isinstance(stop, ExceptionalHalt):
        return fail(frame, stop.reason)
    if isinstance(stop, Missing):
        frame.gas += site.price
        raise stop
    frame.gas = values["gas"] - site.spent
    if site.guess:
        region.program.refute(site.pc, site.guess)
        if region.program.refuted(site.pc, site.guess):
            _drop(region)
    return ~site.pc


def grow(frame: Frame, end: int, gas: int, needed: int) -> int:
    """Makes memory reach `end` and returns the gas that is left, if that is at least `needed`. Else raises Bail."""
    frame.gas = gas - needed
    try:
        frame.grow(end)
    except OutOfGas:
        raise BAIL from None
    return frame.gas + needed


def control(frame: Frame, operation: Operation, next_pc: int) -> object:
    """Runs a call, a creation or a halt on a frame that is written back; the frame's pc is at the instruction."""
    result = operation(frame, frame.stack)
    if result is None:
        return next_pc
    if result is not HALTED:
        frame.pc = next_pc
    return result


def refuse(region: Region) -> int:
    """Memory is shorter than the region takes for granted."""
    region.refusals += 1
    if region.refusals >= 2:
        program, head = region.program, region.source.head
        program.refutations[head, "size"] = REFUTATIONS
        _drop(region)
    return ~region.source.head


def _drop(region: Region) -> None:
    program, head = region.program, region.source.head
    if program.regions.get(head) is region.function:
        del program.regions[head]


def write_region(
    program: Program, head: int, *, frame: Frame | None, everything: bool, annotate: bool = False
) -> Source:
    """The source of the region that begins at `head`; `frame`, where there is one, stands there and gives samples."""
    observed_size = 0
    if frame is not None and not program.refuted(head, "size"):
        observed_size = min(len(frame.memory) << 5, OBSERVED_SIZE_LIMIT)
    writer = RegionWriter(
        program,
        head,
        everything=everything,
        frame=frame,
        observed_size=observed_size,
        annotate=annotate,
    )
    return writer.write()


def compile_region(frame: Frame, head: int, *, everything: bool) -> RegionFunction | None:
    """Compiles and keeps the region at `head`; None where it would do nothing that the stepper doesn't."""
    program = cast("Program", frame.program)
    source = write_region(program, head, frame=frame, everything=everything)
    if source.instructions < 2:
        return None
    function = Region(program, source).function
    program.regions[head] = function
    for cut in source.cuts:
        # The path goes on there as often as it came here.
        if program.heat.get(cut, 0) >= 0:
            program.heat[cut] = VERY_HOT
    return function
