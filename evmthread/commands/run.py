"""`evmthread run --code HEX`: runs EVM bytecode once, in the manner of go-ethereum's `evm run`."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evmthread.commands.given import (
    DEFAULT_FORK,
    DEFAULT_RECEIVER,
    DEFAULT_SENDER,
    accounts_of,
    add_state_options,
    bytes_of,
    number_of,
)
from evmthread.commands.kept_code import add_cache_option, keep, open_files

if TYPE_CHECKING:
    from evmthread.execution.result import CallResult
    from evmthread.execution.world import World
    from evmthread.machine.hooks import Hook

DEFAULT_GAS = 10_000_000_000  # go-ethereum's


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
    code = parser.add_argument_group("what to run")
    code.add_argument("--code", metavar="HEX", help="the bytecode")
    code.add_argument("--codefile", "--code-file", metavar="FILE", help="a file with the bytecode as hex; - for stdin")
    code.add_argument("--input", metavar="HEX", default="", help="the call data")
    code.add_argument("--inputfile", "--input-file", metavar="FILE", help="a file with the call data as hex")
    code.add_argument("--create", action="store_true", help="run the code and the input as init code of a creation")
    where = parser.add_argument_group("where to run it")
    where.add_argument("--fork", metavar="F", default=DEFAULT_FORK, help=f"the rules (default {DEFAULT_FORK})")
    where.add_argument("--gas", metavar="N", default=str(DEFAULT_GAS), help=f"gas (default {DEFAULT_GAS:,})")
    where.add_argument("--price", metavar="WEI", default="0", help="gas price that the code sees (default 0)")
    where.add_argument("--value", metavar="WEI", default="0", help="wei to send along (default 0)")
    where.add_argument("--sender", metavar="ADDRESS", default=DEFAULT_SENDER, help="who calls")
    where.add_argument("--receiver", metavar="ADDRESS", default=DEFAULT_RECEIVER, help="who is called")
    add_state_options(where)
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

    from evmthread.execution.environment import BlockEnvironment
    from evmthread.execution.world import World
    from evmthread.isa.forks import fork_named
    from evmthread.machine.code_cache import CodeCache
    from evmthread.testing.fixtures import fixed

    gas, price, value = (number_of(arguments, name) for name in ("gas", "price", "value"))
    sender, receiver = fixed(arguments.sender, 20), fixed(arguments.receiver, 20)
    code, call_data = _code(arguments), bytes_of(arguments.input, arguments.inputfile, "input")
    hooks = _hooks(arguments)
    environment = BlockEnvironment(gas_limit=gas)
    fork, cache = fork_named(arguments.fork), CodeCache(store=open_files(arguments))
    with accounts_of(arguments) as state:
        world = World(fork=fork, environment=environment, view=state, cache=cache, hooks=hooks)
        if arguments.prestate is None and arguments.state is None:
            world.set_balance(sender, value)
        if code and not arguments.create:
            world.set_code(receiver, code)
        began = time.perf_counter()
        if arguments.create:
            result = world.create(code + call_data, sender=sender, value=value, gas=gas, gas_price=price)
        else:
            result = world.call(receiver, call_data, sender=sender, value=value, gas=gas, gas_price=price)
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


def _code(arguments: argparse.Namespace) -> bytes:
    from evmthread.errors import InvalidInput

    if all(given is None for given in (arguments.code, arguments.codefile, arguments.prestate, arguments.state)):
        raise InvalidInput("nothing to run: give --code HEX or --codefile FILE (evmthread run --help)")
    return bytes_of(arguments.code or "", arguments.codefile, "code")
