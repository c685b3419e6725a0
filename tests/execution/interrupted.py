"""A World whose transactions stop at random places, become bytes, and go on in another World on another engine."""

import json
import subprocess
import sys
from random import Random
from typing import Any

from evmthread.execution.computation import Computation
from evmthread.execution.result import TransactionResult
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.machine.breakpoints import AtGas, AtOpcode, AtStep
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Suspended

ENGINES: tuple[dict[str, Any], ...] = ({"engine": "stepper"}, {"engine": "auto", "threshold": 0})
WATCHED = ("SLOAD", "SSTORE", "CALL", "RETURN", "MSTORE", "JUMPI", "KECCAK256", "CREATE", "LOG1", "STATICCALL", "ADD")
MOST_STOPS = 12


def random_hooks(random: Random, world: World) -> list[Hook]:
    """One or two breakpoints."""
    names = [record.name for record in world.fork.table if record is not None and record.name in WATCHED]
    makers = (
        lambda: AtOpcode(*random.sample(names, 2)),
        lambda: AtStep(random.choice((1, 2, 7, 30, 200, 3_000))),
        lambda: AtGas(random.choice((0, 100, 3_000, 30_000, 500_000))),
    )
    return [random.choice(makers)() for _ in range(random.choice((1, 1, 2)))]


class InterruptedWorld(World):
    """Applies transactions with stops. `stops` counts them."""

    random = Random(0)
    stops = 0

    def apply(self, transaction: Transaction, *, sender: bytes | None = None) -> TransactionResult:
        cls = type(self)
        self.hooks = tuple(random_hooks(self.random, self))
        world: World = self
        computation = self.open_transaction(transaction, sender=sender)
        outcome = computation.run()
        left = MOST_STOPS
        while isinstance(outcome, Suspended):
            cls.stops += 1
            left -= 1
            if not left:
                world.hooks = ()
            if not left or self.random.randrange(3):
                world, computation = self.elsewhere(computation, world)
            outcome = computation.resume()
        self._host, self._computation, self.hooks = world._host, None, ()
        assert isinstance(outcome, TransactionResult)
        return outcome

    def elsewhere(self, computation: Computation, world: World) -> tuple[World, Computation]:
        """The same computation in a new World on some engine."""
        snapshot = computation.snapshot()
        hooks = random_hooks(self.random, self) if world.hooks else ()
        other = World(fork=self.fork, view=self.view, hooks=hooks, **self.random.choice(ENGINES))
        loaded = other.load(snapshot)
        assert loaded.snapshot() == snapshot
        return other, loaded


class Elsewhere:
    """Another process, which resumes what it is told to."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.execution.resume_elsewhere"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def resume(self, question: dict[str, Any]) -> dict[str, Any]:
        """What the other process says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
