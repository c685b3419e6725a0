"""What all tests share: the engines, a real node, and Hypothesis without a clock."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import settings

from evmthread.execution.world import World
from evmthread.machine.machine import Engine as FrameEngine
from evmthread.machine.stepper import execute
from evmthread.machine.tiers import TieredEngine
from tests.anvil import Anvil, running_anvil

settings.register_profile("evmthread", deadline=None)
settings.load_profile("evmthread")


@dataclass(frozen=True)
class Engine:
    """One way to run code. The one place where a test's World is made."""

    name: str

    def world(self, **options: object) -> World:
        """A World that runs on this engine."""
        chosen = {"engine": "stepper"} if self.name == "stepper" else {"engine": "auto", "threshold": 0}
        return World(**chosen, **options)  # type: ignore[arg-type]

    def of_machine(self) -> FrameEngine:
        """What a Machine is given to run its frames."""
        return execute if self.name == "stepper" else TieredEngine(0)


@pytest.fixture(scope="session", params=["stepper", "compiled"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every execution test takes it, and so runs on each engine."""
    return Engine(request.param)


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    """A node that the tests of a file share; without one they are skipped (see tests/anvil.py)."""
    with running_anvil() as node:
        yield node
