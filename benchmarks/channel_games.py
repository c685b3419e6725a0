"""Games of Morpion between two parties in one process, each with an Endpoint on a store of its own.

A move is: its actor keeps and signs an input and sends it; the leader checks it, executes, roots, keeps and signs; the
actor checks that, executes, compares every field, keeps and signs; the leader checks that; both adopt and keep.
"""

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from threading import Event

from evmthread.channel import events
from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChannelOptions
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.commit import Agreement, InputKind, LocalSigner, Ruleset, SignedBatch, Terms, thread_id
from evmthread.contracts import Artifact, load_artifact, parse_artifact
from evmthread.machine.code_cache import CodeCache
from evmthread.primitives.keccak import keccak256
from evmthread.store.endpoint import Endpoint
from evmthread.store.endpoints import Endpoints
from evmthread.store.memory_threads import MemoryThreadStore
from evmthread.store.thread_store import ThreadStore
from evmthread.store.threadfile import ThreadHead

STAKE = 10**15
DAY = 24 * 3600
START = 1_760_000_000
DRAW = (0, 4, 8, 1, 7, 6, 2, 5, 3)
MOVES = len(DRAW)
MORPION = load_artifact("Morpion")
ERC20 = parse_artifact((Path(__file__).resolve().parent / "contracts" / "Erc20.json").read_bytes())
PLAYS = [MORPION.function("play").encode(cell) for cell in range(9)]
JOIN = MORPION.function("join").encode()
CREATION_GAS, CALL_GAS = 4_000_000, 200_000
RULES = Ruleset(contract_timeout=DAY)
KEYS = sorted([keccak256(b"benchmark key %d" % index) for index in range(2)], key=lambda key: LocalSigner(key).address)
SIGNERS = [LocalSigner(key) for key in KEYS]
PLAYERS = tuple([signer.address for signer in SIGNERS])
DRAWN = 4  # Morpion's state after such a game


def head_of(salt: int, contract: Artifact = MORPION, rules: Ruleset = RULES) -> ThreadHead:
    """The head of a thread of the two players on a contract."""
    terms = Terms(
        origin=bytes(20),
        code_hash=keccak256(contract.runtime_code),
        ruleset=rules.hash_struct(),
        asset=bytes(20),
        keys=PLAYERS,
        owners=PLAYERS,
        deposits=(STAKE, STAKE),
        threshold=2,
        operator=bytes(20),
        max_fee=0,
        challenge_period=3600,
        open_before=START + DAY,
        salt=salt,
    )
    return ThreadHead(LOCAL_DOMAIN, terms, rules, contract.runtime_code)


def morpion_creation() -> bytes:
    """What creates the contract for these players."""
    return MORPION.creation_code + MORPION.encode_constructor(*PLAYERS, STAKE, DAY)


class Table:
    """Two endpoints of one thread, and the wires between them."""

    def __init__(
        self,
        head: ThreadHead,
        caches: Sequence[CodeCache],
        stores: Sequence[ThreadStore] | None = None,
        options: ChannelOptions | None = None,
    ) -> None:
        """Opens the thread in both stores (by default in memory), with nothing agreed."""
        self._wires: deque[tuple[int, bytes]] = deque()
        self.adopted: list[events.Adopted] = []
        """What party 0 was told that it is agreed and kept."""
        identity = thread_id(head.domain, head.terms)
        self.endpoints: list[Endpoint] = []
        for index, signer in enumerate(SIGNERS):
            store = MemoryThreadStore() if stores is None else stores[index]
            store.create(head, signer.address)
            endpoint = Endpoint.open(
                store,
                identity,
                signer,
                now=START,
                random=Random(index),
                send=lambda to, data: self._wires.append((to, data)),
                notify=self._note if index == 0 else lambda _event: None,
                options=options,
                cache=caches[index],
            )
            self.endpoints.append(endpoint)
        for endpoint in self.endpoints:
            endpoint.start()
        self.deliver()

    def _note(self, event: events.Event) -> None:
        if isinstance(event, events.Adopted):
            self.adopted.append(event)

    def deliver(self) -> None:
        """Brings what was sent, and what is sent thereupon."""
        while self._wires:
            to, data = self._wires.popleft()
            self.endpoints[to].receive(1 - to, data)

    def waiting(self) -> list[tuple[int, bytes]]:
        """What was sent and not brought: (to whom, bytes); it is taken off the wires."""
        taken = list(self._wires)
        self._wires.clear()
        return taken

    def agreed(self) -> list[tuple[Agreement, SignedBatch]]:
        """The line from the genesis on."""
        for endpoint in self.endpoints:
            endpoint.flush()
        return [(event.agreement, event.batch) for event in self.adopted]

    def call(
        self, actor: int, data: bytes, *, value: int = 0, gas: int = CALL_GAS, kind: InputKind = InputKind.CALL
    ) -> None:
        """An input that is requested, and agreed on where the options say so."""
        self.endpoints[actor].do(lambda channel: channel.request(data, value=value, gas=gas, kind=kind))
        self.deliver()

    def begin(self) -> "Table":
        """The genesis, which creates the contract, and both stakes."""
        self.call(0, morpion_creation(), gas=CREATION_GAS, kind=InputKind.CREATE)
        self.endpoints[0].do(lambda channel: channel.propose())
        self.deliver()
        for actor in range(2):
            self.call(actor, JOIN, value=STAKE)
        return self

    def play(self) -> "Table":
        """All nine moves; X is party 0."""
        for number, cell in enumerate(DRAW):
            self.call(number % 2, PLAYS[cell])
        return self

    def check_drawn(self) -> None:
        """Nothing, or AssertionError: both agree on the game that was played."""
        check_drawn(*[endpoint.channel for endpoint in self.endpoints])


def check_drawn(first: Channel, second: Channel) -> None:
    """Nothing, or AssertionError: both agree on the game that was played."""
    assert first.agreement is not None
    assert first.agreement == second.agreement
    assert first.agreement.commitment.nonce == 2 + MOVES
    function = MORPION.function("state")
    assert function.decode(second.thread.call(function.encode()).output) == (DRAWN,)


def warm_caches(games: int = 12) -> tuple[CodeCache, CodeCache]:
    """What each party knows of the contract's code from earlier games."""
    caches = CodeCache(), CodeCache()
    for salt in range(games):
        Table(head_of(salt), caches).begin().play()
    return caches


class Hall:
    """Many games at once, all of a party's on one store with one writer."""

    def __init__(self, salts: Sequence[int], caches: Sequence[CodeCache], stores: Sequence[ThreadStore]) -> None:
        """Opens a thread for each salt in both stores, with nothing agreed."""
        self._wires: deque[tuple[int, bytes]] = deque()
        self._woken = Event()
        self.parties = [
            Endpoints(
                store,
                now=START,
                random=Random(index),
                send=lambda _thread, to, data: self._wires.append((to, data)),
                notify=lambda _thread, _event: None,
                cache=caches[index],
                wake=self._woken.set,
            )
            for index, store in enumerate(stores)
        ]
        self.threads: list[bytes] = []
        for salt in salts:
            head = head_of(salt)
            self.threads.append(thread_id(head.domain, head.terms))
            for party, store, signer in zip(self.parties, stores, SIGNERS, strict=True):
                store.create(head, signer.address)
                party.open(self.threads[-1], signer)
        self._run(lambda: False)

    def begin(self) -> "Hall":
        """The genesis and both stakes of all games."""
        for thread in self.threads:
            self._ask(thread, 0, morpion_creation(), gas=CREATION_GAS, kind=InputKind.CREATE)
        self._run(lambda: False)
        for thread in self.threads:
            self.parties[0].do(thread, lambda channel: channel.propose())
        self._all([(actor, JOIN, STAKE) for actor in range(2)])
        return self

    def play(self) -> "Hall":
        """All nine moves of all games."""
        self._all([(number % 2, PLAYS[cell], 0) for number, cell in enumerate(DRAW)])
        return self

    def _all(self, inputs: Sequence[tuple[int, bytes, int]]) -> None:
        """In each thread these inputs one after another, (actor, data, value), each in a batch of its own."""
        self._run(lambda: False)
        done = dict.fromkeys(self.threads, 0)
        first = self._nonce(self.threads[0], 0)

        def go_on() -> bool:
            asked = False
            for thread, number in list(done.items()):
                if number == len(inputs):
                    if all(self._nonce(thread, party) == first + number for party in range(2)):
                        del done[thread]
                elif self._nonce(thread, actor := inputs[number][0]) == first + number:
                    self._ask(thread, actor, inputs[number][1], value=inputs[number][2])
                    done[thread] += 1
                    asked = True
            return asked

        self._run(go_on)
        assert not done

    def _ask(self, thread: bytes, actor: int, data: bytes, *, gas: int = CALL_GAS, **more: int) -> None:
        self.parties[actor].do(thread, lambda channel: channel.request(data, gas=gas, **more))  # type: ignore[arg-type]

    def _nonce(self, thread: bytes, party: int) -> int:
        agreement = self.parties[party][thread].channel.agreement
        return -1 if agreement is None else agreement.commitment.nonce

    def _run(self, go_on: Callable[[], bool]) -> None:
        """Until nothing is under way and `go_on` asks for nothing more."""
        while True:
            self._woken.clear()
            busy = bool(self._wires)
            while self._wires:
                to, data = self._wires.popleft()
                self.parties[to].receive(1 - to, data)
            told = sum([party.settle() for party in self.parties])
            if go_on() or busy or told:
                continue
            if not any(party.waiting for party in self.parties):
                return
            self._woken.wait()

    def check_drawn(self) -> None:
        """Nothing, or AssertionError: in all threads both agree on the game that was played."""
        for thread in self.threads:
            check_drawn(*[party[thread].channel for party in self.parties])

    def close(self) -> None:
        """Ends both writers."""
        for party in self.parties:
            party.close()
