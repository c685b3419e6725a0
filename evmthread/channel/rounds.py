"""One round after another: what is to be signed is kept, signed and sent; what enough signed is adopted.

Proposing is leading.py's, and what others propose proposals.py's; greeting, catching up and closing are elsewhere.
"""

from operator import itemgetter

from evmthread.channel.ballot import Standing
from evmthread.channel.desk import Desk
from evmthread.channel.errors import DivergentField, LocalProtocolError, RemoteProtocolError
from evmthread.channel.events import Rejected, StopReason, Unexecutable
from evmthread.channel.kept import SignedRecord
from evmthread.channel.line import Line
from evmthread.channel.messages import Accept, Agreed, Propose, Reject, RejectCode
from evmthread.channel.refusing import (
    Unsigned,
    check_may_sign,
)
from evmthread.channel.review import as_signed, execute_proposed
from evmthread.channel.watch import Watch
from evmthread.commit.agreement import Agreement, SignatureSet, signatures_needed
from evmthread.commit.commitment import FINAL, Commitment
from evmthread.commit.eip712 import TypedData
from evmthread.commit.refusals import MalformedSignature, Refusal


class Rounds:
    """Signing and agreeing."""

    def __init__(self, desk: Desk, line: Line, watch: Watch) -> None:
        self._desk = desk
        self._line = line
        self._watch = watch
        self.empty_next = False
        """A party takes no batch with inputs before an empty one."""
        self.may_skip = False
        """A leader was silent or was refused: whoever leads a later nonce may take it (section 4)."""

    def begin(self) -> None:
        """We propose ourselves: what led to that is over, and what waited for our user is, too."""
        self.may_skip = self.empty_next = False
        self._desk.ballot.told = None

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

    # What others show of signatures -----------------------------------------------------------------------------------
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

    def agree_to(self, standing: Standing) -> None:
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
                if isinstance(error, DivergentField) and as_signed(error) is not error:
                    raise as_signed(error) from None
                desk.outbox.notify(Unexecutable(agreement, str(error)))
                return False
        self.may_skip = self.empty_next = False
        self._line.adopt(agreement, agreed)
        return True
