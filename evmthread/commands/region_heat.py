"""Which regions a code has, where in it they lie, and how often a run comes by: what `compile` prints and draws."""

from collections import Counter

from evmthread.commands.region_picture import Box
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import Instruction
from evmthread.machine.analysis import Program
from evmthread.machine.compiler import affordable, writer_of
from evmthread.machine.hooks import Hook
from evmthread.machine.region_parts import TooLong
from evmthread.machine.regions import RegionWriter


class Visits(Hook):
    """Counts how often each place of a code is run, in whatever account it lies. Steps."""

    def __init__(self, code: bytes) -> None:
        self.code = code
        self.counts: Counter[int] = Counter()

    def step_start(self, frame: Frame, _instruction: Instruction | None) -> str | None:
        if frame.code == self.code:
            self.counts[frame.pc] += 1
        return None


def regions_of(program: Program, head: int | None) -> tuple[list[tuple[RegionWriter, str]], int]:
    """Each region's writer and text, in the order of the code; how many there was no room for.

    All that can be reached from the first instruction by jumps that are known beforehand, or the one at `head`.
    """
    found: dict[int, tuple[RegionWriter, str]] = {}
    pending = [0 if head is None else head]
    seen = set(pending)
    while pending and affordable(program):
        place = pending.pop()
        writer = writer_of(program, place, frame=None, everything=True, annotate=True)
        try:
            source = writer.write()
            text = f"# region at {place}{', a loop' if source.loops else ''}\n{source.text}"
        except TooLong:
            text = f"# region at {place}: too long to be worth it; the stepper runs it\n"
        program.compile_work += writer.length + writer.count
        found[place] = writer, text
        if head is None:
            pending += sorted(writer.exits - seen)
            seen |= writer.exits
    return [found[place] for place in sorted(found)], len(pending)


def box_of(writer: RegionWriter, visits: Counter[int]) -> Box:
    """The region for a picture: ranges of code that were run equally often."""
    spans: list[tuple[int, int, int]] = []
    table, code = writer.program.fork.table, writer.program.code
    for place in sorted(writer.places):
        record = table[code[place]] if place < len(code) else None
        end = place + 1 + (record.immediate if record is not None else 0)
        count = visits[place]
        if spans and spans[-1][1] >= place and spans[-1][2] == count:
            spans[-1] = spans[-1][0], end, count
        else:
            spans.append((place, end, count))
    return Box(writer.head, tuple(spans), tuple(sorted(writer.exits)), writer.is_loop, visits[writer.head])
