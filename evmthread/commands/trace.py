"""`evmthread trace`: what a call or a transaction did, as EIP-3155 lines or in the forms of go-ethereum's tracers."""

import argparse
import sys
from typing import TYPE_CHECKING

from evmthread.commands.given import (
    DEFAULT_FORK,
    DEFAULT_RECEIVER,
    DEFAULT_SENDER,
    accounts_of,
    add_state_options,
    address_of,
    bytes_of,
    number_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evmthread.execution.environment import BlockEnvironment
    from evmthread.execution.transaction import Transaction
    from evmthread.execution.world import World
    from evmthread.isa.forks import Fork
    from evmthread.state.view import StateView

DEFAULT_GAS = 50_000_000  # go-ethereum's for calls by RPC
LINES = "eip3155"
TRACERS = (LINES, "structLog", "callTracer", "prestateTracer")
# Fields of the block by the names of their options.
_BLOCK = ("number", "timestamp", "gas_limit", "base_fee", "prev_randao", "chain_id", "blob_base_fee")

NAME = "trace"
HELP = "show what a call or a transaction does: its steps, its calls, the state that it touches"
DESCRIPTION = """\
Show what a call or a transaction does, on standard output.

A call is a transaction that nobody has signed, as nodes trace it by debug_traceCall: intrinsic gas is charged, nonce
and code of the sender don't matter, and without a gas price there is no base fee. --transaction takes the bytes of a
signed one instead, which must be valid in the block. Nothing is written to the state.

Tracers: eip3155, a line of JSON an instruction; and go-ethereum's structLog, callTracer and prestateTracer, one JSON
object, with --config as its tracerConfig: {"withLog": true}. docs/tracing.md has the options.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    what = parser.add_argument_group("what to trace")
    what.add_argument("--transaction", metavar="HEX", help="a signed transaction's bytes")
    what.add_argument("--transactionfile", metavar="FILE", help="a file with them as hex; - for stdin")
    what.add_argument("--code", metavar="HEX", help="bytecode, in the place of what is at the address that is called")
    what.add_argument("--codefile", metavar="FILE", help="a file with the bytecode as hex; - for stdin")
    what.add_argument("--input", metavar="HEX", default="", help="the call data")
    what.add_argument("--inputfile", metavar="FILE", help="a file with the call data as hex")
    what.add_argument("--create", action="store_true", help="the code and the input are init code of a creation")
    what.add_argument("--to", metavar="ADDRESS", default=DEFAULT_RECEIVER, help="who is called")
    what.add_argument("--sender", metavar="ADDRESS", default=DEFAULT_SENDER, help="who calls")
    what.add_argument("--value", metavar="WEI", default="0", help="wei to send along (default 0)")
    what.add_argument("--gas", metavar="N", default=str(DEFAULT_GAS), help=f"gas limit (default {DEFAULT_GAS:,})")
    what.add_argument("--price", metavar="WEI", default="0", help="gas price (default 0)")
    where = parser.add_argument_group("where it runs")
    where.add_argument("--fork", metavar="F", default=DEFAULT_FORK, help=f"the rules (default {DEFAULT_FORK})")
    add_state_options(where)
    for name in _BLOCK:
        where.add_argument(f"--{name.replace('_', '-')}", metavar="N", help=f"the block's {name.replace('_', ' ')}")
    where.add_argument("--coinbase", metavar="ADDRESS", help="the block's coinbase")
    how = parser.add_argument_group("how to show it")
    how.add_argument("--tracer", choices=TRACERS, default=LINES, help=f"the form (default {LINES})")
    how.add_argument("--config", metavar="JSON", help="go-ethereum's options of its tracer, as an object")
    how.add_argument("--memory", action="store_true", help="memory in EIP-3155 lines")
    how.add_argument("--returndata", action="store_true", help="return data in EIP-3155 lines")
    how.add_argument("--nostack", action="store_true", help="no stack in EIP-3155 lines")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from evmthread.execution.world import World
    from evmthread.isa.forks import fork_named

    fork = fork_named(arguments.fork)
    options = _options(arguments)
    signed = _signed(arguments, fork)
    with accounts_of(arguments) as state:
        world = World(fork=fork, environment=_block(arguments, signed, state), view=state)
        if signed is not None:
            sender = signed.sender(fork.transactions, world.environment.chain_id)
            _trace(arguments, world, signed, sender, options)
            return 0
        transaction, sender = _call(arguments, world)
        _trace(arguments, world, transaction, sender, options)
    return 0


def _trace(
    arguments: argparse.Namespace,
    world: "World",
    transaction: "Transaction",
    sender: bytes,
    options: "Mapping[str, bool | int]",
) -> None:
    simulated = not _is_signed(arguments)
    from evmthread.commands.traced import lines_to
    from evmthread.tracers.debug import apply_watched, trace
    from evmthread.tracers.json_values import write_json

    if arguments.tracer != LINES:
        made = trace(world, transaction, sender=sender, tracer=arguments.tracer, options=options, simulated=simulated)
        write_json(made, sys.stdout.write)
        sys.stdout.write("\n")
        return
    apply_watched(world, transaction, lines_to(sys.stdout, arguments), sender=sender, simulated=simulated)


def _is_signed(arguments: argparse.Namespace) -> bool:
    return arguments.transaction is not None or arguments.transactionfile is not None


def _signed(arguments: argparse.Namespace, fork: "Fork") -> "Transaction | None":
    if not _is_signed(arguments):
        return None
    from evmthread.execution.transaction import decode_transaction

    data = bytes_of(arguments.transaction or "", arguments.transactionfile, "transaction")
    return decode_transaction(data, fork.transactions)


def _call(arguments: argparse.Namespace, world: "World") -> "tuple[Transaction, bytes]":
    """The transaction that nobody has signed, and its sender, who can pay for it where no state says what he has."""
    from evmthread.errors import InvalidInput
    from evmthread.execution.transaction import Transaction

    given = (arguments.code, arguments.codefile, arguments.prestate, arguments.state)
    if all(each is None for each in given):
        raise InvalidInput("nothing to trace: give --code HEX, --transaction HEX or a --state (evmthread trace --help)")
    gas, price, value = (number_of(arguments, name) for name in ("gas", "price", "value"))
    sender, receiver = address_of(arguments, "sender"), address_of(arguments, "to")
    code = bytes_of(arguments.code or "", arguments.codefile, "code")
    data = bytes_of(arguments.input, arguments.inputfile, "input")
    if arguments.prestate is None and arguments.state is None:
        world.set_balance(sender, value + gas * price)
    if code and not arguments.create:
        world.set_code(receiver, code)
    transaction = Transaction(
        nonce=world.nonce(sender),
        gas_price=price,
        gas_limit=gas,
        to=None if arguments.create else receiver,
        value=value,
        data=code + data if arguments.create else data,
    )
    return transaction, sender


def _block(arguments: argparse.Namespace, signed: "Transaction | None", state: "StateView") -> "BlockEnvironment":
    """The block: what the options say; else a chain's state has its number, and a transaction its chain."""
    from dataclasses import replace

    from evmthread.execution.environment import BlockEnvironment
    from evmthread.state.overlay import OverlayState
    from evmthread.state.remote import RemoteState

    block = BlockEnvironment()
    if isinstance(state, OverlayState) and isinstance(state.below, RemoteState):
        block = replace(block, number=state.below.block.number)
    if signed is not None and signed.chain_id is not None:
        block = replace(block, chain_id=signed.chain_id)
    fields = {name: number_of(arguments, name) for name in _BLOCK if getattr(arguments, name) is not None}
    coinbase = block.coinbase if arguments.coinbase is None else address_of(arguments, "coinbase")
    return replace(block, coinbase=coinbase, **fields)


def _options(arguments: argparse.Namespace) -> "Mapping[str, bool | int]":
    """The tracer's options. Raises InvalidInput for what is no object of truth values and numbers."""
    from evmthread.errors import DecodingError, InvalidInput
    from evmthread.primitives.untrusted_json import parse_json

    if arguments.config is None:
        return {}
    if arguments.tracer == LINES:
        raise InvalidInput(f"--config: {LINES} has options of its own: --memory, --returndata, --nostack")
    try:
        options = parse_json(arguments.config)
    except DecodingError as error:
        raise InvalidInput(f"--config: {error}") from None
    if not isinstance(options, dict) or not all(type(value) in (bool, int) for value in options.values()):
        raise InvalidInput("--config: an object of truth values and numbers is wanted")
    return options
