"""Watcher: what a party knows of its thread on chain. It is told what was seen, and says what is new.

It does no I/O and believes no single event: all events, one after another, have to lead to the words that are proven
under the block's state root. Events count when their block is final, each once; what is above may go again. Alarms
don't wait: the thread's mode in the latest block is told at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from evmthread.chain.blocks import Block
from evmthread.chain.errors import FinalityBroken, NodeLies
from evmthread.chain.events import Placed, ThreadState, follow_event
from evmthread.channel.desk import ChainHead, Mode
from evmthread.commit.eip712 import Domain
from evmthread.commit.members import plain_type
from evmthread.commit.records import VERSION_BYTE, decode_versioned, decoded_list
from evmthread.commit.terms import Terms, thread_id
from evmthread.errors import DecodingError
from evmthread.primitives import rlp
from evmthread.primitives.types import ZERO_HASH

_UINT64, _UINT256, _HASH = plain_type("uint64"), plain_type("uint256"), plain_type("bytes32")
_POSITION_ITEMS = 7


# What it is told ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Sight:
    """One look at the chain: two blocks, the thread's proven words in each, and its events.

    `events` are all from the watcher's `since` on, as far as `latest`.
    """

    latest: Block
    latest_state: ThreadState
    finalized: Block
    finalized_state: ThreadState
    events: tuple[Placed, ...]


# What it says ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Seen:
    """An event in a block that may still go: an alarm, nothing to credit."""

    placed: Placed


@dataclass(frozen=True, slots=True)
class Gone:
    """A reorg took the block of an event that was Seen."""

    placed: Placed


@dataclass(frozen=True, slots=True)
class Final:
    """An event in a final block. It is told once, and never goes."""

    placed: Placed


@dataclass(frozen=True, slots=True)
class Head:
    """The chain moved on: what Endpoint.head wants to know."""

    head: ChainHead


News: TypeAlias = Seen | Gone | Final | Head


@dataclass(frozen=True, slots=True)
class Position:
    """How far final events were told: the block, and what the registry kept of the thread in it.

    It is all that a watcher needs to go on after a restart. The default is before the chain's first block.
    """

    number: int = -1
    block_hash: bytes = ZERO_HASH
    state: ThreadState = field(default_factory=ThreadState)

    def encode(self) -> bytes:
        """Canonical bytes: 0x01 ++ rlp([number + 1, block hash, digest, nonce, deadline, held, mode])."""
        state = self.state
        return VERSION_BYTE + rlp.encode_list(
            [
                _UINT64.to_rlp(self.number + 1),
                _HASH.to_rlp(self.block_hash),
                _HASH.to_rlp(state.digest),
                *map(_UINT256.to_rlp, (state.nonce, state.deadline, state.held, int(state.mode))),
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The position of its bytes. Raises DecodingError."""
        items = decoded_list(decode_versioned(data, "Position", max_bytes=256), "Position", _POSITION_ITEMS)
        hashes = [_HASH.from_rlp(item, "Position") for item in items[1:3]]
        next_number, nonce, deadline, held, mode = [
            _UINT256.from_rlp(item, "Position") for item in (items[0], *items[3:])
        ]
        try:
            state = ThreadState(hashes[1], nonce, deadline, held, Mode(mode))  # type: ignore[arg-type] # read as such
        except ValueError as error:
            raise DecodingError(f"Position: {error}") from None
        if any(not isinstance(each, bytes) or len(each) != len(ZERO_HASH) for each in hashes):
            raise DecodingError("Position: a hash is of another length")
        return cls(next_number - 1, hashes[0], state)  # type: ignore[operator,arg-type] # as above


class Watcher:
    """One thread on chain."""

    def __init__(self, domain: Domain, terms: Terms, position: Position | None = None) -> None:
        """`position` is where an earlier watcher ended."""
        self.domain = domain
        self.terms = terms
        self.thread_id = thread_id(domain, terms)
        self.position = Position() if position is None else position
        self.head: ChainHead | None = None
        self.state: ThreadState | None = None
        """What the registry keeps of the thread in the latest block: good for alarms, not for money."""
        self._latest: bytes | None = None
        self._pending: dict[tuple[bytes, int], Placed] = {}

    @property
    def since(self) -> int:
        """The first block whose events it needs at its next sight."""
        return self.position.number + 1

    def knows(self, latest: Block, finalized: Block) -> bool:
        """Whether these are the blocks of its last sight."""
        return latest.hash == self._latest and finalized.hash == self.position.block_hash

    def see(self, sight: Sight) -> list[News]:
        """What is new, events in the order in which they happened; nothing for what it knows, or is past.

        Raises NodeLies where the events don't lead to what is proven, FinalityBroken where a final block is another
        now; nothing changes then.
        """
        position, finalized, latest = self.position, sight.finalized, sight.latest
        if finalized.number < position.number or latest.number < finalized.number:
            return []  # a node that is behind
        if finalized.number == position.number and finalized.hash != position.block_hash:
            raise FinalityBroken(f"block {finalized.number} was 0x{position.block_hash.hex()} when it was final")
        if self.knows(latest, finalized):
            return []
        final, pending = self._split(sight)
        self._check(position.state, final, finalized, sight.finalized_state)
        self._check(sight.finalized_state, pending, latest, sight.latest_state)
        # All is proven: from here on nothing is raised.
        known, now = self._pending, {each.key: each for each in pending}
        kept = now.keys() | {each.key for each in final}
        news: list[News] = [Gone(each) for key, each in reversed(known.items()) if key not in kept]
        news += [Final(each) for each in final]
        news += [Seen(each) for each in pending if each.key not in known]
        self._pending, self._latest, self.state = now, latest.hash, sight.latest_state
        self.position = Position(finalized.number, finalized.hash, sight.finalized_state)
        self.head = ChainHead(
            latest.number, latest.timestamp, sight.latest_state.mode, finalized.number, sight.finalized_state.mode
        )
        return [*news, Head(self.head)]

    def _split(self, sight: Sight) -> tuple[list[Placed], list[Placed]]:
        """The final events and those above, in order, each once; what is not after our position was told before."""
        ordered = sorted(sight.events, key=lambda each: (each.where.block_number, each.where.index))
        events = list({each.key: each for each in ordered}.values())
        line = sight.finalized.number
        final = [each for each in events if self.position.number < each.where.block_number <= line]
        return final, [each for each in events if line < each.where.block_number <= sight.latest.number]

    def _check(self, before: ThreadState, events: Sequence[Placed], block: Block, proven: ThreadState) -> None:
        state = before
        for each in events:
            state = follow_event(self.terms, state, each.event)
        if state != proven:
            raise NodeLies(
                f"the events up to block {block.number} lead to {state}, and its state root proves {proven}: "
                "the node left some out, or made some up"
            )
