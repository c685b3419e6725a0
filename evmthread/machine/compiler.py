"""The region compiler: source text to functions, and what happens when compiled code hands a frame back.

Regions are kept with their Program, which the CodeCache holds by fork and code; they know no machine and no host.
"""

import linecache
from collections.abc import Callable, Sequence
from itertools import count
from sys import getsizeof
from threading import Lock
from types import CodeType, FunctionType
from typing import Any, Protocol, cast

from evmthread.errors import Missing
from evmthread.isa.frame import Frame, grown
from evmthread.isa.halts import ExceptionalHalt
from evmthread.isa.instruction import HALTED, Halted
from evmthread.machine.analysis import REFUTATIONS, Program
from evmthread.machine.operations import Operation
from evmthread.machine.region_parts import Site, Source, TooLong
from evmthread.machine.regions import RegionWriter
from evmthread.machine.stepper import fail
from evmthread.machine.symbols import NAMED

RegionFunction = Callable[[Frame], object]
VERY_HOT = 1 << 30  # visits: compiled at the next one
OBSERVED_SIZE_LIMIT = 4096  # bytes of memory that a region may take for granted at its entry

# What compiling costs, in about microseconds (measured), and how much of it a code may ask for in all.
WORK_OF_A_REGION = 100
WORK_OF_AN_INSTRUCTION = 2
CHARACTERS_OF_WORK = 4
WORK_LEAST = 250_000
WORK_A_BYTE = 100

# What a region holds beside text and code, in bytes (measured): by itself, for each site, each item of a site's stack.
REGION_BYTES, SITE_BYTES, ITEM_BYTES = 1_600, 230, 20

_SERIAL = count()
# One region is written at a time: up to CPython 3.11 two threads that parse Python at once make one of them fail with a
# SystemError (gh-106905), and nothing is gained by taking turns.
_WRITING = Lock()


class Bail(Exception):  # noqa: N818 - a signal inside generated code
    """Compiled code can't go on here; the stepper can.

    Raised as a class, an instance each time: one instance for all would keep the traceback of each raise, and with it
    all frames of the machine that was running.
    """


STOPS = (Bail, ExceptionalHalt, Missing)


class RegionSource(Protocol):
    """A region as text: one that was just written, or one that was kept (see region_parts.Source)."""

    @property
    def head(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def sites(self) -> Sequence[Site]: ...
    @property
    def names(self) -> dict[str, Any]: ...


class _Lines(Sequence[str]):
    """A region's lines, for tracebacks; split when somebody reads them."""

    def __init__(self, source: RegionSource) -> None:
        self._source = source

    def __len__(self) -> int:
        return self._source.text.count("\n")

    def __getitem__(self, index: Any) -> Any:
        return self._source.text.splitlines(keepends=True)[index]


class Region:
    """A compiled region: its function, and what is needed to rebuild a frame in the middle of it.

    `size` is about how many bytes it holds.
    """

    __slots__ = ("code", "function", "items", "lines", "names", "program", "refusals", "size", "source")

    def __init__(self, program: Program, source: RegionSource, code: CodeType, size: int) -> None:
        self.program = program
        self.source = source
        self.size = size
        self.refusals = 0
        filename = code.co_filename
        self.code = code
        # What the texts of stack items stand for, as far as some spill had to know: numbers, names, or compiled.
        self.items: dict[str, int | str | CodeType] = {}
        self.lines = 0, None, _Lines(source), filename
        linecache.cache[filename] = self.lines  # type: ignore[assignment] # reads as a list
        self.names: dict[str, Any] = {
            **source.names,
            **NAMED,
            "BAIL": Bail,
            "STOPS": STOPS,
            "SPILL": spill,
            "REFUSE": refuse,
            "CONTROL": control,
            "GROW": grown,
            "REGION": self,
        }
        # The text is our own; the code under analysis gives only integers.
        self.function: RegionFunction = FunctionType(code, self.names)

    def __del__(self, kept: dict[str, Any] = linecache.cache) -> None:
        """Another region of the same text, from another cache, may have brought the same lines since: those stay."""
        filename = self.code.co_filename
        if kept.get(filename) is self.lines:
            kept.pop(filename, None)

    def stack(self, site: Site, values: dict[str, Any]) -> list[int]:
        """The words that stand above the untouched items at a site; `values` are the function's locals."""
        items = self.items
        stack = []
        for text in site.stack:
            item = items.get(text)
            if item is None:
                item = items[text] = _item(text)
            if type(item) is str:
                stack.append(values[item])
            elif type(item) is int:
                stack.append(item)
            else:
                stack.append(eval(item, self.names, values))  # type: ignore[arg-type] # noqa: S307 - our own text
        return stack


def size_of(source: Source, code: CodeType) -> int:
    """About how many bytes a region holds."""
    sites = SITE_BYTES * len(source.sites) + ITEM_BYTES * source.site_items
    return REGION_BYTES + len(source.text) + sites + _size_of_code(code)


def _size_of_code(code: CodeType) -> int:
    parts = (code, code.co_linetable, code.co_exceptiontable, code.co_consts, code.co_names, code.co_varnames)
    size = sum(map(getsizeof, parts))
    for constant in code.co_consts:
        size += _size_of_code(constant) if isinstance(constant, CodeType) else getsizeof(constant)
    return size


def _item(text: str) -> int | str | CodeType:
    number = NAMED.get(text)
    if number is not None:
        return number
    if text.isidentifier():
        return text
    try:
        return int(text, 0)
    except ValueError:
        return compile(text, "<item>", "eval")


def spill(frame: Frame, region: Region, number: int, values: dict[str, Any], stop: Exception) -> int | Halted:
    """Rebuilds the frame at a site: for the stepper to go on, to fail, or to wait."""
    site = region.source.sites[number]
    if site.written:
        if isinstance(stop, ExceptionalHalt):
            return fail(frame, stop.reason)
        frame.gas += site.price
        raise stop
    stack = region.stack(site, values)
    if site.depth:
        del frame.stack[-site.depth :]
    frame.stack.extend(stack)
    frame.pc = site.pc
    if isinstance(stop, ExceptionalHalt) and not site.grows:
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
        _resize(program, -region.size)


def keep_region(program: Program, head: int, function: RegionFunction, size: int) -> None:
    """Makes a function of `size` bytes the region at a head."""
    program.regions[head] = function
    _resize(program, size)


def _resize(program: Program, size: int) -> None:
    program.unsaved = True
    program.compiled_bytes += size
    if program.grew is not None:
        program.grew(size)


def writer_of(
    program: Program, head: int, *, frame: Frame | None, everything: bool, annotate: bool = False
) -> RegionWriter:
    """What writes the region that begins at `head`; `frame`, where there is one, stands there and gives samples."""
    observed_size = 0
    if frame is not None and not program.refuted(head, "size"):
        observed_size = min(len(frame.memory) << 5, OBSERVED_SIZE_LIMIT)
    return RegionWriter(
        program,
        head,
        everything=everything,
        frame=frame,
        observed_size=observed_size,
        annotate=annotate,
    )


def affordable(program: Program) -> bool:
    """True until compiling has cost as much as a code of this size may cost in all."""
    return program.compile_work < WORK_LEAST + WORK_A_BYTE * len(program.code)


def compile_region(frame: Frame, head: int, *, everything: bool) -> RegionFunction | None:
    """Compiles and keeps the region at `head`; None where it would do nothing that the stepper doesn't, or is too long.

    What it cost is added to the program's `compile_work`, in about microseconds.
    """
    program = cast("Program", frame.program)
    writer = writer_of(program, head, frame=frame, everything=everything)
    searched = program.search_steps
    written = 0
    try:
        with _WRITING:
            source = writer.write()
        if source.instructions < 2:
            return None
        module = compile(source.text, f"<evmthread {next(_SERIAL):x}:{head}>", "exec")
        code = next(each for each in module.co_consts if isinstance(each, CodeType))  # of the one function there
        region = Region(program, source, code, size_of(source, code))
        written = len(source.text)
    except (TooLong, RecursionError, MemoryError, SystemError):  # the last where somebody else parses meanwhile
        return None
    finally:
        program.compile_work += (
            WORK_OF_A_REGION
            + WORK_OF_AN_INSTRUCTION * writer.count
            + (writer.length + written) // CHARACTERS_OF_WORK
            + program.search_steps
            - searched
        )
    keep_region(program, head, region.function, region.size)
    for cut in source.cuts:
        # The path goes on there as often as it came here.
        if program.heat.get(cut, 0) >= 0:
            program.heat[cut] = VERY_HOT
    return region.function
