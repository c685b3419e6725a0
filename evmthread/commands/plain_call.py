"""One call or creation from outside, as commands are given it: no transaction around it, no fee, no intrinsic gas."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evmthread.commands.given import (
    DEFAULT_FORK,
    DEFAULT_RECEIVER,
    DEFAULT_SENDER,
    add_state_options,
    address_of,
    bytes_of,
    number_of,
)

if TYPE_CHECKING:
    from evmthread.execution.computation import Computation
    from evmthread.execution.result import CallResult
    from evmthread.execution.world import World
    from evmthread.isa.forks import Fork
    from evmthread.machine.code_cache import CodeCache
    from evmthread.machine.hooks import Hook
    from evmthread.state.view import StateView

DEFAULT_GAS = 10_000_000_000  # go-ethereum's


def add_call_options(parser: argparse.ArgumentParser, *, input_help: str = "the call data") -> None:
    """Declares what to run, and where."""
    code = parser.add_argument_group("what to run")
    code.add_argument("--code", metavar="HEX", help="the bytecode")
    code.add_argument("--codefile", "--code-file", metavar="FILE", help="a file with the bytecode as hex; - for stdin")
    code.add_argument("--input", metavar="HEX", default="", help=input_help)
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


@dataclass(frozen=True, slots=True)
class PlainCall:
    """What was asked for. Where no state is given, the sender has what it sends."""

    fork: "Fork"
    code: bytes
    data: bytes
    creates: bool
    sender: bytes
    receiver: bytes
    value: int
    gas: int
    price: int
    has_state: bool

    def world(
        self,
        state: "StateView",
        *,
        hooks: Sequence["Hook"] = (),
        cache: "CodeCache | None" = None,
        settled: bool = False,
    ) -> "World":
        """A World on a state in which everything is ready for the call; with `settled` nothing is pending there."""
        from evmthread.execution.environment import BlockEnvironment
        from evmthread.execution.world import World
        from evmthread.state.overlay import OverlayState

        view = OverlayState(state) if settled else state
        environment = BlockEnvironment(gas_limit=self.gas)
        world = World(fork=self.fork, environment=environment, view=view, cache=cache, hooks=hooks)
        if not self.has_state:
            world.set_balance(self.sender, self.value)
        if self.code and not self.creates:
            world.set_code(self.receiver, self.code)
        if settled:
            world.settle()
        return world

    def run(self, world: "World") -> "CallResult":
        """Makes the call."""
        sender, value, gas, price = self.sender, self.value, self.gas, self.price
        if self.creates:
            return world.create(self.code + self.data, sender=sender, value=value, gas=gas, gas_price=price)
        return world.call(self.receiver, self.data, sender=sender, value=value, gas=gas, gas_price=price)

    def open(self, world: "World") -> "Computation":
        """The call, not run yet: it may stop on the way."""
        sender, value, gas, price = self.sender, self.value, self.gas, self.price
        if self.creates:
            return world.open_create(self.code + self.data, sender=sender, value=value, gas=gas, gas_price=price)
        return world.open_call(self.receiver, self.data, sender=sender, value=value, gas=gas, gas_price=price)


def plain_call(arguments: argparse.Namespace, *, command: str) -> PlainCall:
    """What the options ask for. Raises InvalidInput."""
    from evmthread.errors import InvalidInput
    from evmthread.isa.forks import fork_named

    gas, price, value = (number_of(arguments, name) for name in ("gas", "price", "value"))
    sender, receiver = address_of(arguments, "sender"), address_of(arguments, "receiver")
    given = (arguments.code, arguments.codefile, arguments.prestate, arguments.state)
    if all(each is None for each in given):
        raise InvalidInput(f"nothing to run: give --code HEX or --codefile FILE (evmthread {command} --help)")
    return PlainCall(
        fork=fork_named(arguments.fork),
        code=bytes_of(arguments.code or "", arguments.codefile, "code"),
        data=bytes_of(arguments.input, arguments.inputfile, "input"),
        creates=arguments.create,
        sender=sender,
        receiver=receiver,
        value=value,
        gas=gas,
        price=price,
        has_state=arguments.prestate is not None or arguments.state is not None,
    )
