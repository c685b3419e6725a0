"""Channel: one participant's endpoint. Bytes, decisions and answers in; effects out, in the order they must happen.

It does no I/O, reads no clock, and holds no key: what it knows of time, chain and disk it is told. Its user performs
the effects (driver.py does, with a store and a signer). docs/channel.md draws its phases.
"""

from collections.abc import Callable
from random import Random

from evmthread.channel.catch_up import CatchUp
from evmthread.channel.closing import Closing
from evmthread.channel.desk import NEVER, ChainHead, ChannelOptions, Desk, History, Mode, operator_index
from evmthread.channel.effects import Effect
from evmthread.channel.errors import LocalProtocolError, RemoteProtocolError
from evmthread.channel.events import ChallengeDue
from evmthread.channel.leading import Leading
from evmthread.channel.line import Line
from evmthread.channel.messages import (
    Accept,
    Agreed,
    Close,
    CloseReady,
    Fetch,
    Hello,
    Message,
    Propose,
    Reject,
    Request,
    decode_message,
)
from evmthread.channel.phases import (
    CLOSED,
    PENDING,
    READY,
    STOPPED,
    TOLD,
    Phase,
    What,
    allows,
    check_decision,
    check_led,
)
from evmthread.channel.proposals import Proposals
from evmthread.channel.restoring import SavedChannel, restored_floor
from evmthread.channel.rounds import Rounds
from evmthread.channel.suspension import OpenCall
from evmthread.channel.thread import Thread
from evmthread.channel.watch import Watch
from evmthread.channel.wishes import Wishes
from evmthread.commit.agreement import Agreement
from evmthread.commit.batch import InputKind
from evmthread.commit.opening import check_opening, exit_time
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives.arguments import show
from evmthread.primitives.types import ZERO_ADDRESS

_SILENT_TRIES = 2
"""After so many times a leader that says nothing may be skipped."""

_ENDED = (CLOSED, STOPPED)
"""Nothing of ours is sent again there."""

_WHAT: dict[type[Message], What] = {
    Hello: What.HELLO,
    Request: What.REQUEST,
    Propose: What.PROPOSE,
    Accept: What.ACCEPT,
    Reject: What.REJECT,
    Agreed: What.AGREED,
    Fetch: What.FETCH,
    Close: What.CLOSE,
    CloseReady: What.CLOSE_READY,
}


class Channel:
    """One party's endpoint of one thread, or that of an operator who is no party."""

    def __init__(
        self,
        thread: Thread,
        address: bytes,
        *,
        history: History,
        random: Random,
        now: float,
        options: ChannelOptions | None = None,
        saved: SavedChannel | None = None,
    ) -> None:
        """The endpoint of the participant who signs with this address.

        `saved` is what a store kept of it; `thread` stands where that says. `random` spreads timers and nothing else.
        `now` is in seconds since 1970. Raises InvalidInput for an address that takes no part, and a Refusal as
        check_opening does for a thread whose genesis isn't agreed yet.
        """
        terms = thread.terms
        if address in terms.keys:
            index = terms.keys.index(address)
        elif address == terms.operator != ZERO_ADDRESS and operator_index(thread) == len(terms.keys):
            index = len(terms.keys)
        else:
            raise InvalidInput(f"0x{address.hex()} is neither a session key nor the operator of this thread")
        options = ChannelOptions() if options is None else options
        if options.operator_leads and terms.operator == ZERO_ADDRESS:
            raise InvalidInput("the operator can't lead a thread that has none")
        if thread.agreement is None:
            check_opening(terms, thread.ruleset, inclusion=options.inclusion)
        self._desk = Desk(thread, index, options, history, random, now)
        self._line = Line(self._desk)
        self._watch = Watch(self._desk)
        self._wishes = Wishes(self._desk, self._watch)
        self._rounds = Rounds(self._desk, self._line, self._watch)
        self._catch_up = CatchUp(self._desk, self._line, self._rounds, self._watch)
        self._leading = Leading(self._desk, self._rounds)
        self._proposals = Proposals(self._desk, self._rounds, self._watch)
        self._closing = Closing(self._desk, self._proposals, self._leading)
        self._linger_until: float | None = None
        self._challenged_turn: int | None = None
        if saved is not None:
            saved.put_into(self._desk, self._line)
            self._desk.wants_floor = saved.wants_floor

    # What it is -------------------------------------------------------------------------------------------------------
    @property
    def thread(self) -> Thread:
        """The state, to read from: at `agreement`, or, while a proposal is pending, after that (Thread.prepared)."""
        return self._desk.thread

    @property
    def index(self) -> int:
        """This participant's index: a party's, or the number of parties for an operator who is none."""
        return self._desk.index

    @property
    def agreement(self) -> Agreement | None:
        """The latest agreement that was executed and adopted here."""
        return self._desk.thread.agreement

    @property
    def is_greeted(self) -> bool:
        """Whether as many others as it takes have said what they have; before that nothing new is signed."""
        return self._desk.is_greeted

    @property
    def phase(self) -> Phase:
        """Where the channel is."""
        return self._desk.phase

    # Floors of a restored store ---------------------------------------------------------------------------------------
    @property
    def wants_floor(self) -> bool:
        """Whether `set_floor` is wanted: of a restored store, once the genesis is here, and where an end was lost."""
        return self._desk.needs_floor

    @property
    def lowest_floor(self) -> int:
        """The lowest floor that the store may have now."""
        desk = self._desk
        begun = desk.now if desk.begun is None else desk.begun
        known = NEVER if desk.lost_end else max(desk.tip_nonce, desk.ballot.highest_signed)
        return restored_floor(known, begun, desk.now)

    def set_floor(self, floor: int) -> None:
        """The store signs nothing at or below this nonce from now on."""
        self._desk.wants_floor, self._desk.own_floor = False, floor
        self._desk.ballot.highest_signed = max(floor, self._desk.ballot.highest_signed)

    # Decisions --------------------------------------------------------------------------------------------------------
    def start(self) -> list[Effect]:
        """Greets the others, and sends again what was signed before a restart. To be called once, first."""

        def act() -> None:
            self._desk.look_at_store()
            self._catch_up.greet(self._desk.others)
            if self.phase not in _ENDED:
                self._send_again()
            self._desk.pacing.arm(self._desk.now)

        return self._happen(TOLD, act)

    def request(
        self,
        data: bytes = b"",
        *,
        to: bytes | None = None,
        value: int = 0,
        gas: int,
        lasting: bool = False,
        kind: InputKind = InputKind.CALL,
    ) -> list[Effect]:
        """Wants a call executed, by default of the root contract, by this party's owner.

        It is bound to the latest agreement: where the thread moves on without it, it lapses, or is signed anew if
        `lasting`. `kind` CREATE is the creation in the genesis. Raises NotNow, InvalidInput for values out of range,
        LocalProtocolError where too many inputs wait, or this party has signed the end.
        """
        if kind not in (InputKind.CALL, InputKind.CREATE):
            raise InvalidInput(f"a CALL or a CREATE is requested, not the kind {show(kind)}")
        check_decision(self.phase, What.ASK)
        return self._wish(kind, self.thread.address if to is None else to, value, gas, data, lasting=lasting)

    def answer(self, answer: bytes = b"") -> list[Effect]:
        """Answers the question that is asked of this party; without bytes, lets a call go on that stopped by steps.

        Raises NotNow, and LocalProtocolError when no call waits for it.
        """
        check_decision(self.phase, What.ASK)
        opened = self._open_call()
        if opened.suspension.awaiting != self._desk.owner:
            raise LocalProtocolError(f"the open call waits for 0x{opened.suspension.awaiting.hex()}")
        return self._wish(InputKind.ANSWER, ZERO_ADDRESS, 0, 0, opened.machine_hash + answer, lasting=False)

    def abort(self) -> list[Effect]:
        """Wants the open call dropped: one of this party's, or one that waits for it. Raises as `answer` does."""
        check_decision(self.phase, What.ASK)
        opened = self._open_call()
        if self._desk.owner not in (opened.suspension.awaiting, opened.input.actor):
            raise LocalProtocolError("only the open call's actor and who is awaited may abort it")
        return self._wish(InputKind.ABORT, ZERO_ADDRESS, 0, 0, opened.machine_hash, lasting=False)

    def _open_call(self) -> OpenCall:
        opened = self.thread.agreed_call
        if opened is None or not self._desk.is_party:
            raise LocalProtocolError("no call is open that this party could go on with")
        return opened

    def _wish(self, kind: InputKind, to: bytes, value: int, gas: int, data: bytes, *, lasting: bool) -> list[Effect]:
        wish = self._wishes.wish(kind, to, value, gas, data, lasting=lasting)
        return self._happen(What.ASK, lambda: self._desk.pool.wishes.append(wish))

    def propose(self, *, empty: bool = False, steps: int = 0, above: bool = False) -> list[Effect]:
        """Proposes what waits, where this participant leads; the genesis is proposed in no other way.

        `empty`: a batch without inputs, which frees signatures that stand above the latest agreement. `steps` suspends
        the last input after so many instructions. `above`: also above a proposal that waits for answers or for our
        user's decision, and hasn't been refused or unanswered for a while; that gives it up. Raises NotNow,
        LocalProtocolError (TooManyOpenProposals; ProposalPending without `above`).
        """
        check_decision(self.phase, What.LEAD)
        return self._happen(What.LEAD, lambda: self._leading.lead_asked(empty=empty, steps=steps, above=above))

    def accept(self, nonce: int) -> list[Effect]:
        """Signs the proposal that `Proposed` told of. Raises NotNow, LocalProtocolError."""
        check_decision(self.phase, What.DECIDE)
        return self._happen(What.DECIDE, lambda: self._proposals.decide(nonce, accept=True))

    def reject(self, nonce: int, reason: str = "") -> list[Effect]:
        """Doesn't sign it; its leader is told. Raises NotNow, LocalProtocolError."""
        check_decision(self.phase, What.DECIDE)
        return self._happen(What.DECIDE, lambda: self._proposals.decide(nonce, accept=False, where=reason))

    def close(self) -> list[Effect]:
        """Wants the thread to end with the latest agreement, or agrees to another's wish. Raises NotNow."""
        check_decision(self.phase, What.END)
        return self._happen(What.END, self._closing.want)

    # What the outside tells -------------------------------------------------------------------------------------------
    def receive(self, peer: int, data: bytes) -> list[Effect]:
        """Bytes from a participant, by its index, as the transport knows it.

        Never raises for what is in them: what no honest participant sends is told as PeerFault, and changes nothing.
        Raises InvalidInput for a peer that there isn't, and for what isn't bytes.
        """
        if peer not in self._desk.others:
            raise InvalidInput(f"there is no other participant {peer}")
        try:
            message = self._decoded(data)
        except RemoteProtocolError as error:
            self._desk.tell_fault(peer, error)
            return self._desk.outbox.take()
        what, before = _WHAT[type(message)], self.phase
        if not allows(before, what):
            if before == CLOSED:  # whoever still speaks of anything else hasn't got the end
                self._catch_up.on_fetch(peer, self._desk.thread.parent)
            return self._desk.outbox.take()

        def act() -> None:
            try:
                self._handle(peer, message)
            except RemoteProtocolError as error:
                error.data = data
                self._desk.tell_fault(peer, error)

        return self._happen(what, act, before)

    def _decoded(self, data: bytes) -> Message:
        thread = self._desk.thread
        try:
            thread_id, message = decode_message(data, batch_bytes=thread.ruleset.batch_bytes)
        except DecodingError as error:
            raise RemoteProtocolError(str(error), data) from None
        if thread_id != thread.thread_id:
            raise RemoteProtocolError(f"a message of thread 0x{thread_id.hex()}", data)
        return message

    def _handle(self, peer: int, message: Message) -> None:
        match message:
            case Hello():
                self._catch_up.on_hello(peer, message)
            case Request():
                self._wishes.on_request(peer, message)
            case Propose():
                self._proposals.on_propose(peer, message)
            case Accept():
                self._rounds.on_accept(peer, message)
            case Reject():
                self._rounds.on_reject(peer, message)
                self._wishes.on_doubt(message.digest)
                if message.agreed is not None:
                    self._catch_up.on_agreed(peer, message.agreed)
            case Agreed():
                self._catch_up.on_agreed(peer, message)
            case Fetch(digest):
                self._catch_up.on_fetch(peer, digest)
            case Close():
                self._closing.on_close(peer)
            case CloseReady(digest):
                self._closing.on_close_ready(peer, digest)

    def persisted(self, token: int) -> list[Effect]:
        """These records are durable. Raises LocalProtocolError for a token that nobody waits for."""
        outbox = self._desk.outbox
        waited = outbox.waits
        outbox.answered(token, None)
        if waited and not outbox.waits:  # nothing is signed: another agreement came first, and what waited may go on
            return self._happen(TOLD, lambda: None)
        # What follows is a request to sign, or a notice: nothing that calls for a new look at the whole.
        return outbox.take()

    def not_persisted(self, token: int, why: str) -> list[Effect]:
        """These records were refused, or can't be kept."""
        return self._happen(TOLD, lambda: self._desk.outbox.failed(token, why))

    def signed(self, token: int, signature: bytes) -> list[Effect]:
        """The signature that was asked for."""
        return self._happen(TOLD, lambda: self._desk.outbox.answered(token, signature))

    def not_signed(self, token: int, why: str) -> list[Effect]:
        """The signer doesn't sign this."""
        return self._happen(TOLD, lambda: self._desk.outbox.failed(token, why))

    def tick(self, now: float) -> list[Effect]:
        """It is this time, in seconds since 1970. Time never goes back: an earlier one counts as no time at all."""
        desk = self._desk
        desk.now = max(desk.now, now)

        def act() -> None:
            self._closing.tick(desk.now)
            if desk.pacing.is_due(desk.now):
                self._try_again()
            self._look_at_turn()

        return self._happen(TOLD, act)

    def head(self, head: ChainHead) -> list[Effect]:
        """What the chain shows now."""
        desk = self._desk

        def act() -> None:
            desk.head = head
            if head.latest in (Mode.CHALLENGED, Mode.SETTLED) or head.finalized in (Mode.CHALLENGED, Mode.SETTLED):
                desk.disputed_at = head.number
            elif desk.disputed_at is not None and head.finalized_number >= desk.disputed_at:
                desk.disputed_at = None  # the finalized chain is past it, and LIVE again

        return self._happen(TOLD, act)

    # One event --------------------------------------------------------------------------------------------------------
    def _happen(self, what: What, act: Callable[[], None], before: Phase | None = None) -> list[Effect]:
        """`before`: the phase, where it is known."""
        before = self._desk.phase if before is None else before
        act()
        self._closing.after_event()
        self._wishes.sign_waiting()
        self._lead()
        after = self._desk.phase
        self._set_timer(after)
        check_led(before, what, after)
        return self._desk.outbox.take()

    def _lead(self) -> None:
        desk = self._desk
        if desk.outbox.waits or not (desk.options.automatic or self._others_wait) or not desk.may_sign:
            return
        if desk.options.linger and desk.pool and not self._rounds.may_skip:
            if self._linger_until is None:
                self._linger_until = desk.now + desk.options.linger
            if desk.now < self._linger_until:
                return
        self._linger_until = None
        self._leading.lead_if_wanted(clears=not desk.options.automatic)

    @property
    def _others_wait(self) -> bool:
        """Whether a batch of ours clears the way for others, who can't go on without it."""
        return self._desk.has_to_clear or (self._rounds.may_skip and self._desk.new_ground is not None)

    def _try_again(self) -> None:
        desk, phase = self._desk, self.phase
        self._catch_up.say_again()
        if phase not in _ENDED:
            self._send_again()
            self._closing.say()
        desk.pacing.missed(desk.now)
        standing = desk.ballot.own_standing
        waits_for_answers = (
            standing is not None and desk.ballot.leader(standing.nonce) == desk.index and not standing.rejected
        )
        if desk.pacing.misses >= _SILENT_TRIES and not waits_for_answers:
            self._rounds.may_skip = True

    def _send_again(self) -> None:
        desk = self._desk
        standing = desk.ballot.own_standing
        if standing is not None and not desk.outbox.waits:
            self._rounds.send_standing(standing, desk.others)
        self._wishes.send_again()

    def _set_timer(self, phase: Phase) -> None:
        desk = self._desk
        ours = phase not in _ENDED and (desk.waits_for_others or self._closing.is_wanted)
        if ours or self._catch_up.waits:
            desk.pacing.arm(desk.now)
        else:
            desk.pacing.disarm()
        first: float | None = None
        for at in (desk.pacing.next_at, self._closing.deadline, self._linger_until, self._challenge_at()):
            # What was due has been done; what is past and still there has to wait for something else.
            if at is not None and at > desk.now and (first is None or at < first):
                first = at
        desk.outbox.set_timer(first)

    # The contract's own clock (section 5, time on return) -------------------------------------------------------------
    def _challenge_at(self) -> float | None:
        desk, since = self._desk, self._line.turn_since
        timeout = desk.thread.ruleset.contract_timeout
        if not desk.options.on_chain or not timeout or since is None or self._challenged_turn == since:
            return None
        if not any(own.signature for own in desk.pool.own) or self.phase not in (READY, PENDING):
            return None
        return since + timeout - exit_time(desk.thread.terms, desk.thread.ruleset, inclusion=desk.options.inclusion)

    def _look_at_turn(self) -> None:
        desk, at = self._desk, self._challenge_at()
        if at is not None and desk.now >= at:
            assert desk.thread.agreement is not None
            self._challenged_turn = self._line.turn_since
            desk.outbox.notify(ChallengeDue(desk.thread.agreement))
