"""Measure memory with tracemalloc: of a machine, of 1,024 frames, and of the code cache beside what it counts itself.

    python -m benchmarks.memory [PATH...]

The cache's rows are workloads: bytes for each byte of code once it was decoded, and once it was compiled; `counted` is
how many times the real size the cache's own count is. Slow: tracemalloc makes everything some four times slower.
"""

import argparse
import gc
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Subject
from benchmarks.report import columns
from benchmarks.workload import WORKLOADS, Workload, WorkloadError, read_workloads
from evmthread.execution import CallResult, World
from evmthread.execution.environment import WorldHost
from evmthread.isa.message import CallKind, Message
from evmthread.machine.analysis import VISITS_TO_DECODE
from evmthread.machine.code_cache import CodeCache
from evmthread.machine.machine import Machine

DEPTH = 1024  # frames below the outermost, Yellow Paper section 8
HERE = b"\x11" * 20
GAS = 10**15  # a call takes at most 63/64 of what is left (EIP-150): 1,024 deep, a ten-millionth
# Calls itself with all its gas: PUSH1 0 five times, ADDRESS, GAS, CALL, STOP.
RECURSION = bytes.fromhex("6000600060006000600030 5af1 00".replace(" ", ""))
# The same, with a kilobyte of memory in each frame: 1 at 992 first.
RECURSION_WITH_MEMORY = bytes.fromhex("60016103e052") + RECURSION
DECODING_CALLS = VISITS_TO_DECODE + 1
WARM_UP_SECONDS = 8.0  # with tracemalloc
MOST_CALLS = 600

WIDTHS = (36, 8, 10, 10, 10, 10, 10, 10)
HEADINGS = ("workload", "code", "decoded", "a byte", "counted", "compiled", "a byte", "counted")


@dataclass(frozen=True, slots=True)
class Held:
    """Of a code cache: the bytes of code in it, the bytes of memory that it holds, and what it counts itself."""

    code: int
    traced: int
    counted: int

    @property
    def a_byte(self) -> float:
        return self.traced / self.code

    @property
    def share(self) -> float:
        return self.counted / self.traced


def peak(action: Callable[[], object]) -> int:
    """The most bytes that an action holds at a time beyond what was held before it."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    action()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most - before


def world_with(code: bytes, *, engine: str) -> World:
    world = World(engine=engine)
    world.set_code(HERE, code)
    return world


def machine_bytes() -> int:
    """A machine that is about to run a message, with its first frame; the host and the code cache are there."""
    world = world_with(RECURSION, engine="auto")
    host = WorldHost(world.view, world.environment)
    host.begin_transaction()
    message = Message(CallKind.CALL, HERE, HERE, HERE, RECURSION, b"", 0, 0, GAS, False, 0)
    Machine(message, fork=world.fork, host=host, cache=world.cache)
    kept: list[Machine] = []
    return peak(lambda: kept.append(Machine(message, fork=world.fork, host=host, cache=world.cache)))


def recursion_bytes(code: bytes, engine: str) -> int:
    """1,024 frames below the outermost, at their deepest, in a world that has run the code before."""
    world = world_with(code, engine=engine)

    def run() -> CallResult:
        with world.isolated():
            return world.call(HERE, gas=GAS)

    call, deepest = run(), 0
    while call.children:
        call, deepest = call.children[0], deepest + 1
    if deepest != DEPTH:
        raise ValueError(f"{deepest} calls deep, not {DEPTH}")
    del call
    return peak(run)


def held_by_cache(workload: Workload, engine: str) -> Held:
    """What a cache holds once a workload was decoded, or compiled."""
    _warmed(workload, engine)  # so that what is made once a process is there
    gc.collect()
    tracemalloc.start()
    cache = _warmed(workload, engine)
    gc.collect()
    table = cache.table(workload.fork)  # is made once, whatever code there is
    programs = list(cache.programs())
    code = sum([len(program.code) for program in programs])
    counted = sum([program.held_bytes for program in programs])
    before = tracemalloc.get_traced_memory()[0]
    del programs, cache
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del table
    # The code itself belongs to the state too, which is still there.
    return Held(code, before - after + code, counted)


def _warmed(workload: Workload, engine: str) -> CodeCache:
    subject = Subject(workload, engine)
    spent = 0.0
    for _ in range(DECODING_CALLS if engine == "stepper" else MOST_CALLS):
        spent += subject.call()[0]
        if spent > WARM_UP_SECONDS:
            break
    return subject.world.cache


def row(cells: Sequence[str]) -> str:
    return columns(cells, WIDTHS)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 when a file is no workload."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files or folders (default: all workloads)")
    options = parser.parse_args(arguments)
    try:
        workloads = read_workloads(options.paths or [WORKLOADS])
    except WorkloadError as error:
        print(f"memory: {error}", file=sys.stderr)
        return 2
    print(f"a machine with its first frame: {machine_bytes():,} bytes")
    for engine in ("stepper", "auto"):
        plain, with_memory = (recursion_bytes(code, engine) for code in (RECURSION, RECURSION_WITH_MEMORY))
        print(f"1,024 frames, {engine}: {plain:,} bytes; with 1,024 bytes of memory each: {with_memory:,}")
    print(row(HEADINGS))
    for workload in workloads:
        decoded, compiled = held_by_cache(workload, "stepper"), held_by_cache(workload, "auto")
        cells = [workload.name, f"{decoded.code:,}"]
        for held in (decoded, compiled):
            cells += [f"{held.traced:,}", f"{held.a_byte:.0f}", f"{held.share:.2f} x"]
        print(row(cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
