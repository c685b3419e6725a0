"""Ending together: a close is asked unsigned; the final commitment is signed when all have said that they are ready.

Who said that it is ready signs nothing else until then, or until too much time has passed; who has signed the final
commitment, nothing else ever. One party leads the final commitment, so that no two can be signed.
"""

from contextlib import suppress

from evmthread.channel.desk import Desk
from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.events import CloseFailed
from evmthread.channel.leading import Leading
from evmthread.channel.messages import Close, CloseReady
from evmthread.channel.proposals import Proposals

PATIENCE = 32
"""So many base timers until a close has failed."""


class Closing:
    """One party's part in ending the thread."""

    def __init__(self, desk: Desk, proposals: Proposals, leading: Leading) -> None:
        self._desk = desk
        self._proposals = proposals
        self._leading = leading
        self.deadline: float | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether our user wants to end, and that hasn't failed."""
        return self._desk.wants_end

    def want(self) -> None:
        """Our user wants to end, or agrees to."""
        if not self._desk.is_party:
            raise LocalProtocolError("only a party can close")
        if self._desk.tip is None:
            raise LocalProtocolError("nothing is agreed on that the thread could end with")
        self._desk.wants_end = True
        self._ask()
        self.try_ready()

    def _ask(self) -> None:
        self._desk.end_asked_on = self._desk.thread.parent
        self._desk.outbox.send_all(self._desk.others, Close())

    def try_ready(self) -> None:
        """Says that we are ready, as soon as none of our signatures stands above the latest agreement."""
        desk = self._desk
        if desk.ready_to_close is not None or not desk.may_sign:
            return
        if desk.is_restored or desk.floors_ahead:
            return  # first something has to be agreed above the floor of a restored store
        if not desk.may_sign_above_genesis(final=True):
            return  # while the deposits aren't in, the way out is their refund
        if desk.ballot.undecided:
            return  # who proposed it can't be ready before it is agreed: our user decides on that first
        if desk.ballot.own_standing is not None or desk.ballot.highest_signed > desk.tip_nonce:
            return
        tip = desk.thread.parent
        desk.ready_to_close = desk.close_answers[desk.index] = tip
        if self.deadline is None:  # else others would put it off by agreeing on something again and again
            self.deadline = desk.now + PATIENCE * desk.options.base_timer
        desk.pacing.arm(desk.now)
        self.say()

    def say(self) -> None:
        """Says it again, and goes on where all have said it."""
        desk = self._desk
        if desk.ready_to_close is not None:
            desk.outbox.send_all(desk.others, CloseReady(desk.ready_to_close))
            self._go_on()
        elif self._desk.wants_end:
            self._ask()

    def on_close(self, peer: int) -> None:
        """A party wants to end."""
        desk = self._desk
        # Who leads always is the only one that can clear the way for the others.
        desk.others_want_end = not desk.is_party
        if desk.ready_to_close is not None:
            desk.outbox.send(peer, CloseReady(desk.ready_to_close))
        else:
            desk.tell_close(peer)

    def on_close_ready(self, peer: int, digest: bytes) -> None:
        """A party is ready."""
        desk = self._desk
        if peer >= desk.parties:
            return
        desk.close_answers[peer] = digest
        desk.tell_close(peer)
        self._go_on()

    def _go_on(self) -> None:
        desk = self._desk
        if not desk.all_ready:
            return
        # Always the party whose turn follows the latest agreement, whatever nonce is free: no two may sign a final one.
        if desk.ballot.leader(desk.tip_nonce + 1) == desk.index:
            with suppress(LocalProtocolError):  # what can't be signed now can be later, when all is said again
                self._leading.lead(final=True)
        else:
            self._proposals.review_held()

    def after_event(self) -> None:
        """Where another agreement is the latest, whoever was ready has to say it again."""
        desk = self._desk
        if desk.ready_to_close is not None and desk.ready_to_close != desk.thread.parent:
            desk.ready_to_close = None
            desk.close_answers.pop(desk.index, None)
        if desk.wants_end:
            self.try_ready()

    def tick(self, now: float) -> None:
        """Gives up when it takes too long; not after we signed the final commitment, which binds us."""
        desk = self._desk
        if self.deadline is None or now < self.deadline or desk.ballot.final is not None:
            return
        desk.wants_end, self.deadline, desk.ready_to_close = False, None, None
        desk.close_answers.clear()
        desk.close_told.clear()
        desk.outbox.notify(CloseFailed())
