"""Who has what: greetings on start, and the agreements that one party has and another lacks.

Whoever is behind says Hello; whoever is ahead answers with the agreements that follow, a page at a time. An agreement
whose parent isn't here waits for that, and it is fetched.
"""

from evmthread.channel.desk import Desk
from evmthread.channel.errors import RemoteProtocolError
from evmthread.channel.events import StopReason
from evmthread.channel.line import KEPT_BACK, Adoption, Line
from evmthread.channel.messages import Agreed, Fetch, Hello, Propose, decode_agreed
from evmthread.channel.review import check_batch_of
from evmthread.channel.rounds import Rounds
from evmthread.channel.watch import Watch
from evmthread.commit.agreement import Agreement, SignatureSet, SignedCommitment, check_signatures, verify
from evmthread.commit.batch import Batch, SignedBatch
from evmthread.commit.commitment import Commitment, Status
from evmthread.commit.eip712 import digest
from evmthread.commit.refusals import Refusal, WrongThread
from evmthread.errors import InvalidInput

PAGE = 16
"""So many agreements answer one Hello."""

PATIENCE = 8
"""So many base timers are left to others, when we begin, to send what they have and we lack."""

END_TRIES = 32
"""So often the end is sent to an operator from which nothing is heard."""

MAX_ORPHANS = 64
"""So many agreements wait for their parents."""


class CatchUp:
    """One participant's knowledge of where others stand."""

    def __init__(self, desk: Desk, line: Line, rounds: Rounds, watch: Watch) -> None:
        self._desk = desk
        self._line = line
        self._rounds = rounds
        self._watch = watch
        self._ahead: dict[int, int] = {}
        self._told: dict[int, tuple[Hello, float]] = {}
        self._orphans: dict[bytes, tuple[Agreement, Agreed]] = {}
        self._since_hello = 0

    @property
    def unheard(self) -> tuple[int, ...]:
        """The parties that haven't greeted us."""
        desk = self._desk
        if len(desk.heard) == len(desk.others):
            return ()
        return tuple([each for each in desk.others if each not in desk.heard and each < desk.parties])

    @property
    def is_behind(self) -> bool:
        """Whether somebody says that it has later agreements."""
        return max(self._ahead.values(), default=-1) > self._desk.tip_nonce

    def greet(self, participants: tuple[int, ...]) -> None:
        """Says what we have."""
        for each in participants:
            hello = self._hello(each)
            self._told[each] = (hello, self._desk.now)
            self._desk.outbox.send(each, hello)

    def _hello(self, participant: int) -> Hello:
        return self._desk.hello(self._rounds.seen_of(participant))

    def _answer(self, peer: int) -> None:
        """Says what we have to who greets us, unless it has just heard the same: a greeting answers no greeting."""
        told = self._told.get(peer)
        if told is None or told[0] != self._hello(peer) or self._desk.now - told[1] >= self._desk.options.base_timer:
            self.greet((peer,))

    def say_again(self) -> None:
        """Greets whoever hasn't greeted us, or all where they may know too little of us, and asks who is ahead.

        When all is over, sends the end to the operator; it greets us when it has it.
        """
        desk = self._desk
        if desk.is_ended:
            assert desk.tip is not None
            desk.outbox.send(desk.parties, desk.tip)
            return
        unknown = desk.ballot.has_signed_aside or desk.may_lack_genesis or desk.waits_for_ground
        self.greet(desk.others if unknown else self.unheard)
        self.ask_those_ahead()

    @property
    def waits(self) -> bool:
        """Whether others have to say something, or to be told something, whatever we ourselves want and sign."""
        if self._desk.is_ended:
            return self._is_end_untold
        return bool(self.unheard) or self.is_behind or self._desk.may_lack_genesis

    @property
    def _is_end_untold(self) -> bool:
        """Whether an operator that is no party, and signs nothing that it would ask for again, may lack the end."""
        desk = self._desk
        operator = desk.parties
        if operator not in desk.others:
            return False
        return self._ahead.get(operator, -1) < desk.tip_nonce and desk.pacing.misses < END_TRIES

    def ask_those_ahead(self) -> None:
        """Asks the participants that say they have later agreements."""
        self._since_hello = 0
        self.greet(tuple([each for each, nonce in self._ahead.items() if nonce > self._desk.tip_nonce]))

    def on_hello(self, peer: int, hello: Hello) -> None:
        """Notes where a participant stands, answers, and sends it what it lacks."""
        desk = self._desk
        # What it has signed and doesn't know of goes first: it must sign nothing more then.
        shown = self._rounds.highest_of(peer)
        if shown is not None and shown[0] > hello.highest:
            self._show_signature(peer, *shown[1:])
        claimed = max(hello.highest, hello.floor or -1, hello.agreed)
        desk.ballot.note_used(peer, min(claimed, desk.highest_claimed))
        self._ahead[peer] = hello.agreed
        desk.note_floor(peer, hello.floor)
        if peer not in desk.heard and hello.agreed > desk.tip_nonce:
            desk.hears_until = desk.now + PATIENCE * desk.options.base_timer
        desk.heard.add(peer)
        self._answer(peer)
        if desk.tip is not None and hello.agreed <= desk.tip_nonce and hello.digest != desk.thread.parent:
            self._send_line(peer, hello)
        elif hello.digest == desk.thread.parent:
            standing = desk.ballot.own_standing
            if standing is not None and desk.may_answer(peer):
                self._rounds.send_standing(standing, (peer,))
                desk.charge(peer, len(standing.content))

    def _show_signature(self, party: int, commitment: Commitment | None, signature: bytes) -> None:
        """Sends a party its own signature on what its store may lack: an Agreed with that alone, and any batch.

        To an operator that is no party, whose signature makes no Agreed, it comes as the proposal that it was.
        """
        if commitment is None:
            return
        batch = SignedBatch(Batch(self._desk.thread.environment(), ()), ())
        if party < self._desk.parties:
            signed = SignedCommitment(commitment, SignatureSet.of({party: signature}))
            self._desk.answer(party, Agreed(signed, batch, None))
        else:
            self._desk.answer(party, Propose(commitment, batch, None, signature))

    def _check_shown(self, shown: SignedCommitment) -> None:
        """Our signature alone, which makes no agreement: our store has to know it. Raises RemoteProtocolError."""
        thread, commitment = self._desk.thread, shown.commitment
        signed = digest(thread.domain, commitment)
        try:
            if commitment.thread_id != thread.thread_id:
                raise WrongThread(thread.thread_id, commitment.thread_id, commitment.nonce)
            check_signatures(thread.terms, signed, shown.signatures, 1, recoveries=thread.recoveries)
        except Refusal as error:
            raise RemoteProtocolError(str(error)) from None
        self._rounds.check_known(commitment.nonce, signed, final=commitment.status == Status.FINAL)

    def _send_line(self, peer: int, hello: Hello) -> None:
        desk = self._desk
        if not desk.may_answer(peer):
            return
        assert desk.tip is not None
        at = desk.history.line_after(hello.agreed - 1, 1)  # nothing, where our latest agreement isn't kept yet
        on_line = bool(at) and at[0].digest == hello.digest
        # Whoever left our line gets it from before it can have left it.
        records = desk.history.line_after(hello.agreed if on_line else max(-1, hello.agreed - KEPT_BACK - 1), PAGE)
        for record in records:
            if record.nonce < desk.tip_nonce:
                desk.answer(peer, decode_agreed(record.content, batch_bytes=desk.thread.ruleset.batch_bytes))
        if len(records) < PAGE or records[-1].nonce == desk.tip_nonce:
            desk.answer(peer, desk.tip)

    def on_fetch(self, peer: int, digest: bytes) -> None:
        """Sends an agreement that we have."""
        desk = self._desk
        if not desk.may_answer(peer):
            return
        if desk.tip is not None and digest == desk.thread.parent:
            desk.answer(peer, desk.tip)
        elif (record := desk.history.agreed(digest)) is not None:
            desk.answer(peer, decode_agreed(record.content, batch_bytes=desk.thread.ruleset.batch_bytes))

    def on_agreed(self, peer: int, agreed: Agreed) -> None:
        """Verifies, executes and adopts what enough parties signed. Raises RemoteProtocolError."""
        desk, commitment = self._desk, agreed.signed.commitment
        if agreed.signed.signatures.bitmap == 1 << desk.index:
            self._check_shown(agreed.signed)
            return
        signed_digest = digest(desk.thread.domain, commitment)
        if signed_digest == desk.thread.parent and desk.is_ended and not desk.is_party:
            self._answer(peer)
        if signed_digest == desk.thread.parent or not self._is_of_use(commitment.nonce, signed_digest):
            return
        try:
            agreement = verify(desk.thread.domain, desk.thread.terms, agreed.signed, recoveries=desk.thread.recoveries)
        except (Refusal, InvalidInput) as error:
            raise RemoteProtocolError(str(error)) from None
        check_batch_of(desk.thread, commitment, agreed.batch, agreed.suspension)
        signatures = agreement.signatures
        for index, signature in zip(signatures.indexes(), signatures.signatures, strict=True):
            self._watch.commitment(index, commitment, signature)
            if index == desk.index:
                self._rounds.check_known(commitment.nonce, agreement.digest, final=commitment.status == Status.FINAL)
        self._take(peer, agreement, agreed)

    def _is_of_use(self, nonce: int, signed_digest: bytes) -> bool:
        """Whether an agreement can lead us on, or may convict somebody."""
        return nonce >= self._desk.tip_nonce - MAX_ORPHANS or signed_digest in self._orphans

    def _take(self, peer: int, agreement: Agreement, agreed: Agreed) -> None:
        desk = self._desk
        branch = [(agreement, agreed)]
        while (child := self._orphans.get(branch[-1][0].digest)) is not None:
            branch.append(child)
        if desk.is_ended or not self._is_above(branch[-1][0]):
            return
        branch = self._left_before(agreement.commitment.parent) + branch
        parent = branch[0][0].commitment.parent
        if self._is_here(parent):
            if self._follow(branch):
                self._go_on()
        elif desk.history.agreed(parent) is not None:
            desk.stop(StopReason.FORKED, f"nonce {agreement.commitment.nonce}")
        else:
            self._wait_for_parent(peer, agreement, agreed)

    def _is_above(self, agreement: Agreement) -> bool:
        """Whether it counts more than our latest one: by its nonce, and of equals by its digest.

        Two agreements of one nonce take a party that signed both, where fewer than all decide; what then counts has to
        be the same for everyone who sees both.
        """
        return _rank(agreement) > self._desk.rank

    def _is_here(self, digest: bytes) -> bool:
        """Whether the line stands at this agreement, or can be taken back to it."""
        return digest == self._desk.thread.parent or self._line.reaches(digest)

    def _left_before(self, digest: bytes) -> list[tuple[Agreement, Agreed]]:
        """The agreements, oldest first, that lead from our line to this one: we had them, and others superseded them.

        As many as can be gone back at most; none where they don't lead there, or it is here.
        """
        desk, thread = self._desk, self._desk.thread
        left: list[tuple[Agreement, Agreed]] = []
        while len(left) < KEPT_BACK and not self._is_here(digest):
            record = desk.history.agreed(digest)
            if record is None:
                break
            agreed = decode_agreed(record.content, batch_bytes=thread.ruleset.batch_bytes)
            agreement = verify(thread.domain, thread.terms, agreed.signed, recoveries=thread.recoveries)
            left.insert(0, (agreement, agreed))
            digest = agreement.commitment.parent
        return left if self._is_here(digest) else []

    def _wait_for_parent(self, peer: int, agreement: Agreement, agreed: Agreed) -> None:
        parent = agreement.commitment.parent
        waiting = self._orphans.get(parent)
        if waiting is None or _rank(waiting[0]) < _rank(agreement):
            self._orphans[parent] = (agreement, agreed)
        if len(self._orphans) > MAX_ORPHANS:  # the lowest are the first that come again with a page
            del self._orphans[min(self._orphans, key=lambda each: self._orphans[each][0].commitment.nonce)]
        self._desk.outbox.send(peer, Fetch(parent))

    def _follow(self, branch: list[tuple[Agreement, Agreed]]) -> bool:
        """Adopts agreements, each on the one before, the first on one that we can go back to; whether that led on.

        Its first may be lower than what we have, and its last is higher.
        """
        desk, start = self._desk, branch[0][0].commitment.parent
        before = desk.rank
        undone = self._line.go_back_to(start) if desk.tip is not None else []
        try:
            leads_on = all(self._rounds.adopt(*each) for each in branch) or desk.rank > before
        except RemoteProtocolError:
            self._undo(start, undone)
            raise
        if leads_on:
            self._line.supersede(undone)
        else:
            self._undo(start, undone)
        return leads_on

    def _undo(self, start: bytes, undone: list[Adoption]) -> None:
        if self._desk.tip is not None:
            self._line.go_back_to(start)
        self._line.go_on(undone)

    def _go_on(self) -> None:
        desk = self._desk
        self._orphans = {parent: each for parent, each in self._orphans.items() if self._is_above(each[0])}
        if not self.is_behind:
            desk.hears_until = None
        self._since_hello += 1
        if self._since_hello >= PAGE:
            self.ask_those_ahead()


def _rank(agreement: Agreement) -> tuple[int, bytes]:
    return agreement.commitment.nonce, agreement.digest
