"""A call to a precompiled contract is no frame where nobody looks, and nobody can tell."""

import linecache
from itertools import product

import pytest

from evmthread.execution.result import CallResult
from evmthread.isa.forks import FRONTIER, ISTANBUL, OSAKA, Fork
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Hook
from tests.assembler import assemble
from tests.conftest import Engine

HERE, CALLER = b"\xcc" * 20, b"\xaa" * 20
WANTED = (1, 2, 3, 4, 5, 6, 8, 9)
FILL = "CALLDATASIZE PUSH1 0 PUSH1 0 CALLDATACOPY"


class Onlooker(Hook):
    """Sees precompiles, which makes each of them a frame."""

    def __init__(self) -> None:
        self.seen = 0

    def precompile(self, frame: object) -> None:
        self.seen += 1


def told(result: CallResult) -> tuple[object, ...]:
    """All that a result tells."""
    return (
        result.message,
        result.status,
        result.halt_reason,
        result.output,
        result.gas_left,
        result.gas_used,
        result.refund,
        result.pc,
        result.caller_pc,
        result.code,
        result.stack,
        result.memory,
        result.log_index,
        result.logs,
        result.unrecorded,
        result.reason,
        [told(child) for child in result.children],
    )


def code_of(kind: str, gas: str, value: int, fork: Fork) -> bytes:
    """Calls each precompile on all of the call data, logs whether it succeeded, and gives back what came last."""
    parts = [FILL]
    size = "PUSH1 0" if fork is FRONTIER else "RETURNDATASIZE"
    for address in WANTED:
        given = f"PUSH1 {value} " if kind in ("CALL", "CALLCODE") else ""
        parts.append(f"PUSH1 70 PUSH1 33 CALLDATASIZE PUSH1 0 {given}PUSH1 {address} {gas} {kind}")
        parts.append(f"PUSH2 1000 MSTORE {size} PUSH2 1032 MSTORE PUSH1 64 PUSH2 1000 LOG0")
    parts.append("GAS PUSH2 1000 MSTORE PUSH2 1064 PUSH1 0 RETURN")
    return assemble(" ".join(parts))


@pytest.mark.parametrize(
    ("fork", "kind"),
    [
        *product([FRONTIER], ["CALL", "CALLCODE"]),  # the other two came later: EIP-7, EIP-214
        *product([ISTANBUL, OSAKA], ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"]),
    ],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_nobody_can_tell(fork: Fork, kind: str, engine: Engine) -> None:
    values = (0, 7, 200) if kind in ("CALL", "CALLCODE") else (0,)
    for gas, value, data in product(
        ("PUSH3 0x030000", "PUSH1 200", "PUSH2 3000"), values, (b"", bytes(32), bytes(range(213)), b"\x01" * 2_000)
    ):
        results, states = [], []
        for watched in (False, True):
            onlooker = Onlooker()
            world = engine.world(fork=fork, hooks=[onlooker] if watched else [])
            world.set_code(HERE, code_of(kind, gas, value, fork))
            world.set_balance(HERE, 100)
            results.append(told(world.call(HERE, data, sender=CALLER, gas=3_000_000)))
            states.append(world.changes())
            assert bool(onlooker.seen) == watched or value == 200
        assert results[0] == results[1]
        assert states[0] == states[1]


@pytest.mark.parametrize("gas", [100_000, 60_000, 20_000, 10_000])
def test_wei_for_accounts_without_code(engine: Engine, gas: int) -> None:
    # Seven turns; the contract has wei for five of them.
    code = assemble(
        "PUSH1 7 loop: PUSH1 0 PUSH1 0 PUSH1 40 PUSH1 0 PUSH1 20 PUSH2 0x7777 PUSH2 500 CALL DUP2 MSTORE8 "
        "RETURNDATASIZE PUSH1 31 MSTORE8 PUSH1 1 SWAP1 SUB DUP1 PUSH @loop JUMPI MSIZE PUSH1 0 RETURN"
    )
    cache = CodeCache()
    results, states = [], []
    # The first world meets the call; from then on the compiled engine makes it without leaving its region.
    for chosen, hooks, given in ((Engine("stepper"), [], 100_000), (engine, [], gas), (engine, [Onlooker()], gas)):
        world = chosen.world(cache=cache, hooks=hooks)
        world.set_code(HERE, code)
        world.set_balance(HERE, 100)
        results.append(told(world.call(HERE, sender=CALLER, gas=given)))
        states.append(world.changes())
    assert results[1] == results[2]
    assert states[1] == states[2]
    texts = [
        "".join(linecache.getlines(region.__code__.co_filename))  # type: ignore[attr-defined]
        for program in cache.programs()
        for region in program.regions.values()
    ]
    comes_back = gas > 20_000  # to its loop, which is compiled then
    assert any("host.codeless(" in text for text in texts) == (comes_back and engine.name == "compiled")
