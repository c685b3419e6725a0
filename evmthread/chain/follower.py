"""Follower: looks at the chain for a Watcher, in a bounded number of requests whatever was missed.

A look asks for two headers, the thread's words in both, and the logs since the last final block, some thousand blocks
at a time. All of it is proven as far as hashes go; a look in which the chain moved is made again.
"""

from collections import defaultdict
from collections.abc import Iterator

from evmthread.chain.blocks import FINALIZED, LATEST, Block, PlacedLog, block_at, check_logs
from evmthread.chain.errors import ChainMoved, NodeLies
from evmthread.chain.events import Placed, read_event, read_thread
from evmthread.chain.quantities import items, record, text
from evmthread.chain.watcher import News, Position, Sight, Watcher
from evmthread.commit.eip712 import Domain
from evmthread.commit.terms import Terms, thread_id
from evmthread.rpc import Provider

LOG_BLOCKS = 2_000
"""For how many blocks logs are asked for at once: what public nodes allow at least."""
_LOOKS = 3


def present_position(provider: Provider, domain: Domain, terms: Terms) -> Position:
    """Where a watcher may begin that wants no old events: the finalized block, and the thread's proven words in it.

    Raises NodeLies, ChainMoved, and as providers do.
    """
    block = block_at(provider, FINALIZED)
    return Position(
        block.number, block.hash, read_thread(provider, block, domain.verifying_contract, thread_id(domain, terms))
    )


class Follower:
    """A watcher's eyes on one node."""

    def __init__(self, provider: Provider, watcher: Watcher, *, log_blocks: int = LOG_BLOCKS) -> None:
        self.watcher = watcher
        self.is_behind = False
        """Whether the node's final block was before the watcher's, at the last look: the watcher concludes nothing."""
        self._provider = provider
        self._log_blocks = log_blocks
        self._registry = watcher.domain.verifying_contract
        self._checked: dict[bytes, tuple[PlacedLog, ...]] = {}

    def poll(self) -> list[News]:
        """What is new on chain. Raises NodeLies, FinalityBroken, ChainMoved, and as providers do.

        Whatever is raised, the watcher is as before, and the next poll makes up for it.
        """
        for _ in range(_LOOKS - 1):
            try:
                return self._look()
            except (ChainMoved, NodeLies):
                continue  # between two of its answers the node may have changed its mind
        return self._look()

    def _look(self) -> list[News]:
        watcher, provider = self.watcher, self._provider
        finalized = block_at(provider, FINALIZED)
        self.is_behind = finalized.number < watcher.position.number
        latest = block_at(provider, LATEST)
        if finalized.number > latest.number:
            latest = finalized
        if latest.number == finalized.number and latest.hash != finalized.hash:
            raise ChainMoved("the latest block and the finalized one are two of one number")
        if watcher.knows(latest, finalized):
            return []
        state = read_thread(provider, latest, self._registry, watcher.thread_id)
        final_state = state
        if finalized != latest:
            final_state = read_thread(provider, finalized, self._registry, watcher.thread_id)
        events = tuple(self._events(watcher.since, latest)) if latest.number >= watcher.since else ()
        return watcher.see(Sight(latest, state, finalized, final_state, events))

    def _events(self, since: int, latest: Block) -> Iterator[Placed]:
        """The thread's events in these blocks, each in a block that really has it."""
        by_block: defaultdict[bytes, set[PlacedLog]] = defaultdict(set)
        for first in range(since, latest.number + 1, self._log_blocks):
            last = min(first + self._log_blocks - 1, latest.number)
            asked = {
                "address": text(self._registry),
                "topics": [None, text(self.watcher.thread_id)],
                "fromBlock": text(first),
                "toBlock": text(last),
            }
            for told in items(self._provider.request("eth_getLogs", asked), "eth_getLogs"):
                if record(told, "a log").get("removed") is True:
                    continue
                placed = PlacedLog.from_json(told)
                if not first <= placed.block_number <= last:
                    raise NodeLies(f"asked for logs of blocks {first} to {last}, the node gives {placed.block_number}")
                if placed.log.address != self._registry or placed.log.topics[1:2] != (self.watcher.thread_id,):
                    raise NodeLies("the node gives a log that was not asked for")
                by_block[placed.block_hash].add(placed)
        # What was checked stays so when the look fails later on: the next one need not begin anew.
        self._checked = {block: logs for block, logs in self._checked.items() if block in by_block}
        for block_hash, logs in by_block.items():
            ordered = tuple(sorted(logs, key=lambda each: each.index))
            if self._checked.get(block_hash) != ordered:
                check_logs(self._provider, ordered)
                self._checked[block_hash] = ordered
            for placed in ordered:
                event = read_event(placed.log)
                if event is not None:
                    yield Placed(event, placed)
