"""What a channel asks of the outside. A caller performs effects in the order in which it gets them.

`Persist` and `Sign` are answered: `channel.persisted(token)` when the records are durable, `channel.signed(token,
signature)` with what the signer gave. What must not leave before that is an effect of those answers, so that a caller
can't send too early by mistake.
"""

from dataclasses import dataclass
from typing import TypeAlias

from evmthread.channel.events import Event
from evmthread.channel.kept import Record
from evmthread.commit.eip712 import TypedData
from evmthread.primitives.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class Persist:
    """Keep these, all or none; answer with `persisted(token)`, or `not_persisted(token, why)` where they are refused.

    Not `urgent`: nothing waits for it but a notice to the user; it may be kept together with what comes next, never
    after it.
    """

    token: int
    records: tuple[Record, ...]
    urgent: bool


@quick
@dataclass(frozen=True, slots=True)
class Sign:
    """Sign these with the party's key; answer with `signed(token, signature)`, or `not_signed(token, why)`.

    `content` is what the guard logs with a commitment: the same that was persisted.
    """

    token: int
    typed_data: TypedData
    content: bytes | None


@quick
@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for one participant: a party by its index, or the operator that is no party, by the number of parties.

    They may be lost, repeated or reordered on the way.
    """

    to: int
    data: bytes


@quick
@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call `tick(now)` at this time (seconds since 1970), or soon after. It takes the place of the timer before."""

    at: float


@quick
@dataclass(frozen=True, slots=True)
class Notify:
    """Something that the user wants to know."""

    event: Event


Effect: TypeAlias = Persist | Sign | Send | SetTimer | Notify
