"""`evmthread profile FILE`: where the gas of a thread, or of a call, went."""

import argparse

from evmthread.commands.observed import add_observed, known_code, run_observed, write_text
from evmthread.commands.reporting import OK, report_failure, say, warn
from evmthread.errors import VerificationError

NAME = "profile"
HELP = "say which functions of the contracts the gas went to"
DESCRIPTION = """\
Execute thread files, or one call, and say which functions used the gas.

A contract whose artifact is known (those that are shipped, and --artifact) is told by the functions of its source,
another by address and selector. --out writes a file for https://www.speedscope.app, with one profile for each call from
outside. Gas that a transaction pays before it runs, and refunds, are no part of it. docs/tools.md explains the table.
"""

SHOWN = 25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_observed(parser)
    output = parser.add_argument_group("what to write")
    output.add_argument("--out", metavar="FILE", help="a speedscope file")
    output.add_argument("--rows", metavar="N", type=int, default=SHOWN, help="rows of the table (default %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """0: done; 1: a file is refuted; 2: something can't be read."""
    from evmthread.debugging.gas_profile import GasProfiler, gas_table
    from evmthread.debugging.speedscope import speedscope_file

    try:
        profiler = GasProfiler(known_code(arguments))
        run_observed(arguments, profiler, command=NAME, told=warn)
        if arguments.out is not None:
            name = ", ".join(arguments.files) or "a call"
            write_text(arguments.out, speedscope_file(profiler.profiles, name=name))
    except VerificationError as error:
        return report_failure(NAME, error, as_json=False)
    say(gas_table(profiler.profiles, rows=max(arguments.rows, 0)))
    return OK
