"""One game of Morpion between two parties in this process, each with its own copy of the state.

Every step is a batch with one input that both execute, compare and sign. After an offer of a draw (MorpionDraw) the
thread is suspended until it is answered or dropped, perhaps elsewhere. Draws nothing and reads no clock.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.party import Party, SignedInput, agree_on
from evmthread.channel.thread import Thread
from evmthread.commands.board import NAMES, O, X
from evmthread.commands.open_question import read_question
from evmthread.commit.agreement import Agreement
from evmthread.commit.batch import Batch, InputKind, SignedBatch
from evmthread.commit.commitment import Status
from evmthread.commit.signing import GuardedSigner, LocalSigner, MemorySignLog
from evmthread.commit.terms import Ruleset, Terms
from evmthread.contracts import Artifact, load_artifact
from evmthread.errors import EvmthreadError, InvalidInput
from evmthread.execution.result import CallResult
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.store.threadfile import ThreadFileWriter, ThreadHead

CALL_GAS = 1_000_000
CREATE_GAS = 4_000_000
CHALLENGE_PERIOD = 3600


class IllegalMove(EvmthreadError, ValueError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The contract refuses the move; nothing happened. The text is the contract's own error, decoded."""


@dataclass(frozen=True, slots=True)
class Step:
    """One agreed batch: what it was for, its agreement, the gas that it used, whose keys signed ("X", "O").

    `offer` waits for its answer after it.
    """

    what: str
    agreement: Agreement
    gas: int
    signed_by: tuple[str, ...]
    offer: "Offer | None" = None


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer of a draw that suspends the thread: whose it is, who is asked, and the question in words."""

    by: int
    to: int
    question: str
    machine_hash: bytes


class MorpionGame:
    """A game from the opening of its thread to its final commitment. Methods raise what the channel raises."""

    def __init__(
        self,
        players: Mapping[int, Party],
        artifact: Artifact,
        *,
        stake: int,
        turn_seconds: int,
        clock: Callable[[], int],
        file: ThreadFileWriter | None,
    ) -> None:
        """A game between parties of one thread; made by `open`, and by morpion_file.py."""
        self.stake = stake
        self.parties = tuple(sorted(players.values(), key=lambda party: party.index))
        self._players = dict(players)
        self._artifact = artifact
        self._turn_seconds = turn_seconds
        self._clock = clock
        self._file = file
        self.agreed = 0
        """How many batches were agreed on here."""

    @classmethod
    def open(
        cls,
        x: LocalSigner,
        o: LocalSigner,
        *,
        stake: int,
        turn_seconds: int,
        clock: Callable[[], int],
        out: Path | None,
        contract: str = "Morpion",
    ) -> Self:
        """Opens a thread for two keys that act for themselves. `clock` gives seconds since 1970."""
        if x.address == o.address:
            raise InvalidInput(f"both players have the same key, that of 0x{x.address.hex()}")
        artifact = load_artifact(contract)
        ruleset = Ruleset(contract_timeout=min(turn_seconds, 2**32 - 1))
        signers = {signer.address: signer for signer in (x, o)}
        owners = tuple(sorted(signers))
        terms = Terms(
            origin=ZERO_ADDRESS,  # without a chain there is no deployment to name: the code's hash counts
            code_hash=keccak256(artifact.runtime_code),
            ruleset=ruleset.hash_struct(),
            asset=ZERO_ADDRESS,
            keys=owners,
            owners=owners,
            deposits=(stake, stake),
            threshold=2,
            operator=ZERO_ADDRESS,
            max_fee=0,
            challenge_period=CHALLENGE_PERIOD,
            open_before=clock() + CHALLENGE_PERIOD,
            salt=secrets.randbits(256),
        )
        players = {
            mark: Party(Thread.open(LOCAL_DOMAIN, terms, ruleset), GuardedSigner(signer, MemorySignLog()))
            for mark, signer in ((X, x), (O, o))
        }
        head = ThreadHead(LOCAL_DOMAIN, terms, ruleset, artifact.runtime_code)
        file = None if out is None else ThreadFileWriter.create(out, head)
        return cls(players, artifact, stake=stake, turn_seconds=turn_seconds, clock=clock, file=file)

    @property
    def thread(self) -> Thread:
        """X's copy of the thread."""
        return self._players[X].thread

    def owner(self, mark: int) -> bytes:
        """The player's account: 20 bytes."""
        return self._players[mark].owner

    # What the contract says -------------------------------------------------------------------------------------------
    def ask(self, name: str, *arguments: object) -> object:
        """What a view function of the contract returns."""
        return ask_contract(self.thread, self._artifact, name, *arguments)

    def board(self) -> tuple[int, ...]:
        """The cells row by row: 0 empty, 1 X, 2 O."""
        cells = self.ask("board")
        assert isinstance(cells, tuple)
        return cells

    def to_move(self) -> int | None:
        """Whose turn it is; None when nobody's."""
        return self._mark_of(self.ask("turn"))

    def winner(self) -> int | None:
        """Who has won; None while nobody has, and after a draw."""
        return self._mark_of(self.ask("winner"))

    def owed(self, mark: int) -> int:
        """What the contract owes the player, in wei."""
        amount = self.ask("owed", self.owner(mark))
        assert isinstance(amount, int)
        return amount

    @property
    def has_draws(self) -> bool:
        """Whether a draw can be offered."""
        return any(function.name == "offerDraw" for function in self._artifact.functions)

    def offer(self) -> Offer | None:
        """The offer that waits for an answer; None when no call is open."""
        opened = self.thread.open_call
        if opened is None:
            return None
        suspension = opened.suspension
        by, to = self._mark_of(opened.input.actor), self._mark_of(suspension.awaiting)
        asked = None if suspension.steps else read_question(self._artifact, suspension.question)
        if by is None or to is None or asked is None or asked.name != "acceptDraw":
            raise InvalidInput("the call that is open offers no draw")
        return Offer(by, to, str(asked), opened.machine_hash)

    def can_offer(self, mark: int) -> bool:
        """Whether the contract would let the player offer a draw now."""
        return self.has_draws and self.offer() is None and self._try(mark, "offerDraw").success

    def _mark_of(self, address: object) -> int | None:
        return next((mark for mark in (X, O) if self.owner(mark) == address), None)

    # What changes the game --------------------------------------------------------------------------------------------
    def create(self) -> Step:
        """The genesis: the contract is created, by the party with the lower address."""
        arguments = (self.owner(X), self.owner(O), self.stake, self._turn_seconds)
        code = self._artifact.creation_code + self._artifact.encode_constructor(*arguments)
        party = self.parties[0]
        return self._agree("the contract is created", [party.sign_input(code, kind=InputKind.CREATE, gas=CREATE_GAS)])

    def join(self, mark: int) -> Step:
        """The player pays the stake in."""
        return self._call(mark, f"{NAMES[mark]} joins", "join", value=self.stake)

    def play(self, mark: int, cell: int) -> Step:
        """The player takes a cell. Raises IllegalMove, with nothing changed, where the contract refuses."""
        return self._call(mark, f"{NAMES[mark]} plays {cell}", "play", cell)

    def claim(self, mark: int) -> Step:
        """The player takes the win, where the other's turn has lasted too long. Raises IllegalMove."""
        return self._call(mark, f"{NAMES[mark]} claims the win on time", "claimTimeout")

    def withdraw(self, mark: int) -> Step:
        """The player takes out what the contract owes."""
        return self._call(mark, f"{NAMES[mark]} withdraws", "withdraw")

    def close(self) -> Step:
        """The final commitment: the last word of both."""
        return self._agree("the thread is closed", [], final=True)

    # A draw -----------------------------------------------------------------------------------------------------------
    def offer_draw(self, mark: int) -> Step:
        """The player offers a draw, whoever's turn it is; the other is asked. Raises IllegalMove."""
        return self._call(mark, f"{NAMES[mark]} offers a draw", "offerDraw")

    def answer(self, mark: int, *, yes: bool) -> Step:
        """The player who is asked answers, which ends the open call. Raises IllegalMove for anybody else."""
        what = f"{NAMES[mark]} {'accepts' if yes else 'refuses'} the draw"
        # abi.encode(bool), as Thread.askYesNo reads it
        return self._go_on(mark, what, lambda party: party.answer(int(yes).to_bytes(32, "big")))

    def abort(self, mark: int) -> Step:
        """The player, whose offer it is or who is asked, drops the open call: it never was. Raises IllegalMove."""
        return self._go_on(mark, f"{NAMES[mark]} drops the offer of a draw", Party.abort)

    def _go_on(self, mark: int, what: str, sign: Callable[[Party], SignedInput]) -> Step:
        offer = self.offer()
        if offer is None:
            raise IllegalMove(f"{what}: none is on offer")
        try:
            signed = sign(self._players[mark])
        except LocalProtocolError:
            raise IllegalMove(f"{what}: it is {NAMES[offer.to]} who is asked") from None
        return self._agree(what, [signed])

    def _call(self, mark: int, what: str, name: str, *arguments: object, value: int = 0) -> Step:
        if (offer := self.offer()) is not None:
            raise IllegalMove(f"{what}: {NAMES[offer.to]} is asked for a draw first: yes, no or abort")
        tried = self._try(mark, name, *arguments, value=value)
        if not tried.success:
            raise IllegalMove(f"{what}: {self._artifact.decode_error(tried.output)}")
        data = self._artifact.function(name).encode(*arguments)
        return self._agree(what, [self._players[mark].sign_input(data, value=value, gas=CALL_GAS)])

    def _try(self, mark: int, name: str, *arguments: object, value: int = 0) -> CallResult:
        """What the call would do now; a question that it would ask is answered by nobody."""
        party = self._players[mark]
        environment = party.thread.environment(timestamp=self._now())
        data = self._artifact.function(name).encode(*arguments)
        return party.thread.call(data, sender=party.owner, value=value, environment=environment)

    def _now(self) -> int:
        """The clock, never before the latest batch's time."""
        return max(self._clock(), self.thread.environment().timestamp)

    def _agree(self, what: str, inputs: list[SignedInput], *, final: bool = False) -> Step:
        thread = self.thread
        before = thread.agreement.commitment.gas_used if thread.agreement else 0
        environment = thread.environment(timestamp=None if final else self._now())
        agreement = agree_on(self.parties, inputs, environment, final=final)
        if self._file is not None:
            batch = Batch(environment, tuple([each.input for each in inputs]))
            suspension = None if thread.open_call is None else thread.open_call.suspension
            self._file.append(agreement, SignedBatch(batch, tuple([each.signature for each in inputs])), suspension)
        self.agreed += 1
        signers = {self.parties[index] for index in agreement.signatures.indexes()}
        signed_by = tuple([NAMES[mark] for mark, party in self._players.items() if party in signers])
        return Step(what, agreement, agreement.commitment.gas_used - before, signed_by, self.offer())

    # The file ---------------------------------------------------------------------------------------------------------
    @property
    def is_closed(self) -> bool:
        """Whether the final commitment is agreed."""
        latest = self.thread.agreement
        return latest is not None and latest.commitment.status == Status.FINAL

    def seal_file(self) -> None:
        """Seals the game's file, if there is one."""
        if self._file is not None:
            self._file.seal()

    def remove_file(self) -> None:
        """Removes the game's file, which isn't sealed yet, if there is one."""
        if self._file is not None:
            self._file.remove()


def ask_contract(thread: Thread, artifact: Artifact, name: str, *arguments: object) -> object:
    """What a view function of the thread's contract returns."""
    function = artifact.function(name)
    result = thread.call(function.encode(*arguments))
    if not result.success:
        raise IllegalMove(f"{name}: {artifact.decode_error(result.output)}")
    return function.decode(result.output)[0]
