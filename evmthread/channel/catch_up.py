"""Who has what: greetings on start, and the agreements that one party has and another lacks.

Whoever is behind says Hello; whoever is ahead answers with the agreements that follow, a page at a time. An agreement
whose parent isn't here is fetched backwards, a bounded number of steps.
"""

from evmthread.channel.desk import Desk
from evmthread.channel.errors import RemoteProtocolError
from evmthread.channel.line import Line
from evmthread.channel.messages import Agreed, Fetch, Hello, decode_agreed
from evmthread.channel.rounds import Rounds
from evmthread.channel.watch import Watch
from evmthread.commit.agreement import Agreement, verify
from evmthread.commit.commitment import MAX_NONCE_STEP
from evmthread.commit.refusals import Refusal
from evmthread.errors import InvalidInput
from evmthread.primitives.types import ZERO_HASH

PAGE = 16
"""So many agreements answer one Hello."""

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
        hello = self._hello()
        self._told.update((each, (hello, self._desk.now)) for each in participants)
        self._desk.outbox.send_all(participants, hello)

    def _hello(self) -> Hello:
        desk = self._desk
        return Hello(desk.ballot.highest_signed, desk.tip_nonce, desk.thread.parent, desk.own_floor)

    def _answer(self, peer: int) -> None:
        """Says what we have to who greets us, unless it has just heard the same: a greeting answers no greeting."""
        told = self._told.get(peer)
        if told is None or told[0] != self._hello() or self._desk.now - told[1] >= self._desk.options.base_timer:
            self.greet((peer,))

    def ask_those_ahead(self) -> None:
        """Asks the participants that say they have later agreements."""
        self._since_hello = 0
        self.greet(tuple([each for each, nonce in self._ahead.items() if nonce > self._desk.tip_nonce]))

    def on_hello(self, peer: int, hello: Hello) -> None:
        """Notes where a participant stands, answers, and sends it what it lacks."""
        desk = self._desk
        desk.heard.add(peer)
        if hello.floor:
            desk.ballot.floors[peer] = min(hello.floor, max(desk.tip_nonce, 0) + MAX_NONCE_STEP // 2)
        self._ahead[peer] = hello.agreed
        self._answer(peer)
        if desk.tip is not None and hello.agreed <= desk.tip_nonce and hello.digest != desk.thread.parent:
            self._send_line(peer, hello)
        elif hello.digest == desk.thread.parent:
            standing = desk.ballot.own_standing
            if standing is not None:
                self._rounds.send_standing(standing, (peer,))

    def _send_line(self, peer: int, hello: Hello) -> None:
        desk = self._desk
        known = hello.digest == ZERO_HASH or desk.history.agreed(hello.digest) is not None
        records = desk.history.line_after(hello.agreed, PAGE) if known else ()
        for record in records:
            if record.nonce < desk.tip_nonce:
                desk.outbox.send(peer, decode_agreed(record.content, batch_bytes=desk.thread.ruleset.batch_bytes))
        if len(records) < PAGE and desk.tip is not None:
            desk.outbox.send(peer, desk.tip)

    def on_fetch(self, peer: int, digest: bytes) -> None:
        """Sends an agreement that we have."""
        desk = self._desk
        if desk.tip is not None and digest == desk.thread.parent:
            desk.outbox.send(peer, desk.tip)
        elif (record := desk.history.agreed(digest)) is not None:
            desk.outbox.send(peer, decode_agreed(record.content, batch_bytes=desk.thread.ruleset.batch_bytes))

    def on_agreed(self, peer: int, agreed: Agreed) -> None:
        """Verifies, executes and adopts what enough parties signed. Raises RemoteProtocolError."""
        desk, commitment = self._desk, agreed.signed.commitment
        if commitment.nonce <= desk.tip_nonce and self._is_known(commitment.nonce):
            return
        try:
            agreement = verify(desk.thread.domain, desk.thread.terms, agreed.signed, recoveries=desk.thread.recoveries)
        except (Refusal, InvalidInput) as error:
            raise RemoteProtocolError(str(error)) from None
        signatures = agreement.signatures
        for index, signature in zip(signatures.indexes(), signatures.signatures, strict=True):
            self._watch.commitment(index, commitment, signature)
            if index == desk.index:
                self._rounds.check_known(commitment.nonce, agreement.digest)
        if commitment.nonce <= desk.tip_nonce:
            return
        self._take(peer, agreement, agreed)

    def _is_known(self, nonce: int) -> bool:
        """Whether it is no use to look at another agreement of so low a nonce."""
        return nonce < self._desk.tip_nonce - MAX_ORPHANS

    def _take(self, peer: int, agreement: Agreement, agreed: Agreed) -> None:
        desk = self._desk
        if not self._follow(agreement, agreed):
            parent = agreement.commitment.parent
            reached = desk.thread.agreement is not None and self._line.reaches(parent)
            if not reached and len(self._orphans) < MAX_ORPHANS:
                self._orphans[parent] = (agreement, agreed)
                desk.outbox.send(peer, Fetch(parent))
            return
        while (orphan := self._orphans.pop(desk.thread.parent, None)) is not None:
            self._follow(*orphan)
        self._orphans = {
            parent: each for parent, each in self._orphans.items() if each[0].commitment.nonce > desk.tip_nonce
        }
        self._since_hello += 1
        if self.is_behind and self._since_hello >= PAGE:
            self.ask_those_ahead()

    def _follow(self, agreement: Agreement, agreed: Agreed) -> bool:
        """Adopts an agreement on the latest one, or on one that we can go back to; whether that could be."""
        desk, parent = self._desk, agreement.commitment.parent
        if parent == desk.thread.parent:
            return self._rounds.adopt(agreement, agreed)
        if desk.tip is None or not self._line.reaches(parent):
            return False
        undone = self._line.go_back_to(parent)
        if self._rounds.adopt(agreement, agreed):
            self._line.supersede(undone)
            return True
        self._line.go_on(undone)
        return False
