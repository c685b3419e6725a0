"""Makers of blocks: a chain that makes a block when it is told to, and can take blocks back. Knows no contract.

`LocalBlocks` is a chain of this process. `NodeBlocks` tells a development node that mines nothing by itself; it was
made for anvil, begun with ANVIL_OPTIONS.
"""

from collections.abc import Sequence
from typing import Protocol

from evmthread.execution.transaction import Transaction
from evmthread.rpc import Provider
from evmthread.testing.node import LocalNode
from evmthread.testing.simulation.scenario import START

FINALITY = 8
"""How many blocks the finalized one lies behind the latest."""

BEGINNING = int(START) - 20_000
"""The timestamp of a chain's first block."""

ANVIL_OPTIONS = (
    *("--no-mining", "--order", "fifo", "--slots-in-an-epoch", str(FINALITY // 2)),
    *("--timestamp", str(BEGINNING)),
)
"""What anvil has to be started with."""


class Blocks(Protocol):
    """What a simulated chain needs of what makes its blocks."""

    @property
    def provider(self) -> Provider:
        """Answers for the blocks that there are."""

    def put(self, address: bytes, *, balance: int = 0, code: bytes = b"") -> None:
        """Makes an account what it should be from the next block on. To be done before anybody looks."""

    def make(self, timestamp: int, transactions: Sequence[Transaction]) -> int:
        """Blocks with these transactions in this order, or an empty one; how many. Later than the latest block."""

    def roll_back(self, count: int) -> None:
        """Takes the latest blocks back."""


class LocalBlocks:
    """evmthread's own EVM. Each transaction is a block of its own, a second after the one before."""

    def __init__(self) -> None:
        """A new chain."""
        self.node = LocalNode(finality=FINALITY, timestamp=BEGINNING, reorgs=True)

    @property
    def provider(self) -> Provider:
        """See Blocks."""
        return self.node

    def put(self, address: bytes, *, balance: int = 0, code: bytes = b"") -> None:
        """See Blocks."""
        self.node.chain.world.set_balance(address, balance)
        if code:
            self.node.chain.world.set_code(address, code)

    def make(self, timestamp: int, transactions: Sequence[Transaction]) -> int:
        """See Blocks."""
        chain = self.node.chain
        for number, transaction in enumerate(transactions):
            chain.wait_until(max(timestamp + number, chain.time + 1))
            self.node.send(transaction)
        if not transactions:
            chain.wait_until(max(timestamp, chain.time + 1))
            self.node.mine()
        return max(1, len(transactions))

    def roll_back(self, count: int) -> None:
        """See Blocks."""
        self.node.rollback(count)


class NodeBlocks:
    """A real node, which puts all transactions into one block."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @property
    def provider(self) -> Provider:
        """See Blocks."""
        return self._provider

    def put(self, address: bytes, *, balance: int = 0, code: bytes = b"") -> None:
        """See Blocks."""
        self._provider.request("anvil_setBalance", _hex(address), hex(balance))
        if code:
            self._provider.request("anvil_setCode", _hex(address), _hex(code))

    def make(self, timestamp: int, transactions: Sequence[Transaction]) -> int:
        """See Blocks."""
        for transaction in transactions:
            self._provider.request("eth_sendRawTransaction", _hex(transaction.encode()))
        latest = self._provider.request("eth_getBlockByNumber", "latest", False)
        assert isinstance(latest, dict)
        self._provider.request("evm_mine", max(timestamp, int(str(latest["timestamp"]), 16) + 1))
        return 1

    def roll_back(self, count: int) -> None:
        """See Blocks."""
        self._provider.request("anvil_rollback", count)


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
