"""Evidence that a party signed what its batch doesn't lead to: whoever has the thread up to there can check it.

Unlike an Equivocation it takes execution to convict, so it needs the thread at the commitment's parent.
"""

from dataclasses import dataclass
from typing import Self

from evmthread.channel.messages import Propose
from evmthread.channel.review import check_leader_signature, check_suspension_of, execute_proposed, tells_steps
from evmthread.channel.thread import Thread
from evmthread.commit.batch import SignedBatch, check_input_signatures
from evmthread.commit.commitment import FINAL, Commitment, Suspension
from evmthread.commit.eip712 import digest
from evmthread.commit.members import Json, plain_type
from evmthread.commit.records import check_object
from evmthread.commit.refusals import BrokenParent, Refusal, WrongHash, WrongThread
from evmthread.commit.terms import signing_addresses
from evmthread.errors import InvalidInput

_SIGNATURE, _INDEX = plain_type("bytes"), plain_type("uint8")
_MEMBERS = ["party", "commitment", "signature", "batch", "suspension"]


@dataclass(eq=False)
class NoDivergence(Refusal):
    """Executing the batch gives what was signed: nobody is convicted."""

    nonce: int | None = None

    def __str__(self) -> str:
        return self._line("executing the batch gives what was signed")


@dataclass(eq=False)
class UnsignedSteps(Refusal):
    """Where the suspended call stands is signed as a machine's hash: the way there is anybody's word."""

    nonce: int | None = None

    def __str__(self) -> str:
        return self._line("what the machine's hash stands for can't be told from the evidence")


@dataclass(frozen=True, slots=True)
class Divergence:
    """A commitment that party `party` signed, with the batch that it says leads there. Nothing is verified.

    An operator who is no party goes under the number of parties.
    """

    party: int
    commitment: Commitment
    signature: bytes
    batch: SignedBatch
    suspension: Suspension | None

    @classmethod
    def of(cls, party: int, propose: Propose) -> Self:
        """The evidence in a proposal."""
        return cls(party, propose.commitment, propose.signature, propose.batch, propose.suspension)

    def to_json(self) -> dict[str, Json]:
        """The canonical JSON object: party, commitment, signature, batch, suspension (null where there is none)."""
        return {
            "party": _INDEX.to_json(self.party),
            "commitment": self.commitment.to_json(),
            "signature": _SIGNATURE.to_json(self.signature),
            "batch": self.batch.to_json(),
            "suspension": None if self.suspension is None else self.suspension.to_json(),
        }

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """The evidence of its JSON object. Raises InvalidInput."""
        check_object(value, "Divergence", _MEMBERS)
        assert isinstance(value, dict)
        party = _INDEX.plain(value["party"], "Divergence.party")
        signature = _SIGNATURE.from_json(value["signature"], "Divergence.signature")
        assert isinstance(signature, bytes)
        suspension = value["suspension"]
        return cls(
            party,
            Commitment.from_json(value["commitment"]),
            signature,
            SignedBatch.from_json(value["batch"]),
            None if suspension is None else Suspension.from_json(suspension),
        )

    def check(self, thread: Thread) -> Refusal:
        """What convicts the party, found by executing its batch on a thread that stands at the commitment's parent.

        The batch and the Suspension have to be those committed to, and the inputs' signatures, which aren't part of
        that, valid: else the signer can't be blamed for them. So nobody is for a suspended machine's hash. Raises a
        Refusal where the evidence doesn't hold (NoDivergence: the batch leads to what was signed), InvalidInput for a
        party that there isn't; the thread is as it was.
        """
        terms, commitment = thread.terms, self.commitment
        keys = signing_addresses(terms)
        if not 0 <= self.party < len(keys):
            raise InvalidInput(f"there is no party {self.party}")
        if commitment.thread_id != thread.thread_id:
            raise WrongThread(thread.thread_id, commitment.thread_id, commitment.nonce)
        signed = digest(thread.domain, commitment)
        check_leader_signature(thread, self.party, keys[self.party], signed, self.signature, commitment.nonce)
        if commitment.parent != thread.parent:
            raise BrokenParent(commitment.parent, commitment.nonce)
        if (got := self.batch.batch.hash_struct()) != commitment.batch_hash:
            raise WrongHash("batchHash", commitment.batch_hash, got, commitment.nonce)
        check_suspension_of(thread, commitment, self.suspension)
        if not tells_steps(thread, commitment, self.batch):
            raise UnsignedSteps(commitment.nonce)
        check_input_signatures(thread.domain, terms, self.batch, nonce=commitment.nonce)
        final = commitment.status == FINAL
        try:
            execute_proposed(thread, commitment, self.batch, self.suspension, final=final)
        except Refusal as conviction:
            return conviction
        thread.discard()
        raise NoDivergence(commitment.nonce)
