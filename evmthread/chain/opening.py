"""From a THREAD log to a thread: whoever logged it, all that is needed is checked against hashes before it is opened.

The registry's log says that a thread waits for deposits. The same log of any other contract is a request, without
force: it has to name our chain and our registry, which its id shows.
"""

from collections import defaultdict
from dataclasses import dataclass

from evmthread.chain.blocks import Block, PlacedLog, block_at, check_logs, code_at, receipts_of
from evmthread.chain.errors import NodeLies
from evmthread.chain.events import registry_artifact, terms_of
from evmthread.chain.quantities import items, text
from evmthread.chain.registry import Registry
from evmthread.channel.thread import Thread
from evmthread.commit.eip712 import Domain
from evmthread.commit.opening import DEFAULT_INCLUSION, check_opening
from evmthread.commit.refusals import Refusal, WrongThread
from evmthread.commit.terms import Ruleset, Terms, check_origin_code, check_terms, thread_id
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives.types import Log
from evmthread.store.threadfile import ThreadHead


@dataclass(frozen=True, slots=True)
class Announcement:
    """A THREAD log that was checked: well-formed terms under our domain. `contract` logged it, in `block`."""

    domain: Domain
    terms: Terms
    contract: bytes
    block: Block

    @property
    def thread_id(self) -> bytes:
        """32 bytes."""
        return thread_id(self.domain, self.terms)

    @property
    def is_request(self) -> bool:
        """Whether another contract than the registry logged it: nobody has paid anything in yet."""
        return self.contract != self.domain.verifying_contract


def read_announcement(registry: Registry, block_hash: bytes, index: int) -> Announcement:
    """The THREAD log with this index in this block, which has it under its receipts root.

    Raises InvalidInput or DecodingError for a log of another kind, WrongThread for one under another chain or registry,
    IllFormedTerms, and as chain.blocks.receipts_of does.
    """
    block = block_at(registry.provider, block_hash)
    logs = [log for receipt in receipts_of(registry.provider, block) for log in receipt.logs]
    if not 0 <= index < len(logs):
        raise InvalidInput(f"block {block.number} has {len(logs)} logs, and none with index {index}")
    return _announced(registry.domain, logs[index], block)


def find_announcements(registry: Registry, first: int, last: int, contract: bytes | None = None) -> list[Announcement]:
    """All THREAD logs of the registry, or of another contract, in these blocks, each proven to be there.

    Logs under other domains, with terms that aren't well-formed, or with none at all, are left out. Raises as
    chain.blocks.check_logs does.
    """
    asked = {
        "address": text(registry.address if contract is None else contract),
        "topics": [text(registry_artifact().event("THREAD").topic)],
        "fromBlock": text(first),
        "toBlock": text(last),
    }
    by_block: defaultdict[bytes, dict[PlacedLog, None]] = defaultdict(dict)
    for told in items(registry.provider.request("eth_getLogs", asked), "eth_getLogs"):
        placed = PlacedLog.from_json(told)
        if not first <= placed.block_number <= last or text(placed.log.address) != asked["address"]:
            raise NodeLies("the node gives a log that was not asked for")
        by_block[placed.block_hash][placed] = None
    found = []
    for block_hash, logs in by_block.items():
        check_logs(registry.provider, [*logs])
        block = block_at(registry.provider, block_hash)
        for placed in logs:
            try:
                found.append(_announced(registry.domain, placed.log, block))
            except (InvalidInput, DecodingError, Refusal):
                continue  # anybody can log anything
    return found


def _announced(domain: Domain, log: Log, block: Block) -> Announcement:
    event = registry_artifact().event("THREAD")
    if log.topics[:1] != (event.topic,):
        raise InvalidInput("not a THREAD log")
    said, values = event.decode(log).values
    terms = terms_of(values)
    check_terms(terms)
    if (expected := thread_id(domain, terms)) != said:
        assert isinstance(said, bytes)
        raise WrongThread(expected, said)
    return Announcement(domain, terms, log.address, block)


def thread_head(
    registry: Registry,
    announcement: Announcement,
    ruleset: Ruleset,
    *,
    block: Block | None = None,
    inclusion: int = DEFAULT_INCLUSION,
) -> ThreadHead:
    """What a store needs to begin the thread: the origin's code is pulled, and hashes to what the terms say.

    `block` is the one in which the code is read, by default the log's. Raises a Refusal for a ruleset that isn't the
    terms', leaves no time to come back, or code that isn't the terms'; and as chain.blocks.code_at does.
    """
    terms = announcement.terms
    check_opening(terms, ruleset, inclusion=inclusion)
    code = code_at(registry.provider, announcement.block if block is None else block, terms.origin)
    check_origin_code(terms, code)
    return ThreadHead(announcement.domain, terms, ruleset, code)


def open_thread(head: ThreadHead) -> Thread:
    """The thread in memory, without its genesis yet. Raises as Thread.open does."""
    return Thread.open(head.domain, head.terms, head.ruleset, code=head.code)
