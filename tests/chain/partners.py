"""Two owners with endpoints in default settings and a real store, their messages in a queue, on one of the chains."""

from collections import deque
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import Self

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.party import ChainParty
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Call, Included
from evmthread.chain.watchtower import Answered
from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChannelOptions
from evmthread.channel.effects import Effect
from evmthread.channel.events import Event
from evmthread.commit import InputKind, LocalSigner, Ruleset, Terms, thread_id
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.rpc import Provider
from evmthread.store.endpoint import Endpoint
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.threadfile import ThreadHead
from tests.chain.chains import ETHER, FINALITY, Chain, rich
from tests.chain.played import DAY, GAS, KEYS, MORPION, ORIGIN, STAKE

_salts = count(1_000_000)


class Partner:
    """One owner: a store on disk, an endpoint, an account on chain."""

    def __init__(self, partners: "Partners", index: int, path: Path) -> None:
        self._partners = partners
        self.index = index
        self.path = path
        self.account = KeyAccount(KEYS[index])
        self.events: list[Event] = []
        with SqliteThreadStore(path) as store:
            store.create(partners.head, self.account.address)
        self.start()

    def start(self) -> None:
        """As after a restart: all it knows is in its store."""
        partners = self._partners
        self.store = SqliteThreadStore(self.path)
        self.endpoint = Endpoint.open(
            self.store,
            partners.thread_id,
            LocalSigner(KEYS[self.index]),
            now=partners.chain.time,
            random=Random(self.index),
            send=lambda to, data: partners.queue.append((self.index, to, data)),
            notify=self.events.append,
            options=ChannelOptions(on_chain=True),
        )
        self.on_chain = ChainParty(partners.registry, self.endpoint, self.account)
        self.endpoint.start()

    def crash(self) -> None:
        """The process is gone; messages to it are lost."""
        self.store.close()

    def do(self, decide: Callable[[Channel], list[Effect]]) -> None:
        self.endpoint.do(decide)
        self._partners.deliver()

    def call(self, name: str, *arguments: object, value: int = 0) -> None:
        """Wants a call of the contract, and lets the messages run."""
        data = MORPION.function(name).encode(*arguments)
        self.do(lambda channel: channel.request(data, value=value, gas=GAS))

    def answers(self) -> bool:
        """Looks at the chain; whether it answered a challenge. The answer is in a block then."""
        _, words = self.on_chain.look()
        sent = [each.transaction for each in words if isinstance(each, Answered)]
        transactions = self._partners.registry.transactions
        for each in sent:
            transactions.wait(self.account, Call("answer", self._partners.registry.address), each)
        return bool(sent)

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class Partners:
    """A thread of Morpion; its genesis is agreed, nothing is paid in."""

    def __init__(self, chain: Chain, registry: Registry, folder: Path, *, agree: bool = True) -> None:
        """`agree` False: the genesis isn't agreed yet."""
        turn_seconds = DAY
        self.chain, self.registry = chain, registry
        self.queue: deque[tuple[int, int, bytes]] = deque()
        self.offline: set[int] = set()
        addresses = tuple(KeyAccount(key).address for key in KEYS)
        rules = Ruleset(contract_timeout=turn_seconds)
        chain.put(ORIGIN, code=MORPION.runtime_code)
        self.terms = Terms(
            ORIGIN, keccak256(MORPION.runtime_code), rules.hash_struct(), ZERO_ADDRESS, addresses, addresses,
            (ETHER, ETHER), 2, ZERO_ADDRESS, 0, 60, chain.time + 3600, next(_salts),
        )  # fmt: skip
        self.head = ThreadHead(registry.domain, self.terms, rules, MORPION.runtime_code)
        self.thread_id = thread_id(registry.domain, self.terms)
        self.all = [Partner(self, index, folder / f"{index}.threads") for index in (0, 1)]
        rich(chain, *(each.account for each in self.all))
        self.deliver()
        if not agree:
            return
        code = MORPION.creation_code + MORPION.encode_constructor(*addresses, STAKE, turn_seconds)
        self.all[0].do(lambda channel: channel.request(code, kind=InputKind.CREATE, gas=GAS))
        self.all[0].do(Channel.propose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.all:
            each.store.close()

    @property
    def address(self) -> bytes:
        return self.all[0].endpoint.channel.thread.address

    def deliver(self) -> None:
        """All messages, in order, but those to or from who is offline."""
        while self.queue:
            sender, to, data = self.queue.popleft()
            if not {sender, to} & self.offline:
                self.all[to].endpoint.receive(sender, data)

    def tick(self, seconds: float) -> None:
        """Time passes on chain, and in the parties' clocks."""
        self.chain.wait_until(int(self.chain.time + seconds))
        for each in self.all:
            if each.index not in self.offline:
                each.endpoint.tick(self.chain.time)
        self.deliver()

    def look(self) -> None:
        """All who are there look at the chain."""
        for each in self.all:
            if each.index not in self.offline:
                each.on_chain.look()
        self.deliver()

    def fund(self) -> None:
        for each in self.all:
            each.on_chain.deposit()
        self.chain.mine(FINALITY)
        self.look()

    def play(self, *cells: int) -> None:
        """Both join and the moves are made in turn."""
        for each in self.all:
            each.call("join", value=STAKE)
        for number, cell in enumerate(cells):
            self.all[number % 2].call("play", cell)

    def transact(self, index: int, name: str, *arguments: object) -> Included:
        """An ordinary transaction to the contract on chain."""
        call = Call(name, self.address, MORPION.function(name).encode(*arguments), errors=MORPION.errors)
        return self.registry.transactions.send(self.all[index].account, call)


def balance(provider: Provider, address: bytes) -> int:
    return int(str(provider.request("eth_getBalance", "0x" + address.hex(), "latest")), 16)


def nonces(partners: Partners) -> list[int]:
    return [each.on_chain.agreement.commitment.nonce for each in partners.all]


def settle_wait(partners: Partners) -> None:
    partners.chain.wait_until(partners.registry.thread(partners.thread_id).deadline)
