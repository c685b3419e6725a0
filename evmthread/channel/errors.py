"""What goes wrong in a channel: our caller's mistakes, batches that can't be executed, fields that differ.

Refusals of records that need no execution are evmthread.commit's; these stand beside them in one tree.
"""

from dataclasses import dataclass

from evmthread.commit.refusals import Refusal
from evmthread.errors import EvmthreadError


def show(value: object) -> str:
    """A value on one line: bytes as hex, whole up to 32 bytes."""
    if isinstance(value, bytes):
        return "0x" + value[:32].hex() + ("..." if len(value) > 32 else "")
    if isinstance(value, tuple):
        return "(" + ", ".join(show(item) for item in value) + ")"
    return str(value)


class LocalProtocolError(EvmthreadError):
    """Our caller asked for what can't be done now; nothing changed."""


class NotSupported(EvmthreadError):  # noqa: N818 - as all names in errors.py, it says what happened
    """Valid by the specification, but nothing that this version executes; nothing changed."""


@dataclass(eq=False)
class InvalidBatch(Refusal):
    """Executing showed that the batch breaks a rule; `index` is the input's, None for the batch itself.

    `ends_batch`: the batch ends before this input, which may stand in another one, as all that follow it.
    """

    rule: str
    got: object
    index: int | None = None
    nonce: int | None = None
    ends_batch: bool = False

    def __str__(self) -> str:
        what = "batch" if self.index is None else f"input {self.index}"
        return self._line(f"{what}: {self.rule}: got {show(self.got)}")


class MissingAccount(InvalidBatch):
    """An input calls, with data, an account `got` that the thread doesn't hold."""


@dataclass(eq=False)
class DivergentField(Refusal):
    """A commitment's field isn't what executing its batch gives. `field` has its EIP-712 name."""

    field: str
    expected: object
    got: object
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"{self.field}: executed {show(self.expected)}, committed {show(self.got)}")


@dataclass(eq=False)
class NonceTooFar(Refusal):
    """A nonce further above its parent's than an honest signer goes (signer law, rule 1)."""

    parent_nonce: int
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"nonce: more than 2^40 above its parent's {self.parent_nonce}")


@dataclass(eq=False)
class ClockDrift(Refusal):
    """A batch's timestamp is further from the signer's clock than the ruleset's clockDrift."""

    timestamp: int
    now: int
    drift: int
    nonce: int | None = None

    def __str__(self) -> str:
        return self._line(f"timestamp: {self.timestamp} is more than {self.drift} s from the clock's {self.now}")


class RemoteProtocolError(EvmthreadError):
    """A participant sent what no honest one sends. `data` is what it sent; the latest agreement stands."""

    def __init__(self, reason: str, data: bytes = b"") -> None:
        super().__init__(reason)
        self.data = data


@dataclass(eq=False)
class TooManyOpenProposals(LocalProtocolError):  # noqa: N818 - as all names in errors.py, it says what happened
    """So many of our signatures stand above the latest agreement that no more is given; an empty batch frees them."""

    open_proposals: int

    def __str__(self) -> str:
        return f"{self.open_proposals} of our signatures stand above the latest agreement"


@dataclass(eq=False)
class ProposalPending(LocalProtocolError):  # noqa: N818 - see above
    """A proposal on the latest agreement waits for answers: nothing is proposed above it before it is given up."""

    nonce: int

    def __str__(self) -> str:
        return f"the proposal of nonce {self.nonce} waits for answers"


@dataclass(eq=False)
class NotNow(LocalProtocolError):  # noqa: N818 - see above
    """The channel is in a phase in which this can't be asked of it."""

    phase: str
    asked: str

    def __str__(self) -> str:
        return f"{self.asked} while the channel is {self.phase}"
