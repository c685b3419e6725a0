"""What all tests share: the engines, and Hypothesis without a clock."""

from dataclasses import dataclass

import pytest
from hypothesis import settings

from evmthread.execution.world import World

settings.register_profile("evmthread", deadline=None)
settings.load_profile("evmthread")


@dataclass(frozen=True)
class Engine:
    """One way to run code. The one place where a test's World is made."""

    name: str

    def world(self, **options: object) -> World:
        """A World that runs on this engine."""
        return World(**options)  # type: ignore[arg-type]


@pytest.fixture(scope="session", params=["stepper"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every execution test takes it, and so runs on each engine."""
    return Engine(request.param)
