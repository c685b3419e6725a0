"""`evmthread run --code HEX`: runs EVM bytecode once, in the manner of go-ethereum's `evm run`."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evmthread.commands.given import accounts_of
from evmthread.commands.kept_code import add_cache_option, keep, open_files
from evmthread.commands.plain_call import add_call_options, plain_call

if TYPE_CHECKING:
    from evmthread.execution.result import CallResult
    from evmthread.execution.world import World
    from evmthread.machine.hooks import Hook

NAME = "run"
HELP = "run EVM bytecode once and print what it returns"
DESCRIPTION = """\
Run EVM bytecode once, in the manner of go-ethereum's `evm run`.

Prints the output as hex and, where the execution failed, why. There is no transaction around it: no intrinsic gas, no
fee. The world is empty unless --prestate names a file with accounts, or --state a state; nothing is written to either.
Without code, the receiver's own is run.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    add_call_options(parser)
    add_cache_option(parser)
    output = parser.add_argument_group("what to print")
    output.add_argument("--trace", action="store_true", help="EIP-3155 trace lines on standard error")
    output.add_argument(
        "--json", action="store_true", help="trace lines, and the outcome in the last, on standard output"
    )
    output.add_argument("--trace.format", choices=("json",), help=argparse.SUPPRESS)  # go-ethereum has others too
    output.add_argument("--memory", action="store_true", help="memory in trace lines")
    output.add_argument("--returndata", action="store_true", help="return data in trace lines")
    output.add_argument("--nostack", action="store_true", help="no stack in trace lines")
    output.add_argument("--statdump", action="store_true", help="gas and time on standard error")
    output.add_argument("--dump", action="store_true", help="the state afterwards, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    import time

    from evmthread.machine.code_cache import CodeCache

    asked, hooks, cache = plain_call(arguments, command=NAME), _hooks(arguments), CodeCache(store=open_files(arguments))
    with accounts_of(arguments) as state:
        world = asked.world(state, hooks=hooks, cache=cache)
        began = time.perf_counter()
        result = asked.run(world)
        seconds = time.perf_counter() - began
        _print_outcome(arguments, world, result, seconds)
    keep(cache)
    return 0


def _hooks(arguments: argparse.Namespace) -> "Sequence[Hook]":
    if not (arguments.json or arguments.trace):
        return ()
    from evmthread.commands.traced import lines_to

    return (lines_to(sys.stdout if arguments.json else sys.stderr, arguments),)


def _print_outcome(arguments: argparse.Namespace, world: "World", result: "CallResult", seconds: float) -> None:
    from evmthread.machine.eip3155 import failure_of
    from evmthread.testing.state_dump import dump_of

    if arguments.dump:
        print(json.dumps(dump_of(world), indent=2))
    if arguments.statdump:
        print(f"EVM gas used:    {result.gas_used}\nexecution time:  {seconds * 1000:.3f}ms", file=sys.stderr)
    if not arguments.json:
        print("0x" + result.output.hex())
        error = failure_of(result)
        if error is not None:
            print(f" error: {error}")
