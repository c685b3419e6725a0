"""One game of Morpion between two parties in this process, each with its own copy of the state.

Every step is a batch with one input that both execute, compare and sign. Draws nothing and reads no clock.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.party import Party, SignedInput, agree_on
from evmthread.channel.thread import Thread
from evmthread.commit.agreement import Agreement
from evmthread.commit.batch import Batch, InputKind, SignedBatch
from evmthread.commit.commitment import Status
from evmthread.commit.signing import GuardedSigner, LocalSigner, MemorySignLog
from evmthread.commit.terms import Ruleset, Terms
from evmthread.contracts import load_artifact
from evmthread.errors import EvmthreadError, InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.store.threadfile import ThreadFileWriter, ThreadHead

X, O = 1, 2  # noqa: E741 - the marks' names in the contract
NAMES = {X: "X", O: "O"}
CALL_GAS = 1_000_000
CREATE_GAS = 4_000_000
CHALLENGE_PERIOD = 3600


class IllegalMove(EvmthreadError, ValueError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The contract refuses the move; nothing happened. The text is the contract's own error, decoded."""


@dataclass(frozen=True, slots=True)
class Step:
    """One agreed batch: what it was for, its agreement, the gas that it used, whose keys signed ("X", "O")."""

    what: str
    agreement: Agreement
    gas: int
    signed_by: tuple[str, ...]


class MorpionGame:
    """A game from the opening of its thread to its final commitment. Methods raise what the channel raises."""

    def __init__(
        self,
        x: LocalSigner,
        o: LocalSigner,
        *,
        stake: int,
        turn_seconds: int,
        clock: Callable[[], int],
        out: Path | None,
    ) -> None:
        """Opens the thread for two keys that act for themselves. `clock` gives seconds since 1970."""
        if x.address == o.address:
            raise InvalidInput(f"both players have the same key, that of 0x{x.address.hex()}")
        self.stake = stake
        self._artifact = load_artifact("Morpion")
        self._clock = clock
        self._turn_seconds = turn_seconds
        ruleset = Ruleset(contract_timeout=min(turn_seconds, 2**32 - 1))
        signers = sorted((x, o), key=lambda signer: signer.address)
        owners = tuple([signer.address for signer in signers])
        terms = Terms(
            origin=ZERO_ADDRESS,  # without a chain there is no deployment to name: the code's hash counts
            code_hash=keccak256(self._artifact.runtime_code),
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
        self.parties = tuple(
            [
                Party(Thread.open(LOCAL_DOMAIN, terms, ruleset), GuardedSigner(signer, MemorySignLog()))
                for signer in signers
            ]
        )
        self._players = {mark: self.parties[owners.index(signer.address)] for mark, signer in ((X, x), (O, o))}
        head = ThreadHead(LOCAL_DOMAIN, terms, ruleset, self._artifact.runtime_code)
        self._file = None if out is None else ThreadFileWriter.create(out, head)

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
        function = self._artifact.function(name)
        result = self.thread.call(function.encode(*arguments))
        if not result.success:
            raise IllegalMove(f"{name}: {self._artifact.decode_error(result.output)}")
        return function.decode(result.output)[0]

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

    def withdraw(self, mark: int) -> Step:
        """The player takes out what the contract owes."""
        return self._call(mark, f"{NAMES[mark]} withdraws", "withdraw")

    def close(self) -> Step:
        """The final commitment: the last word of both."""
        return self._agree("the thread is closed", [], final=True)

    def _call(self, mark: int, what: str, name: str, *arguments: object, value: int = 0) -> Step:
        data = self._artifact.function(name).encode(*arguments)
        party = self._players[mark]
        environment = party.thread.environment(timestamp=self._now())
        tried = party.thread.call(data, sender=party.owner, value=value, environment=environment)
        if not tried.success:
            raise IllegalMove(f"{what}: {self._artifact.decode_error(tried.output)}")
        return self._agree(what, [party.sign_input(data, value=value, gas=CALL_GAS)])

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
            self._file.append(agreement, SignedBatch(batch, tuple([each.signature for each in inputs])))
        signers = {self.parties[index] for index in agreement.signatures.indexes()}
        signed_by = tuple([NAMES[mark] for mark, party in self._players.items() if party in signers])
        return Step(what, agreement, agreement.commitment.gas_used - before, signed_by)

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
