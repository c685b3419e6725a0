"""How large snapshots are and how long they take: small machines, a thousand frames, a megabyte of memory.

python -m benchmarks.snapshots
"""

import statistics
import time
from collections.abc import Callable

from evmthread.contracts import load_artifact
from evmthread.execution.computation import Computation
from evmthread.execution.world import World
from evmthread.isa.forks import CANCUN
from evmthread.machine.breakpoints import AtOpcode
from evmthread.state.memory import MemoryState

ACCOUNT = b"\xaa" * 20
ROUNDS = 9
STOP_AT_SLOAD = bytes.fromhex("60005400")
MEGABYTE = bytes.fromhex("6007620fffe052") + STOP_AT_SLOAD
# CALL itself with all gas, then SLOAD: at the depth limit the innermost stops first.
RECURSION = bytes.fromhex("5f5f5f5f5f73" + "aa" * 20 + "5af1505f5400")


def suspended(code: bytes, gas: int = 10**7) -> tuple[Computation, Callable[[], World]]:
    """A call of this code that stands before its first SLOAD, and how to make worlds on the same state."""
    view = MemoryState()
    view.set_account(ACCOUNT, code=code)

    def world() -> World:
        return World(fork=CANCUN, view=view)

    stops = world()
    stops.hooks = (AtOpcode("SLOAD"),)
    computation = stops.open_call(ACCOUNT, load_artifact("Morpion").function("moves").encode(), gas=gas)
    computation.run()
    return computation, world


def milliseconds(action: Callable[[], object]) -> float:
    """The median CPU time of some rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1000


def main() -> None:
    """Prints a table."""
    rows = [
        ("Morpion, a view call", load_artifact("Morpion").runtime_code, 10**7),
        ("one megabyte of memory", MEGABYTE, 10**7),
        ("1,025 frames", RECURSION, 10**12),
    ]
    print("| machine | frames | bytes | to bytes, ms | from bytes, ms |")
    print("|---|---:|---:|---:|---:|")
    for name, code, gas in rows:
        computation, world = suspended(code, gas)
        snapshot = computation.snapshot()
        frames = len(computation.frames)
        out = milliseconds(computation.snapshot)
        back = milliseconds(lambda make=world, data=snapshot: make().load(data))  # type: ignore[misc]
        print(f"| {name} | {frames:,} | {len(snapshot):,} | {out:.2f} | {back:.2f} |")


if __name__ == "__main__":
    main()
