"""What a channel tells its user. Plain values: nothing here decides anything."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from evmthread.channel.errors import DivergentField, RemoteProtocolError
from evmthread.channel.inputs import BatchOutcome
from evmthread.channel.messages import Propose
from evmthread.channel.pool import Wish
from evmthread.commit.agreement import Agreement
from evmthread.commit.batch import SignedBatch
from evmthread.commit.evidence import Equivocation, InputEquivocation
from evmthread.primitives.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class Adopted:
    """A commitment was agreed, executed here and is durable; `outcome` is what its batch did."""

    agreement: Agreement
    batch: SignedBatch
    outcome: BatchOutcome


@dataclass(frozen=True, slots=True)
class Superseded:
    """An agreement that was adopted is no longer in the line: one with a higher nonce builds on an older one."""

    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Asked:
    """The thread is suspended and waits for this party's answer, which `Channel.answer` gives.

    The question is empty where the call stopped after a number of steps.
    """

    question: bytes


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The thread moved on without what our user wanted: it was asked for on another agreement, and wasn't executed."""

    wish: Wish


@dataclass(frozen=True, slots=True)
class Undone:
    """What our user wanted can't be in a batch: `reason` is the rule that it breaks."""

    wish: Wish
    reason: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal waits for this user's decision: `Channel.accept` or `Channel.reject`."""

    proposal: Propose
    outcome: BatchOutcome


@dataclass(frozen=True, slots=True)
class Rejected:
    """A party doesn't sign what we proposed. `code` is a RejectCode, as far as we know it."""

    party: int
    nonce: int
    code: int
    where: str


@dataclass(frozen=True, slots=True)
class Convicted:
    """A party contradicted itself, and this proves it to anyone."""

    party: int
    evidence: Equivocation | InputEquivocation


@dataclass(frozen=True, slots=True)
class Diverged:
    """A leader signed a commitment that its batch doesn't lead to: the first field that differs, and its proposal.

    Whoever executes the batch on the commitment's parent can check it.
    """

    party: int
    proposal: Propose
    error: DivergentField


@dataclass(frozen=True, slots=True)
class Unexecutable:
    """Enough others agreed on what executing doesn't give here. Our latest agreement stays."""

    agreement: Agreement
    reason: str


@dataclass(frozen=True, slots=True)
class PeerFault:
    """Bytes from a participant that no honest one sends; nothing came of them.

    `count`: how many such messages came from it on this agreement. Each of the first 64 is told, then the 128th, the
    256th, and so on.
    """

    peer: int
    error: RemoteProtocolError
    count: int = 1


@dataclass(frozen=True, slots=True)
class CloseAsked:
    """A party wants to end here. `Channel.close` agrees."""

    party: int


@dataclass(frozen=True, slots=True)
class CloseFailed:
    """Not everyone was ready to close in time: the thread goes on."""


@dataclass(frozen=True, slots=True)
class Closed:
    """All signed the final commitment; it is durable."""

    agreement: Agreement


class StopReason(StrEnum):
    """Why a channel signs nothing more."""

    STALE_STORE = "a peer showed a signature of ours that our store doesn't hold"
    REFUSED = "the store or the guard refused what was to be signed"
    FORKED = "the agreed line leads back further than is kept"
    RESTORED = "the store was put back from a copy, and what it lacks may bind us"


@dataclass(frozen=True, slots=True)
class Stopped:
    """The channel only reads from now on."""

    reason: StopReason
    detail: str


@dataclass(frozen=True, slots=True)
class ChallengeDue:
    """Take the latest agreement on chain now: later, the contract's own deadline may pass before the way back ends."""

    agreement: Agreement


Event: TypeAlias = (
    Adopted
    | Superseded
    | Asked
    | Lapsed
    | Undone
    | Proposed
    | Rejected
    | Convicted
    | Diverged
    | Unexecutable
    | PeerFault
    | CloseAsked
    | CloseFailed
    | Closed
    | Stopped
    | ChallengeDue
)
