"""The `evmthread` command: finds the subcommand and runs it. Each lives in a module of evmthread/commands."""

import argparse
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from evmthread.commands import play, replay, verify
from evmthread.commands.reporting import INTERRUPTED, UNREADABLE, one_line
from evmthread.errors import EvmthreadError

COMMANDS: tuple[ModuleType, ...] = (play, verify, replay)

_EXAMPLES = """\
examples:
  evmthread play morpion                               two players at this terminal
  evmthread play morpion --random 1 --out game.thread  a random game, kept in a file
  evmthread verify game.thread                         who signed what: no execution
  evmthread replay game.thread                         execute it all again and compare
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="evmthread",
        description="Run an Ethereum contract off-chain in a thread of several parties, every step signed by all.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        command = commands.add_parser(module.NAME, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code. Bad arguments end in SystemExit(2), as argparse has it."""
    parsed = build_parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except EvmthreadError as error:
        print(f"evmthread: {one_line(error)}", file=sys.stderr)
        return UNREADABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads our output went away; nothing more can be said, also not by the interpreter's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREADABLE
    return code
