"""Calls on a chain's pinned state against anvil's own: results, gas, logs, every step and every change."""

from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random
from typing import NamedTuple

import pytest

from evmthread.execution.invalid import GasLimitBelowFloor, GasLimitTooLow, InsufficientFunds, InvalidTransaction
from evmthread.execution.world import World
from evmthread.rpc import NodeRefused
from evmthread.state.remote import RemoteState
from tests.anvil import Anvil, running_anvil
from tests.differential.cases import SENDER, make_case
from tests.differential.peers import count_of, seed_of
from tests.state.deployed import PLAYERS, Called, Contract, deploy, do, random_call
from tests.state.told import assert_same, told_by_anvil, told_by_us

REFUSALS = {
    InsufficientFunds: "Insufficient funds",
    GasLimitTooLow: "intrinsic gas too low",
    GasLimitBelowFloor: "floor",
}
AFTERWARDS: Mapping[str, tuple[object, ...]] = {"run": (1,), "credit": (PLAYERS[0], 1), "add": (1, b"")}


class Pinned(NamedTuple):
    """A node with contracts, and a block of it that isn't the last."""

    node: Anvil
    block: int
    contracts: list[Contract]


@pytest.fixture(scope="module", params=["cancun", "prague", "osaka", None], ids=lambda name: name or "newest")
def pinned(request: pytest.FixtureRequest) -> Iterator[Pinned]:
    with running_anvil(hardfork=request.param) as node:
        contracts = deploy(node)
        block = node.mine()
        # What comes after the block must not be seen.
        for contract in contracts:
            for function in contract.artifact.functions:
                if function.name in AFTERWARDS:
                    data = function.encode(*AFTERWARDS[function.name])
                    do(node, Called(PLAYERS[2], contract.address, data, gas=5_000_000))
        yield Pinned(node, block, contracts)


def compare(pinned: Pinned, state: RemoteState, called: Called, what: str) -> str:
    """What anvil made of it: a failure, a success, a refusal; and it is what we make of it."""
    node, block, _ = pinned
    world = World(view=state, fork=node.fork, environment=node.environment(block))
    try:
        ours = told_by_us(world, called.transaction(world.nonce(called.sender)), called.sender)
    except InvalidTransaction as error:
        with pytest.raises(NodeRefused, match=REFUSALS[type(error)]):
            node.ask("eth_call", called.question(), hex(block))
        return "refused"
    assert_same(ours, told_by_anvil(node, called.question(), block), what)
    return "success" if ours.success else "failure"


def test_random_calls_of_the_repositorys_contracts(pinned: Pinned) -> None:
    state = RemoteState(pinned.node.provider, pinned.block)
    seed = seed_of()
    for number in range(count_of(15)):
        called = random_call(Random(f"{seed}/{number}"), pinned.contracts)
        compare(pinned, state, called, f"EVMTHREAD_SEED={seed}, call {number}: {called}")


def test_whole_runs(pinned: Pinned) -> None:
    # Without their steps, of which some make a hundred thousand.
    node, block, contracts = pinned
    state = RemoteState(node.provider, block)
    for contract in contracts:
        if "run" not in [function.name for function in contract.artifact.functions]:
            continue
        called = Called(PLAYERS[0], contract.address, contract.artifact.function("run").encode(8), gas=2**24)
        world = World(view=state, fork=node.fork, environment=node.environment(block))
        with world.isolated():
            result = world.call(called.to, called.data, sender=called.sender, gas=called.gas)
            assert "0x" + result.output.hex() == node.ask("eth_call", called.question(), hex(block))
        done = world.apply(called.transaction(world.nonce(called.sender)), sender=called.sender)
        traced = node.ask("debug_traceCall", called.question(), hex(block), {"tracer": "callTracer"})
        assert (done.success, done.gas_used) == (True, int(traced["gasUsed"], 16)), contract.artifact.name
        assert "0x" + done.result.output.hex() == traced["output"]


def test_random_programs(pinned: Pinned) -> None:
    node = pinned.node
    seed = seed_of()
    outcomes = Counter[str]()
    for number in range(count_of(40)):
        case = make_case(Random(f"{seed}/{number}"), node.fork.name, f"{seed}/{number}")
        kept = node.ask("evm_snapshot")
        for address, account in case.accounts.items():
            node.put(address, nonce=account.nonce, balance=account.balance, code=account.code, storage=account.storage)
        sent = case.transaction
        called = Called(SENDER, sent.to or b"", sent.data, sent.value, sent.gas_limit)
        here = pinned._replace(block=node.mine())
        state = RemoteState(node.provider, here.block)
        outcomes[compare(here, state, called, f"EVMTHREAD_SEED={seed}, program {number}")] += 1
        assert node.ask("evm_revert", kept)
    assert outcomes["success"], outcomes
