"""A result's tree of calls is bounded: what is beyond the bound runs all the same, and is counted."""

from evmthread.machine.hooks import Hook
from tests.assembler import assemble
from tests.conftest import Engine

CALLER = b"\x01" * 20
FIFTY_CALLS = """
    PUSH1 50
loop:
    PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0x99 GAS CALL POP
    PUSH1 1 SWAP1 SUB DUP1 PUSH @loop JUMPI
"""


def test_calls_beyond_the_bound_are_run_and_counted(engine: Engine) -> None:
    whole, bounded = engine.world(), engine.world()
    bounded.with_limits(recorded_calls=10)
    results = []
    for world in (whole, bounded):
        world.set_code(CALLER, assemble(FIFTY_CALLS))
        results.append(world.call(CALLER))
    assert results[0].gas_used == results[1].gas_used
    assert (len(results[0].children), results[0].unrecorded) == (50, 0)
    assert (len(results[1].children), results[1].unrecorded) == (10, 40)


def test_what_the_calls_hold_is_bounded_in_bytes(engine: Engine) -> None:
    # Each call hands over, and gets back from the identity contract, the same 10,000 bytes of memory.
    calls = FIFTY_CALLS.replace("PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0", "PUSH2 10000 PUSH1 0 PUSH2 10000 PUSH1 0")
    whole, bounded = engine.world(), engine.world()
    bounded.with_limits(recorded_bytes=100_000)
    results = []
    for world in (whole, bounded):
        world.set_code(CALLER, assemble(calls.replace("0x99", "4")))
        results.append(world.call(CALLER))
    assert results[0].success
    assert results[0].gas_used == results[1].gas_used
    assert len(results[0].children) == 50
    kept = results[1].children
    assert len(kept) + results[1].unrecorded == 50
    assert 1 <= len(kept) <= 10
    assert sum(len(child.message.data) + len(child.output) for child in kept) <= 100_000


class Onlooker(Hook):
    """Sees precompiles, which makes each of them a frame."""

    def precompile(self, frame: object) -> None:
        pass


def test_the_bound_is_the_same_with_a_hook(engine: Engine) -> None:
    calls = FIFTY_CALLS.replace("PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0", "PUSH1 0 PUSH1 0 PUSH2 900 PUSH1 0")
    for limit in range(3_000, 7_000, 100):
        seen = []
        for hooks in ([], [Onlooker()]):
            world = engine.world(hooks=hooks)
            world.with_limits(recorded_bytes=limit)
            world.set_code(CALLER, assemble(calls.replace("0x99", "4")))
            result = world.call(CALLER)
            seen.append((len(result.children), result.unrecorded))
        assert seen[0] == seen[1], limit
