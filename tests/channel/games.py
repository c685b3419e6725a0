"""Threads with known keys that the channel's, the store's and the commands' tests share: any code, and Morpion."""

from collections.abc import Sequence

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.party import Party, SignedInput, agree_on
from evmthread.channel.thread import Thread
from evmthread.commit import (
    Agreement,
    Batch,
    Environment,
    GuardedSigner,
    Input,
    InputKind,
    LocalSigner,
    MemorySignLog,
    Ruleset,
    SignedBatch,
    Suspension,
    Terms,
    TypedData,
)
from evmthread.contracts import load_artifact
from evmthread.primitives.keccak import keccak256

STAKE = 1000
DEPOSIT = 5000
TURN_SECONDS = 86_400
START = 1_760_000_000
CALL_GAS = 1_000_000
CREATE_GAS = 4_000_000
MORPION = load_artifact("Morpion")


def signers(parties: int) -> tuple[LocalSigner, ...]:
    """That many signers with keys that everybody knows, ascending by address."""
    made = [LocalSigner(keccak256(b"evmthread test key %d" % index)) for index in range(parties)]
    return tuple(sorted(made, key=lambda signer: signer.address))


def ruleset(**changes: object) -> Ruleset:
    """The default rules with changes."""
    return Ruleset(**({"contract_timeout": TURN_SECONDS} | changes))  # type: ignore[arg-type]


def terms_of(code: bytes, rules: Ruleset, *, parties: int = 2, **changes: object) -> Terms:
    """Terms of a thread on this code in which each owner is its own key."""
    addresses = tuple(signer.address for signer in signers(parties))
    values: dict[str, object] = {
        "origin": bytes(20),
        "code_hash": keccak256(code),
        "ruleset": rules.hash_struct(),
        "asset": bytes(20),
        "keys": addresses,
        "owners": addresses,
        "deposits": (DEPOSIT,) * parties,
        "threshold": parties,
        "operator": bytes(20),
        "max_fee": 0,
        "challenge_period": 3600,
        "open_before": START + 3600,
        "salt": 7,
    }
    return Terms(**(values | changes))  # type: ignore[arg-type]


class Match:
    """All parties of one thread in this process, and the line that they agreed on."""

    def __init__(self, code: bytes, *, parties: int = 2, rules: Ruleset | None = None, **terms: object) -> None:
        self.code = code
        self.rules = rules if rules is not None else ruleset()
        self.terms = terms_of(code, self.rules, parties=parties, **terms)
        keys = {signer.address: signer for signer in signers(16)}
        self.signers = [keys[key] for key in self.terms.keys]
        self.parties = [Party(self.open(), GuardedSigner(signer, MemorySignLog())) for signer in self.signers]
        self.line: list[tuple[Agreement, SignedBatch]] = []
        self.suspensions: list[Suspension | None] = []

    def open(self) -> Thread:
        """A thread of its own at its beginning."""
        return Thread.open(LOCAL_DOMAIN, self.terms, self.rules, code=self.code)

    @property
    def thread(self) -> Thread:
        return self.parties[0].thread

    @property
    def tip(self) -> Agreement:
        return self.line[-1][0]

    def input(self, actor: int, data: bytes = b"", **changes: object) -> SignedInput:
        """An input of party `actor` with its signature, right unless changed."""
        thread, party = self.thread, self.parties[actor]
        values: dict[str, object] = {
            "thread_id": thread.thread_id,
            "nonce": thread.account_nonce(party.owner),
            "parent": thread.parent,
            "kind": InputKind.CALL,
            "actor": party.owner,
            "to": thread.address,
            "value": 0,
            "gas": CALL_GAS,
            "data": data,
        }
        each = Input(**(values | changes))  # type: ignore[arg-type]
        return SignedInput(each, self.signers[actor].sign(TypedData(LOCAL_DOMAIN, each)))

    def environment(self, timestamp: int | None = None, **changes: int) -> Environment:
        """The next batch's, by default at the latest batch's time."""
        thread = self.thread
        latest = thread.environment().timestamp or START
        return thread.environment(timestamp=latest if timestamp is None else timestamp, **changes)

    def batch(self, inputs: Sequence[SignedInput], environment: Environment | None = None) -> SignedBatch:
        """These inputs as a batch, in the default environment."""
        if environment is None:
            # an empty batch repeats the environment before it
            environment = self.environment() if inputs or self.thread.agreement is None else self.thread.environment()
        batch = Batch(environment, tuple([each.input for each in inputs]))
        return SignedBatch(batch, tuple([each.signature for each in inputs]))

    def agree(
        self, *inputs: SignedInput, environment: Environment | None = None, final: bool = False, steps: int = 0
    ) -> Agreement:
        """One round among all parties; the agreement joins the line."""
        signed = self.batch(inputs, environment)
        agreement = agree_on(self.parties, inputs, signed.batch.environment, final=final, steps=steps)
        self.line.append((agreement, signed))
        self.suspensions.append(self.thread.open_call and self.thread.open_call.suspension)
        return agreement

    @property
    def whole_line(self) -> list[tuple[Agreement, SignedBatch, Suspension | None]]:
        """The line with the suspensions that go with it."""
        return [(*item, suspension) for item, suspension in zip(self.line, self.suspensions, strict=True)]

    def call(self, actor: int, data: bytes = b"", **changes: object) -> Agreement:
        """One round with one input."""
        return self.agree(self.input(actor, data, **changes))


class MorpionMatch(Match):
    """A game of Morpion: `x` and `o` are the players' party numbers; further parties look on."""

    def __init__(self, *, parties: int = 2, x: int = 0, o: int = 1, stake: int = STAKE, **options: object) -> None:
        super().__init__(MORPION.runtime_code, parties=parties, **options)  # type: ignore[arg-type]
        self.x, self.o, self.stake = x, o, stake

    def create(self) -> Agreement:
        """The genesis, in which party 0 creates the contract."""
        owners = self.terms.owners
        arguments = MORPION.encode_constructor(owners[self.x], owners[self.o], self.stake, TURN_SECONDS)
        return self.call(0, MORPION.creation_code + arguments, kind=InputKind.CREATE, gas=CREATE_GAS)

    def begin(self) -> "MorpionMatch":
        """Genesis and both stakes."""
        self.create()
        for player in (self.x, self.o):
            self.call(player, MORPION.function("join").encode(), value=self.stake)
        return self

    def play(self, *cells: int) -> Agreement:
        """Moves in turn, X first, from the position as it is; each a batch."""
        for cell in cells:
            moves = self.ask("moves")
            assert isinstance(moves, int)
            self.call(self.o if moves % 2 else self.x, MORPION.function("play").encode(cell))
        return self.tip

    def finish(self, *winners: int) -> Agreement:
        """The winners (both after a draw) withdraw; the thread is closed."""
        for winner in winners:
            self.call(winner, MORPION.function("withdraw").encode())
        return self.agree(final=True)

    def ask(self, name: str, *arguments: object) -> object:
        """What a view function says, on party 0's copy."""
        function = MORPION.function(name)
        return function.decode(self.thread.call(function.encode(*arguments)).output)[0]


def finished_game(**options: object) -> MorpionMatch:
    """X wins by the main diagonal in five moves, withdraws, and the thread is closed: ten commitments."""
    match = MorpionMatch(**options).begin()  # type: ignore[arg-type]
    match.play(0, 1, 4, 2, 8)
    match.finish(match.x)
    return match
