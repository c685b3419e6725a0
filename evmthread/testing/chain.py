"""LocalChain: a chain of one process, for tests of contracts and of programs that send transactions.

Each transaction is a block of its own, run by World under a fork's rules; time is what the test says. There are no
other senders, no pending transactions and no reorgs. It must not know any particular contract.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from evmthread.errors import InvalidInput
from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.result import CallResult
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World, WorldMark
from evmthread.isa.forks import OSAKA, Fork
from evmthread.primitives.types import ZERO_ADDRESS, Log

GENESIS_TIME = 1_750_000_000
BLOCK_SECONDS = 12  # between blocks of mainnet since Paris
BLOCK_GAS = 60_000_000  # mainnet's gas limit at the end of 2025
CALL_GAS = 50_000_000  # what geth gives an eth_call at most, unless told otherwise


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """What became of a transaction. `output` is return data, revert data, or the code of a created contract."""

    block: int
    timestamp: int
    hash: bytes
    success: bool
    gas_used: int
    logs: tuple[Log, ...]
    created: bytes | None
    output: bytes


class ChainSnapshot(NamedTuple):
    """A moment of a chain to go back to."""

    mark: WorldMark
    mined: int
    next_time: int


class LocalChain:
    """A chain whose blocks hold a transaction each. `world` is its state: set balances and code there at will."""

    def __init__(
        self, *, chain_id: int = 1337, fork: Fork = OSAKA, timestamp: int = GENESIS_TIME, engine: str = "auto"
    ) -> None:
        """`timestamp` is the genesis block's; `engine` is World's."""
        genesis = BlockEnvironment(number=0, timestamp=timestamp, gas_limit=BLOCK_GAS, chain_id=chain_id)
        self.world = World(fork=fork, environment=genesis, engine=engine)
        self.mined: list[MinedTransaction] = []
        self._next_time = timestamp + BLOCK_SECONDS

    @property
    def chain_id(self) -> int:
        return self.world.environment.chain_id

    @property
    def number(self) -> int:
        """The number of the latest block."""
        return self.world.environment.number

    @property
    def time(self) -> int:
        """The timestamp of the latest block, in seconds."""
        return self.world.environment.timestamp

    def wait(self, seconds: int) -> None:
        """The next block comes this many seconds after the latest. Raises InvalidInput for less than one."""
        self.wait_until(self.time + seconds)

    def wait_until(self, timestamp: int) -> None:
        """The next block has this timestamp. Raises InvalidInput unless it is later than the latest block's."""
        if timestamp <= self.time:
            raise InvalidInput(f"a block at {timestamp} can't follow one at {self.time}")
        self._next_time = timestamp

    def mine(self) -> int:
        """An empty block; its number."""
        self.world.environment = self._next_block()
        self._next_time = self.time + BLOCK_SECONDS
        return self.number

    def send(self, transaction: Transaction) -> MinedTransaction:
        """A block with this signed transaction. Raises an InvalidTransaction, without a block."""
        before = self.world.environment
        self.world.environment = self._next_block()
        try:
            done = self.world.apply(transaction)
        except BaseException:
            self.world.environment = before
            raise
        receipt = MinedTransaction(
            self.number,
            self.time,
            transaction.hash(),
            done.success,
            done.gas_used,
            done.logs,
            done.created,
            done.result.output,
        )
        self.mined.append(receipt)
        self._next_time = self.time + BLOCK_SECONDS
        return receipt

    def call(
        self, to: bytes, data: bytes, *, sender: bytes = ZERO_ADDRESS, value: int = 0, gas: int = CALL_GAS
    ) -> CallResult:
        """A call in the latest block that changes nothing, as eth_call makes it."""
        with self.world.isolated():
            self.world.begin_transaction()
            return self.world.call(to, data, sender=sender, value=value, gas=gas)

    def balance(self, address: bytes) -> int:
        """In wei."""
        return self.world.balance(address)

    def snapshot(self) -> ChainSnapshot:
        """This moment, to go back to with `restore`. Snapshots nest."""
        return ChainSnapshot(self.world.mark(), len(self.mined), self._next_time)

    def restore(self, snapshot: ChainSnapshot) -> None:
        """Makes everything as it was then. The snapshot stays good; later ones are void."""
        self.world.rollback(snapshot.mark)
        del self.mined[snapshot.mined :]
        self._next_time = snapshot.next_time

    def _next_block(self) -> BlockEnvironment:
        return replace(self.world.environment, number=self.number + 1, timestamp=self._next_time)
