"""When code is compiled, what compiling may cost, what is kept of it, and for how long."""

import gc
import linecache
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from benchmarks.hostile import SHAPES
from evmthread.errors import LimitExceeded
from evmthread.execution.world import World
from evmthread.isa.forks import CANCUN, OSAKA
from evmthread.machine.analysis import Program
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.compiler import WORK_A_BYTE, WORK_LEAST
from evmthread.machine.operations import table_of
from evmthread.machine.region_parts import Source
from evmthread.machine.region_text import TEXT_BOUND
from evmthread.machine.regions import RegionWriter
from evmthread.machine.tiers import CREDIT_LIMIT, NEVER, TieredEngine
from tests.assembler import assemble
from tests.machine.drivers import effects, seen, start
from tests.machine.structured import calldata
from tests.machine.test_compiler import gas_of, structured_state
from tests.sandbox import CONTRACT, OTHER, SENDER, state

LOOP = "PUSH 200 l: PUSH 1 SWAP1 SUB DUP1 PUSH 0 MSTORE DUP1 PUSH @l JUMPI PUSH 32 PUSH 0 RETURN"


def program_of(cache: CodeCache, code: bytes) -> Program:
    (found,) = [program for program in cache.programs() if program.code == code]
    return found


def region_names() -> set[str]:
    return {name for name in linecache.cache if name.startswith("<evmthread ")}


def test_a_place_is_compiled_when_it_was_visited_more_often_than_the_threshold() -> None:
    for threshold, compiled in ((198, True), (199, False)):
        engine = TieredEngine(threshold, credit=CREDIT_LIMIT)
        machine, _ = start(state({CONTRACT: LOOP}), CANCUN, gas=100_000, engine=engine)
        machine.run()
        program = machine.root.program
        assert isinstance(program, Program)
        assert bool(program.regions) is compiled
        assert (program.compiled_bytes > 0) is compiled


def test_a_code_that_is_called_often_is_compiled_sooner() -> None:
    world = World(view=state({CONTRACT: "PUSH 1 PUSH 2 ADD PUSH 0 MSTORE"}), threshold=100)
    for _ in range(30):
        world.call(CONTRACT)
    (program,) = [program for program in world.cache.programs() if program.code]
    assert program.regions


def test_calls_count_once_in_an_outermost_call() -> None:
    """What is called often in one call may never be called again."""
    callee = "PUSH 1 PUSH 2 ADD PUSH 0 MSTORE"
    call = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0x{OTHER.hex()} GAS CALL POP"
    caller = f"PUSH 20 l: {call} PUSH 1 SWAP1 SUB DUP1 PUSH @l JUMPI"
    world = World(view=state({CONTRACT: caller, OTHER: callee}), threshold=100)
    for calls in (1, 2, 3):
        assert world.call(CONTRACT).success
        program = program_of(world.cache, assemble(callee))
        assert program.calls == calls
        assert bool(program.regions) is (20 * calls > 100 // calls)


def test_a_short_first_call_compiles_nothing() -> None:
    """To compile for the first time takes longer than it runs; in a longer one it is worth it."""
    for turns, compiled in ((1_000, False), (20_000, True)):
        world = World(view=state({CONTRACT: LOOP.replace("200", str(turns))}))
        assert world.call(CONTRACT).success
        assert bool(program_of(world.cache, assemble(LOOP.replace("200", str(turns)))).regions) is compiled


def test_the_stepper_compiles_nothing() -> None:
    world = World(view=state({CONTRACT: LOOP}), engine="stepper", threshold=0)
    world.call(CONTRACT)
    assert not program_of(world.cache, assemble(LOOP)).regions


def test_who_cannot_pay_waits() -> None:
    engine = TieredEngine(10)
    engine.credit = -CREDIT_LIMIT
    machine, _ = start(state({CONTRACT: LOOP}), CANCUN, gas=100_000, engine=engine)
    machine.run()
    program = machine.root.program
    assert isinstance(program, Program)
    assert not program.regions
    engine.credit = 1
    machine, _ = start(state({CONTRACT: LOOP}), CANCUN, gas=100_000, engine=engine, cache=CodeCache())
    machine.run()
    assert isinstance(machine.root.program, Program)
    assert machine.root.program.regions
    assert engine.credit < CREDIT_LIMIT


@pytest.mark.parametrize("shape", SHAPES)
def test_hostile_code_is_not_compiled_beyond_its_bound(shape: str) -> None:
    """Not even where all is to be compiled; and the results are the stepper's."""
    code = SHAPES[shape]()[:3_000].ljust(3_000, b"\x5b")
    view = state({CONTRACT: code})
    cache = CodeCache()
    results = []
    for engine in ("stepper", "auto"):
        world = World(view=view, fork=OSAKA, engine=engine, threshold=0, cache=cache)
        results.append([world.call(CONTRACT, gas=gas) for gas in (2_000, 40_000)])
    for plain, fast in zip(*results, strict=True):
        assert (plain.status, plain.halt_reason, plain.pc, plain.gas_used, plain.stack, plain.memory) == (
            *(fast.status, fast.halt_reason, fast.pc, fast.gas_used, fast.stack, fast.memory),
        )
    program = program_of(cache, code)
    one_region = 15 * 600 * 8 + TEXT_BOUND
    assert program.compile_work < WORK_LEAST + WORK_A_BYTE * len(code) + one_region
    assert program.search_steps < 25_000 + 4 * len(code)


def test_what_was_spent_is_spent() -> None:
    machine, _ = start(state({CONTRACT: LOOP}), CANCUN, gas=100_000, engine=TieredEngine(0))
    program = machine.root.program
    assert isinstance(program, Program)
    program.compile_work = WORK_LEAST + WORK_A_BYTE * len(program.code)
    machine.run()
    assert not program.regions
    assert NEVER in program.heat.values()


def test_too_long_a_region_is_none() -> None:
    """Hundreds of long words on the stack at each of many branches."""
    code = b"".join([b"\x7f" + bytes([place & 255] * 32) for place in range(400)]) + b"\x36\x61\x00\x00\x57" * 100
    machine, _ = start(state({CONTRACT: code}), CANCUN, gas=100_000, engine=TieredEngine(0))
    reference, _ = start(state({CONTRACT: code}), CANCUN, gas=100_000)
    assert seen(machine.run()) == seen(reference.run())


# What is kept ---------------------------------------------------------------------------------------------------------
def test_generated_lines_are_shown_while_they_live_and_forgotten_then() -> None:
    gc.collect()
    before = region_names()
    limited = CANCUN.evolve("Limited", limits={"memory_bytes": 3_200})
    world = World(view=state({CONTRACT: "PUSH 1 PUSH 0 CALLDATALOAD MSTORE"}), fork=limited, threshold=0)
    with pytest.raises(LimitExceeded) as failure:
        world.call(CONTRACT, (4096).to_bytes(32, "big"))
    assert "gas = GROW(frame, " in "".join(traceback.format_tb(failure.value.__traceback__))
    assert region_names() > before
    del world, failure
    gc.collect()
    assert region_names() <= before


def test_the_cache_counts_compiled_code() -> None:
    """A thousand codes, all compiled, in a cache of half a megabyte."""
    cache = CodeCache(code_bytes=500_000)
    engine = TieredEngine(0)
    names = 0
    for number in range(300):
        view = state({CONTRACT: f"PUSH {number} POP {LOOP.replace('200', '3')}"})
        machine, _ = start(view, CANCUN, gas=100_000, cache=cache, engine=engine)
        machine.run()
        held = list(cache.programs())
        assert sum(program.compiled_bytes + len(program.code) for program in held) < 550_000
    assert 10 < len(held) < 200
    assert all(program.regions for program in held if b"\x5b" in program.code)
    del machine
    gc.collect()
    names = len(region_names())
    assert names < 2_000


def test_a_dropped_region_no_longer_counts() -> None:
    program = "PUSH 0 CALLDATALOAD MLOAD PUSH 1 ADD PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN"
    world = World(view=state({CONTRACT: program}), threshold=0)
    code = assemble(program)
    world.call(CONTRACT, bytes(32))
    with_guess = program_of(world.cache, code).compiled_bytes
    for _ in range(4):
        world.call(CONTRACT, (7).to_bytes(32, "big"))
    after = program_of(world.cache, code)
    assert after.refutations
    total = sum(region.__globals__["REGION"].size for region in after.regions.values())
    assert after.compiled_bytes == total > 0
    assert with_guess > 0


# Threads --------------------------------------------------------------------------------------------------------------
def test_one_cache_in_many_threads() -> None:
    """Worlds of several threads share programs, segments, heat and regions, and drop them from under each other."""
    random = Random(5)
    fork = OSAKA
    cases = []
    for _ in range(6):
        view = structured_state(random, fork)
        for _ in range(3):
            gas, data = gas_of(random), calldata(random)
            machine, host = start(view, fork, gas=gas, data=data)
            cases.append((view, gas, data, seen(machine.run()), effects(host, fork)))
    cache = CodeCache(entries=8)

    def work(seed: int) -> None:
        mine = Random(seed)
        engine = TieredEngine(mine.choice((0, 1, 3)), credit=CREDIT_LIMIT)
        for _ in range(60):
            view, gas, data, wanted, changes = mine.choice(cases)
            machine, host = start(view, fork, gas=gas, data=data, cache=cache, engine=engine)
            assert seen(machine.run()) == wanted
            assert effects(host, fork) == changes

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(work, seed) for seed in range(6)]:
                done.result()
    finally:
        sys.setswitchinterval(interval)


def test_a_call_is_noted_while_a_loop_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    code = assemble("l: PUSH 0 PUSH 0 PUSH 0 PUSH 0 CALLER GAS STATICCALL PUSH @l JUMPI STOP")
    program = CodeCache().program(code, OSAKA)
    is_codeless = Program.is_codeless

    def meanwhile(self: Program, pc: int, to: int | None) -> bool:
        """Another thread notes the call, just before the search asks for it."""
        if code[pc] == 0xFA:
            self.note_codeless(pc)
        return is_codeless(self, pc, to)

    assert not program.is_loop_head(0)
    program.note_codeless(len(code))  # another call: what led nowhere is looked at again
    monkeypatch.setattr(Program, "is_codeless", meanwhile)
    assert program.is_loop_head(0)


def test_regions_are_written_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    write, writing, most = RegionWriter.write, [0], [0]

    def slowly(writer: RegionWriter) -> Source:
        writing[0] += 1
        most[0] = max(most[0], writing[0])
        time.sleep(0.01)
        try:
            return write(writer)
        finally:
            writing[0] -= 1

    monkeypatch.setattr(RegionWriter, "write", slowly)

    def run() -> bool:
        return World(view=state({CONTRACT: LOOP}), threshold=0).call(CONTRACT).success

    with ThreadPoolExecutor(4) as pool:
        assert all(future.result() for future in [pool.submit(run) for _ in range(4)])
    assert most == [1]


def test_python_that_fails_to_parse_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: RegionWriter) -> Source:
        raise SystemError("AST constructor recursion depth mismatch (before=102, after=37)")

    monkeypatch.setattr(RegionWriter, "write", failing)
    world = World(view=state({CONTRACT: LOOP}), threshold=0)
    assert world.call(CONTRACT).success
    assert not program_of(world.cache, assemble(LOOP)).regions


def test_tables_of_many_threads_are_one() -> None:
    cache = CodeCache()
    tables = [cache.table(OSAKA) for _ in range(3)]
    assert all(table is tables[0] for table in tables)
    assert len(table_of(OSAKA)[0]) == 256
    world = World(cache=cache, view=state({CONTRACT: LOOP}))
    assert world.call(CONTRACT, sender=SENDER).success
