"""Collects what a channel asks of the outside, and remembers what goes on when it is answered.

Knows nothing of what the effects are for.
"""

from collections.abc import Callable
from dataclasses import dataclass

from evmthread.channel.effects import Effect, Notify, Persist, Send, SetTimer, Sign
from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.events import Event
from evmthread.channel.kept import Record
from evmthread.channel.messages import Message, encode_message
from evmthread.commit.eip712 import TypedData
from evmthread.primitives.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class _Keeping:
    then: Callable[[], None]
    failed: Callable[[str], None]
    urgent: bool


@quick
@dataclass(frozen=True, slots=True)
class _Signing:
    then: Callable[[bytes], None]
    failed: Callable[[str], None]
    urgent: bool = True


class Outbox:
    """The effects of one event, in order, and the continuations of those that are answered."""

    def __init__(self, thread_id: bytes) -> None:
        self._thread_id = thread_id
        self._effects: list[Effect] = []
        self._keeping: dict[int, _Keeping] = {}
        self._signing: dict[int, _Signing] = {}
        self.waits = 0
        """How many answers are outstanding after which something is signed or sent."""
        self._token = 0
        self._timer: float | None = None

    def take(self) -> list[Effect]:
        """What has been asked since the last time."""
        effects, self._effects = self._effects, []
        return effects

    def persist(self, *records: Record, urgent: bool, then: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Asks to keep records."""
        self._token += 1
        self._keeping[self._token] = _Keeping(then, failed, urgent)
        self.waits += urgent
        self._effects.append(Persist(self._token, records, urgent))

    def sign(
        self,
        typed_data: TypedData,
        content: bytes | None,
        then: Callable[[bytes], None],
        failed: Callable[[str], None],
    ) -> None:
        """Asks for a signature."""
        self._token += 1
        self._signing[self._token] = _Signing(then, failed)
        self.waits += 1
        self._effects.append(Sign(self._token, typed_data, content))

    def send(self, to: int, message: Message) -> int:
        """One message for one participant; of how many bytes."""
        data = encode_message(self._thread_id, message)
        self._effects.append(Send(to, data))
        return len(data)

    def send_all(self, participants: tuple[int, ...], message: Message) -> None:
        """The same message for several, or for nobody."""
        if not participants:
            return
        data = encode_message(self._thread_id, message)
        self._effects += [Send(to, data) for to in participants]

    def notify(self, event: Event) -> None:
        """Tells the user."""
        self._effects.append(Notify(event))

    def set_timer(self, at: float | None) -> None:
        """Asks to be woken at a time to come, unless that was asked already. None: there is nothing to wait for."""
        if at is not None and at != self._timer:
            self._effects.append(SetTimer(at))
        self._timer = at

    def answered(self, token: int, signature: bytes | None) -> None:
        """Goes on with what waited: for records that are kept, or for a signature.

        Raises LocalProtocolError for a token that nobody waits for.
        """
        if signature is None and (keeping := self._keeping.pop(token, None)) is not None:
            self.waits -= keeping.urgent
            keeping.then()
        elif signature is not None and (signing := self._signing.pop(token, None)) is not None:
            self.waits -= signing.urgent
            signing.then(signature)
        else:
            raise LocalProtocolError(f"nothing waits for token {token}")

    def failed(self, token: int, why: str) -> None:
        """What waited can't be had. Raises LocalProtocolError for a token that nobody waits for."""
        waiting = self._keeping.pop(token, None) or self._signing.pop(token, None)
        if waiting is None:
            raise LocalProtocolError(f"nothing waits for token {token}")
        self.waits -= waiting.urgent
        waiting.failed(why)
