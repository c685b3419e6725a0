"""A chain whose transactions wait: some get in late, in another order, or never; and blocks go again with a reorg.

`Mempool` is the one view of the chain that all share; `Line` is one participant's line to it, which may fail. All
chance comes from the Random that they are given. Neither knows any contract.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.transaction import Transaction, decode_transaction
from evmthread.isa.forks import OSAKA
from evmthread.rpc import NodeRefused, NodeUnreachable
from evmthread.testing.simulation.blocks import FINALITY, Blocks

_RULES = OSAKA.transactions
_FAILED = -32000
_BUMP = 10  # a transaction takes another's place for a tenth more, as in geth
_ROOM = 4
"""So many transactions get in at once."""


@dataclass(frozen=True, slots=True)
class ChainWeather:
    """How bad the chain is. Each is a share of the moments at which it could happen.

    `late`: a transaction isn't taken into a block; `lost`: it is forgotten; `reorg`: blocks go; `unreachable`: a
    request fails, before or after it was understood.
    """

    late: float = 0.0
    lost: float = 0.0
    reorg: float = 0.0
    unreachable: float = 0.0


@dataclass(slots=True)
class _Waiting:
    transaction: Transaction
    sender: bytes
    since: int


@dataclass(slots=True)
class Made:
    """Blocks that were made at once, and the transactions in them."""

    blocks: int
    transactions: tuple[Transaction, ...] = field(default=())


class Mempool:
    """A Provider: what it is asked of transactions that wait, it answers itself."""

    def __init__(self, blocks: Blocks, random: Random, chain_id: int) -> None:
        self.blocks = blocks
        self.weather = ChainWeather()
        self.made: list[Made] = []
        self.when_made: list[Callable[[Made], None]] = []
        """Told of blocks that were made, before anybody can look at them."""
        self.when_gone: list[Callable[[int], None]] = []
        """Told how many of the latest of `made` a reorg is about to take."""
        self._random = random
        self._chain_id = chain_id
        self._waiting: dict[bytes, _Waiting] = {}
        self._rounds = 0

    # As a node --------------------------------------------------------------------------------------------------------
    def request(self, method: str, *parameters: object) -> object:
        """See Provider."""
        match method, parameters:
            case "eth_sendRawTransaction", (str(raw),):
                return self._add(decode_transaction(bytes.fromhex(raw[2:]), _RULES))
            case "eth_getTransactionByHash", (str(name),) if bytes.fromhex(name[2:]) in self._waiting:
                return {"hash": name, "blockNumber": None}
            case "eth_getTransactionCount", (str(address), "pending"):
                return hex(self._next_nonce(bytes.fromhex(address[2:])))
            case _:
                return self.blocks.provider.request(method, *parameters)

    def waits(self, sender: bytes) -> bool:
        """Whether a transaction of this account waits."""
        return any(each.sender == sender for each in self._waiting.values())

    def _nonce(self, sender: bytes) -> int:
        told = self.blocks.provider.request("eth_getTransactionCount", "0x" + sender.hex(), "latest")
        return int(str(told), 16)

    def _next_nonce(self, sender: bytes) -> int:
        nonce = self._nonce(sender)
        taken = {each.transaction.nonce for each in self._waiting.values() if each.sender == sender}
        while nonce in taken:
            nonce += 1
        return nonce

    def _add(self, transaction: Transaction) -> str:
        try:
            sender = transaction.sender(_RULES, self._chain_id)
        except InvalidTransaction as error:
            raise NodeRefused("eth_sendRawTransaction", _FAILED, str(error)) from error
        if transaction.nonce < self._nonce(sender):
            raise NodeRefused("eth_sendRawTransaction", _FAILED, "nonce too low")
        name = transaction.hash()
        for other, each in list(self._waiting.items()):
            if each.sender == sender and each.transaction.nonce == transaction.nonce and other != name:
                if transaction.max_fee * 100 < each.transaction.max_fee * (100 + _BUMP):
                    raise NodeRefused("eth_sendRawTransaction", _FAILED, "replacement transaction underpriced")
                del self._waiting[other]
        self._waiting[name] = _Waiting(transaction, sender, self._rounds)
        return "0x" + name.hex()

    # As a chain -------------------------------------------------------------------------------------------------------
    def go_on(self, timestamp: int) -> None:
        """Makes blocks at this time, perhaps after it took some back."""
        self._rounds += 1
        if self._random.random() < self.weather.reorg:
            self._reorg()
        self._make(timestamp, self._chosen())

    def _make(self, timestamp: int, transactions: Sequence[Transaction]) -> None:
        for each in transactions:
            self._waiting.pop(each.hash(), None)
        made = Made(self.blocks.make(timestamp, transactions), tuple(transactions))
        self.made.append(made)
        for tell in self.when_made:
            tell(made)

    def _chosen(self) -> list[Transaction]:
        """Some of those that can be in the next block, in any order that their senders' nonces allow."""
        random, weather = self._random, self.weather
        for name in list(self._waiting):
            if random.random() < weather.lost:
                del self._waiting[name]
        nonces: dict[bytes, int] = {}
        chosen: list[Transaction] = []
        waiting = sorted(self._waiting.values(), key=lambda each: each.transaction.nonce)
        random.shuffle(waiting)
        for each in sorted(waiting, key=lambda each: each.transaction.nonce):
            nonce = nonces.setdefault(each.sender, self._nonce(each.sender))
            if each.transaction.nonce < nonce:
                self._waiting.pop(each.transaction.hash(), None)  # its place was taken
            elif each.transaction.nonce == nonce and len(chosen) < _ROOM and random.random() >= weather.late:
                chosen.append(each.transaction)
                nonces[each.sender] += 1
        return chosen

    def _reorg(self) -> None:
        """Takes up to FINALITY blocks back; of what was in them some waits again, some is in others, some is lost."""
        random, depth, count = self._random, 0, 0
        most = random.choice((1, 1, 2, 5, FINALITY))
        while count < len(self.made) and depth + self.made[-1 - count].blocks <= most:
            count += 1
            depth += self.made[-count].blocks
        if not count:
            return
        last = self._time()
        for tell in self.when_gone:
            tell(count)
        gone = [each for made in self.made[-count:] for each in made.transactions]
        del self.made[-count:]
        self.blocks.roll_back(depth)
        for each in gone:
            if random.random() < 0.8:
                self._waiting[each.hash()] = _Waiting(each, each.sender(_RULES, self._chain_id), self._rounds)
        # As many blocks as there were, so that what was final is final still, and none later than they were.
        for number in range(depth):
            self._make(last - depth + 1 + number, self._chosen()[:1] if random.random() < 0.5 else [])

    def _time(self) -> int:
        latest = self.blocks.provider.request("eth_getBlockByNumber", "latest", False)
        assert isinstance(latest, dict)
        return int(str(latest["timestamp"]), 16)


class Line:
    """One participant's Provider: its requests fail sometimes, and `passing` is called around what it sends."""

    def __init__(self, mempool: Mempool, random: Random, passing: Callable[[], None] = lambda: None) -> None:
        self._mempool = mempool
        self._random = random
        self._passing = passing

    def request(self, method: str, *parameters: object) -> object:
        """See Provider. Raises NodeUnreachable too."""
        sends = method == "eth_sendRawTransaction"
        if self._random.random() < self._mempool.weather.unreachable:
            if sends and self._random.random() < 0.5:
                self._mempool.request(method, *parameters)  # it arrived, and the answer didn't
            raise NodeUnreachable(f"{method}: the connection broke")
        if sends:
            self._passing()
        answer = self._mempool.request(method, *parameters)
        if sends:
            self._passing()
        return answer
