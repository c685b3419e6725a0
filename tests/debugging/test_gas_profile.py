"""Gas profiles: all gas is somebody's, and it is the right one's."""

from typing import Any

import pytest

from evmthread.debugging.gas_profile import Called, Event, GasProfile, GasProfiler, GasRow, gas_rows, gas_table
from evmthread.debugging.known_code import KnownCode
from evmthread.execution.world import World
from evmthread.machine.breakpoints import AtStep
from evmthread.machine.traps import Suspended
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.conftest import Engine
from tests.debugging.contracts import artifact, called, deployed, line_of

A, B = b"\xaa" * 20, b"\xbb" * 20
COVERED, FAILING, CALLER = artifact("Covered"), artifact("Failing"), artifact("Caller")
KNOWN = KnownCode([COVERED, FAILING, CALLER])


def assert_well_formed(profile: GasProfile) -> None:
    opened, last = [], 0
    for event in profile.events:
        assert event.gas >= last
        last = event.gas
        if event.opens:
            opened.append(event.called)
        else:
            assert opened.pop() == event.called
    assert not opened
    assert profile.events[-1].gas == last == profile.gas


def rows_of(profiler: GasProfiler) -> dict[str, GasRow]:
    rows = gas_rows(profiler.profiles)
    assert len({row.called.name for row in rows}) == len(rows)
    return {row.called.name: row for row in rows}


def profiled(engine: Engine, name: str, *arguments: object, **options: Any) -> GasProfiler:
    profiler = GasProfiler(KNOWN)
    world = engine.world()
    address = deployed(world, COVERED, 5)
    world.hooks = (profiler,)
    for _ in range(2):  # for the second time it is compiled
        result = called(world, COVERED, address, name, *arguments, **options)
    for profile in profiler.profiles:
        assert_well_formed(profile)
    assert profiler.profiles[-1].gas == result.gas_used
    assert profiler.profiles[-1].title.startswith(f"Covered.{name}(")
    return profiler


def test_functions_and_their_callers(engine: Engine) -> None:
    rows = rows_of(profiled(engine, "addTwice", 4))
    assert rows["Covered._add"].calls == 4
    assert rows["Covered._add"].called == Called("Covered._add", COVERED.source_name, line_of(COVERED, "function _add"))
    outer, inner = rows["Covered.addTwice"], rows["Covered._add"]
    assert outer.total == outer.own + inner.total
    assert inner.own + rows["checked_add_t_uint256"].total == inner.total
    # SLOAD and SSTORE of a slot that the constructor has written, and LOG2 without data, are what costs most.
    assert 4 * (100 + 100 + 3 * 375) <= inner.own <= 4 * (100 + 100 + 3 * 375 + 100)
    assert sum(row.own for row in rows.values()) == rows["Covered.addTwice(uint256)"].total


def test_of_a_recursion_the_outermost_counts(engine: Engine) -> None:
    rows = rows_of(profiled(engine, "factorial", 5))
    assert rows["Covered._factorial"].calls == 10
    assert rows["Covered._factorial"].total < rows["Covered.factorial(uint256)"].total
    assert rows["Covered._factorial"].total > rows["Covered._factorial"].own


@pytest.mark.parametrize("gas", [10**6, 2000, 1200, 500, 60])
@pytest.mark.parametrize("name", ["addTwice", "factorial", "sum"])
def test_engines_and_stepping_give_the_same_profile(name: str, gas: int) -> None:
    found = [profiled(Engine(kind), name, 6, gas=gas).profiles for kind in ("stepper", "compiled")]
    world, profiler = World(), GasProfiler(KNOWN)
    address = deployed(world, COVERED, 5)
    world.hooks = (profiler, AtStep(1))
    for _ in range(2):
        computation = world.open_call(address, COVERED.function(name).encode(6), gas=gas)
        outcome = computation.run()
        while isinstance(outcome, Suspended):
            outcome = computation.resume()
    assert profiler.profiles == found[0] == found[1]


def test_calls_between_contracts(engine: Engine) -> None:
    profiler = GasProfiler(KNOWN)
    world = engine.world(hooks=[profiler])
    caller, failing = deployed(world, CALLER), deployed(world, FAILING, False)
    results = [
        called(world, CALLER, caller, "catches", failing),
        called(world, CALLER, caller, "handsOn", failing, 3),
        called(world, CALLER, caller, "creates"),
    ]
    titles = ["Caller constructor", "Failing constructor", "Caller.catches(address)"]
    assert [profile.title for profile in profiler.profiles] == [
        *titles,
        "Caller.handsOn(address,uint256)",
        "Caller.creates()",
    ]
    for profile in profiler.profiles:
        assert_well_formed(profile)
    assert [profile.gas for profile in profiler.profiles[2:]] == [result.gas_used for result in results]
    inside = [event.called.name for event in profiler.profiles[3].events if event.opens]
    assert inside.index("Caller.handsOn") < inside.index("Failing.refuses(uint256)") < inside.index("Failing.refuses")
    assert "Failing constructor" in [event.called.name for event in profiler.profiles[4].events]


CALL_B = f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 1 PUSH20 0x{B.hex()} PUSH2 0x1000 CALL POP"
CALL_SHA256 = "PUSH1 0 PUSH1 0 PUSH1 32 PUSH1 0 PUSH1 0 PUSH1 2 PUSH2 0x1000 CALL POP"


def test_contracts_without_a_source_and_precompiles(engine: Engine) -> None:
    view = MemoryState()
    view.set_account(A, code=assemble(f"{CALL_B} {CALL_SHA256} STOP"), balance=9)
    view.set_account(B, code=assemble("PUSH1 1 PUSH1 2 ADD POP STOP"))
    profiler = GasProfiler(KNOWN)
    world = engine.world(view=view, hooks=[profiler])
    result = world.call(A, bytes.fromhex("01020304"))
    (profile,) = profiler.profiles
    assert_well_formed(profile)
    assert profile.gas == result.gas_used
    rows = rows_of(profiler)
    whole = f"0x{A.hex()}.0x01020304"
    assert set(rows) == {whole, f"0x{B.hex()} with no bytes of data", "precompile SHA256"}
    assert rows[f"0x{B.hex()} with no bytes of data"].own == 11
    assert rows["precompile SHA256"].own == 60 + 12
    # The stipend came out of nowhere: what B used of it, its caller paid with the call.
    assert rows[whole].own == result.gas_used - 11 - 72


def test_a_precompile_that_is_called_from_outside(engine: Engine) -> None:
    profiler = GasProfiler(KNOWN)
    result = engine.world(hooks=[profiler]).call(bytes(19) + b"\x02", b"abcd")
    (profile,) = profiler.profiles
    assert_well_formed(profile)
    assert profile.gas == result.gas_used == 72


def test_the_table() -> None:
    f, g = Called("f", "a.sol", 7), Called("g")
    events = [(True, f, 0), (True, g, 10), (False, g, 1010), (False, f, 1050)]
    profile = GasProfile("f", 1050, [Event(*event) for event in events])
    assert [" ".join(line.split()) for line in gas_table([profile, profile]).splitlines()] == [
        "own gas with calls calls function",
        "2,000 95.2% 2,000 2 g",
        "100 4.8% 2,100 2 f a.sol:7",
        "2,100 100% in all, of 2 calls from outside",
    ]
    assert gas_table([]).splitlines()[-1].split()[0] == "0"
