"""Who deals with a real registry for the honest: each party's user, its watchtower, and a bystander.

A settler of a party drives a ChainParty, anew in each life of its process; all of its transactions are sent and not
waited for. What it meets on the way, lines that break and calls that come too late, ends the attempt, not the run.
"""

from collections.abc import Callable

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.blocks import LATEST
from evmthread.chain.errors import CallReverted, FinalityBroken, NodeLies
from evmthread.chain.events import Placed, Recorded, ThreadState
from evmthread.chain.follower import Follower
from evmthread.chain.party import ChainParty
from evmthread.chain.recorded import recorded_agreement
from evmthread.chain.registry import Registry
from evmthread.chain.watcher import Final, News, Position, Seen, Watcher
from evmthread.chain.watchtower import Over, Watchtower, Word
from evmthread.channel.desk import Mode
from evmthread.channel.errors import NotSupported
from evmthread.channel.events import ChallengeDue, Event
from evmthread.channel.phases import Phase
from evmthread.commit.agreement import Agreement
from evmthread.errors import BackendError, InvalidInput
from evmthread.store.endpoint import Endpoint
from evmthread.testing.simulation.apps import MorpionApp
from evmthread.testing.simulation.ledger import Broken
from evmthread.testing.simulation.node import Node


def attempt(action: Callable[[], object]) -> None:
    """Tries something on chain. What a node that is reached badly, or a race that is lost, leads to, is no matter."""
    try:
        action()
    except (NodeLies, FinalityBroken) as error:
        raise Broken(f"the chain is what it says, and is called a liar: {error}") from error
    except (BackendError, CallReverted):
        pass


class Told:
    """What a follower told: each event of the chain counts once for whoever goes on from where it was."""

    def __init__(self) -> None:
        self._final: set[tuple[bytes, int]] = set()

    def hear(self, news: list[News]) -> None:
        """Raises Broken for what is told twice as final."""
        for each in news:
            if isinstance(each, Final):
                if each.placed.key in self._final:
                    raise Broken(f"{each.placed.event} was told as final twice")
                self._final.add(each.placed.key)


class Settler:
    """The user of an honest participant, as far as it deals with the chain."""

    def __init__(self, node: Node, registry: Registry, account: KeyAccount) -> None:
        self.node = node
        self.registry = registry
        self.account = account
        self.leaves = False
        """It wants to end on chain, as soon as the thread is LIVE."""
        self.knows_end = False
        self._came_back = False
        self._told = Told()
        self._endpoint: Endpoint | None = None
        self._party: ChainParty | None = None
        self._position: Position | None = None
        self._heard = node.heard
        node.heard = self._hears

    def mind(self) -> None:
        """Looks at the chain and does what there is to do; from time to time."""
        node = self.node
        node.timeline.after(self.pause * (0.5 + node.random.random()), self.mind)
        node.act(self._mind)

    @property
    def pause(self) -> float:
        """About how many seconds lie between two looks."""
        return 6.0 if self.node.boundaries.rate or not self.knows_end else 60.0

    def _mind(self, endpoint: Endpoint) -> None:
        attempt(lambda: self._look(endpoint))
        if endpoint.channel.agreement is not None and self.node.index < self.node.scenario.parties:
            attempt(self._go_on)

    def _look(self, endpoint: Endpoint) -> None:
        if self._party is None or self._endpoint is not endpoint:
            # Of what it had in memory nothing is left; where it was on chain, it may have written down.
            self._endpoint = endpoint
            kept = self._position if self.node.random.random() < 0.5 else None
            if kept is None:
                self._told = Told()
            self._party = ChainParty(self.registry, endpoint, self.account, position=kept)
        news, words = self._party.look()
        self._hear(news, words)

    def _hear(self, news: list[News], words: list[Word]) -> None:
        self._told.hear(news)
        if any(isinstance(word, Over) for word in words):
            self.knows_end = True
        assert self._party is not None
        if self._endpoint is not None and self._endpoint.channel.agreement is not None:
            position = self._party.tower.follower.watcher.position
            self._position = Position.decode(position.encode())

    def _hears(self, event: Event) -> None:
        self._heard(event)
        if isinstance(event, ChallengeDue):
            self.node.timeline.after(0.1, lambda: self.node.act(lambda endpoint: self._handle(endpoint, event)))

    def _handle(self, endpoint: Endpoint, event: Event) -> None:
        party = self._party
        if party is not None and self._endpoint is endpoint:
            attempt(lambda: party.handle(event))

    def _go_on(self) -> None:
        party, transactions = self._party, self.registry.transactions
        if party is None or (state := party.tower.follower.watcher.state) is None:
            return
        if transactions.next_nonce(self.account) == transactions.next_nonce(self.account, where=LATEST):
            self._act(party, state)  # else an earlier one waits

    def _act(self, party: ChainParty, state: ThreadState) -> None:
        """The one transaction that brings this party on, if any."""
        channel, now = party.endpoint.channel, int(self.node.timeline.now)
        terms = channel.thread.terms
        match state.mode:
            case Mode.NONE | Mode.FUNDING if now < terms.open_before:
                paid = int.from_bytes(state.digest, "big") >> self.node.index & 1
                if not paid and channel.phase is not Phase.CLOSED:
                    party.deposit()
            case Mode.FUNDING:
                self.registry.refund(self.account, terms)
            case Mode.LIVE | Mode.CHALLENGED if channel.phase is Phase.CLOSED:
                party.settle()
            case Mode.LIVE if self.leaves:
                party.challenge()
            case Mode.CHALLENGED if now >= state.deadline:
                if state.record is None:
                    self.registry.refund(self.account, terms)
                else:
                    party.settle()
            case Mode.SETTLED if isinstance(self.node.scenario.app, MorpionApp) and not self._came_back:
                self._come_back(party)

    def _come_back(self, party: ChainParty) -> None:
        try:
            party.materialize()
        except (CallReverted, NotSupported, InvalidInput):
            self._came_back = True  # it is there already, or what was settled isn't in this store, or has no contract


class Tower:
    """An honest party's watchtower: it has an account of its own, and the agreements that it was given."""

    def __init__(self, node: Node, registry: Registry, account: KeyAccount) -> None:
        self.node = node
        self.registry = registry
        self.account = account
        self.agreement: Agreement | None = None
        self.knows_end = False
        self._told = Told()
        self._tower: Watchtower | None = None

    def give(self, agreement: Agreement) -> None:
        """The party hands a newer agreement over."""
        if self.agreement is None or agreement.commitment.nonce > self.agreement.commitment.nonce:
            self.agreement = agreement

    def mind(self) -> None:
        """Looks at the chain, from time to time."""
        node = self.node
        node.timeline.after(8.0 * (0.5 + node.random.random()), self.mind)
        if self.agreement is not None and not self.knows_end:
            attempt(self._look)

    def _look(self) -> None:
        assert self.agreement is not None
        if self._tower is not None and self.node.random.random() < 0.02:  # it begins anew, with its position or without
            position = self._tower.follower.watcher.position if self.node.random.random() < 0.5 else None
            if position is None:
                self._told = Told()
            self._tower = Watchtower(self.registry, self.agreement, self.account, position=position)
        if self._tower is None:
            self._tower = Watchtower(self.registry, self.agreement, self.account)
        self._tower.renew(self.agreement)
        news, words = self._tower.look()
        self._told.hear(news)
        self.knows_end = self.knows_end or any(isinstance(word, Over) for word in words)


class Clerk:
    """A bystander who does what anybody may do: settles on the record after the deadline, has deposits given back."""

    def __init__(self, node: Node, registry: Registry, account: KeyAccount) -> None:
        """It shares `node`'s time and scenario, and nothing else."""
        self.node = node
        self.registry = registry
        self.account = account
        terms = node.scenario.head.terms
        self._terms = terms
        self._follower = Follower(registry.provider, Watcher(registry.domain, terms))
        self._brought: Placed | None = None
        self.found: Agreement | None = None
        """The latest record, as its transaction shows it."""

    def mind(self) -> None:
        """Looks, and acts, from time to time."""
        self.node.timeline.after(20.0 * (0.5 + self.node.random.random()), self.mind)
        attempt(self._mind)

    def _mind(self) -> None:
        for each in self._follower.poll():
            if isinstance(each, Seen | Final) and isinstance(each.placed.event, Recorded):
                self._brought = each.placed
        if self._brought is not None:
            assert isinstance(self._brought.event, Recorded)
            digest = self._brought.event.digest
            found = recorded_agreement(self.registry, self._terms, self._brought.where, digest)
            self.found = self.found if found is None else found
            self._brought = None
        state, transactions = self._follower.watcher.state, self.registry.transactions
        if state is None or transactions.next_nonce(self.account) != transactions.next_nonce(
            self.account, where=LATEST
        ):
            return
        now = int(self.node.timeline.now)
        if state.mode is Mode.FUNDING and now >= self._terms.open_before:
            self.registry.refund(self.account, self._terms)
        elif state.mode is Mode.CHALLENGED and now >= state.deadline:
            if state.record is None:
                self.registry.refund(self.account, self._terms)
            elif self.found is not None and self.found.digest == state.record:
                self.registry.settle_record(self.account, self._terms, self.found.commitment)
