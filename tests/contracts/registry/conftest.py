"""Each test that asks for `registry` runs on both chains. They are started once, and go back after each test."""

from collections.abc import Iterator

import pytest

from tests.contracts.registry.chains import chain_named
from tests.contracts.registry.deployed import Deployed, deploy


@pytest.fixture(scope="session", params=["in process", "anvil"])
def started(request: pytest.FixtureRequest) -> Iterator[Deployed]:
    with chain_named(request.param) as chain:
        yield deploy(chain)


@pytest.fixture
def registry(started: Deployed) -> Iterator[Deployed]:
    """A registry on a chain, as new."""
    snapshot = started.chain.snapshot()
    yield started
    started.chain.restore(snapshot)
