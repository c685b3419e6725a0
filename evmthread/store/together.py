"""All participants of a thread in one process, each with an endpoint and a store of its own.

What they send waits in a queue until it is delivered, or is lost while one of the two is away. For demonstrations, and
for tests of programs; it must not know what a thread is about.
"""

from collections import deque
from collections.abc import Callable, Sequence
from random import Random

from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChannelOptions
from evmthread.channel.effects import Effect
from evmthread.channel.events import Event
from evmthread.commit.signing import Signer
from evmthread.commit.terms import thread_id
from evmthread.errors import InvalidInput
from evmthread.store.endpoint import Endpoint
from evmthread.store.thread_store import ThreadStore
from evmthread.store.threadfile import ThreadHead


class Together:
    """Endpoints that hear each other. `away` are those who hear and say nothing now; `events` is what each was told."""

    def __init__(
        self,
        head: ThreadHead,
        seats: Sequence[tuple[ThreadStore, Signer]],
        *,
        clock: Callable[[], float],
        options: Sequence[ChannelOptions | None] | None = None,
    ) -> None:
        """Begins the thread in each store, and greets. `seats` in the order of the participants.

        `clock` gives seconds since 1970. Raises what creating a thread and opening an endpoint raise.
        """
        self.away: set[int] = set()
        self.events: list[tuple[int, Event]] = []
        self._clock = clock
        self._queue: deque[tuple[int, int, bytes]] = deque()
        chosen = [None] * len(seats) if options is None else options
        if len(chosen) != len(seats):
            raise InvalidInput(f"{len(chosen)} options for {len(seats)} participants")
        identity = thread_id(head.domain, head.terms)
        self.endpoints: list[Endpoint] = []
        for index, ((store, signer), option) in enumerate(zip(seats, chosen, strict=True)):
            store.create(head, signer.address)
            self.endpoints.append(
                Endpoint.open(
                    store,
                    identity,
                    signer,
                    now=clock(),
                    random=Random(index),  # noqa: S311 - it spreads timers
                    send=self._sender(index),
                    notify=self._hearer(index),
                    options=option,
                )
            )
        for endpoint in self.endpoints:
            endpoint.start()
        self.deliver()

    def _sender(self, index: int) -> Callable[[int, bytes], None]:
        return lambda to, data: self._queue.append((index, to, data))

    def _hearer(self, index: int) -> Callable[[Event], None]:
        return lambda event: self.events.append((index, event))

    def do(self, index: int, decide: Callable[[Channel], list[Effect]]) -> None:
        """A participant's decision, and all that follows from it. Raises what the decision raises."""
        self.endpoints[index].do(decide)
        self.deliver()

    def deliver(self) -> None:
        """All messages, in order, and those that follow from them."""
        while self._queue:
            sender, to, data = self._queue.popleft()
            if not {sender, to} & self.away:
                self.endpoints[to].receive(sender, data)

    def tick(self) -> None:
        """The time, for all who are there."""
        for index, endpoint in enumerate(self.endpoints):
            if index not in self.away:
                endpoint.tick(self._clock())
        self.deliver()
