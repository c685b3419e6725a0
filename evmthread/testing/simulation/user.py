"""What the user of an honest participant does: asks, answers, decides, and closes; in the storm as chance has it.

Afterwards its user wants one more call executed, and then an end.
"""

from evmthread.channel.channel import Channel
from evmthread.channel.errors import TooManyOpenProposals
from evmthread.channel.events import Asked, CloseAsked, Event, Proposed
from evmthread.channel.phases import Phase
from evmthread.commit.batch import InputKind
from evmthread.errors import EvmthreadError
from evmthread.testing.simulation.apps import Call
from evmthread.testing.simulation.node import Node

CLOSE_AGAIN = 80.0
"""Seconds after which a user wants to close once more."""


class User:
    """The user of one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.calm = False
        """The storm is over: the user does what leads to an end."""
        self.closes = False
        self._closed_at = -CLOSE_AGAIN
        self._open_since: tuple[bytes, float] = (b"", 0.0)
        node.heard = self.hears

    @property
    def is_party(self) -> bool:
        """Whether it has an account in the thread."""
        return self.node.index < self.node.scenario.parties

    @property
    def wish(self) -> Call:
        """What it wants executed when the storm is over."""
        node = self.node
        channel = node.endpoint.channel if node.endpoint is not None else None
        assert channel is not None
        return node.scenario.app.sure(channel.thread, node.index, 1000 + node.index)

    def hears(self, event: Event) -> None:
        """What it answers comes later."""
        node, random = self.node, self.node.random
        match event:
            case Proposed(proposal):
                nonce = proposal.commitment.nonce
                yes = self.calm or random.random() < 0.9
                later = random.random() * 3
                node.timeline.after(later, lambda: self._decides(nonce, yes=yes))
            case Asked() if self.calm or random.random() < 0.7:
                node.timeline.after(random.random() * 5, self.answer)
            case CloseAsked() if self.closes or (not self.calm and random.random() < 0.5):
                node.timeline.after(random.random() * 5, self.close)
            case _:
                pass

    def _decides(self, nonce: int, *, yes: bool) -> None:
        self.node.decide(lambda channel: channel.accept(nonce) if yes else channel.reject(nonce, "not this"))

    def answer(self) -> None:
        """Answers the question, if it still waits for this user."""
        data = self.node.random.randbytes(32)
        self.node.decide(lambda channel: channel.answer(data))

    def close(self) -> None:
        """Wants an end, or agrees to it."""
        self._closed_at = self.node.timeline.now
        self.node.decide(lambda channel: channel.close())

    def ask(self) -> None:
        """Asks for something, once or several times."""
        node, random = self.node, self.node.random
        if node.endpoint is None or not self.is_party or node.endpoint.channel.phase == Phase.OPENING:
            return
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            if node.endpoint is not None:
                call = node.scenario.app.call(random, node.endpoint.channel.thread, node.index)
                lasting = random.random() < 0.5
                self.request(call, lasting=lasting)

    def request(self, call: Call, *, lasting: bool) -> EvmthreadError | None:
        """Asks for one call."""
        return self.node.decide(
            lambda channel: channel.request(call.data, value=call.value, gas=call.gas, kind=call.kind, lasting=lasting)
        )

    # From time to time ------------------------------------------------------------------------------------------------
    def mind(self) -> None:
        """Does what waits for the user, a few seconds apart."""
        node = self.node
        node.timeline.after(1.0 + 2.0 * node.random.random(), self.mind)
        if node.endpoint is None:
            return
        channel = node.endpoint.channel
        if channel.phase == Phase.OPENING:
            self._begin(channel)
        elif channel.phase in (Phase.READY, Phase.PENDING):
            refused = None if node.member.options.automatic else node.decide(lambda channel: channel.propose())
            if isinstance(refused, TooManyOpenProposals):
                node.decide(lambda channel: channel.propose(empty=True))
            if self.is_party:
                self._go_on()
            if self.calm and self.is_party:
                self._reach()

    def _begin(self, channel: Channel) -> None:
        node, scenario = self.node, self.node.scenario
        creation = scenario.app.creation(scenario.head.terms.owners)
        if creation is not None and node.index == 0 and not channel._desk.pool:
            self.request(creation, lasting=True)
        leader = 0 if scenario.leads_always is None else scenario.leads_always
        if node.index == leader and (creation is None or channel._desk.pool):
            node.decide(lambda channel: channel.propose())

    def _go_on(self) -> None:
        node = self.node
        if node.endpoint is None:
            return
        channel = node.endpoint.channel
        opened, owner = channel.thread.agreed_call, node.scenario.head.terms.owners[node.index]
        if opened is None:
            return
        if self._open_since[0] != opened.machine_hash:
            self._open_since = opened.machine_hash, node.timeline.now
        if any(own.input.kind in (InputKind.ANSWER, InputKind.ABORT) for own in channel._desk.pool.own):
            return
        waited = node.timeline.now - self._open_since[1]
        if opened.suspension.awaiting == owner and waited > (10 if self.calm else 30):
            self.answer()
        elif opened.input.actor == owner and waited > 60:
            node.decide(lambda channel: channel.abort())

    def _reach(self) -> None:
        node = self.node
        if node.endpoint is None:
            return
        wish, desk = self.wish, node.endpoint.channel._desk
        waits = any(each.data == wish.data for each in desk.pool.wishes)
        waits = waits or any(own.input.data == wish.data for own in desk.pool.own)
        if not waits and (desk.owner, wish.data) not in node.ledger.executed:
            self.request(wish, lasting=True)
        if self.closes and node.timeline.now - self._closed_at >= CLOSE_AGAIN:
            self.close()
