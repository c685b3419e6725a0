"""What all tests share: the engines, and Hypothesis without a clock."""

from dataclasses import dataclass

import pytest
from hypothesis import settings

from evmthread.execution.world import World
from evmthread.machine.machine import Engine as FrameEngine
from evmthread.machine.stepper import execute
from evmthread.machine.tiers import TieredEngine

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
