"""`evmthread compile --code HEX`: shows the Python that the region compiler makes of bytecode."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evmthread.commands.region_picture import Box
    from evmthread.machine.analysis import Program
    from evmthread.machine.regions import RegionWriter

DEFAULT_FORK = "Osaka"
RUN_GAS = 30_000_000

NAME = "compile"
HELP = "print the Python that bytecode is compiled to"
DESCRIPTION = """\
Print the Python that bytecode is compiled to: every region that can be reached from the first instruction by jumps to
places that are known beforehand, with the instructions as comments. What a jump to a computed place leads to is
compiled when it is reached; --head shows the region of any place.

Code that runs is compiled with guesses drawn from what was seen so far; what is printed here guesses nothing.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--code", metavar="HEX", required=True, help="the bytecode")
    parser.add_argument("--fork", metavar="F", default=DEFAULT_FORK, help=f"the rules (default {DEFAULT_FORK})")
    parser.add_argument("--head", metavar="PC", help="only the region that begins here (decimal or 0x)")
    parser.add_argument("--svg", metavar="FILE", type=Path, help="draw the regions instead; colour is heat")
    parser.add_argument("--input", metavar="HEX", default="", help="call data of the run that heats the picture")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from evmthread.commands.reporting import say, warn
    from evmthread.errors import BackendError, InvalidInput
    from evmthread.isa.forks import fork_named
    from evmthread.machine.code_cache import CodeCache
    from evmthread.testing.fixtures import data, word

    try:
        code, call_data = data(arguments.code), data(arguments.input)
        head = None if arguments.head is None else word(arguments.head)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    if head is not None and head >= max(len(code), 1):
        raise InvalidInput(f"--head {head}: the code has {len(code)} bytes")
    fork = fork_named(arguments.fork)
    program = CodeCache().program(code, fork)
    regions, left_out = _regions(program, head)
    if left_out:
        warn(f"evmthread compile: {left_out} more regions are left out: compiling has cost what it may")
    if arguments.svg is None:
        for _, text in regions:
            say(text.rstrip())
            say()
        return 0
    from evmthread.commands.region_picture import draw_regions

    heat = _heat(program, call_data)
    boxes = [_box(writer, heat) for writer, _ in regions]
    try:
        arguments.svg.write_text(draw_regions(len(code), boxes), "utf-8")
    except OSError as error:
        raise BackendError(f"{arguments.svg}: {error.strerror}") from error
    return 0


def _regions(program: "Program", head: int | None) -> "tuple[list[tuple[RegionWriter, str]], int]":
    """Each region's writer and text, in the order of the code; how many there was no room for."""
    from evmthread.machine.compiler import affordable, writer_of
    from evmthread.machine.regions import TooLong

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
        program.compile_work += writer.written + writer.walked
        found[place] = writer, text
        if head is None:
            pending += sorted(writer.exits - seen)
            seen |= writer.exits
    return [found[place] for place in sorted(found)], len(pending)


def _heat(program: "Program", call_data: bytes) -> dict[int, int]:
    """How often each place was visited in a run of the code by itself, in an empty world."""
    from evmthread.execution.world import World

    world = World(fork=program.fork, threshold=1 << 60)
    address = b"\x11" * 20
    world.set_code(address, program.code)
    world.call(address, call_data, gas=RUN_GAS)
    return dict(world.cache.program(program.code, program.fork).heat)


def _box(writer: "RegionWriter", heat: dict[int, int]) -> "Box":
    from evmthread.commands.region_picture import Box

    spans: list[tuple[int, int]] = []
    table, code = writer.program.fork.table, writer.program.code
    for place in sorted(writer.places):
        record = table[code[place]] if place < len(code) else None
        end = place + 1 + (record.immediate if record is not None else 0)
        if spans and spans[-1][1] >= place:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((place, end))
    return Box(writer.head, tuple(spans), tuple(sorted(writer.exits)), writer.is_loop, heat.get(writer.head, 0))
