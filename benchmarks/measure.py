"""Times the message call of a workload on evmthread, in this process, and checks what it gave.

CPU time of the call alone: the state, the World and the transaction scope are prepared outside of it.
"""

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.workload import Workload, parse_workload
from evmthread.execution import World
from evmthread.machine.code_cache import CodeCache, RegionStore
from evmthread.machine.tiers import DEFAULT_THRESHOLD
from evmthread.primitives.keccak import keccak256

ENGINES = ("stepper", "auto")

WARM_UP_CALLS = 600  # enough for code that runs once a call to be found hot
WARM_UP_SECONDS = {"stepper": 0.05, "auto": 4.0}
TIMED_SECONDS = 0.5
TIMED_CALLS = (3, 101)  # at least, at most


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU seconds of one workload: the median, and of how many calls. `problem`: what the call got wrong, or None."""

    seconds: float
    calls: int
    problem: str | None


class Subject:
    """A workload on one engine, ready to be called again and again from the same state, with code caches kept."""

    def __init__(
        self,
        workload: Workload,
        engine: str,
        *,
        store: RegionStore | None = None,
        threshold: int = DEFAULT_THRESHOLD,
    ) -> None:
        self.workload = workload
        self.engine = engine
        self.world = World(
            fork=workload.fork,
            environment=workload.environment,
            view=workload.state(),
            engine=engine,
            cache=CodeCache(store=store),
            threshold=threshold,
        )

    def call(self) -> tuple[float, dict[str, Any]]:
        """CPU seconds of one call, and what came out, as in a workload's `expect`. It changes no state."""
        world, call = self.world, self.workload.call
        to, data, sender = call.to, call.data, call.sender
        value, gas, gas_price = call.value, call.gas, call.gas_price
        with world.isolated():
            world.begin_transaction()
            start = time.process_time()
            result = world.call(to, data, sender=sender, value=value, gas=gas, gas_price=gas_price)
            seconds = time.process_time() - start
        return seconds, {
            "success": result.success,
            "output": "0x" + result.output.hex(),
            "execGas": result.gas_used,
            "refund": result.refund,
        }

    def check(self) -> tuple[float, str | None]:
        """CPU seconds of one call, and what it got wrong, or None."""
        seconds, answer = self.call()
        return seconds, self.workload.problem(answer)

    def warm_up(self) -> None:
        """Calls until the engine has seen the code often enough to have done all it will do with it."""
        spent = 0.0
        for _ in range(WARM_UP_CALLS):
            spent += self.call()[0]
            if spent > WARM_UP_SECONDS[self.engine]:
                break


def time_warm(workload: Workload, engine: str) -> Timing:
    """The median of many calls in this process, after warming up."""
    subject = Subject(workload, engine)
    _, problem = subject.check()
    if problem:
        return Timing(0.0, 1, problem)
    subject.warm_up()
    samples: list[float] = []
    least, most = TIMED_CALLS
    while len(samples) < least or (len(samples) < most and sum(samples) < TIMED_SECONDS):
        seconds, problem = subject.check()
        samples.append(seconds)
        if problem:
            break
    return Timing(statistics.median(samples), len(samples), problem)


def providers() -> dict[str, str]:
    """What runs here."""
    return {
        "evmthread": version("evmthread"),
        "python": platform.python_version(),
        "keccak": keccak256.__name__.removeprefix("through_"),
    }


def repeatable(record: dict[str, Any], *, engine: str) -> Callable[[], tuple[float, dict[str, Any]]]:
    """A function that makes the call from the prepared state, warmed up: CPU seconds and answer."""
    subject = Subject(parse_workload(record, Path(str(record.get("name")))), engine)
    subject.warm_up()
    return subject.call
