"""Each test that asks for `world` runs on both chains, which are started once."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from evmthread.chain.registry import Registry
from tests.chain.chains import Chain, chain_named, deploy


@dataclass(frozen=True)
class OnChain:
    """A chain with a registry."""

    chain: Chain
    registry: Registry


@pytest.fixture(scope="session", params=["in process", "anvil"])
def world(request: pytest.FixtureRequest) -> Iterator[OnChain]:
    with chain_named(request.param) as chain:
        yield OnChain(chain, deploy(chain))
