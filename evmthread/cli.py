"""The `evmthread` command: finds the subcommand and runs it. Each lives in a module of evmthread/commands.

Exit codes: 0 done, 1 done and the answer is no (a case that failed, a file that is refuted), 2 it can't be read.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from evmthread.commands.geth_flags import normalised
from evmthread.commands.kept_code import closed

# In the order of --help. A module is imported when its command, or the list of commands, is asked for.
COMMANDS = (
    "play",
    "resume",
    "verify",
    "replay",
    "evidence",
    "thread",
    "watch",
    "run",
    "trace",
    "debug",
    "profile",
    "coverage",
    "state",
    "statetest",
    "compile",
)

_EXAMPLES = """\
examples:
  evmthread play morpion                               two players at this terminal
  evmthread play morpion --random 1 --out game.thread  a random game, kept in a file
  evmthread resume game.thread --answer yes --keys K   go on in another process; here with an answer
  evmthread verify game.thread                         who signed what: no execution
  evmthread replay game.thread                         execute it all again and compare
  evmthread thread list my.threads                     the threads that a party's store keeps
  evmthread watch game.watch --chain URL --key K       answer a stale challenge while a party is away
  evmthread run --code 600160020160005260206000f3      run bytecode once
  evmthread trace --tracer callTracer --code 6001      steps, calls, or the state that a transaction touches
  evmthread debug game.thread --nonce 3                a move step by step, forwards and back, in its source
  evmthread profile game.thread --out gas.json         where the gas went; also as a file for speedscope
  evmthread coverage game.thread --out lcov.info       which lines of the contract ran
  evmthread state list sqlite:thread.state             states in files: roots, exports, checks
  evmthread statetest fixtures/ --workers 2            official Ethereum tests
  evmthread compile --code 5b600101600056              the Python that bytecode becomes

Each command explains itself: evmthread COMMAND --help
"""


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"evmthread {version('evmthread')}")
        except PackageNotFoundError:
            print("evmthread, not installed")
        parser.exit()


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line: of one command where it is known, else of all."""
    parser = argparse.ArgumentParser(
        prog="evmthread",
        description="Run an Ethereum contract off-chain in a thread of several parties, every step signed by all.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS if chosen not in COMMANDS else (chosen,):
        module = importlib.import_module(f"evmthread.commands.{name}")
        command = commands.add_parser(
            module.NAME,
            help=module.HELP,
            description=getattr(module, "DESCRIPTION", module.HELP),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code. Bad arguments end in SystemExit(2), as argparse has it."""
    _open_closed_streams()
    try:
        code = _run(normalised(list(sys.argv[1:] if arguments is None else arguments)))
        sys.stdout.flush()
    except SystemExit as leaving:  # argparse's: --help, --version, wrong arguments
        try:
            sys.stdout.flush()
        except OSError as error:
            return _unwritable(error)
        raise leaving
    except KeyboardInterrupt:
        from evmthread.commands.reporting import INTERRUPTED

        return INTERRUPTED
    except OSError as error:  # those of files that were named are typed: this is our output
        return _unwritable(error)
    return code


def _run(words: list[str]) -> int:
    parsed = build_parser(words[0] if words else None).parse_args(closed(words))
    # Imported only now, so that --help and wrong arguments are answered at once.
    from evmthread.commands.reporting import UNREADABLE, one_line
    from evmthread.errors import EvmthreadError

    try:
        code: int = parsed.run(parsed)
    except EvmthreadError as error:
        print(f"evmthread: {one_line(error)}", file=sys.stderr)
        return UNREADABLE
    return code


def _open_closed_streams() -> None:
    """Python has None for a stream that was closed before it began; writing into nothing is what was asked for."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open as long as we run


def _unwritable(error: OSError) -> int:
    """Says, where somebody still listens, that the output can't be written; also the interpreter's last flush won't."""
    from evmthread.commands.reporting import UNREADABLE

    if not isinstance(error, BrokenPipeError):
        print(f"evmthread: the output can't be written: {error.strerror}", file=sys.stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREADABLE
