"""A channel as its store kept it: the thread rebuilt at its latest agreement, and what was signed above that.

Trusts the store for nothing that it can check: signatures are verified again, and the state must have the agreed root.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evmthread.channel.ballot import Standing
from evmthread.channel.desk import Desk, History
from evmthread.channel.kept import AgreedRecord, InputRecord, SignedRecord
from evmthread.channel.line import Adoption, Line
from evmthread.channel.messages import decode_agreed, decode_proposal
from evmthread.channel.review import highest_nonce
from evmthread.channel.saved import SavedStep, decode_changes, decode_step
from evmthread.channel.thread import Thread
from evmthread.channel.wishes import decode_own
from evmthread.commit.agreement import verify
from evmthread.commit.eip712 import digest
from evmthread.commit.refusals import Refusal
from evmthread.commit.signature import recover_signer
from evmthread.errors import DecodingError


@dataclass(frozen=True, slots=True)
class SavedChannel:
    """What a store kept of one channel.

    `adoptions` are the last agreements of the line, oldest first; `count` is how many there are in all. `signed` are
    our signatures above the latest agreement, `highest` the highest nonce that we ever signed, or the floor; `begun` is
    the genesis's timestamp.
    """

    adoptions: tuple[Adoption, ...]
    count: int
    signed: tuple[SignedRecord, ...]
    highest: int
    final: bytes | None
    inputs: tuple[InputRecord, ...]
    floor: int
    begun: int | None
    wants_floor: bool = False

    def put_into(self, desk: Desk, line: Line) -> None:
        """Puts a new channel where it was. Raises DecodingError where what was kept isn't what we write."""
        line.restore(list(self.adoptions))
        desk.count = self.count
        desk.own_floor = self.floor
        desk.begun = self.begun
        signed = {record.nonce: record.digest for record in self.signed}
        desk.ballot.restore(highest=self.highest, final=self.final, signed=signed)
        for record in self.signed:
            self._put_standing(desk, record)
        if any(standing.digest == self.final for standing in desk.ballot.standing.values()):
            # Who signed the final commitment is ready for it, and says so until the others have signed it, too.
            desk.wants_end, desk.ready_to_close = True, desk.thread.parent
            desk.close_answers[desk.index] = desk.thread.parent
        for each in self.inputs:
            own = decode_own(each.content)
            if own.input.parent == desk.thread.parent:
                desk.pool.own.append(own)
                desk.pool.used[own.wish.kind, own.input.nonce] = own.input
        desk.pool.own.sort(key=lambda own: (own.input.kind, own.input.nonce))

    def _put_standing(self, desk: Desk, record: SignedRecord) -> None:
        propose = decode_proposal(record.content, batch_bytes=desk.thread.ruleset.batch_bytes)
        commitment = propose.commitment
        if digest(desk.thread.domain, commitment) != record.digest:
            raise DecodingError(f"nonce {record.nonce}: what was kept isn't what was signed")
        if commitment.parent != desk.thread.parent:
            return  # it stood on an agreement that another has superseded since
        standing = Standing(propose, record.digest, signed_here=True)
        leader = desk.ballot.leader(commitment.nonce)
        if leader < desk.parties and propose.signature:
            try:
                signer = recover_signer(record.digest, propose.signature)
            except Refusal as error:
                raise DecodingError(f"nonce {record.nonce}: {error}") from None
            if signer != desk.key_of(leader):
                raise DecodingError(f"nonce {record.nonce}: the leader's signature isn't the leader's")
            standing.signatures[leader] = propose.signature
        desk.ballot.add(standing)


def restore_thread(
    thread: Thread, base: Sequence[AgreedRecord], most: int, history: History | None = None
) -> tuple[Adoption, ...]:
    """Puts a thread without its genesis at the last of these agreements; gives the last ones, at most so many.

    The first has a whole state, or is the genesis; each of the others follows the one before. What comes before a whole
    state is read from `history`. Raises DecodingError, a Refusal, DivergentField, where what was kept isn't what was
    agreed.
    """
    if not base:
        return ()
    adoptions: list[Adoption] = []
    steps: list[SavedStep] = []
    for record, step in _backwards(base, history):
        agreed = decode_agreed(record.content, batch_bytes=thread.ruleset.batch_bytes)
        adoptions.insert(0, Adoption(verify(thread.domain, thread.terms, agreed.signed), agreed, step.one))
        steps.insert(0, step)
        if len(adoptions) == most or (record.whole and step.since is None):
            break  # further back it needn't, or can't, be gone
    steps = steps[-len(base) :]
    before = [decode_changes(record.state) for record in base[: len(base) - len(steps)]]
    thread.restore(adoptions[-1].agreement, before, steps)
    return tuple(adoptions)


def _backwards(base: Sequence[AgreedRecord], history: History | None) -> Iterator[tuple[AgreedRecord, SavedStep]]:
    for record in reversed(base):
        yield record, decode_step(record.state)
    record = base[0]
    while history is not None and (before := history.agreed(record.parent)) is not None:
        record = before
        yield record, decode_step(record.state)


def restored_floor(highest_known: int, begun: float, now: float) -> int:
    """The nonce at or below which a restored store never signs (signer law, rule 5).

    `highest_known` is the highest nonce that the store knows, `begun` the genesis's timestamp; times are in seconds
    since 1970. The lost store signed nothing above that, if its clock didn't go back since.
    """
    return max(highest_known, highest_nonce(begun, now))
