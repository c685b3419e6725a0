"""Tracers by name, and simulated transactions."""

from typing import Any

import pytest

from evmthread.errors import InvalidInput
from evmthread.execution import invalid
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.forks import fork_named
from evmthread.machine.hooks import Hook
from evmthread.tracers import CALLS, OPTIONS, trace
from tests.assembler import assemble
from tests.conftest import Engine

A, SENDER = b"\xaa" * 20, b"\x5e" * 20
BASE_FEE = "BASEFEE PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"


def world_with(engine: Engine, code: str, **options: Any) -> World:
    world = engine.world(fork=fork_named("Osaka"), environment=BlockEnvironment(base_fee=7), **options)
    world.set_code(A, assemble(code))
    return world


@pytest.mark.parametrize("tracer", OPTIONS)
def test_a_trace_is_an_applied_transaction(engine: Engine, tracer: str) -> None:
    plain, traced = (world_with(engine, "PUSH1 1 PUSH1 1 SSTORE") for _ in range(2))
    transaction = Transaction(gas_limit=100_000, gas_price=8, to=A)
    for world in (plain, traced):
        world.set_balance(SENDER, 10**9)
    plain.apply(transaction, sender=SENDER)
    trace(traced, transaction, sender=SENDER, tracer=tracer)
    assert plain.changes() == traced.changes()
    assert traced.hooks == ()


def test_a_simulated_transaction_has_no_base_fee_without_a_price(engine: Engine) -> None:
    world = world_with(engine, BASE_FEE)
    tree = trace(world, Transaction(gas_limit=10**8, to=A), sender=SENDER, tracer=CALLS, simulated=True)
    assert int(str(tree["output"]), 16) == 0
    assert world.environment.base_fee == 7
    world.set_balance(SENDER, 10**9)
    paid = Transaction(gas_limit=10**6, gas_price=8, to=A, nonce=1)
    assert int(str(trace(world, paid, sender=SENDER, tracer=CALLS)["output"]), 16) == 7


def test_a_simulated_transaction_may_come_from_a_contract_with_any_nonce(engine: Engine) -> None:
    world = world_with(engine, "PUSH1 1")
    transaction = Transaction(nonce=9, gas_limit=10**9, to=A)
    with pytest.raises(invalid.InvalidTransaction):
        world.apply(transaction, sender=A)
    with world.in_block(base_fee=0):
        assert world.apply(transaction, sender=A, simulated=True).success
        with pytest.raises(invalid.InsufficientFunds):
            world.apply(Transaction(gas_limit=10**6, to=A, value=1), sender=A, simulated=True)


def test_other_hooks_are_told_too_and_stay(engine: Engine) -> None:
    told: list[object] = []

    class Told(Hook):
        def transaction_start(self, message: object) -> None:
            told.append(message)

    hook = Told()
    world = world_with(engine, "PUSH1 1", hooks=[hook])
    trace(world, Transaction(gas_limit=10**6, to=A), sender=SENDER, simulated=True)
    assert len(told) == 1
    assert world.hooks == (hook,)


@pytest.mark.parametrize(
    ("tracer", "options", "problem"),
    [("fourByte", {}, "no tracer is called 'fourByte'"), (CALLS, {"diffMode": True}, "callTracer has no option")],
)
def test_what_there_is_not_is_refused(engine: Engine, tracer: str, options: dict[str, bool], problem: str) -> None:
    world = world_with(engine, "PUSH1 1")
    with pytest.raises(InvalidInput, match=problem):
        trace(world, Transaction(gas_limit=10**6, to=A), sender=SENDER, tracer=tracer, options=options)
    assert world.nonce(SENDER) == 0


@pytest.mark.parametrize("tracer", OPTIONS)
@pytest.mark.parametrize(("transaction", "sender"), [(None, SENDER), (Transaction(), "0x"), (Transaction(), bytes(4))])
def test_what_is_no_transaction_or_sender(engine: Engine, transaction: Any, sender: Any, tracer: str) -> None:
    with pytest.raises(InvalidInput, match=r"is wanted, not None|a sender is 20 bytes"):
        trace(world_with(engine, "PUSH1 1"), transaction, sender=sender, tracer=tracer, simulated=True)
