"""Many threads of one process: their endpoints on one store, with one writer that groups what they keep.

Bytes find their endpoint by the thread id in them, timers wait in one heap, and what the writer completed goes back to
whoever asked for it. Sockets and clocks stay its caller's. It must not know what messages and records mean.
"""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from random import Random
from types import TracebackType
from typing import Self

from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChainHead, ChannelOptions
from evmthread.channel.effects import Effect, Persist
from evmthread.channel.events import Event
from evmthread.channel.messages import thread_of
from evmthread.commit.signing import Signer
from evmthread.errors import InvalidInput
from evmthread.machine.code_cache import CodeCache
from evmthread.store.endpoint import Endpoint
from evmthread.store.group_commit import LINGER_SECONDS, GroupCommit
from evmthread.store.thread_store import ThreadStore, UnknownThread

CLOCK_SECONDS = 1.0
"""An endpoint is told the time before it acts when its own is older: what it signs has the time in whole seconds."""


class Endpoints:
    """The endpoints of one store. One thread of the process calls it; writing goes on in another meanwhile."""

    def __init__(
        self,
        store: ThreadStore,
        *,
        now: float,
        random: Random,
        send: Callable[[bytes, int, bytes], None],
        notify: Callable[[bytes, Event], None],
        options: ChannelOptions | None = None,
        cache: CodeCache | None = None,
        linger: float = LINGER_SECONDS,
        wake: Callable[[], None] | None = None,
    ) -> None:
        """`send(thread id, participant, bytes)` and `notify(thread id, event)` as Endpoint takes them.

        `wake` is called, mostly in the writer's thread, when there is something for `settle` to tell; `linger` as
        GroupCommit takes it. All endpoints share `options` and `cache`.
        """
        self._store = store
        self._now = now
        self._random = random
        self._send = send
        self._notify = notify
        self._options = options
        self._cache = CodeCache() if cache is None else cache
        self._endpoints: dict[bytes, Endpoint] = {}
        self._told: dict[bytes, float] = {}  # when each was last told the time
        self._timers: list[tuple[float, bytes]] = []  # with some that are out of date; an endpoint's own counts
        self._set: dict[bytes, float] = {}  # what was put into the heap last
        self._waiting = 0
        self._commit: GroupCommit[tuple[Endpoint, bytes, int]] = GroupCommit(store, linger=linger, wake=wake)

    # Which there are --------------------------------------------------------------------------------------------------
    def open(self, thread_id: bytes, signer: Signer) -> Endpoint:
        """Acquires a thread of the store and greets its others. Raises as Endpoint.open does; InvalidInput, if open."""
        if thread_id in self._endpoints:
            raise InvalidInput(f"thread 0x{thread_id.hex()} is open already")
        endpoint = Endpoint.open(
            self._store,
            thread_id,
            signer,
            now=self._now,
            random=self._random,
            send=lambda to, data: self._send(thread_id, to, data),
            notify=lambda event: self._notify(thread_id, event),
            options=self._options,
            cache=self._cache,
            keep=lambda asking, effect: self._keep(thread_id, asking, effect),
        )
        self._endpoints[thread_id] = endpoint
        self._told[thread_id] = self._now
        endpoint.start()
        self._set_timer(thread_id, endpoint)
        return endpoint

    def forget(self, thread_id: bytes) -> None:
        """Lets go of a thread; what it wanted kept is kept, and it is told of nothing more. Raises UnknownThread."""
        self._found(thread_id)
        del self._endpoints[thread_id], self._told[thread_id]
        self._set.pop(thread_id, None)

    def __getitem__(self, thread_id: bytes) -> Endpoint:
        """The endpoint, to read from; whatever changes it goes through this object. Raises UnknownThread."""
        return self._found(thread_id)

    def __contains__(self, thread_id: bytes) -> bool:
        return thread_id in self._endpoints

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._endpoints)

    def __len__(self) -> int:
        return len(self._endpoints)

    def _found(self, thread_id: bytes) -> Endpoint:
        endpoint = self._endpoints.get(thread_id)
        if endpoint is None:
            raise UnknownThread(thread_id)
        return endpoint

    # What they are told -----------------------------------------------------------------------------------------------
    def do(self, thread_id: bytes, decide: Callable[[Channel], list[Effect]]) -> None:
        """Takes a decision in a thread. Raises UnknownThread, and what that raises."""
        endpoint = self._at_work(thread_id)
        try:
            endpoint.do(decide)
        finally:
            self._set_timer(thread_id, endpoint)

    def receive(self, peer: int, data: bytes) -> None:
        """Bytes from a participant, by its index in the thread that they name (`thread_of` tells it).

        Raises DecodingError for bytes that name no thread, UnknownThread for one that isn't open: that is the sender's
        doing, and changes nothing. Raises InvalidInput for a participant that there isn't.
        """
        thread_id = thread_of(data)
        endpoint = self._at_work(thread_id)
        endpoint.receive(peer, data)
        self._set_timer(thread_id, endpoint)

    def head(self, thread_id: bytes, head: ChainHead) -> None:
        """What the chain shows of a thread now. Raises UnknownThread."""
        endpoint = self._at_work(thread_id)
        endpoint.head(head)
        self._set_timer(thread_id, endpoint)

    def tick(self, now: float) -> None:
        """It is this time, in seconds since 1970: tells those that wanted to be woken."""
        self._now = max(self._now, now)
        while self._timers and self._timers[0][0] <= self._now:
            endpoint = self._due(*heappop(self._timers))
            if endpoint is not None:
                thread_id = endpoint.lease.thread_id
                self._set.pop(thread_id, None)
                self._tell_time(thread_id, endpoint)
                self._set_timer(thread_id, endpoint)

    @property
    def timer(self) -> float | None:
        """When `tick` wants to be called; None: never."""
        while self._timers and self._due(*self._timers[0]) is None:
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    @property
    def waiting(self) -> int:
        """How much is handed to the writer and not told yet by `settle`."""
        return self._waiting

    def settle(self, timeout: float | None = 0.0) -> int:
        """Tells those whose records are kept by now, or can't be; how many that were.

        Waits for something as long as `timeout` seconds, None for ever, but not where nothing is to come. Raises
        WriterCrashed once all were told.
        """
        completed = self._commit.completed(timeout)
        self._waiting -= len(completed)
        for each in completed:
            endpoint, thread_id, token = each.key
            if self._endpoints.get(thread_id) is endpoint:
                endpoint.kept(token, each.error)
                self._set_timer(thread_id, endpoint)
        return len(completed)

    def close(self) -> None:
        """Has everything written that was asked for, tells of it, and ends the writer; the store stays open."""
        while self._waiting:
            self.settle(None)
        self._commit.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._commit.close()

    # Inside -----------------------------------------------------------------------------------------------------------
    def _due(self, at: float, thread_id: bytes) -> Endpoint | None:
        """The endpoint that wants to be woken at this time, as far as it still does."""
        endpoint = self._endpoints.get(thread_id)
        return endpoint if endpoint is not None and endpoint.timer == at else None

    def _at_work(self, thread_id: bytes) -> Endpoint:
        endpoint = self._found(thread_id)
        if self._now - self._told[thread_id] >= CLOCK_SECONDS:
            self._tell_time(thread_id, endpoint)
        return endpoint

    def _tell_time(self, thread_id: bytes, endpoint: Endpoint) -> None:
        self._told[thread_id] = self._now
        endpoint.tick(self._now)

    def _keep(self, thread_id: bytes, endpoint: Endpoint, effect: Persist) -> None:
        key = endpoint, thread_id, effect.token
        self._commit.submit(endpoint.lease, effect.records, key, urgent=effect.urgent)
        self._waiting += 1

    def _set_timer(self, thread_id: bytes, endpoint: Endpoint) -> None:
        if endpoint.timer is not None and endpoint.timer != self._set.get(thread_id):
            self._set[thread_id] = endpoint.timer
            heappush(self._timers, (endpoint.timer, thread_id))
