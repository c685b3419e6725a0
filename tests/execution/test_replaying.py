"""Looking at a call afterwards: run again from its own pre-state, beside its world."""

import pytest

from evmthread.errors import InvalidInput
from evmthread.execution.result import CallResult
from evmthread.execution.transaction import Transaction
from evmthread.isa.frame import Frame
from evmthread.machine.breakpoints import AtOpcode
from evmthread.machine.hooks import Hook
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.conftest import Engine

A, B, SENDER = b"\xaa" * 20, b"\xbb" * 20, b"\x5e" * 20
COUNTS = assemble("PUSH1 0 SLOAD PUSH1 1 ADD DUP1 PUSH1 0 SSTORE PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN")
DESTROYS = assemble(f"PUSH1 1 PUSH1 0 SSTORE PUSH20 0x{B.hex()} SELFDESTRUCT")


class Writes(Hook):
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def storage_write(self, frame: Frame, key: int, old: int, new: int) -> None:
        self.seen.append((old, new))


def state() -> MemoryState:
    view = MemoryState()
    view.set_account(A, code=COUNTS, storage={0: 7})
    view.set_account(SENDER, balance=10**18)
    return view


def same(first: CallResult, second: CallResult) -> bool:
    return (first.status, first.output, first.gas_used, first.refund, first.logs) == (
        second.status,
        second.output,
        second.gas_used,
        second.refund,
        second.logs,
    )


def test_each_call_of_a_scope_is_replayed_from_its_own_state(engine: Engine) -> None:
    world = engine.world(view=state())
    results = [world.call(A) for _ in range(3)]
    for number, result in enumerate(results):
        hook = Writes()
        assert same(result.replay(hook), result)
        assert hook.seen == [(7 + number, 8 + number)]
    assert world.storage(A, 0) == 10


def test_a_transaction_is_replayed(engine: Engine) -> None:
    world = engine.world(view=state())
    world.apply(Transaction(gas_limit=100_000, to=A, gas_price=7), sender=SENDER)
    done = world.apply(Transaction(gas_limit=100_000, to=A, gas_price=7, nonce=1), sender=SENDER)
    hook = Writes()
    assert same(done.result.replay(hook), done.result)
    assert hook.seen == [(8, 9)]
    balance = world.balance(SENDER)
    done.result.replay()
    assert world.balance(SENDER) == balance


def test_creations_and_destructions_are_replayed(engine: Engine) -> None:
    world = engine.world(view=state())
    created = world.create(assemble("PUSH1 5 PUSH1 0 SSTORE PUSH1 1 PUSH1 0 RETURN"))
    hook = Writes()
    assert same(created.replay(hook), created)
    assert hook.seen == [(0, 5)]
    world.set_code(B, DESTROYS)
    world.set_balance(B, 9)
    done = world.apply(Transaction(gas_limit=100_000, to=B), sender=SENDER)
    assert same(done.result.replay(), done.result)


def test_a_contract_of_one_transaction_is_replayed(engine: Engine) -> None:
    world = engine.world(view=state())
    done = world.apply(Transaction(gas_limit=100_000, data=DESTROYS), sender=SENDER)
    assert done.created in done.destroyed
    assert same(done.result.replay(), done.result)


def test_a_failed_call_is_replayed(engine: Engine) -> None:
    world = engine.world(view=state())
    failed = world.call(A, gas=500)
    assert not failed.success
    assert same(failed.replay(), failed)


def test_what_is_gone_is_not_replayed(engine: Engine) -> None:
    world = engine.world(view=state())
    result = world.call(A)
    world.begin_transaction()
    with pytest.raises(InvalidInput, match="gone"):
        result.replay()
    mark = world.mark()
    again = world.call(A)
    assert same(again.replay(), again)
    world.rollback(mark)
    with pytest.raises(InvalidInput, match="gone"):
        again.replay()


def test_only_outermost_calls_that_ran_are_replayed(engine: Engine) -> None:
    world = engine.world(view=state())
    outer = assemble(f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH20 0x{A.hex()} GAS CALL")
    result = world.call(B, code=outer)
    with pytest.raises(InvalidInput, match="outermost"):
        result.children[0].replay()
    with pytest.raises(InvalidInput, match="outermost"):
        world.call(A, value=5, sender=B).replay()
    with pytest.raises(InvalidInput, match="stopped"):
        result.replay(AtOpcode("SLOAD"))
    assert same(result.replay(), result)
