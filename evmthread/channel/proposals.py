"""What others propose: executed, compared and signed, refused, or left to our user.

Signing and agreeing are rounds.py's; why a proposal isn't signed is refusing.py's matter.
"""

from evmthread.channel.allowance import Allowance
from evmthread.channel.ballot import Standing
from evmthread.channel.desk import Desk
from evmthread.channel.errors import DivergentField, LocalProtocolError, RemoteProtocolError
from evmthread.channel.events import Proposed
from evmthread.channel.messages import Propose, Reject, RejectCode
from evmthread.channel.refusing import (
    Unsigned,
    check_may_sign,
    check_not_lapsed,
    check_not_passed_over,
    check_times,
    rejection,
)
from evmthread.channel.review import (
    as_signed,
    check_batch_of,
    check_leader_signature,
    check_proposed,
    execute_proposed,
    tells_steps,
)
from evmthread.channel.rounds import Rounds
from evmthread.channel.watch import Watch
from evmthread.commit.commitment import FINAL
from evmthread.commit.eip712 import digest
from evmthread.commit.refusals import Refusal
from evmthread.primitives.types import ZERO_HASH

MAX_DIVERGENT = 4
"""So many proposals of a party that don't execute, or not to what it signed, are executed on one agreement."""

EXECUTIONS = 2
"""So many times openProposals, the most that an honest leader signs on an agreement, are executed of a participant."""

EXECUTION_TIMERS = 32
"""After so many base timers one more is: who is honest sends the same again half as often, after the first times."""

EMPTY_BATCHES = 64
"""So many empty ones are, and then one with each base timer: each that we sign is kept for ever."""


class Proposals:
    """One participant's view of what others propose."""

    def __init__(self, desk: Desk, rounds: Rounds, watch: Watch) -> None:
        self._desk = desk
        self._rounds = rounds
        self._watch = watch
        self._executions: dict[tuple[int, bool], Allowance] = {}
        self._executed_on = ZERO_HASH

    def on_propose(self, peer: int, propose: Propose) -> None:
        """Executes and signs what a leader proposes, or tells it why not. Raises RemoteProtocolError."""
        desk, thread = self._desk, self._desk.thread
        commitment, ballot = propose.commitment, self._desk.ballot
        nonce, leader = commitment.nonce, self._desk.ballot.leader(commitment.nonce)
        if commitment.thread_id != thread.thread_id:  # a key may sign in several
            raise RemoteProtocolError(f"a commitment of thread 0x{commitment.thread_id.hex()}")
        if leader == desk.index:
            self._check_own(propose)
            return
        signed_digest = digest(thread.domain, commitment)
        try:
            check_leader_signature(thread, leader, desk.key_of(leader), signed_digest, propose.signature, nonce)
        except Refusal as error:
            raise RemoteProtocolError(str(error)) from None
        self._watch.commitment(leader, commitment, propose.signature)
        standing = ballot.standing.get(nonce)
        if standing is not None and standing.digest == signed_digest and not self._is_forgotten(standing):
            if leader < desk.parties:
                standing.signatures.setdefault(leader, propose.signature)
            if standing.signed_here:
                self._rounds.send_standing(standing, (leader,))
            elif standing is ballot.undecided and (prepared := thread.prepared) and prepared.digest == signed_digest:
                desk.outbox.notify(Proposed(standing.propose, prepared.outcome))  # its leader still waits
            self._rounds.settle()
            return
        if nonce <= desk.tip_nonce:
            self._tell_tip(peer, nonce, signed_digest)
            return
        if nonce <= desk.highest_claimed:
            ballot.note_used(leader, nonce)
        if commitment.status == FINAL and commitment.parent == thread.parent:
            ballot.note_bound(leader)
            desk.tell_close(leader)
        try:
            if standing is not None and standing.digest != signed_digest:
                # Our user may be about to accept the first, by its nonce.
                raise Unsigned(RejectCode.STALE, f"another proposal of nonce {nonce} came first")
            check_proposed(thread, commitment)
            blamed = leader if tells_steps(thread, commitment, propose.batch) else peer
            self._check_not_muted(leader, blamed)
            check_batch_of(thread, commitment, propose.batch, propose.suspension)
            self._review(peer, propose, signed_digest, leader, blamed)
        except (Refusal, Unsigned) as error:
            self._refuse(peer, leader, propose, signed_digest, error)

    def _is_forgotten(self, standing: Standing) -> bool:
        """Whether our user was told of this proposal, then of another, and can decide on neither: it is told again."""
        desk = self._desk
        decided = standing.signed_here or standing.wanted
        return desk.is_party and not decided and desk.ballot.undecided is None

    def _check_own(self, propose: Propose) -> None:
        """A peer shows a proposal that we lead: if we signed it, our store has to know it (signer law, rule 5)."""
        desk, nonce = self._desk, propose.commitment.nonce
        signed = digest(desk.thread.domain, propose.commitment)
        try:
            check_leader_signature(desk.thread, desk.index, desk.key_of(desk.index), signed, propose.signature, nonce)
        except Refusal as error:
            raise RemoteProtocolError(str(error)) from None
        self._rounds.check_known(nonce, signed, final=propose.commitment.status == FINAL)

    def _check_not_muted(self, leader: int, blamed: int) -> None:
        if self._desk.ballot.divergent.get(blamed, 0) >= MAX_DIVERGENT:
            why = "too many proposals that don't execute to what was signed"
            raise Unsigned(RejectCode.UNWANTED, why) if blamed == leader else RemoteProtocolError(why)

    def _why_unsigned(self, standing: Standing) -> Unsigned | None:
        """Why we, as a party, may not sign this now; None where we may."""
        commitment = standing.propose.commitment
        final = commitment.status == FINAL
        try:
            if self._desk.is_party:
                check_may_sign(self._desk, nonce=commitment.nonce, final=final, counts=standing.counts)
        except Unsigned as error:
            return error
        return None

    def _may_execute(self, peer: int, *, counts: bool) -> bool:
        """Whether who sends a proposal may have us execute another: we may never sign it, and it may come for ever.

        Or sign and keep another empty one (`counts` False): openProposals don't count those.
        """
        desk = self._desk
        if self._executed_on != desk.thread.parent:
            self._executed_on = desk.thread.parent
            self._executions.clear()
        allowance = self._executions.get((peer, counts))
        if allowance is None:
            most = EXECUTIONS * desk.thread.ruleset.open_proposals if counts else EMPTY_BATCHES
            rate = 1 / ((EXECUTION_TIMERS if counts else 1) * desk.options.base_timer)
            allowance = self._executions[peer, counts] = Allowance(rate, desk.now, most=most)
        if not allowance.is_left(desk.now):
            return False
        allowance.take(1)
        return True

    def _review(self, peer: int, propose: Propose, signed_digest: bytes, leader: int, blamed: int) -> None:
        desk, commitment = self._desk, propose.commitment
        final = commitment.status == FINAL
        standing = Standing(propose, signed_digest)
        if final and desk.ready_to_close == desk.thread.parent and not desk.all_ready:
            desk.ballot.held = propose  # signed as soon as all have said that they are ready
            return
        unsigned = self._why_unsigned(standing)
        full = desk.ballot.open_proposals >= desk.thread.ruleset.open_proposals
        if unsigned and (commitment.nonce <= desk.ballot.highest_signed or desk.ballot.final is not None or full):
            raise unsigned
        check_times(desk, propose.batch, nonce=commitment.nonce)
        check_not_lapsed(desk, propose)
        if not self._may_execute(peer, counts=standing.counts):
            raise unsigned or Unsigned(RejectCode.UNWANTED, "too many proposals that aren't signed")
        try:
            execute_proposed(desk.thread, commitment, propose.batch, propose.suspension, final=final)
        except LocalProtocolError as error:  # we lack the origin's code
            raise Unsigned(RejectCode.UNWANTED, str(error)) from None
        except Refusal as error:
            desk.ballot.divergent[blamed] = desk.ballot.divergent.get(blamed, 0) + 1
            if not isinstance(error, DivergentField):
                raise
            if as_signed(error) is error and tells_steps(desk.thread, commitment, propose.batch):
                self._watch.divergence(leader, propose, error)
            raise as_signed(error) from None
        check_not_passed_over(desk, propose)
        if leader < desk.parties:
            standing.signatures[leader] = propose.signature
        desk.ballot.add(standing)
        desk.pacing.arm(desk.now)
        if unsigned:
            del desk.ballot.standing[standing.nonce]
            raise unsigned
        if desk.is_party:
            if desk.options.manual and not final:
                desk.ballot.told = standing
                prepared = desk.thread.prepared
                assert prepared is not None
                desk.outbox.notify(Proposed(propose, prepared.outcome))
                return
            self._rounds.agree_to(standing)
        self._rounds.settle()

    def _refuse(
        self, peer: int, leader: int, propose: Propose, signed_digest: bytes, error: Refusal | Unsigned
    ) -> None:
        """Tells the leader; whoever sent us the proposal, and may do so again and again, has it counted."""
        desk, nonce = self._desk, propose.commitment.nonce
        code, where = rejection(error)
        agreed = None
        if code == RejectCode.STALE and propose.commitment.parent != desk.thread.parent:
            agreed = desk.tip if desk.may_answer(peer) else None
            desk.fetch_unknown(leader, propose.commitment.parent)
        if code != RejectCode.STALE:
            desk.ballot.refuse(nonce)
        desk.charge(peer, desk.outbox.send(leader, Reject(nonce, signed_digest, code, where, agreed)))
        standing = desk.ballot.own_standing
        if standing is not None and standing.nonce >= nonce and desk.may_answer(peer):
            # What was signed instead proves that the nonce is used up.
            if desk.ballot.leader(standing.nonce) != desk.index:
                desk.charge(peer, desk.outbox.send(leader, standing.propose))
            self._rounds.send_standing(standing, (leader,))
        desk.pacing.arm(desk.now)

    def _tell_tip(self, peer: int, nonce: int, signed_digest: bytes) -> None:
        """Whoever proposes what is older than our latest agreement gets that."""
        tip = self._desk.tip
        assert tip is not None
        if signed_digest == self._desk.thread.parent:
            self._desk.answer(peer, tip)
        else:
            where = f"nonce {self._desk.tip_nonce} is agreed"
            self._desk.answer(peer, Reject(nonce, signed_digest, RejectCode.STALE, where, tip))

    def review_held(self) -> None:
        """Everyone is ready to close: the final commitment that came before is reviewed now. May raise Remote..."""
        ballot = self._desk.ballot
        held, ballot.held = ballot.held, None
        if held is not None:
            self.on_propose(ballot.leader(held.commitment.nonce), held)

    # Our user's decision ----------------------------------------------------------------------------------------------
    def decide(self, nonce: int, *, accept: bool, where: str = "") -> None:
        """Signs, or refuses to sign, the proposal that waits for it. Raises LocalProtocolError."""
        desk, standing = self._desk, self._desk.ballot.undecided
        if standing is None or standing.nonce != nonce:
            raise LocalProtocolError(f"no proposal of nonce {nonce} waits for a decision")
        if accept:
            try:
                check_may_sign(desk, nonce=nonce, final=False, counts=standing.counts)
            except Unsigned as error:  # it may be accepted later
                raise LocalProtocolError(error.where) from None
            desk.ballot.told = None
            self._rounds.agree_to(standing)
            return
        desk.ballot.told = None
        del desk.ballot.standing[nonce]
        desk.ballot.refuse(nonce)
        desk.outbox.send(desk.ballot.leader(nonce), Reject(nonce, standing.digest, RejectCode.UNWANTED, where))
