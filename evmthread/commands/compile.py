"""`evmthread compile --code HEX`: shows the Python that the region compiler makes of bytecode."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evmthread.commands.given import bytes_of, number_of

if TYPE_CHECKING:
    from collections import Counter

    from evmthread.machine.analysis import Program

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
    from evmthread.commands.region_heat import box_of, regions_of
    from evmthread.commands.reporting import say, warn
    from evmthread.errors import BackendError, InvalidInput
    from evmthread.isa.forks import fork_named
    from evmthread.machine.code_cache import CodeCache

    code, call_data = bytes_of(arguments.code, None, "code"), bytes_of(arguments.input, None, "input")
    head = None if arguments.head is None else number_of(arguments, "head")
    if head is not None and head >= max(len(code), 1):
        raise InvalidInput(f"--head {head}: the code has {len(code)} bytes")
    fork = fork_named(arguments.fork)
    program = CodeCache().program(code, fork)
    regions, left_out = regions_of(program, head)
    if left_out:
        warn(f"evmthread compile: {left_out} more regions are left out: compiling has cost what it may")
    if arguments.svg is None:
        for _, text in regions:
            say(text.rstrip())
            say()
        return 0
    from evmthread.commands.region_picture import draw_regions

    visits = _visits(program, call_data)
    boxes = [box_of(writer, visits) for writer, _ in regions]
    try:
        arguments.svg.write_text(draw_regions(len(code), boxes), "utf-8")
    except OSError as error:
        raise BackendError(f"{arguments.svg}: {error.strerror}") from error
    return 0


def _visits(program: "Program", call_data: bytes) -> "Counter[int]":
    """How often each place was visited in a run of the code by itself, in an empty world."""
    from evmthread.commands.region_heat import Visits
    from evmthread.execution.world import World

    visits = Visits(program.code)
    world = World(fork=program.fork, hooks=(visits,))
    address = b"\x11" * 20
    world.set_code(address, program.code)
    world.call(address, call_data, gas=RUN_GAS)
    return visits.counts
