"""The agreed line as one party holds it: adopts what follows, goes back where a higher agreement left the line earlier.

With threshold = n that is one step at most: all may have signed two proposals on one agreement before either was
agreed, but nobody who has adopted one goes on from the other.
"""

from collections import deque
from dataclasses import dataclass, replace

from evmthread.channel.desk import Desk
from evmthread.channel.events import Adopted, Asked, Closed, Event, Lapsed, StopReason, Superseded
from evmthread.channel.inputs import BatchOutcome
from evmthread.channel.kept import AgreedRecord
from evmthread.channel.messages import Agreed, encode_body
from evmthread.channel.pool import Wish
from evmthread.channel.saved import SavedStep, encode_step
from evmthread.commit.agreement import Agreement
from evmthread.commit.batch import CALL, Input
from evmthread.commit.commitment import FINAL
from evmthread.commit.terms import Terms
from evmthread.primitives.quick import quick

KEPT_BACK = 16
"""So many agreements can be gone back, where a threshold below n decides."""


def kept_back(terms: Terms) -> int:
    """How many agreements can be gone back under these terms."""
    return 1 if terms.threshold == len(terms.keys) else KEPT_BACK


@quick
@dataclass(frozen=True, slots=True)
class Adoption:
    """An agreement, all that it takes to execute it, and the step that led to its state."""

    agreement: Agreement
    agreed: Agreed
    step: SavedStep


class Line:
    """The latest agreement, and as many before it as can be gone back to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._past: deque[Adoption] = deque(maxlen=kept_back(desk.thread.terms) + 1)
        self.turn_since: int | None = None
        """When our owner's turn may have begun: the time of the first agreement after its last executed call."""

    def restore(self, adoptions: list[Adoption]) -> None:
        """The last agreements of the line, as the store has them; the thread stands at the last one."""
        self._past.extend(adoptions)
        if adoptions:
            self._desk.stand_at(adoptions[-1].agreed)
            self.turn_since = adoptions[-1].step.turn_since or None

    def adopt(self, agreement: Agreement, agreed: Agreed) -> None:
        """Makes the prepared batch the latest agreement; keeps it, and tells the user when it is durable."""
        desk = self._desk
        thread, prepared = desk.thread, desk.thread.prepared
        assert prepared is not None
        self._count_turn(agreed)
        step, outcome = thread.prepared_step(turn_since=self.turn_since or 0), prepared.outcome
        thread.adopt(agreement)
        self._past.append(Adoption(agreement, agreed, step))
        desk.stand_at(agreed)
        if not agreement.commitment.nonce:
            desk.begun = agreed.batch.batch.environment.timestamp
        desk.count += 1
        desk.others_want_end = False
        desk.ballot.tip_moved(agreement.commitment.nonce)
        desk.pacing.succeeded()
        self._keep(agreement, agreed, step, outcome)
        self._let_lapse(agreed.batch.batch.inputs)

    def _keep(self, agreement: Agreement, agreed: Agreed, step: SavedStep, outcome: BatchOutcome) -> None:
        desk, commitment = self._desk, agreement.commitment
        whole = desk.thread.whole_step() if desk.count % desk.options.whole_every == 0 else None
        if whole is not None:
            whole = replace(whole, turn_since=step.turn_since, since=step.changes)
        record = AgreedRecord(
            commitment.nonce,
            agreement.digest,
            commitment.parent,
            encode_body(agreed),
            encode_step(step if whole is None else whole),
            whole is not None,
        )
        events: list[Event] = [Adopted(agreement, agreed.batch, outcome)]
        if commitment.status == FINAL:
            events.append(Closed(agreement))
        if desk.is_party and commitment.awaiting == desk.owner:  # nobody is, but by a suspended call
            assert agreed.suspension is not None
            events.append(Asked(agreed.suspension.question))

        def tell() -> None:
            for event in events:
                desk.outbox.notify(event)

        # Nothing that leaves this party hangs on it: what it signed is kept already, and others have theirs.
        desk.outbox.persist(record, urgent=False, then=tell, failed=lambda why: desk.stop(StopReason.REFUSED, why))

    def _let_lapse(self, executed: tuple[Input, ...]) -> None:
        desk, tip = self._desk, self._desk.thread.parent
        lapsed = [own.wish for own in desk.pool.take_lapsed(executed)]
        waiting: list[Wish] = []
        for wish in (*lapsed, *desk.pool.wishes):
            if wish.lasting or wish.asked_on == tip:
                waiting.append(wish)
            else:
                desk.outbox.notify(Lapsed(wish))
        desk.pool.wishes[:] = waiting

    def _count_turn(self, agreed: Agreed) -> None:
        desk = self._desk
        if not desk.is_party:
            return
        inputs = agreed.batch.batch.inputs
        ours = [place for place, each in enumerate(inputs) if each.actor == desk.owner and each.kind == CALL]
        if ours:
            self.turn_since = None
        if self.turn_since is None and (not ours or ours[-1] < len(inputs) - 1):
            self.turn_since = agreed.batch.batch.environment.timestamp

    # Going back -------------------------------------------------------------------------------------------------------
    def reaches(self, digest: bytes) -> bool:
        """Whether the line can be taken back to this agreement."""
        return any(adoption.agreement.digest == digest for adoption in self._past)

    def go_back_to(self, digest: bytes) -> list[Adoption]:
        """Takes the line back to an agreement that it reaches; what was undone, oldest first, for `go_on`."""
        undone: list[Adoption] = []
        while self._past[-1].agreement.digest != digest:
            undone.insert(0, self._past.pop())
        if undone:
            target = self._past[-1]
            self._desk.thread.revert(target.agreement, target.step, [each.step for each in undone])
            self._desk.stand_at(target.agreed)
            self.turn_since = target.step.turn_since or None
        return undone

    def go_on(self, undone: list[Adoption]) -> None:
        """Back to where the line was before `go_back_to`."""
        if undone:
            self._desk.thread.advance(undone[-1].agreement, [each.step for each in undone])
            self._past.extend(undone)
            self._desk.stand_at(undone[-1].agreed)
            self.turn_since = undone[-1].step.turn_since or None

    def supersede(self, undone: list[Adoption]) -> None:
        """What was undone stays undone; the user is told."""
        for each in undone:
            self._desk.outbox.notify(Superseded(each.agreement))
