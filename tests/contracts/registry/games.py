"""Threads that are really played: by Parties of evmthread.channel, under a registry of one of the chains."""

from pathlib import Path

from evmthread.channel.party import Party, SignedInput, agree_on
from evmthread.channel.returning import ReturnToChain, return_to_chain
from evmthread.channel.thread import Thread
from evmthread.commit import (
    Agreement,
    Commitment,
    GuardedSigner,
    InputKind,
    LocalSigner,
    MemorySignLog,
    Ruleset,
    Terms,
    thread_id,
)
from evmthread.contracts import Artifact, load_artifact
from evmthread.contracts.artifact import parse_artifact
from evmthread.merkle.proofs import prove_account, prove_slot
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from evmthread.testing.chain import MinedTransaction
from tests.commit.commit_samples import ETHER, private_key, signers
from tests.contracts.registry.chains import transact
from tests.contracts.registry.deployed import STRANGER, Deployed, key_of, spread

ORIGIN_OF_GAMES = keccak256(b"origin of games")[12:]
DAY = 24 * 3600
CALL_GAS = 5_000_000


def contract(name: str) -> Artifact:
    """A contract of this folder, or one that is shipped."""
    path = Path(__file__).with_name(name + ".json")
    return parse_artifact(path.read_bytes()) if path.is_file() else load_artifact(name)


class Game:
    """A thread that is LIVE on the chain, all its parties in this process, with its genesis agreed."""

    def __init__(
        self,
        registry: Deployed,
        artifact: Artifact,
        *arguments: object,
        parties: int = 2,
        rules: Ruleset | None = None,
        deposit: int = ETHER,
        **terms: object,
    ) -> None:
        """`arguments` are the constructor's; party 0 creates the contract."""
        self.registry = registry
        self.artifact = artifact
        self.rules = rules if rules is not None else Ruleset(contract_timeout=DAY)
        registry.chain.put(ORIGIN_OF_GAMES, code=artifact.runtime_code)
        values: dict[str, object] = {
            "origin": ORIGIN_OF_GAMES,
            "code_hash": keccak256(artifact.runtime_code),
            "ruleset": self.rules.hash_struct(),
            "deposits": (deposit,) * parties,
            "operator": bytes(20),
            "max_fee": 0,
        }
        self.terms: Terms = registry.terms(parties, **(values | terms))
        known = {signer.address: signer for signer in signers(16)}
        self.states = [MemoryState() for _ in range(parties)]
        self.parties = [
            Party(
                Thread.open(registry.domain, self.terms, self.rules, state=state),
                GuardedSigner(known[key], MemorySignLog()),
            )
            for key, state in zip(self.terms.keys, self.states, strict=True)
        ]
        self.signers: list[LocalSigner] = [known[key] for key in self.terms.keys]
        self.line: list[Agreement] = []
        init_code = artifact.creation_code + artifact.encode_constructor(*arguments)
        self.agree(self.parties[0].sign_input(init_code, kind=InputKind.CREATE, gas=20_000_000))
        for index, each in enumerate(self.terms.deposits):
            registry.done(STRANGER, "open", self.terms, index, value=each)

    @property
    def thread(self) -> Thread:
        return self.parties[0].thread

    @property
    def address(self) -> bytes:
        return self.thread.address

    @property
    def thread_id(self) -> bytes:
        return thread_id(self.registry.domain, self.terms)

    @property
    def tip(self) -> Commitment:
        return self.line[-1].commitment

    def agree(self, *inputs: SignedInput, final: bool = False, steps: int = 0) -> Agreement:
        """One round among all parties, at the time of the chain's latest block."""
        environment = self.thread.environment(timestamp=None if final else self.registry.chain.time)
        agreement = agree_on(self.parties, inputs, environment, final=final, steps=steps)
        self.line.append(agreement)
        return agreement

    def call(self, actor: int, name: str, *arguments: object, value: int = 0) -> Agreement:
        """One round with one call of the contract."""
        data = self.artifact.function(name).encode(*arguments)
        return self.agree(self.parties[actor].sign_input(data, value=value, gas=CALL_GAS))

    def send(self, actor: int, to: bytes, value: int) -> Agreement:
        """One round in which a party sends wei to any account of the thread."""
        return self.agree(self.parties[actor].sign_input(to=to, value=value, gas=CALL_GAS))

    def close(self) -> Commitment:
        """The final commitment."""
        return self.agree(final=True).commitment

    def read(self, name: str, *arguments: object) -> object:
        """What a view of the contract returns inside the thread."""
        function = self.artifact.function(name)
        return _single(function.decode(self.thread.call(function.encode(*arguments)).output))

    # On chain ---------------------------------------------------------------------------------------------------------
    def signed(self, place: int = -1) -> tuple[object, ...]:
        """The arguments (terms, commitment, bitmap, signatures) of an agreement of the line."""
        agreement = self.line[place]
        return (self.terms, agreement.commitment, *spread(agreement.signatures))

    def settle_by_challenge(self, place: int = -1, actor: int = 0) -> Commitment:
        """Challenge with an agreement of the line, wait, settle; what was settled."""
        registry = self.registry
        registry.done(key_of(self.terms, actor), "challenge", *self.signed(place))
        registry.past_deadline(self.terms)
        commitment = self.line[place].commitment
        registry.done(STRANGER, "settle", *registry.unsigned(self.terms, commitment))
        return commitment

    def settle_final(self) -> Commitment:
        """Close and settle; what was settled."""
        final = self.close()
        self.registry.done(STRANGER, "settle", *self.signed())
        return final

    def returning(self) -> ReturnToChain:
        """What `materialize` needs."""
        return return_to_chain(self.states[0], self.address)

    def materialize_arguments(self, commitment: Commitment, **changes: object) -> tuple[object, ...]:
        """The arguments of `materialize`, right unless changed."""
        given = self.returning()
        parts: dict[str, object] = {
            "keys": given.keys,
            "values": given.values,
            "code": given.code,
            "account_proof": given.account_proof,
        }
        return (self.terms, commitment, *(parts | changes).values())

    def materialize(self, commitment: Commitment) -> MinedTransaction:
        """The contract is on chain."""
        return self.registry.done(STRANGER, "materialize", *self.materialize_arguments(commitment))

    def account_proof(self, account: bytes) -> tuple[bytes, ...]:
        return tuple(prove_account(self.states[0].roots(), account))

    def slot_proof(self, key: int) -> tuple[bytes, ...]:
        return tuple(prove_slot(self.states[0].roots(), self.address, key))

    def transact(self, actor: int, name: str, *arguments: object, value: int = 0) -> MinedTransaction:
        """An ordinary transaction to the contract on chain."""
        data = self.artifact.function(name).encode(*arguments)
        return transact(self.registry.chain, self.owner_key(actor), self.address, data, value=value)

    def owner_key(self, actor: int) -> bytes:
        owner = self.terms.owners[actor]
        return next(key for key in map(private_key, range(16)) if LocalSigner(key).address == owner)

    def read_on_chain(self, name: str, *arguments: object) -> object:
        """What a view of the contract returns on chain."""
        function = self.artifact.function(name)
        success, output = self.registry.chain.ask(self.address, function.encode(*arguments))
        assert success
        return _single(function.decode(output))


def _single(values: tuple[object, ...]) -> object:
    return values[0] if len(values) == 1 else values


def morpion(
    registry: Deployed, *, stake: int = ETHER // 2, turn_seconds: int = DAY, parties: int = 2, **terms: object
) -> Game:
    """A game of Morpion in which both have joined; owner 0 is X and moves first. A third party looks on and signs."""
    players = tuple(signer.address for signer in signers(parties))[:2]
    game = Game(registry, contract("Morpion"), *players, stake, turn_seconds, parties=parties, **terms)  # type: ignore[arg-type]
    for actor in (0, 1):
        game.call(actor, "join", value=stake)
    return game
