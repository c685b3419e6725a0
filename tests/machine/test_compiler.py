"""Compiled code against the stepper: nobody can see which of them ran a program, whatever it was compiled from."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.isa.forks import OSAKA, Fork
from evmthread.machine.analysis import CodeCache
from evmthread.machine.tiers import TieredEngine
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.machine.drivers import effects, seen, start
from tests.machine.structured import Structured, calldata
from tests.sandbox import CONTRACT, OTHER, THIRD, address

THRESHOLDS = (0, 1, 2)
IDENTITY, SHA256 = (4).to_bytes(20, "big"), (2).to_bytes(20, "big")


def structured_state(random: Random, fork: Fork) -> MemoryState:
    """Two contracts with structure; the first calls itself, the other, precompiles and nobody."""
    view = MemoryState()
    view.set_account(address(1), balance=10**20)
    for account, callees in ((CONTRACT, (CONTRACT, OTHER, OTHER, IDENTITY, SHA256, THIRD)), (OTHER, (IDENTITY, OTHER))):
        code = assemble(Structured(random, callees).program(), fork=fork)
        view.set_account(account, nonce=1, balance=7, code=code, storage={0: 0, 1: 5, 2: 2**255})
    return view


class Comparison:
    """Calls on one state, each on the stepper and on every threshold, whose compiled code lives from call to call."""

    def __init__(self, view: MemoryState, fork: Fork, thresholds: tuple[int, ...] = THRESHOLDS) -> None:
        self.view = view
        self.fork = fork
        self.stepper = CodeCache()
        self.engines = [(CodeCache(), TieredEngine(threshold)) for threshold in thresholds]

    def call(self, gas: int, data: bytes = b"", *, static: bool = False) -> int:
        """Compares all that can be seen of one call; the gas it used."""
        machine, host = start(self.view, self.fork, gas=gas, data=data, static=static, cache=self.stepper)
        root = machine.run()
        wanted = seen(root), effects(host, self.fork)
        for cache, engine in self.engines:
            compiled, compiled_host = start(
                self.view, self.fork, gas=gas, data=data, static=static, cache=cache, engine=engine
            )
            got = seen(compiled.run()), effects(compiled_host, self.fork)
            assert got == wanted, (engine.threshold, gas)
        return gas - root.gas


def gas_of(random: Random) -> int:
    return random.choice((random.randrange(3_000), random.randrange(60_000), 150_000, 400_000, 400_000))


@settings(max_examples=120)
@given(seed=st.integers(0, 2**64))
def test_structured_programs(seed: int) -> None:
    random = Random(seed)
    comparison = Comparison(structured_state(random, OSAKA), OSAKA)
    for _ in range(5):
        comparison.call(gas_of(random), calldata(random), static=random.randrange(8) == 0)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_many_structured_programs(part: int) -> None:
    for seed in range(part * 10**6, part * 10**6 + 2_000):
        random = Random(seed)
        comparison = Comparison(structured_state(random, OSAKA), OSAKA)
        for _ in range(6):
            comparison.call(gas_of(random), calldata(random), static=random.randrange(8) == 0)
