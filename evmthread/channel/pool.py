"""Inputs that wait for a batch, our own and others', all bound to the latest agreement; and who was passed over.

Inputs come in here verified. Knows no commitments.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from evmthread.channel.party import SignedInput
from evmthread.commit.batch import ANSWER, CALL, CONTINUATIONS, Input, InputKind
from evmthread.primitives.quick import quick

MAX_CONTINUATIONS = 4
"""So many answers and aborts of one party are kept."""


@quick
@dataclass(frozen=True, slots=True)
class Wish:
    """What our user wants executed: an input before its nonce and parent are known.

    `asked_on` is the digest of the agreement that the user saw. `lasting`: on any later one, too.
    """

    kind: InputKind
    to: bytes
    value: int
    gas: int
    data: bytes
    asked_on: bytes
    lasting: bool

    def as_input(self, thread_id: bytes, actor: bytes, nonce: int, parent: bytes) -> Input:
        """The input that this becomes. Raises InvalidInput for values out of range."""
        kind: object = self.kind
        return Input(
            thread_id=thread_id,
            nonce=nonce,
            parent=parent,
            kind=int(kind) if isinstance(kind, int) else kind,  # type: ignore[arg-type] # the record refuses it
            actor=actor,
            to=self.to,
            value=self.value,
            gas=self.gas,
            data=self.data,
        )


@dataclass(slots=True, eq=False)
class Own:
    """A wish that is an input. `signature` is empty until it is there; `sent` is when it first went to all.

    `doubted`: somebody said that it can't be in a batch, and we looked.
    Each is itself alone: two that look alike aren't equal.
    """

    wish: Wish
    input: Input
    signature: bytes = b""
    sent: float | None = None
    doubted: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Seen:
    """Another's input, and when we first saw it."""

    signed: SignedInput
    since: float


class Pool:
    """The inputs that one participant knows of."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """`most`: how many inputs of one party are kept, batchInputs. `most_bytes`: how long others' may be, each's."""
        self._most = most
        self._most_bytes = most_bytes
        self._bytes: Counter[bytes] = Counter()
        self.wishes: list[Wish] = []
        self.own: list[Own] = []
        self.used: dict[tuple[int, int], Input] = {}
        """What we signed on the latest agreement by kind and nonce, also what was undone since: no other is signed."""
        self.barred = False
        """A wish waits until there is another agreement."""
        self._others: dict[bytes, dict[Input, Seen]] = {}

    def add(self, signed: SignedInput, now: float) -> bool:
        """Takes up another's input, unless it is known or there are too many of its actor's."""
        known, each = self._others.setdefault(signed.input.actor, {}), signed.input
        size = len(each.data)
        besides = 0 if each.kind in CONTINUATIONS else self._bytes[each.actor]
        if each in known or self._has_enough(known, each.kind) or size + besides > self._most_bytes:
            return False
        known[each] = Seen(signed, now)
        self._bytes[each.actor] += size
        return True

    def is_full(self, kind: InputKind) -> bool:
        """Whether so many inputs of ours wait that no other of this kind is taken."""
        if len(self.own) + len(self.wishes) < self._most_of(kind):  # hundreds may wait: they are seldom gone through
            return False
        return self._has_enough([*[each.input for each in self.own], *self.wishes], kind)

    def _most_of(self, kind: int) -> int:
        # What goes on with an open call finds room whatever waits behind it.
        return MAX_CONTINUATIONS if kind in CONTINUATIONS else self._most

    def _has_enough(self, waiting: Collection[Input | Wish], kind: int) -> bool:
        most = self._most_of(kind)
        if len(waiting) < most:
            return False
        return len([each for each in waiting if (each.kind in CONTINUATIONS) == (kind in CONTINUATIONS)]) >= most

    def drop(self, each: Input) -> None:
        """Forgets another's input, which can't be in a batch."""
        if self._others.get(each.actor, {}).pop(each, None) is not None:
            self._bytes[each.actor] -= len(each.data)

    def __bool__(self) -> bool:
        return bool(self.own or any(self._others.values()))

    def collect(self, *, suspended: bool) -> list[SignedInput]:
        """What a batch could hold, in order: others' first, by when they came, then our own.

        Where a call is suspended, one answer or abort goes first, and nothing goes without it.
        """
        seen = sorted((each for many in self._others.values() for each in many.values()), key=_order)
        signed = [each.signed for each in seen]
        signed += [SignedInput(own.input, own.signature) for own in self.own if own.signature]
        calls = [each for each in signed if each.input.kind not in CONTINUATIONS]
        if not suspended:
            return calls[: self._most]
        going_on = sorted((each for each in signed if each.input.kind in CONTINUATIONS), key=_answers_first)
        return [going_on[0], *calls][: self._most] if going_on else []

    def take_lapsed(self, executed: Iterable[Input]) -> list[Own]:
        """The latest agreement has moved: all inputs are void. Returns those of ours that weren't executed."""
        done = set(executed) if self.own else set()
        left = [own for own in self.own if own.input not in done]
        self.own.clear()
        self.used.clear()
        self.barred = False
        self._others.clear()
        self._bytes.clear()
        return left

    # Who was passed over (signer law, rule 6) -------------------------------------------------------------------------
    def oldest_due(self, now: float, patience: float) -> Own | None:
        """Our oldest call, if all have had it for at least so long."""
        for own in self.own:
            if own.sent is not None and own.input.kind == CALL:
                return own if now - own.sent >= patience else None
        return None

    def goes_before(self, other: Input, due: Own, patience: float) -> bool:
        """Whether another's input may stand before ours: it is ours, continues a call, or reached us soon enough.

        Requests that were made within one base timer of each other may stand in either order: two parties, each of
        which saw its own first, would otherwise refuse each other's batches for ever.
        """
        if other.actor == due.input.actor or other.kind != CALL:
            return True
        assert due.sent is not None
        seen = self._others.get(other.actor, {}).get(other)
        return seen is not None and seen.since <= due.sent + patience


def _order(seen: Seen) -> tuple[float, bytes, int]:
    return seen.since, seen.signed.input.actor, seen.signed.input.nonce


def _answers_first(signed: SignedInput) -> tuple[bool, bytes]:
    return signed.input.kind != ANSWER, signed.input.actor
