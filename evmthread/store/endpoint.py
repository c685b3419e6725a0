"""A channel with its store and its signer: performs what the channel asks, in order, and answers it.

Sockets and clocks stay its caller's: bytes go out through `send`, and `tick` tells the time.
"""

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Self

from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChainHead, ChannelOptions
from evmthread.channel.effects import Effect, Persist, Send, SetTimer, Sign
from evmthread.channel.events import Event
from evmthread.channel.line import kept_back
from evmthread.channel.messages import decode_agreed
from evmthread.channel.restoring import SavedChannel, restore_thread
from evmthread.channel.thread import Thread
from evmthread.commit.signing import GuardedSigner, Signer
from evmthread.errors import EvmthreadError, InvalidInput
from evmthread.machine.code_cache import CodeCache
from evmthread.primitives.arguments import show
from evmthread.store.thread_store import Lease, ThreadStore


class Endpoint:
    """One participant of one thread, in one process. Not for several threads at once."""

    def __init__(
        self,
        channel: Channel,
        store: ThreadStore,
        lease: Lease,
        signer: Signer,
        *,
        send: Callable[[int, bytes], None],
        notify: Callable[[Event], None],
        keep: "Callable[[Endpoint, Persist], None] | None" = None,
    ) -> None:
        """`signer` is the bare one: the guard over the store's log of signatures is put around it here.

        `send(participant, bytes)` mustn't call back before it returns, nor may `notify`. `keep` takes over what is to
        be kept, and calls `kept` later; by default it is written at once.
        """
        self.channel = channel
        self.lease = lease
        self.timer: float | None = None
        """When `tick` wants to be called; None: never."""
        self._store = store
        self._signer = GuardedSigner(signer, lease.sign_log(), recoveries=channel.thread.recoveries)
        self._send = send
        self._notify = notify
        self._keep = keep
        self._later: list[Persist] = []
        self._effects: deque[Effect] = deque()

    @classmethod
    def open(
        cls,
        store: ThreadStore,
        thread_id: bytes,
        signer: Signer,
        *,
        now: float,
        random: Random,
        send: Callable[[int, bytes], None],
        notify: Callable[[Event], None],
        options: ChannelOptions | None = None,
        cache: CodeCache | None = None,
        keep: "Callable[[Endpoint, Persist], None] | None" = None,
    ) -> Self:
        """The endpoint of a thread that the store has, as it was left; `start` is to be called next.

        A restored store gets a floor above all that the lost one can have signed, as soon as it has the genesis.
        Raises UnknownThread, LeaseLost and other BackendErrors, InvalidInput for another key's signer, and what
        Channel raises.
        """
        own = store.look(thread_id).key
        if signer.address != own:
            raise InvalidInput(f"the store's own key is 0x{own.hex()}, and not the signer's, {show(signer.address)}")
        lease = store.acquire(thread_id)
        channel = open_channel(lease, now=now, random=random, options=options, cache=cache)
        endpoint = cls(channel, store, lease, signer, send=send, notify=notify, keep=keep)
        endpoint._set_floor()
        return endpoint

    # What can be asked of it ------------------------------------------------------------------------------------------
    def do(self, decide: Callable[[Channel], list[Effect]]) -> None:
        """Takes a decision, such as `lambda channel: channel.request(data, gas=100_000)`. Raises what that raises."""
        self._perform(decide(self.channel))

    def start(self) -> None:
        """Greets the others. To be called once, first."""
        self._perform(self.channel.start())

    def receive(self, peer: int, data: bytes) -> None:
        """Bytes from another participant."""
        self._perform(self.channel.receive(peer, data))

    def tick(self, now: float) -> None:
        """It is this time, in seconds since 1970; also writes what could wait."""
        if self.timer is not None and now >= self.timer:
            self.timer = None
        self._perform(self.channel.tick(now))
        self.flush()

    def head(self, head: ChainHead) -> None:
        """What the chain shows now."""
        self._perform(self.channel.head(head))

    def flush(self) -> None:
        """Writes what could wait."""
        self._write()
        self._perform(())

    def kept(self, token: int, error: Exception | None) -> None:
        """The answer to what `keep` took over."""
        self._perform(self._answer(token, error))

    def _set_floor(self) -> None:
        if self.channel.wants_floor:
            floor = self.channel.lowest_floor
            self.lease.set_floor(floor)
            self.channel.set_floor(floor)

    # Performing -------------------------------------------------------------------------------------------------------
    def _perform(self, asked: Sequence[Effect]) -> None:
        # Where `send` or `notify` raises, what comes after waits for the next time: nothing else of it is lost.
        self._effects.extend(asked)
        while self._effects:
            effect = self._effects.popleft()
            if isinstance(effect, Persist):
                self._persist(effect)
            elif isinstance(effect, Sign):
                self._effects.extend(self._signed(effect))
            elif isinstance(effect, Send):
                self._send(effect.to, effect.data)
            elif isinstance(effect, SetTimer):
                self.timer = effect.at
            else:
                self._notify(effect.event)
        self._set_floor()

    def _signed(self, effect: Sign) -> list[Effect]:
        try:
            signature = self._signer.sign(effect.typed_data, content=effect.content)
        except Exception as error:  # noqa: BLE001 - a signer raises what it likes
            return self.channel.not_signed(effect.token, str(error) or type(error).__name__)
        return self.channel.signed(effect.token, signature)

    def _persist(self, effect: Persist) -> None:
        if self._keep is not None:
            self._keep(self, effect)
            return
        self._later.append(effect)
        if effect.urgent:
            self._write()

    def _write(self) -> None:
        later, self._later = self._later, []
        if not later:
            return
        try:
            refused = self._store.write([(self.lease, each.records) for each in later])
        except EvmthreadError as error:
            refused = [error] * len(later)
        for each, why in zip(later, refused, strict=True):
            self._effects.extend(self._answer(each.token, why))

    def _answer(self, token: int, error: Exception | None) -> list[Effect]:
        if error is None:
            return self.channel.persisted(token)
        return self.channel.not_persisted(token, str(error))


def open_channel(
    lease: Lease,
    *,
    now: float,
    random: Random,
    options: ChannelOptions | None = None,
    cache: CodeCache | None = None,
) -> Channel:
    """The channel of a thread as its store kept it. Raises BackendErrors, and what reading back and Channel raise."""
    head, kept = lease.head, lease.load()
    thread = Thread.open(head.domain, head.terms, head.ruleset, code=head.code, cache=cache)
    saved = SavedChannel(
        restore_thread(thread, kept.base, kept_back(head.terms) + 1, lease),
        kept.agreed,
        kept.signed,
        max(kept.highest, -1 if lease.floor is None else lease.floor),
        kept.final,
        kept.inputs,
        lease.floor or 0,
        _begun(lease),
        wants_floor=lease.restored,
    )
    return Channel(thread, lease.key, history=lease, random=random, now=now, options=options, saved=saved)


def _begun(lease: Lease) -> int | None:
    """The genesis's timestamp."""
    for record in lease.line_after(-1, 1):
        agreed = decode_agreed(record.content, batch_bytes=lease.head.ruleset.batch_bytes)
        return agreed.batch.batch.environment.timestamp
    return None
