"""Proposing: whether it is our turn, which inputs make a batch that is valid, and what is dropped.

What is proposed is signed and sent by rounds.py.
"""

from evmthread.channel.ballot import Standing
from evmthread.channel.desk import Desk
from evmthread.channel.errors import (
    InvalidBatch,
    LocalProtocolError,
    NonceTooFar,
    ProposalPending,
    TooManyOpenProposals,
)
from evmthread.channel.events import Undone
from evmthread.channel.messages import Propose, Reject, RejectCode
from evmthread.channel.party import SignedInput
from evmthread.channel.refusing import Unsigned, check_may_sign, next_environment, rejection
from evmthread.channel.review import check_nonce_step
from evmthread.channel.rounds import Rounds
from evmthread.commit.batch import Batch, SignedBatch
from evmthread.commit.commitment import Commitment
from evmthread.commit.eip712 import digest
from evmthread.commit.refusals import Refusal


class Leading:
    """One participant's proposals."""

    def __init__(self, desk: Desk, rounds: Rounds) -> None:
        self._desk = desk
        self._rounds = rounds

    @property
    def is_our_turn(self) -> bool:
        """Whether we lead the next nonce with nothing of ours above the agreement, or may skip to one that we lead."""
        desk = self._desk
        if not desk.ballot.leads(desk.index):
            return False
        if desk.ballot.own_standing is None:
            return desk.ballot.leader(desk.free_nonce) == desk.index or self._rounds.may_skip
        return self._rounds.may_skip

    def lead_asked(self, *, empty: bool, steps: int, above: bool) -> None:
        """Proposes since our user wants it. Raises LocalProtocolError as `lead` does, and ProposalPending.

        Unless `above`, not above what others may be about to sign: participants that each propose whenever they like
        would otherwise keep each other from ever agreeing.
        """
        standing = self._desk.ballot.undecided or self._desk.ballot.own_standing
        if standing is not None and not (above or standing.rejected or self._rounds.may_skip):
            raise ProposalPending(standing.nonce)
        self.lead(empty=empty, steps=steps)

    def lead(self, *, final: bool = False, empty: bool = False, steps: int = 0) -> None:
        """Proposes what is wanted. Raises LocalProtocolError (TooManyOpenProposals) where that can't be done now."""
        desk, thread = self._desk, self._desk.thread
        ballot = desk.ballot
        if not ballot.leads(desk.index):
            raise LocalProtocolError("another participant leads this thread")
        if desk.is_party and desk.is_restored:
            raise LocalProtocolError("a restored store signs only what others have signed")
        least = (desk.new_ground or 0) if empty else 0
        nonce = ballot.next_led_by(desk.index, desk.tip_nonce, desk.pacing.misses, least=least)
        if desk.tip is None and nonce:
            raise LocalProtocolError(f"the genesis is participant {ballot.leader(0)}'s to propose")
        try:
            check_nonce_step(thread.agreement, nonce)
            check_may_sign(desk, nonce=nonce, final=final, counts=not empty)
        except Unsigned as error:
            if error.code == RejectCode.TOO_MANY:
                raise TooManyOpenProposals(ballot.open_proposals) from None
            raise LocalProtocolError(error.where) from None
        except NonceTooFar as error:
            raise LocalProtocolError(str(error)) from None
        inputs = [] if final or empty else desk.pool.collect(suspended=thread.agreed_call is not None)
        if thread.agreement is not None and not (inputs or final or empty):
            raise LocalProtocolError("there is no input that could be in a batch")
        prepared = self._prepare(inputs, nonce, final=final, steps=steps)
        if prepared is None:
            return
        self._rounds.begin()
        commitment, signed = prepared
        suspension = None if thread.open_call is None else thread.open_call.suspension
        propose = Propose(commitment, signed, suspension, b"")
        self._rounds.sign(ballot.add(Standing(propose, digest(thread.domain, commitment))))

    def lead_if_wanted(self, *, clears: bool = False) -> None:
        """Proposes where it is our turn and there is something to propose; else, and where that can't be, nothing.

        `clears`: no more than what clears the way for others.
        """
        desk = self._desk
        if not desk.pool and not self._rounds.may_skip:  # most often: nothing waits
            return
        if not self.is_our_turn or desk.ballot.undecided or desk.tip is None:
            return
        empty = self._rounds.empty_next or desk.ballot.open_proposals >= desk.thread.ruleset.open_proposals
        # What we, or a restored party, can't ask for on this agreement, can be asked for on the next.
        empty = empty or desk.has_to_clear or clears
        if desk.pool.barred or desk.new_ground is not None:
            empty = empty or not desk.pool.collect(suspended=desk.thread.agreed_call is not None)
        try:
            self.lead(empty=empty)
        except LocalProtocolError:
            return

    def _prepare(
        self, inputs: list[SignedInput], nonce: int, *, final: bool, steps: int
    ) -> tuple[Commitment, SignedBatch] | None:
        """Executes as many of these inputs as make a valid batch; an input that can't be in any is dropped."""
        desk = self._desk
        wanted = bool(inputs)
        while inputs or not wanted:
            environment = next_environment(desk, empty=not inputs)
            batch = Batch(environment, tuple([each.input for each in inputs]))
            signed = SignedBatch(batch, tuple([each.signature for each in inputs]))
            try:
                return desk.thread.prepare(signed, nonce=nonce, final=final, steps=steps), signed
            except Refusal as error:
                if not inputs:
                    raise LocalProtocolError(str(error)) from None
                index = getattr(error, "index", None)
                if index is None:
                    index = len(inputs) // 2  # too much in all
                if not index:
                    self._drop(inputs[0], error)
                inputs, steps = _without(inputs, index, error), 0 if index else steps
        return None

    def _drop(self, signed: SignedInput, error: Refusal) -> None:
        desk, each = self._desk, signed.input
        code, where = rejection(error)
        for own in desk.pool.own:
            if own.input == each:
                desk.pool.own.remove(own)
                desk.outbox.notify(Undone(own.wish, where))
                return
        desk.pool.drop(each)
        actor = desk.thread.terms.owners.index(each.actor)
        desk.outbox.send(actor, Reject(each.nonce, digest(desk.thread.domain, each), code, where))


def _without(inputs: list[SignedInput], index: int, error: Refusal) -> list[SignedInput]:
    """The inputs for another try, where this one can't stand: none after it where it ends the batch.

    Else all others but the same actor's, whose nonces need it: nobody's nonsense keeps out what others want.
    """
    if not isinstance(error, InvalidBatch) or error.ends_batch:
        return inputs[:index] if index else inputs[1:]
    actor = inputs[index].input.actor
    return inputs[:index] + [each for each in inputs[index + 1 :] if each.input.actor != actor]
