"""A game of Morpion whose stakes are on a chain: opened and funded there, played off it, settled or finished there.

Both players are in this process, each with an endpoint, a store and an account of its own. The chain's time is theirs.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.blocks import FINALIZED, LATEST, block_at
from evmthread.chain.development import give, pass_time, unlocked_account
from evmthread.chain.errors import CallReverted
from evmthread.chain.party import ChainParty
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Call, Included
from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChannelOptions, Mode
from evmthread.channel.phases import Phase
from evmthread.channel.thread import Thread
from evmthread.commands.board import NAMES, O, X
from evmthread.commands.morpion_game import CALL_GAS, CREATE_GAS, IllegalMove, ask_contract
from evmthread.commit.batch import InputKind
from evmthread.commit.opening import check_opening
from evmthread.commit.signing import LocalSigner
from evmthread.commit.terms import Ruleset, Terms
from evmthread.contracts import load_artifact
from evmthread.errors import InvalidInput
from evmthread.execution.result import CallResult
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.rpc import Provider
from evmthread.store.thread_store import ThreadStore
from evmthread.store.threadfile import ThreadHead
from evmthread.store.together import Together

_DEPOSIT_TIME = 24 * 3600
_GAS_MONEY = 10**17  # wei; what a player on a development chain gets for gas
_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Seat:
    """A player: its session key, the same key's account on chain, and its store."""

    signer: LocalSigner
    account: KeyAccount
    store: ThreadStore


@dataclass(frozen=True, slots=True)
class Happened:
    """What was done, for people, and the same in parts."""

    event: str
    text: str
    parts: Mapping[str, int | str | bytes]


class ChainGame:
    """The game from its registry to its payment. Methods raise what the registry's client and the channel raise."""

    def __init__(
        self,
        provider: Provider,
        registry: Registry,
        seats: Mapping[int, Seat],
        *,
        stake: int,
        turn_seconds: int,
        challenge_period: int,
        sleep: Callable[[float], None],
        tell: Callable[[Happened], None],
    ) -> None:
        """`seats` by mark. `sleep` waits where time can't be moved on; `tell` is called with what happened."""
        self.provider = provider
        self.registry = registry
        self._artifact = load_artifact("Morpion")
        self._seats = dict(seats)
        self._stake = stake
        self._turn_seconds = turn_seconds
        self._sleep = sleep
        self._tell_all = tell
        order = sorted(self._seats, key=lambda mark: self._seats[mark].signer.address)
        if self._seats[X].signer.address == self._seats[O].signer.address:
            raise InvalidInput("both players have the same key")
        self._place = {mark: index for index, mark in enumerate(order)}
        self._fund_players()
        self._together = self._opened(self._origin(), [self._seats[mark] for mark in order], challenge_period)
        self._parties = {
            mark: ChainParty(registry, self._together.endpoints[index], self._seats[mark].account)
            for mark, index in self._place.items()
        }

    def _tell(self, event: str, text: str, **parts: int | str | bytes) -> None:
        self._tell_all(Happened(event, text, parts))

    # Opening ----------------------------------------------------------------------------------------------------------
    def _fund_players(self) -> None:
        """Where the node is a development node, its accounts pay for the game."""
        if unlocked_account(self.provider) is not None:
            for seat in self._seats.values():
                give(self.provider, seat.account.address, self._stake + _GAS_MONEY)

    def _arguments(self) -> tuple[object, ...]:
        players = [self._seats[mark].account.address for mark in (X, O)]
        return (*players, self._stake, self._turn_seconds)

    def _origin(self) -> bytes:
        """A contract on chain with Morpion's code: what the terms refer to."""
        code = self._artifact.creation_code + self._artifact.encode_constructor(*self._arguments())
        done = self.registry.transactions.send(self._seats[X].account, Call("deploy Morpion", None, code))
        assert done.created is not None
        self._tell("origin", f"Morpion's code is at 0x{done.created.hex()}", address=done.created)
        return done.created

    def _opened(self, origin: bytes, seats: list[Seat], challenge_period: int) -> Together:
        rules = Ruleset(contract_timeout=self._turn_seconds)
        owners = tuple([seat.signer.address for seat in seats])
        head = block_at(self.provider, LATEST)
        terms = Terms(
            origin=origin,
            code_hash=keccak256(self._artifact.runtime_code),
            ruleset=rules.hash_struct(),
            asset=ZERO_ADDRESS,
            keys=owners,
            owners=owners,
            deposits=(self._stake,) * len(owners),
            threshold=len(owners),
            operator=ZERO_ADDRESS,
            max_fee=0,
            challenge_period=challenge_period,
            open_before=head.timestamp + _DEPOSIT_TIME,
            salt=secrets.randbits(256),
        )
        check_opening(terms, rules)
        return Together(
            ThreadHead(self.registry.domain, terms, rules, self._artifact.runtime_code),
            [(seat.store, seat.signer) for seat in seats],
            clock=self._now,
            options=[ChannelOptions(on_chain=True)] * len(seats),
        )

    def _now(self) -> float:
        """The chain's time: on a development chain no other clock agrees with it."""
        return float(block_at(self.provider, LATEST).timestamp)

    def open(self) -> None:
        """Both sign the genesis, pay in, and wait until that is final."""
        code = self._artifact.creation_code + self._artifact.encode_constructor(*self._arguments())
        self._together.do(0, lambda channel: channel.request(code, kind=InputKind.CREATE, gas=CREATE_GAS))
        self._together.do(0, Channel.propose)
        identity = self.thread.thread_id
        self._tell("genesis", f"thread 0x{identity.hex()}: the genesis is signed by both", threadId=identity)
        for mark in (X, O):
            done = self._parties[mark].deposit()
            self._tell(
                "deposit",
                f"{NAMES[mark]} pays in {self._stake} wei; {done.gas_used:,} gas",
                player=NAMES[mark],
                gasUsed=done.gas_used,
            )
        self._wait_final(block_at(self.provider, LATEST).number)
        state = self.registry.thread(identity, block_at(self.provider, FINALIZED))
        self._tell("live", f"the registry says {state.mode.name}, in a final block", mode=state.mode.name)
        if state.mode is not Mode.LIVE:
            raise InvalidInput(f"the thread is {state.mode.name}, not LIVE")

    def _wait_final(self, number: int) -> None:
        """Until this block is final, and the parties know."""
        if not pass_time(self.provider, 0):
            while block_at(self.provider, FINALIZED).number < number:
                self._sleep(_PAUSE)
        self._look()

    def _look(self) -> None:
        for party in self._parties.values():
            party.look()
        self._together.tick()

    # Playing ----------------------------------------------------------------------------------------------------------
    @property
    def thread(self) -> Thread:
        """X's copy of the thread."""
        return self._together.endpoints[self._place[X]].channel.thread

    def ask(self, name: str, *arguments: object) -> object:
        """What a view of the contract returns inside the thread."""
        return ask_contract(self.thread, self._artifact, name, *arguments)

    def board(self) -> tuple[int, ...]:
        """The cells row by row: 0 empty, 1 X, 2 O."""
        cells = self.ask("board")
        assert isinstance(cells, tuple)
        return cells

    def to_move(self) -> int | None:
        """Whose turn it is; None when nobody's."""
        turn = self.ask("turn")
        return next((mark for mark in (X, O) if self._seats[mark].account.address == turn), None)

    def join(self) -> None:
        """Both stakes go into the contract."""
        for mark in (X, O):
            self._call(mark, f"{NAMES[mark]} joins", "join", value=self._stake)

    def play(self, mark: int, cell: int) -> None:
        """The player takes a cell, and both sign. Raises IllegalMove, with nothing changed."""
        self._call(mark, f"{NAMES[mark]} plays {cell}", "play", cell)

    def wins(self, mark: int, cell: int) -> bool:
        """Whether the game is won by this move. Raises IllegalMove."""
        done = self._try(mark, f"{NAMES[mark]} plays {cell}", "play", cell)
        finished = [self._artifact.decode_event(log) for log in done.logs]
        return any(
            each is not None and each.name == "Finished" and each["winner"] == self._seats[mark].account.address
            for each in finished
        )

    def _try(self, mark: int, what: str, name: str, *arguments: object, value: int = 0) -> CallResult:
        data = self._artifact.function(name).encode(*arguments)
        tried = self.thread.call(data, sender=self._seats[mark].account.address, value=value)
        if not tried.success:
            raise IllegalMove(f"{what}: {self._artifact.decode_error(tried.output)}")
        return tried

    def _call(self, mark: int, what: str, name: str, *arguments: object, value: int = 0) -> None:
        self._try(mark, what, name, *arguments, value=value)
        before = self._nonce(mark)
        self._ask_for(mark, name, *arguments, value=value)
        if self._nonce(mark) == before:
            raise InvalidInput(f"{what}: not agreed on")
        self._tell("move", f"nonce {self._nonce(mark)}: {what}; signed by both", nonce=self._nonce(mark), what=what)

    def _ask_for(self, mark: int, name: str, *arguments: object, value: int = 0) -> None:
        data = self._artifact.function(name).encode(*arguments)
        self._together.do(self._place[mark], lambda channel: channel.request(data, value=value, gas=CALL_GAS))

    def _nonce(self, mark: int) -> int:
        return self._parties[mark].agreement.commitment.nonce

    # Ending -----------------------------------------------------------------------------------------------------------
    def end_together(self) -> None:
        """Who is owed takes it out, both sign that it is over, and one transaction pays all."""
        for mark in (X, O):
            if self.ask("owed", self._seats[mark].account.address):
                self._call(mark, f"{NAMES[mark]} withdraws", "withdraw")
        for mark in (X, O):
            self._together.do(self._place[mark], Channel.close)
        party = self._parties[O]
        if party.endpoint.channel.phase is not Phase.CLOSED:
            raise InvalidInput("the final commitment isn't signed by both")
        self._tell("closed", f"nonce {self._nonce(O)}: closed, by both", nonce=self._nonce(O))
        self._paid(party.settle(), "both are paid by one transaction")

    def end_alone(self, mark: int, cell: int) -> None:
        """The other doesn't sign the winning move: back to the chain, and the move is made there."""
        other, party = X ^ O ^ mark, self._parties[mark]
        self._together.away.add(self._place[other])
        self._ask_for(mark, "play", cell)
        self._tell("refused", f"{NAMES[other]} doesn't sign {NAMES[mark]} {cell}: it would lose", player=NAMES[other])
        self._done(party.challenge(), "challenge", f"{NAMES[mark]} challenges with nonce {self._nonce(mark)}")
        party.look()
        deadline = self.registry.thread(self.thread.thread_id).deadline
        self._wait_until(deadline)
        self._done(party.settle(), "settle", f"nobody had a higher one by {deadline}: {NAMES[mark]} settles")
        self._done(party.materialize(), "materialize", f"the contract is on chain, at 0x{self.thread.address.hex()}")
        self._done(self._transact(mark, "play", cell), "move", f"{NAMES[mark]} plays {cell} on chain, and wins")
        self._paid(self._transact(mark, "withdraw"), f"the pot is paid to {NAMES[mark]}")

    def _transact(self, mark: int, name: str, *arguments: object) -> Included:
        call = Call(
            name, self.thread.address, self._artifact.function(name).encode(*arguments), errors=self._artifact.errors
        )
        try:
            return self.registry.transactions.send(self._seats[mark].account, call)
        except CallReverted as error:
            raise IllegalMove(str(error)) from error

    def _wait_until(self, timestamp: int) -> None:
        """Until a block has this timestamp."""
        missing = timestamp - block_at(self.provider, LATEST).timestamp
        if missing > 0 and not pass_time(self.provider, missing):
            while block_at(self.provider, LATEST).timestamp < timestamp:
                self._sleep(_PAUSE)

    def _done(self, done: Included, event: str, text: str) -> None:
        self._tell(event, f"{text}; {done.gas_used:,} gas", gasUsed=done.gas_used, transaction=done.transaction)

    def _paid(self, done: Included, text: str) -> None:
        self._done(done, "paid", text)
        for mark, amount in self._balances():
            self._tell("balance", f"{NAMES[mark]} has {amount} wei on chain", player=NAMES[mark], balance=str(amount))

    def _balances(self) -> Iterator[tuple[int, int]]:
        for mark in (X, O):
            answer = self.provider.request("eth_getBalance", "0x" + self._seats[mark].account.address.hex(), LATEST)
            yield mark, int(str(answer), 16)
