"""The two chains on which the client's tests run, as one: LocalNode and anvil, each a Provider with a few controls.

Nothing goes back between tests: each opens threads of its own, and time only moves on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Patience
from evmthread.primitives.keccak import keccak256
from evmthread.rpc import Provider
from evmthread.testing.node import LocalNode
from tests.anvil import Anvil, running_anvil, word

FINALITY = 2
ETHER = 10**18


class Chain(Protocol):
    """What the tests need of a chain."""

    @property
    def provider(self) -> Provider: ...

    @property
    def time(self) -> int:
        """The timestamp of the latest block."""

    def put(self, address: bytes, *, balance: int = 0, code: bytes = b"", storage: Mapping[int, int] = {}) -> None:
        """Makes an account what it should be, in a block that is final."""

    def mine(self, count: int = 1) -> None:
        """Empty blocks."""

    def wait_until(self, timestamp: int) -> None:
        """A new block with this timestamp, or nothing if it is past."""


class InProcess:
    """evmthread's own EVM."""

    def __init__(self, node: LocalNode) -> None:
        self.node = node

    @property
    def provider(self) -> Provider:
        return self.node

    @property
    def time(self) -> int:
        return self.node.chain.time

    def put(self, address: bytes, *, balance: int = 0, code: bytes = b"", storage: Mapping[int, int] = {}) -> None:
        world = self.node.chain.world
        if balance:
            world.set_balance(address, balance)
        if code:
            world.set_code(address, code)
        for key, value in storage.items():
            world.set_storage(address, key, value)
        self.node.mine(FINALITY + 1)

    def mine(self, count: int = 1) -> None:
        self.node.mine(count)

    def wait_until(self, timestamp: int) -> None:
        if timestamp > self.time:
            self.node.chain.wait_until(timestamp)
            self.node.mine()


class OnAnvil:
    """A real node."""

    def __init__(self, node: Anvil) -> None:
        self.node = node

    @property
    def provider(self) -> Provider:
        return self.node.provider

    @property
    def time(self) -> int:
        return int(self.node.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def put(self, address: bytes, *, balance: int = 0, code: bytes = b"", storage: Mapping[int, int] = {}) -> None:
        self.node.put(address, balance=balance, code=code)
        for key, value in storage.items():
            self.node.ask("anvil_setStorageAt", "0x" + address.hex(), word(key), word(value))
        # The block before has another state now than its header says: it must not be one that is looked at.
        self.node.mine(FINALITY + 1)

    def mine(self, count: int = 1) -> None:
        self.node.mine(count)

    def wait_until(self, timestamp: int) -> None:
        if timestamp > self.time:
            self.node.ask("evm_setNextBlockTimestamp", timestamp)
            self.node.mine()


@contextmanager
def chain_named(name: str) -> Iterator[Chain]:
    """A new chain, "in process" or "anvil"."""
    if name == "in process":
        yield InProcess(LocalNode(finality=FINALITY))
        return
    with running_anvil("--slots-in-an-epoch", "1", hardfork="osaka", accounts=1) as node:
        yield OnAnvil(node)


def account(name: str) -> KeyAccount:
    """An account whose key everybody knows, for tests only."""
    return KeyAccount(keccak256(b"evmthread chain test " + name.encode()))


def rich(chain: Chain, *accounts: KeyAccount) -> None:
    """Gives them ether."""
    for each in accounts:
        chain.put(each.address, balance=1000 * ETHER)


QUICK = Patience(pause=0.02, tries=500)


def deploy(chain: Chain) -> Registry:
    """A registry on the chain."""
    deployer = account("deployer")
    rich(chain, deployer)
    return Registry.deploy(chain.provider, deployer, patience=QUICK)
