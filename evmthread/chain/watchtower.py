"""Watchtower: answers a stale challenge with the newest agreement that it was given, and says what it sees.

It needs no key of a party: anybody may answer. An account of its own pays for the gas; without one it only warns. It
knows no clock: the chain's time counts.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from evmthread.chain.accounts import Account
from evmthread.chain.blocks import LATEST, Block, block_at
from evmthread.chain.errors import CallReverted, CannotPay, FinalityBroken, TooMuchGas
from evmthread.chain.events import ThreadState
from evmthread.chain.follower import Follower, present_position
from evmthread.chain.registry import Registry, signed_arguments
from evmthread.chain.transactions import Call
from evmthread.chain.watcher import Final, Head, News, Position, Watcher
from evmthread.channel.desk import ChainHead, Mode
from evmthread.commit.agreement import Agreement
from evmthread.commit.commitment import Status
from evmthread.errors import BackendError, InvalidInput
from evmthread.rpc import NodeRefused

_PATIENT_BLOCKS = 2
"""After so many blocks an answer that isn't in one is sent again, for twice the price."""
_MOST_HURRY = 64


class Alarm(StrEnum):
    """What a party has to know."""

    CHALLENGED = "the thread is challenged: nothing but a higher agreement counts until the deadline"
    UNANSWERED = "the challenge is stale, and there is no account here that could pay for an answer"
    UNPAID = "the account here can't pay for an answer"
    CONTRADICTED = "the record is another commitment with our nonce: whoever signed both broke the law of signers"
    OVERTAKEN = "the record is newer than the agreement here"
    TOO_LATE = "the deadline is past, and the record is older than the agreement here"
    SETTLED_OLD = "the thread was settled on something older than the agreement here"


@dataclass(frozen=True, slots=True)
class Alarmed:
    """An alarm, told once for each state of the thread."""

    alarm: Alarm
    state: ThreadState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer was sent with our agreement's nonce; it may be in the next block."""

    nonce: int
    transaction: bytes
    block: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Our agreement is the record, while the clock runs."""

    state: ThreadState


@dataclass(frozen=True, slots=True)
class Over:
    """The thread is settled for ever, in a final block."""

    state: ThreadState


Word: TypeAlias = Alarmed | Answered | Standing | Over


@dataclass(frozen=True, slots=True)
class _Sent:
    block: int
    next_hurry: int


class Watchtower:
    """Watches one thread."""

    def __init__(
        self, registry: Registry, agreement: Agreement, account: Account | None, *, position: Position | None = None
    ) -> None:
        """`account` pays for answers; `position` is where an earlier one ended, by default it begins at the present.

        Raises InvalidInput for an agreement of another chain or registry, and as present_position does.
        """
        if agreement.domain != registry.domain:
            raise InvalidInput("the agreement is for another chain or registry")
        self.registry = registry
        self.agreement = agreement
        self.follower = self._follower(position)
        self.is_over = False
        self._account = account
        self._said: set[object] = set()
        self._untold: list[News] = []
        self._sent: _Sent | None = None

    def _follower(self, position: Position | None) -> Follower:
        registry, terms = self.registry, self.agreement.terms
        if position is None:
            position = present_position(registry.provider, registry.domain, terms)
        return Follower(registry.provider, Watcher(registry.domain, terms, position))

    def renew(self, agreement: Agreement) -> None:
        """Takes a newer agreement of the same thread; an older one is left. Raises InvalidInput for another thread."""
        if agreement.terms != self.agreement.terms or agreement.domain != self.agreement.domain:
            raise InvalidInput("the agreement is of another thread")
        if agreement.commitment.nonce > self.agreement.commitment.nonce:
            self.agreement = agreement

    def look(self) -> tuple[list[News], list[Word]]:
        """Looks at the chain, and answers where it has to: what is new there, and what it has to say.

        Raises as Follower.poll does, and as providers do; the next look goes on from there, after FinalityBroken from
        the present. Where events can't be had, or not believed, it still answers what is proven without them.
        """
        try:
            self._untold += self.follower.poll()  # told when the answer is sent: who can't send it, doesn't miss it
        except FinalityBroken:
            self.follower = self._follower(None)
            raise
        except BackendError:
            head, alarms = self._look_without_events(block_at(self.registry.provider, LATEST))
            if not alarms:
                raise
            return [Head(head)], alarms
        if self.follower.is_behind:
            # Perhaps with its final block alone: what its latest one proves is answered if it is new to us.
            latest, watcher = block_at(self.registry.provider, LATEST), self.follower.watcher
            if latest.number > (watcher.position if watcher.head is None else watcher.head).number:
                head, alarms = self._look_without_events(latest)
                return [Head(head)], alarms
        words = self._say()
        news, self._untold = self._untold, []
        return news, words

    def _say(self) -> list[Word]:
        watcher = self.follower.watcher
        state, head = watcher.state, watcher.head
        if state is None or head is None:
            return []
        words: list[Word] = []
        if head.finalized is Mode.SETTLED and not self.is_over:
            self.is_over = True
            if not self.is_served(watcher.position.state):
                words.append(Alarmed(Alarm.SETTLED_OLD, watcher.position.state))
            words.append(Over(watcher.position.state))
        if state.mode is Mode.CHALLENGED:
            words += self._challenged(state, head.number, head.timestamp)
        else:
            self._sent = None
            self._said.clear()
        return words

    def _look_without_events(self, latest: Block) -> tuple[ChainHead, list[Word]]:
        position = self.follower.watcher.position
        state = self.registry.thread(self.agreement.commitment.thread_id, latest)
        head = ChainHead(latest.number, latest.timestamp, state.mode, position.number, position.state.mode)
        is_challenged = state.mode is Mode.CHALLENGED
        return head, self._challenged(state, latest.number, latest.timestamp) if is_challenged else []

    def is_served(self, state: ThreadState) -> bool:
        """Whether the record is our agreement, or one above it."""
        return state.record is not None and state.nonce >= self.agreement.commitment.nonce

    def _challenged(self, state: ThreadState, number: int, time: int) -> list[Word]:
        nonce = self.agreement.commitment.nonce
        if state.record is None or state.nonce < nonce:
            if time >= state.deadline and not self._is_final:
                return self._once(Alarmed(Alarm.TOO_LATE, state))
            if self._account is None:
                return self._once(Alarmed(Alarm.UNANSWERED, state))
            answered = self._answer(self._account, state, number)
            return [*self._once(Alarmed(Alarm.CHALLENGED, state)), *answered]
        self._sent = None
        if state.nonce > nonce:
            return self._once(Alarmed(Alarm.OVERTAKEN, state))
        if state.record != self.agreement.digest:
            return self._once(Alarmed(Alarm.CONTRADICTED, state))
        return self._once(Standing(state))

    def _once(self, word: Word) -> list[Word]:
        said = (word.alarm, word.state) if isinstance(word, Alarmed) else word
        if said in self._said:
            return []
        self._said.add(said)
        return [word]

    def _answer(self, account: Account, state: ThreadState, number: int) -> list[Word]:
        sent, transactions = self._sent, self.registry.transactions
        if sent is not None and number - sent.block < _PATIENT_BLOCKS:
            return []
        nonce, hurry = transactions.next_nonce(account), 1
        if sent is not None:
            # Not its own nonce: what waits before it holds it up, and its place may have been taken meanwhile.
            nonce, hurry = transactions.next_nonce(account, where=LATEST), sent.next_hurry
        more = min(2 * hurry, _MOST_HURRY)
        unpaid: list[Word] = []
        try:
            try:
                transaction = transactions.submit(account, self._call(), nonce=nonce, hurry=hurry)
            except CannotPay as error:  # the usual fees: what there is money for may do
                unpaid = self._once(Alarmed(Alarm.UNPAID, state, str(error)))
                transaction = transactions.submit(account, self._call(), nonce=nonce, hurry=hurry, stint=True)
        except (CannotPay, TooMuchGas) as error:
            if sent is not None:
                self._sent = replace(sent, next_hurry=1)
            return unpaid + self._once(Alarmed(Alarm.UNPAID, state, str(error)))
        except CallReverted:
            return unpaid  # somebody else answered meanwhile: the next look will show it
        except NodeRefused:
            if sent is None:
                raise
            # The place can't be had for so little: more after the next block.
            self._sent = _Sent(number + 1 - _PATIENT_BLOCKS, more)
            return unpaid
        self._sent = _Sent(number, more)
        return [*unpaid, Answered(self.agreement.commitment.nonce, transaction, number)]

    @property
    def _is_final(self) -> bool:
        return self.agreement.commitment.status == Status.FINAL

    def _call(self) -> Call:
        """A final agreement settles at once, also after the deadline; any other is a response."""
        name = "settle" if self._is_final else "respond"
        return self.registry.call(name, *signed_arguments(self.registry.domain, self.agreement))


def told_events(news: list[News]) -> list[str]:
    """The names of the events that became final, for people."""
    return [type(each.placed.event).__name__ for each in news if isinstance(each, Final)]
