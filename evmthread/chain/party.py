"""ChainParty: one party's endpoint and its chain, joined: deposits, heads, challenges, and the way back.

It tells the endpoint what the chain shows, and answers stale challenges as a watchtower does, with the endpoint's own
latest agreement. When to look is its caller's matter, as are clocks and messages.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

from evmthread.chain.accounts import Account
from evmthread.chain.blocks import FINALIZED, LATEST, block_at
from evmthread.chain.errors import CallReverted
from evmthread.chain.events import Placed, Recorded, Settled
from evmthread.chain.recorded import recorded_agreement
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Included
from evmthread.chain.watcher import Final, Head, News, Position, Seen
from evmthread.chain.watchtower import Watchtower, Word
from evmthread.channel.desk import ChainHead
from evmthread.channel.errors import NotSupported
from evmthread.channel.events import ChallengeDue, Event
from evmthread.channel.messages import Accept, encode_message
from evmthread.channel.returning import ReturnToChain, return_to_chain
from evmthread.commit.agreement import Agreement, verify
from evmthread.commit.commitment import Status
from evmthread.errors import BackendError, InvalidInput
from evmthread.merkle.accounts import StateRoots
from evmthread.state.view import ListsSlots, StateView
from evmthread.store.endpoint import Endpoint
from evmthread.store.handing_on import read_agreed, verified_line
from evmthread.store.replaying import replay_line
from evmthread.store.threadfile import AgreedRecord


@runtime_checkable
class _Provable(StateView, ListsSlots, Protocol):
    def roots(self) -> StateRoots: ...


class ChainParty:
    """One party of a thread under a registry. Methods that send raise as Registry's do."""

    def __init__(
        self, registry: Registry, endpoint: Endpoint, account: Account, *, position: Position | None = None
    ) -> None:
        """`account` pays for gas, and is the owner's or the key's where the registry wants a party.

        `position` is where an earlier one ended, by default it begins at the present. Raises InvalidInput for an
        endpoint of another chain or registry, or one that doesn't mind the chain.
        """
        if endpoint.channel.thread.domain != registry.domain:
            raise InvalidInput("the endpoint's thread is of another chain or registry")
        self.registry = registry
        self.endpoint = endpoint
        self.account = account
        self._position = position
        self._tower: Watchtower | None = None
        self._brought: Placed | None = None

    @property
    def agreement(self) -> Agreement:
        """The latest agreement. Raises InvalidInput before the genesis."""
        agreement = self.endpoint.channel.agreement
        if agreement is None:
            raise InvalidInput("nothing is agreed on yet")
        return agreement

    @property
    def tower(self) -> Watchtower:
        """The watchtower over the latest agreement. Raises as `agreement` does, and as Watchtower."""
        if self._tower is None:
            self._tower = Watchtower(self.registry, self.agreement, self.account, position=self._position)
        else:
            self._tower.renew(self.agreement)
        return self._tower

    def look(self) -> tuple[list[News], list[Word]]:
        """Looks at the chain, tells the endpoint, and answers a stale challenge. Raises as Watchtower.look does.

        An agreement on chain that a peer kept back is taken from there, if we have signed it ourselves.

        Before the genesis there is nothing to look for, but the endpoint is told how far the chain is: a genesis that
        names a block isn't signed by who knows none.
        """
        if self.endpoint.channel.agreement is None:
            self.endpoint.head(self._head())
            return [], []
        news, words = self.tower.look()
        for each in news:
            if isinstance(each, Head):
                self.endpoint.head(each.head)
            elif isinstance(each, Seen | Final) and isinstance(each.placed.event, Recorded | Settled):
                self._brought = each.placed
        self._learn()
        return news, words

    def _head(self) -> ChainHead:
        provider, thread = self.registry.provider, self.endpoint.channel.thread.thread_id
        latest, finalized = block_at(provider, LATEST), block_at(provider, FINALIZED)
        now, then = (self.registry.thread(thread, block).mode for block in (latest, finalized))
        return ChainHead(latest.number, latest.timestamp, now, finalized.number, then)

    def _learn(self) -> None:
        """Takes the signatures from the chain that a peer kept back, where it records what we have signed ourselves."""
        if self._brought is None:
            return
        event, thread = self._brought.event, self.endpoint.channel.thread
        assert isinstance(event, Recorded | Settled)
        if event.nonce > self.agreement.commitment.nonce:
            try:
                found = recorded_agreement(self.registry, thread.terms, self._brought.where, event.digest)
            except BackendError:
                return  # what was seen is told all the same; it is asked for again at the next look
            if found is not None:
                signatures = found.signatures
                for index, signature in zip(signatures.indexes(), signatures.signatures, strict=True):
                    if index != self.endpoint.channel.index:
                        accept = Accept(event.nonce, event.digest, signature)
                        self.endpoint.receive(index, encode_message(thread.thread_id, accept))
        self._brought = None

    def handle(self, event: Event) -> Included | None:
        """Does what an event of the channel asks for on chain: a challenge that is due."""
        return self.challenge() if isinstance(event, ChallengeDue) else None

    # Sending ----------------------------------------------------------------------------------------------------------
    def deposit(self, *, grants: Mapping[int, bytes] | None = None) -> Included:
        """Pays this party's deposit, when all have signed the genesis."""
        return self.registry.open(self.account, self.agreement, self.endpoint.channel.index, grants=grants)

    def challenge(self) -> Included:
        """Takes the latest agreement on chain, and starts the clock; on the record, where that is as high or higher.

        So nobody can stop a challenge by recording an agreement just before it.
        """
        try:
            return self.registry.challenge(self.account, self.agreement)
        except CallReverted as refused:
            if refused.name not in ("StaleNonce", "Equivocation"):
                raise
        return self.registry.exit(self.account, self.agreement.terms)

    def settle(self) -> Included:
        """Ends the thread: at once with a final agreement, else with the record, after the deadline."""
        agreement = self.agreement
        if agreement.commitment.status == Status.FINAL:
            return self.registry.settle(self.account, agreement)
        return self.registry.settle_record(self.account, agreement.terms, self._recorded().commitment)

    def _recorded(self) -> Agreement:
        """The agreement that the registry has on record, where the store has it, else the latest."""
        latest, lease = self.agreement, self.endpoint.lease
        record = self.registry.thread(latest.commitment.thread_id).record
        kept = None if record in (None, latest.digest) else lease.agreed(record)
        return latest if kept is None else verify(latest.domain, latest.terms, read_agreed(lease.head, kept).signed)

    def returning(self) -> ReturnToChain:
        """What puts the thread's contract back on chain, at what the registry has on record, or the latest agreement.

        A record that isn't the latest agreement is executed again. Raises NotSupported for a contract that is more than
        one transaction can put there, or a state without proofs.
        """
        thread, recorded = self.endpoint.channel.thread, self._recorded()
        if recorded.digest != self.agreement.digest:
            thread, _ = replay_line(self.endpoint.lease.head, self._line_to(recorded.digest))
        if not isinstance(thread.state, _Provable):
            raise NotSupported("the thread's state lists no slots, or keeps no tries")
        return return_to_chain(thread.state, thread.address)

    def _line_to(self, digest: bytes) -> Iterator[tuple[Agreement, AgreedRecord]]:
        for agreement, record in verified_line(self.endpoint.lease):
            yield agreement, record
            if agreement.digest == digest:
                return
        raise NotSupported("the record is beside the line that was gone on with")

    def materialize(self) -> Included:
        """Puts the thread's contract on chain, after it was settled. Raises as `returning`."""
        agreement, returning = self._recorded(), self.returning()
        return self.registry.materialize(self.account, agreement.terms, agreement.commitment, returning)
