"""All endpoints of one thread in this process, over stores in memory and a network that a test can look into."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random

from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChannelOptions
from evmthread.channel.events import Event
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Message, Propose, decode_message, encode_message
from evmthread.commit import Batch, Commitment, Input, SignedBatch, TypedData, digest
from evmthread.commit.terms import thread_id
from evmthread.store.endpoint import Endpoint
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.threadfile import ThreadHead
from tests.assembler import assemble
from tests.channel.games import START, ruleset, signers, terms_of

# Slot 0 becomes the first word of the call, plus 1; a first word of 2 ends in a revert.
ADDS = assemble(
    "PUSH0 CALLDATALOAD DUP1 PUSH1 2 EQ PUSH @bad JUMPI PUSH1 1 ADD PUSH0 SSTORE STOP bad: PUSH0 PUSH0 REVERT"
)
# The same, and who is named in the second word is asked first.
ASKS = assemble(
    "PUSH1 32 CALLDATALOAD DUP1 ISZERO PUSH @go JUMPI PUSH1 32 PUSH1 0 DUP3 DATA 0xb1 PUSH1 1 SSTORE "
    "go: PUSH0 CALLDATALOAD PUSH1 1 ADD PUSH0 SSTORE STOP"
)
GAS = 100_000
MOST_MESSAGES = 5000


OUTSIDER = next(signer.address for signer in signers(16) if signer.address not in {each.address for each in signers(7)})
"""An operator who is no party."""


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Table:
    """The participants of one thread, and what is on its way between them."""

    def __init__(
        self,
        parties: int = 2,
        *,
        threshold: int | None = None,
        code: bytes = ADDS,
        operator: bytes | None = None,
        rules: dict[str, object] | None = None,
        terms: dict[str, object] | None = None,
        each: dict[int, ChannelOptions] | None = None,
        begin: bool = True,
        **options: object,
    ) -> None:
        self.rules = ruleset(**(rules or {}))
        more = (terms or {}) | ({} if operator is None else {"operator": operator})
        self.terms = terms_of(code, self.rules, parties=parties, threshold=threshold or parties, **more)
        self.head = ThreadHead(LOCAL_DOMAIN, self.terms, self.rules, code)
        self.id = thread_id(LOCAL_DOMAIN, self.terms)
        known = {signer.address: signer for signer in signers(16)}
        keys = [*self.terms.keys]
        if operator is not None and operator not in keys:
            keys.append(operator)
        self.signers = [known[key] for key in keys]
        self.now = float(START)
        self.net: deque[tuple[int, int, bytes]] = deque()
        self.events: list[list[Event]] = [[] for _ in keys]
        self.stores = [MemoryThreadStore() for _ in keys]
        self.options = [(each or {}).get(index, ChannelOptions(**options)) for index in range(len(keys))]  # type: ignore[arg-type]
        self.lost: Callable[[int, int, Message], bool] = lambda sender, receiver, message: False
        for store, key in zip(self.stores, keys, strict=True):
            store.create(self.head, key)
        self.ends: list[Endpoint] = []
        for index in range(len(keys)):
            self.ends.append(self.opened(index))
        if begin:
            self.greet()
            leader = len(keys) - 1 if self.options[0].operator_leads else 0
            self.ends[leader].do(lambda channel: channel.propose())
            self.pump()

    def opened(self, index: int) -> Endpoint:
        """A participant's endpoint on its store as that is."""

        def send(to: int, data: bytes) -> None:
            self.net.append((index, to, data))

        return Endpoint.open(
            self.stores[index],
            self.id,
            self.signers[index],
            now=self.now,
            random=Random(index),
            send=send,
            notify=self.events[index].append,
            options=self.options[index],
        )

    def greet(self) -> None:
        for end in self.ends:
            end.start()
        self.pump()

    def restart(self, index: int, *, start: bool = True) -> Channel:
        """The process of a participant ends, what it hadn't synced is lost, and it begins again."""
        self.stores[index] = self.stores[index].crash()
        self.ends[index] = self.opened(index)
        if start:
            self.ends[index].start()
        return self.ends[index].channel

    def channel(self, index: int) -> Channel:
        return self.ends[index].channel

    # What is on its way -----------------------------------------------------------------------------------------------
    def read(self, data: bytes) -> Message:
        return decode_message(data, batch_bytes=self.rules.batch_bytes)[1]

    def pump(self) -> list[tuple[int, int, Message]]:
        """Delivers until nothing is on its way; what went, and what was `lost` too."""
        went = []
        while self.net:
            sender, receiver, data = self.net.popleft()
            message = self.read(data)
            went.append((sender, receiver, message))
            assert len(went) < MOST_MESSAGES, "they answer each other for ever"
            if not self.lost(sender, receiver, message):
                self.ends[receiver].receive(sender, data)
        for end in self.ends:
            end.flush()
        return went if not self.net else went + self.pump()

    def sent(self) -> list[tuple[int, int, Message]]:
        """What is on its way; it is taken off."""
        taken = [(sender, receiver, self.read(data)) for sender, receiver, data in self.net]
        self.net.clear()
        return taken

    def tell(self, receiver: int, sender: int, message: Message) -> None:
        """A message arrives that nobody's endpoint sent."""
        self.ends[receiver].receive(sender, encode_message(self.id, message))

    def wait(self, seconds: float, *, pump: bool = True) -> None:
        """Time passes for all, a second at a time."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1)
            for each in self.ends:
                each.tick(self.now)
            if pump:
                self.pump()

    # What they do -----------------------------------------------------------------------------------------------------
    def ask(self, index: int, number: int = 5, *, rest: bytes = b"", **options: object) -> None:
        values = {"gas": GAS} | options
        self.ends[index].do(lambda channel: channel.request(word(number) + rest, **values))  # type: ignore[arg-type]

    def play(self, index: int, number: int = 5, **options: object) -> None:
        """One request, executed by all."""
        self.ask(index, number, **options)
        self.pump()
        self.wait(8)

    def told(self, index: int, kind: type) -> list[Event]:
        return [event for event in self.events[index] if type(event) is kind]

    def tips(self) -> set[bytes]:
        return {end.channel.thread.parent for end in self.ends}

    def sign(self, index: int, record: Commitment | Input) -> bytes:
        """A signature by this participant's key, whatever its endpoint thinks of it."""
        return self.signers[index].sign(TypedData(LOCAL_DOMAIN, record))

    def signed(self, index: int, propose: Propose, **changes: object) -> Propose:
        """A proposal with changes to its commitment, signed."""
        commitment = replace(propose.commitment, **changes)  # type: ignore[arg-type]
        return replace(propose, commitment=commitment, signature=self.sign(index, commitment))

    def digest(self, commitment: Commitment) -> bytes:
        return digest(LOCAL_DOMAIN, commitment)

    def proposal(self, leader: int, number: int = 5) -> Propose:
        """What a leader would propose now; nobody gets it."""
        self.ask(leader, number)
        proposals = [message for _, _, message in self.sent() if isinstance(message, Propose)]
        assert proposals
        return proposals[-1]


def empty_batch(table: Table, *, nonce: int) -> tuple[Commitment, SignedBatch]:
    """An empty batch on the latest agreement, and what follows from it."""
    thread = table.channel(0).thread
    signed = SignedBatch(Batch(thread.environment(), ()), ())
    return thread.execute(signed, nonce=nonce), signed


def table_by_hand(parties: int, *manual: int, automatic: bool = True) -> Table:
    """A thread of which these parties decide on what others propose; they have agreed on the genesis."""
    table = Table(
        parties, automatic=automatic, each=dict.fromkeys(manual, ChannelOptions(manual=True, automatic=automatic))
    )
    for index in manual:
        if index:
            table.ends[index].do(lambda channel: channel.accept(0))
    table.pump()
    assert len(table.tips()) == 1
    return table


def proposals(table: Table) -> list[Propose]:
    return [message for _, _, message in table.sent() if isinstance(message, Propose)]


def inputs_of(propose: Propose) -> list[int]:
    return [int.from_bytes(each.data[:32], "big") for each in propose.batch.batch.inputs]
