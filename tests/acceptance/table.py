"""Parties at one table: real keys, stores on disk, endpoints in default settings; a network and a clock to hold.

What goes over the network waits in a queue until `run`; `lost` says which messages never arrive.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random

from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChainHead, ChannelOptions
from evmthread.channel.effects import Effect
from evmthread.channel.events import Adopted, Event
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Message, decode_message
from evmthread.commit import InputKind, LocalSigner, Ruleset, Signer, Terms
from evmthread.commit.terms import thread_id
from evmthread.machine.code_cache import CodeCache
from evmthread.store.endpoint import Endpoint
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.threadfile import ThreadHead
from tests.channel.games import MORPION, START, TURN_SECONDS, ruleset, signers, terms_of

# Adds its first 32 bytes of calldata to slot 0: every call shows in the state.
ADDER = bytes.fromhex("5f355f540160005500")


def add(number: int) -> bytes:
    """Calldata for ADDER."""
    return number.to_bytes(32, "big")


class Table:
    """All parties of one thread."""

    def __init__(
        self,
        folder: Path,
        *,
        code: bytes = ADDER,
        parties: int = 2,
        rules: Ruleset | None = None,
        options: ChannelOptions | None = None,
        sign_with: Callable[[int, LocalSigner], Signer] = lambda _, signer: signer,
        **terms: object,
    ) -> None:
        self.rules = ruleset() if rules is None else rules
        self.terms: Terms = terms_of(code, self.rules, parties=parties, **terms)
        self.head = ThreadHead(LOCAL_DOMAIN, self.terms, self.rules, code)
        self.thread_id = thread_id(LOCAL_DOMAIN, self.terms)
        self.folder, self.options, self.sign_with = folder, options, sign_with
        self.now = float(START)
        self.wire: deque[tuple[int, int, bytes]] = deque()
        self.sent: list[tuple[int, int, bytes]] = []
        self.lost: Callable[[int, int, Message], bool] = lambda _source, _to, _message: False
        self.events: list[list[Event]] = [[] for _ in self.terms.keys]
        self.cache = CodeCache()
        self.endpoints: list[Endpoint] = []
        self.stores: list[SqliteThreadStore] = []
        for index in range(parties):
            self.stores.append(SqliteThreadStore(folder / f"party{index}"))
            self.stores[index].create(self.head, self.terms.keys[index])
            self.endpoints.append(self.open(index))

    def signer(self, index: int) -> LocalSigner:
        """The bare key of a party."""
        return next(signer for signer in signers(16) if signer.address == self.terms.keys[index])

    def open(self, index: int) -> Endpoint:
        """A party's endpoint, as its store has it."""
        return Endpoint.open(
            self.stores[index],
            self.thread_id,
            self.sign_with(index, self.signer(index)),
            now=self.now,
            random=Random(index),
            send=lambda to, data: self.post(index, to, data),
            notify=self.events[index].append,
            options=self.options,
            cache=self.cache,
        )

    def restart(self, index: int, **options: bool) -> Endpoint:
        """The party's process ends and begins again: nothing is left but its store."""
        self.stores[index].close()
        self.stores[index] = SqliteThreadStore(self.folder / f"party{index}", **options)
        self.endpoints[index] = self.open(index)
        self.endpoints[index].start()
        return self.endpoints[index]

    def post(self, source: int, to: int, data: bytes) -> None:
        """Puts bytes on the wire."""
        self.sent.append((source, to, data))
        self.wire.append((source, to, data))

    def read(self, data: bytes) -> Message:
        """The message in bytes on the wire."""
        return decode_message(data, batch_bytes=self.rules.batch_bytes)[1]

    # Time and network -------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Delivers until the wire is empty, and writes what could wait."""
        while self.wire:
            source, to, data = self.wire.popleft()
            # An operator that is no party takes part in the talk, too; here nobody plays it.
            if to < len(self.endpoints) and not self.lost(source, to, self.read(data)):
                self.endpoints[to].receive(source, data)
        for endpoint in self.endpoints:
            endpoint.flush()

    def wait(self, seconds: float, *, step: float = 1.0) -> None:
        """Lets time pass; what timers send is delivered."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + step)
            for endpoint in self.endpoints:
                endpoint.tick(self.now)
            self.run()

    def show(self, head: ChainHead) -> None:
        """All see this chain."""
        for endpoint in self.endpoints:
            endpoint.head(head)
        self.run()

    # Playing ----------------------------------------------------------------------------------------------------------
    def do(self, index: int, decide: Callable[[Channel], list[Effect]]) -> None:
        """A party decides; what follows is delivered."""
        self.endpoints[index].do(decide)
        self.run()

    def start(self) -> "Table":
        """All greet each other, and agree on the genesis."""
        for endpoint in self.endpoints:
            endpoint.start()
        self.run()
        self.do(0, lambda channel: channel.propose())
        assert set(self.nonces) == {0}
        return self

    def call(self, index: int, data: bytes, *, gas: int = 1_000_000, value: int = 0, lasting: bool = False) -> None:
        """A party wants a call."""
        self.do(index, lambda channel: channel.request(data, gas=gas, value=value, lasting=lasting))

    def channel(self, index: int) -> Channel:
        """A party's channel."""
        return self.endpoints[index].channel

    @property
    def nonces(self) -> list[int]:
        """Each party's latest agreement."""
        agreements = [endpoint.channel.agreement for endpoint in self.endpoints]
        return [-1 if agreement is None else agreement.commitment.nonce for agreement in agreements]

    @property
    def sums(self) -> list[int]:
        """What each party's copy of ADDER holds."""
        return [endpoint.channel.thread.storage(0) for endpoint in self.endpoints]

    def told(self, index: int, kind: type[Event]) -> list[Event]:
        """What a party was told, of one kind."""
        return [event for event in self.events[index] if isinstance(event, kind)]

    def adopted(self, index: int) -> list[bytes]:
        """The digests that a party was told to be agreed and durable."""
        return [event.agreement.digest for event in self.events[index] if isinstance(event, Adopted)]

    def lines(self) -> list[list[bytes]]:
        """The digests of the agreed line in each store."""
        leases = [endpoint.lease for endpoint in self.endpoints]
        return [[record.digest for record in lease.line_after(-1, 10_000)] for lease in leases]


class MorpionTable(Table):
    """Parties 0 and 1 play Morpion; further ones look on and sign."""

    def __init__(self, folder: Path, **options: object) -> None:
        super().__init__(folder, code=MORPION.runtime_code, **options)  # type: ignore[arg-type]

    def start(self) -> "MorpionTable":
        """The genesis, in which party 0 creates the contract; both join."""
        for endpoint in self.endpoints:
            endpoint.start()
        self.run()
        create = MORPION.creation_code + MORPION.encode_constructor(*self.terms.owners[:2], 0, TURN_SECONDS)
        self.do(0, lambda channel: channel.request(create, gas=4_000_000, kind=InputKind.CREATE))
        self.do(0, lambda channel: channel.propose())
        for player in (0, 1):
            self.call(player, MORPION.function("join").encode())
        return self

    def play(self, *cells: int) -> None:
        """Moves in turn, each a commitment."""
        for number, cell in enumerate(cells):
            self.call(number % 2, MORPION.function("play").encode(cell))
