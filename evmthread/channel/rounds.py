"""One round after another: the others execute what a leader proposes, compare and sign; what enough signed is adopted.

Proposing is leading.py's, greeting, catching up and closing are elsewhere; why a proposal isn't signed is refusing.py's
matter.
"""

from operator import itemgetter

from evmthread.channel.ballot import Standing
from evmthread.channel.desk import Desk
from evmthread.channel.errors import DivergentField, LocalProtocolError, RemoteProtocolError
from evmthread.channel.events import Proposed, Rejected, StopReason, Unexecutable
from evmthread.channel.kept import SignedRecord
from evmthread.channel.line import Line
from evmthread.channel.messages import Accept, Agreed, Propose, Reject, RejectCode
from evmthread.channel.refusing import (
    Unsigned,
    check_may_sign,
    check_not_lapsed,
    check_not_passed_over,
    check_times,
    rejection,
)
from evmthread.channel.review import (
    check_batch_of,
    check_leader_signature,
    check_proposed,
    execute_proposed,
    tells_steps,
)
from evmthread.channel.watch import Watch
from evmthread.commit.agreement import Agreement, SignatureSet, signatures_needed
from evmthread.commit.commitment import FINAL, Commitment
from evmthread.commit.eip712 import TypedData, digest
from evmthread.commit.refusals import MalformedSignature, Refusal
from evmthread.errors import EvmthreadError

MAX_DIVERGENT = 4
"""So many proposals of a party that don't execute, or not to what it signed, are executed on one agreement."""


class Rounds:
    """Signing, reviewing, agreeing."""

    def __init__(self, desk: Desk, line: Line, watch: Watch) -> None:
        self._desk = desk
        self._line = line
        self._watch = watch
        self._undecided: Standing | None = None
        self._held: Propose | None = None
        self._divergent: dict[int, int] = {}
        self.empty_next = False
        """A party takes no batch with inputs before an empty one."""
        self.may_skip = False
        """A leader was silent or was refused: whoever leads a later nonce may take it (section 4)."""

    @property
    def undecided(self) -> Standing | None:
        """The proposal on the latest agreement that waits for our user's decision."""
        undecided = self._undecided
        return (
            None if undecided is None or self._desk.ballot.standing.get(undecided.nonce) is not undecided else undecided
        )

    def begin(self) -> None:
        """We propose ourselves: what led to that is over, and what waited for our user is, too."""
        self.may_skip = self.empty_next = False
        self._undecided = None

    # Signing: first kept, then signed, then sent ----------------------------------------------------------------------
    def sign(self, standing: Standing) -> None:
        """Keeps a proposal, signs it and sends the signature, in this order."""
        desk, commitment = self._desk, standing.propose.commitment
        final = commitment.status == FINAL
        record = SignedRecord(standing.nonce, standing.digest, final, standing.content)
        desk.ballot.note_signed(standing)
        desk.pacing.arm(desk.now)

        def refused(why: str) -> None:
            desk.stop(StopReason.REFUSED, why)

        def kept() -> None:
            if desk.ballot.standing.get(standing.nonce) is standing:  # else another agreement came first
                self.ask_signature(standing)

        desk.outbox.persist(record, urgent=True, then=kept, failed=refused)

    def ask_signature(self, standing: Standing) -> None:
        """Asks for the signature on what is kept as signed; that of what was signed before a restart is the same.

        Not while the chain doesn't say LIVE, or shows a dispute since it was kept; then it is asked for again later.
        """
        desk, commitment = self._desk, standing.propose.commitment
        final = commitment.status == FINAL
        standing.signing = not commitment.nonce or desk.may_sign_above_genesis(final=final)
        if not standing.signing:
            return

        def refused(why: str) -> None:
            if desk.ballot.standing.get(standing.nonce) is standing:
                desk.stop(StopReason.REFUSED, why)

        desk.outbox.sign(
            TypedData(desk.thread.domain, commitment),
            standing.content,
            then=lambda signature: self._signed(standing, signature),
            failed=refused,
        )

    def _signed(self, standing: Standing, signature: bytes) -> None:
        desk = self._desk
        standing.signing = False
        if desk.is_party:
            standing.signatures[desk.index] = signature
        if desk.ballot.leader(standing.nonce) == desk.index:
            unsigned = standing.propose
            standing.propose = Propose(unsigned.commitment, unsigned.batch, unsigned.suspension, signature)
        if desk.ballot.standing.get(standing.nonce) is standing:  # else another agreement came first
            self.send_standing(standing, desk.others)
            self.settle()

    def send_standing(self, standing: Standing, to: tuple[int, ...]) -> None:
        """Sends what we signed, as the same bytes each time: to those whose signature on it is missing."""
        desk = self._desk
        if standing.signing:  # it goes to all when it is there
            return
        missing = tuple([each for each in to if each not in standing.signatures])
        if desk.ballot.leader(standing.nonce) == desk.index:
            if standing.propose.signature:
                desk.outbox.send_all(missing, standing.propose)
            else:
                self.ask_signature(standing)
        elif desk.index in standing.signatures:
            # Whoever lacks the proposal can't use the signature; it proves to its leader that the nonce is used up.
            accept = Accept(standing.nonce, standing.digest, standing.signatures[desk.index])
            desk.outbox.send_all(to, accept)
        elif desk.is_party:
            self.ask_signature(standing)

    # Reviewing --------------------------------------------------------------------------------------------------------
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
                self.send_standing(standing, (leader,))
            elif standing is self._undecided and (prepared := thread.prepared) and prepared.digest == signed_digest:
                desk.outbox.notify(Proposed(standing.propose, prepared.outcome))  # its leader still waits
            self.settle()
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
            check_proposed(thread, commitment)
            blamed = leader if tells_steps(thread, commitment, propose.batch) else peer
            self._check_not_muted(leader, blamed)
            check_batch_of(thread, commitment, propose.batch, propose.suspension)
            self._review(propose, signed_digest, leader, blamed)
        except (Refusal, Unsigned) as error:
            self._refuse(peer, leader, propose, signed_digest, error)

    def _is_forgotten(self, standing: Standing) -> bool:
        """Whether our user was told of this proposal, then of another, and can decide on neither: it is told again."""
        desk = self._desk
        decided = standing.signed_here or standing.wanted
        return desk.is_party and not decided and self.undecided is None

    def _check_own(self, propose: Propose) -> None:
        """A peer shows a proposal that we lead: if we signed it, our store has to know it (signer law, rule 5)."""
        desk, nonce = self._desk, propose.commitment.nonce
        signed = digest(desk.thread.domain, propose.commitment)
        try:
            check_leader_signature(desk.thread, desk.index, desk.key_of(desk.index), signed, propose.signature, nonce)
        except Refusal as error:
            raise RemoteProtocolError(str(error)) from None
        self.check_known(nonce, signed, final=propose.commitment.status == FINAL)

    def check_known(self, nonce: int, signed_digest: bytes, *, final: bool = False) -> None:
        """Our signature on this was shown: stops where our store doesn't hold it, and isn't marked as an older one.

        An end binds us, whatever our store knows (signer law, rule 3); that no floor lies above.
        """
        desk = self._desk
        if final and signed_digest not in (desk.ballot.final, desk.thread.parent):
            desk.lost_end = True
            desk.stop(StopReason.STALE_STORE, f"the end of nonce {nonce}: 0x{signed_digest.hex()}")
        if desk.wants_floor:
            return
        if nonce > max(desk.tip_nonce, desk.own_floor or -1) and desk.ballot.signed.get(nonce) != signed_digest:
            desk.stop(StopReason.STALE_STORE, f"nonce {nonce}: 0x{signed_digest.hex()}")

    def highest_of(self, party: int) -> tuple[int, Commitment | None, bytes] | None:
        """The highest signature of a party that we have seen and remember: its nonce, what it signed, and itself.

        None for what it signed where we only have the digest of that.
        """
        found = self._watch.highest_of(party), self._desk.ballot.highest_of(party)
        return max((each for each in found if each is not None), key=itemgetter(0), default=None)

    def seen_of(self, party: int) -> int:
        """The nonce of that, -1 for none."""
        return (self.highest_of(party) or (-1,))[0]

    @staticmethod
    def _not_signed(error: DivergentField) -> EvmthreadError:
        """The error, or another one where the field isn't the commitment's: nobody signed what came beside that."""
        return RemoteProtocolError(str(error)) if error.field.startswith("suspension") else error

    def _check_not_muted(self, leader: int, blamed: int) -> None:
        if self._divergent.get(blamed, 0) >= MAX_DIVERGENT:
            why = "too many proposals that don't execute to what was signed"
            raise Unsigned(RejectCode.UNWANTED, why) if blamed == leader else RemoteProtocolError(why)

    def _review(self, propose: Propose, signed_digest: bytes, leader: int, blamed: int) -> None:
        desk, commitment = self._desk, propose.commitment
        final = commitment.status == FINAL
        standing = Standing(propose, signed_digest)
        if final and desk.ready_to_close == desk.thread.parent and not desk.all_ready:
            self._held = propose  # signed as soon as all have said that they are ready
            return
        full = desk.ballot.open_proposals >= desk.thread.ruleset.open_proposals
        if commitment.nonce <= desk.ballot.highest_signed or desk.ballot.final is not None or full:
            check_may_sign(desk, nonce=commitment.nonce, final=final, counts=standing.counts)
        check_times(desk, propose.batch, nonce=commitment.nonce)
        check_not_lapsed(desk, propose)
        try:
            execute_proposed(desk.thread, commitment, propose.batch, propose.suspension, final=final)
        except LocalProtocolError as error:  # we lack the origin's code
            raise Unsigned(RejectCode.UNWANTED, str(error)) from None
        except Refusal as error:
            self._divergent[blamed] = self._divergent.get(blamed, 0) + 1
            if not isinstance(error, DivergentField):
                raise
            if self._not_signed(error) is error and tells_steps(desk.thread, commitment, propose.batch):
                self._watch.divergence(leader, propose, error)
            raise self._not_signed(error) from None
        check_not_passed_over(desk, propose)
        if leader < desk.parties:
            standing.signatures[leader] = propose.signature
        desk.ballot.add(standing)
        desk.pacing.arm(desk.now)
        if desk.is_party:
            try:
                check_may_sign(desk, nonce=commitment.nonce, final=final, counts=standing.counts)
            except Unsigned:
                del desk.ballot.standing[standing.nonce]
                raise
            if desk.options.manual and not final:
                self._undecided = standing
                prepared = desk.thread.prepared
                assert prepared is not None
                desk.outbox.notify(Proposed(propose, prepared.outcome))
                return
            self._agree_to(standing)
        self.settle()

    def _agree_to(self, standing: Standing) -> None:
        """Signs a proposal; with a restored store, as the last."""
        standing.wanted = self._desk.is_restored
        if standing.wanted:
            self._sign_last()
        else:
            self.sign(standing)

    def _is_last_wanted(self, standing: Standing) -> bool:
        """Whether our signature alone is missing."""
        terms = self._desk.thread.terms
        return len(standing.signatures) >= signatures_needed(terms, standing.propose.commitment) - 1

    def _sign_last(self) -> None:
        """Signs the highest proposal that we want and that lacks our signature alone."""
        desk = self._desk
        for standing in sorted(desk.ballot.standing.values(), key=lambda each: each.nonce, reverse=True):
            if standing.wanted and self._is_last_wanted(standing):
                final = standing.propose.commitment.status == FINAL
                try:  # no nonce is signed again, nor a lower one
                    check_may_sign(desk, nonce=standing.nonce, final=final, counts=standing.counts)
                except Unsigned:
                    continue
                self.sign(standing)
                return

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
            self.send_standing(standing, (leader,))
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
        held, self._held = self._held, None
        if held is not None:
            self.on_propose(self._desk.ballot.leader(held.commitment.nonce), held)

    # Our user's decision ----------------------------------------------------------------------------------------------
    def decide(self, nonce: int, *, accept: bool, where: str = "") -> None:
        """Signs, or refuses to sign, the proposal that waits for it. Raises LocalProtocolError."""
        desk, standing = self._desk, self.undecided
        if standing is None or standing.nonce != nonce:
            raise LocalProtocolError(f"no proposal of nonce {nonce} waits for a decision")
        if accept:
            try:
                check_may_sign(desk, nonce=nonce, final=False, counts=standing.counts)
            except Unsigned as error:  # it may be accepted later
                raise LocalProtocolError(error.where) from None
            self._undecided = None
            self._agree_to(standing)
            return
        self._undecided = None
        del desk.ballot.standing[nonce]
        desk.ballot.refuse(nonce)
        desk.outbox.send(desk.ballot.leader(nonce), Reject(nonce, standing.digest, RejectCode.UNWANTED, where))

    # What others say of proposals -------------------------------------------------------------------------------------
    def on_accept(self, peer: int, accept: Accept) -> None:
        """Counts a party's signature. Raises RemoteProtocolError."""
        desk, terms = self._desk, self._desk.thread.terms
        try:
            signer = desk.thread.recoveries.signer(accept.digest, accept.signature)
        except MalformedSignature as error:
            raise RemoteProtocolError(str(error)) from None
        if signer not in terms.keys:
            raise RemoteProtocolError(f"a signature of 0x{signer.hex()}, which is no party's")
        index = terms.keys.index(signer)
        if index == desk.index:
            return  # it may be from elsewhere: what a digest stands for, and under which nonce, it doesn't show
        if accept.nonce <= desk.tip_nonce:
            assert desk.tip is not None
            if accept.digest == desk.thread.parent and peer == index:
                # It may not know yet that enough have signed, or that we have its signature.
                desk.answer(peer, desk.tip)
            return
        own = peer == index  # else the nonce is the sender's word alone, until we have what was signed
        if own and accept.nonce <= desk.highest_claimed:
            desk.ballot.note_used(index, accept.nonce)
        standing = desk.ballot.add_signature(accept.nonce, accept.digest, index, accept.signature, early=own)
        if standing is not None:
            self._watch.commitment(index, standing.propose.commitment, accept.signature)
            if standing.propose.commitment.status == FINAL:
                desk.ballot.note_bound(index)
            self.settle()

    def on_reject(self, peer: int, reject: Reject) -> None:
        """Takes note that a party doesn't sign; whatever it proves comes as messages of its own."""
        desk = self._desk
        standing = desk.ballot.standing.get(reject.nonce)
        if standing is None or standing.digest != reject.digest or desk.ballot.leader(reject.nonce) != desk.index:
            return
        if standing.rejected:
            return
        standing.rejected = True
        desk.outbox.notify(Rejected(peer, reject.nonce, reject.code, reject.where))
        if reject.code == RejectCode.TOO_MANY:
            self.empty_next = True
        if reject.code in (RejectCode.TOO_MANY, RejectCode.CLOCK, RejectCode.STALE) and not desk.pacing.misses:
            # Another proposal follows at once, those after it in their time: a peer can't make us sign at its pace.
            self.may_skip = True
            desk.pacing.missed(desk.now)

    # Agreeing ---------------------------------------------------------------------------------------------------------
    def settle(self) -> None:
        """Adopts the highest proposal that enough parties have signed, if there is one."""
        desk = self._desk
        if desk.is_restored:
            self._sign_last()
        for nonce in sorted(desk.ballot.standing, reverse=True):
            standing = desk.ballot.standing[nonce]
            commitment = standing.propose.commitment
            if len(standing.signatures) < signatures_needed(desk.thread.terms, commitment):
                continue
            if not standing.propose.signature:  # ours, which we lead: it isn't signed yet
                continue
            signatures = SignatureSet.of(standing.signatures)
            agreement = Agreement(
                desk.thread.domain, desk.thread.terms, commitment, signatures, recoveries=desk.thread.recoveries
            )
            agreed = Agreed(agreement.signed, standing.propose.batch, standing.propose.suspension)
            missing = tuple([each for each in desk.others if each not in standing.signatures])
            if self.adopt(agreement, agreed):
                desk.outbox.send_all(missing, agreed)
            return

    def adopt(self, agreement: Agreement, agreed: Agreed) -> bool:
        """Executes, if it isn't prepared, and adopts an agreement on the latest one; whether it could be executed.

        Raises RemoteProtocolError where what came beside the commitment isn't what belongs to it.
        """
        desk, commitment = self._desk, agreement.commitment
        prepared = desk.thread.prepared
        if prepared is None or prepared.digest != agreement.digest:
            final = commitment.status == FINAL
            try:
                execute_proposed(desk.thread, commitment, agreed.batch, agreed.suspension, final=final)
            except (Refusal, LocalProtocolError) as error:
                if isinstance(error, DivergentField) and self._not_signed(error) is not error:
                    raise self._not_signed(error) from None
                desk.outbox.notify(Unexecutable(agreement, str(error)))
                return False
        self._undecided = self._held = None
        self._divergent.clear()
        self.may_skip = self.empty_next = False
        self._line.adopt(agreement, agreed)
        return True
