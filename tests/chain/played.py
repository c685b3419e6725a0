"""A game of Morpion between two parties of this process, under a registry of a real or an in-process chain."""

from dataclasses import replace
from itertools import count

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Call, Included
from evmthread.channel.party import Party, agree_on
from evmthread.channel.returning import ReturnToChain, return_to_chain
from evmthread.channel.thread import Thread
from evmthread.commit import (
    Agreement,
    GuardedSigner,
    InputKind,
    LocalSigner,
    MemorySignLog,
    Ruleset,
    Terms,
)
from evmthread.contracts import load_artifact
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.state.memory import MemoryState
from tests.chain.chains import ETHER, Chain, rich

MORPION = load_artifact("Morpion")
ORIGIN = keccak256(b"morpion on chain")[12:]
STAKE = ETHER // 2
DAY = 24 * 3600
GAS = 5_000_000
_salts = count(1)
KEYS = sorted((keccak256(b"evmthread played %d" % each) for each in range(2)), key=lambda key: LocalSigner(key).address)


class Played:
    """A thread with its genesis agreed; `fund` makes it LIVE. Owner 0 is X and moves first; keys are owners."""

    def __init__(self, chain: Chain, registry: Registry, *, turn_seconds: int = DAY, **terms: object) -> None:
        self.chain, self.registry = chain, registry
        self.owners = [KeyAccount(key) for key in KEYS]
        rich(chain, *self.owners)
        chain.put(ORIGIN, code=MORPION.runtime_code)
        rules = Ruleset(contract_timeout=turn_seconds)
        addresses = tuple(each.address for each in self.owners)
        values: dict[str, object] = {
            "origin": ORIGIN,
            "code_hash": keccak256(MORPION.runtime_code),
            "ruleset": rules.hash_struct(),
            "asset": ZERO_ADDRESS,
            "keys": addresses,
            "owners": addresses,
            "deposits": (ETHER, ETHER),
            "threshold": 2,
            "operator": ZERO_ADDRESS,
            "max_fee": 0,
            "challenge_period": 60,
            "open_before": chain.time + 3600,
            "salt": next(_salts),
        }
        self.rules = rules
        self.terms = Terms(**(values | terms))  # type: ignore[arg-type]
        self.states = [MemoryState() for _ in KEYS]
        self.parties = [
            Party(
                Thread.open(registry.domain, self.terms, rules, state=state),
                GuardedSigner(LocalSigner(key), MemorySignLog()),
            )
            for key, state in zip(KEYS, self.states, strict=True)
        ]
        self.line: list[Agreement] = []
        code = MORPION.creation_code + MORPION.encode_constructor(*addresses, STAKE, turn_seconds)
        self._agree(self.parties[0].sign_input(code, kind=InputKind.CREATE, gas=GAS))

    @property
    def thread_id(self) -> bytes:
        return self.parties[0].thread.thread_id

    @property
    def address(self) -> bytes:
        return self.parties[0].thread.address

    @property
    def tip(self) -> Agreement:
        return self.line[-1]

    def _agree(self, *inputs: object, final: bool = False) -> Agreement:
        environment = self.parties[0].thread.environment(timestamp=None if final else self.chain.time)
        agreement = agree_on(self.parties, inputs, environment, final=final)  # type: ignore[arg-type]
        self.line.append(agreement)
        return agreement

    def fund(self) -> list[Included]:
        """Both deposits are in."""
        return [self.registry.open(each, self.line[0], index) for index, each in enumerate(self.owners)]

    def call(self, actor: int, name: str, *arguments: object, value: int = 0) -> Agreement:
        """One round with one call of the contract."""
        return self._agree(
            self.parties[actor].sign_input(MORPION.function(name).encode(*arguments), value=value, gas=GAS)
        )

    def play(self, *cells: int) -> None:
        """Both join, if they haven't, and the moves are made in turn."""
        if len(self.line) == 1:
            for actor in (0, 1):
                self.call(actor, "join", value=STAKE)
        for cell in cells:
            self.call((len(self.line) - 3) % 2, "play", cell)

    def close(self) -> Agreement:
        return self._agree(final=True)

    def returning(self) -> ReturnToChain:
        return return_to_chain(self.states[0], self.address)

    def on_chain(self, actor: int, name: str, *arguments: object) -> Included:
        """An ordinary transaction to the contract on chain."""
        call = Call(name, self.address, MORPION.function(name).encode(*arguments), errors=MORPION.errors)
        return self.registry.transactions.send(self.owners[actor], call)

    def read_on_chain(self, name: str, *arguments: object) -> object:
        function = MORPION.function(name)
        output = self.registry.transactions.try_out(ZERO_ADDRESS, Call(name, self.address, function.encode(*arguments)))
        return function.decode(output)[0]

    def past_deadline(self) -> None:
        self.chain.wait_until(self.registry.thread(self.thread_id).deadline)


def changed(agreement: Agreement, **members: object) -> object:
    """The commitment with other members."""
    return replace(agreement.commitment, **members)
