"""`evmthread coverage FILE`: which lines of the contracts a thread, or a call, has run."""

import argparse

from evmthread.commands.observed import add_observed, known_code, run_observed, write_text
from evmthread.commands.reporting import OK, UNREADABLE, report_failure, say, warn
from evmthread.errors import VerificationError

NAME = "coverage"
HELP = "say which lines, functions and branches of the contracts' sources ran"
DESCRIPTION = """\
Execute thread files, or one call, and say which lines, functions and branches of Solidity ran.

Contracts are those whose artifact is known: the shipped ones, and --artifact. --out writes an lcov tracefile, for
genhtml and the like. docs/tools.md says how to measure a whole test run, and what the optimizer does to the numbers.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_observed(parser)
    output = parser.add_argument_group("what to write")
    output.add_argument("--out", metavar="FILE", help="an lcov tracefile")
    output.add_argument("--test-name", metavar="NAME", default="", help="the test's name in it")


def run(arguments: argparse.Namespace) -> int:
    """0: done; 1: a file is refuted; 2: something can't be read, or no known contract ran."""
    from evmthread.debugging.coverage import Coverage
    from evmthread.debugging.lcov import summary, tracefile

    try:
        known = known_code(arguments)
        coverage = Coverage(known)
        run_observed(arguments, coverage, command=NAME, told=warn)
        files = coverage.files(only_run=True)
        if not files:
            warn(f"evmthread {NAME}: nothing ran whose source is known: name its artifact with --artifact")
            return UNREADABLE
        if arguments.out is not None:
            write_text(arguments.out, tracefile(files, test_name=arguments.test_name))
    except VerificationError as error:
        return report_failure(NAME, error, as_json=False)
    say(summary(files))
    if any(artifact.is_optimized for artifact in coverage.ran()):
        warn("optimized code: what the optimizer merged is counted where it put it (docs/tools.md)")
    return OK
