"""Everything that honest participants signed, were told and hold, and what must be true of it at every moment.

Each check raises Broken, with words that say what is wrong.
"""

from collections import Counter
from dataclasses import dataclass, field

from evmthread.channel.channel import Channel
from evmthread.channel.events import Adopted, Convicted, Diverged, Event, PeerFault, Stopped, StopReason, Unexecutable
from evmthread.commit.agreement import Agreement
from evmthread.commit.batch import Input
from evmthread.commit.commitment import Commitment
from evmthread.commit.eip712 import TypedData
from evmthread.primitives.types import ZERO_HASH
from evmthread.testing.simulation.scenario import Scenario


class Broken(AssertionError):  # noqa: N818 - as all names in errors.py, it says what happened
    """Something that must always hold doesn't."""


@dataclass(slots=True)
class Told:
    """What one participant was told that it has, by digest; and what stopped it."""

    adopted: dict[bytes, Agreement] = field(default_factory=dict)
    stopped: Stopped | None = None


class Ledger:
    """The memory of one run."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.told = [Told() for _ in scenario.members]
        self.stale: set[int] = set()
        """Members that went on with an older store."""
        self.forgotten: set[int] = set()
        """Members that once lost what they had been told."""
        self.events: Counter[str] = Counter()
        self.executed: set[tuple[bytes, bytes]] = set()
        """(actor, data) of all calls in agreements that honest members adopted."""
        self.diverged: list[Diverged] = []
        self._signed: dict[tuple[int, int], bytes] = {}
        self.lost_finals: dict[int, bytes] = {}
        """The ends that members signed and whose restored stores lack them."""
        self._void: set[bytes] = set()
        self._finals: dict[int, tuple[int, bytes]] = {}
        self._inputs: dict[tuple[int, int, int, bytes], bytes] = {}
        self._parents: dict[bytes, bytes] = {}
        self._children: dict[bytes, bytes] = {}
        self._nonces: dict[int, bytes] = {}

    def signed(self, member: int, typed_data: TypedData) -> None:
        """A member's key made a signature: never two commitments for a nonce, nor two inputs for one place."""
        if member in self.scenario.liars:
            return
        record, digest = typed_data.record, typed_data.digest()
        if isinstance(record, Commitment):
            again = (member, record.nonce) in self._signed
            first = self._signed.setdefault((member, record.nonce), digest)
            if first != digest and not (member in self.stale and self.scenario.liars):  # who may hide what they have
                raise Broken(f"member {member} signed two commitments of nonce {record.nonce}")
            final = self._finals.get(member)
            if final is not None and final[1] != digest and not again:
                self._signed_after(member, final, record.nonce, digest)
            if record.status == 2:
                self._finals[member] = (record.nonce, digest)
        elif isinstance(record, Input) and record.parent != ZERO_HASH:
            place = (member, int(record.kind), record.nonce, record.parent)
            hidden = member in self.stale and self.scenario.liars  # who may hide what they have of it
            if self._inputs.setdefault(place, digest) != digest and not hidden:
                raise Broken(f"member {member} signed two inputs of kind {record.kind}, nonce {record.nonce}")

    def _signed_after(self, member: int, final: tuple[int, bytes], nonce: int, digest: bytes) -> None:
        """A member signed this after an end: none may whose store knows of that, nor beside who can still agree on it.

        A restored store may lack an end that nobody shows. Its party then signs what an honest party has signed before:
        a signature that keeps that one from the end for ever. An operator's signature makes no agreement.
        """
        lost = member in self.lost_finals and self.lost_finals[member] == final[1]
        others = [each for each in range(self.scenario.parties) if each != member]
        held = any(self._signed.get((each, nonce)) == digest for each in others)  # liars' signatures aren't there
        if member in self.stale and self.scenario.liars:
            return  # who may hide what they have
        if not (lost and (held or member >= self.scenario.parties)):
            raise Broken(f"member {member} signed nonce {nonce} after the final of nonce {final[0]}")
        if member < self.scenario.parties:
            self._void.add(final[1])

    def restored(self, member: int, *, marked: bool, final: bytes | None) -> None:
        """A member goes on with an older store: what it was told since then is gone; where that isn't marked, it may
        have to stop. `final` is the digest of the end that the store has."""
        self.forgotten.add(member)
        if not marked:
            self.stale.add(member)
        elif member in self._finals and self._finals[member][1] != final:
            self.lost_finals[member] = self._finals[member][1]

    def signed_final(self, member: int) -> bool:
        """Whether this member signed a final commitment."""
        return member in self._finals

    def happened(self, member: int, event: Event) -> None:
        """A member's user was told something."""
        scenario = self.scenario
        if member in scenario.liars:
            return
        self.events[type(event).__name__] += 1
        match event:
            case Adopted(agreement, batch):
                self._adopted(member, agreement)
                self.executed.update((each.actor, each.data) for each in batch.batch.inputs)
            case Convicted(party):
                if party not in scenario.liars and party not in self.stale:
                    raise Broken(f"member {member} convicted the honest {party}: {event.evidence}")
            case Diverged(party):
                if party not in scenario.liars:
                    raise Broken(f"member {member} says that the honest {party} diverged: {event.error}")
                self.diverged.append(event)
            case PeerFault(peer, error):
                if peer not in scenario.liars and not scenario.link.damaged:
                    raise Broken(f"member {member} blames the honest {peer}: {error}")
            case Unexecutable(agreement, reason):
                if len(scenario.liars) < scenario.head.terms.threshold:
                    raise Broken(f"member {member} can't execute what was agreed: {reason}")
            case Stopped(reason, detail):
                self.told[member].stopped = event
                if not self._may_stop(member, reason):
                    raise Broken(f"member {member} stopped: {reason}, {detail}")
            case _:
                pass

    def _may_stop(self, member: int, reason: StopReason) -> bool:
        if reason == StopReason.RESTORED:
            return member in self.forgotten and member not in self.stale
        if reason == StopReason.STALE_STORE and member in self.lost_finals:
            return True
        return member in self.stale and reason != StopReason.FORKED

    def _adopted(self, member: int, agreement: Agreement) -> None:
        scenario, commitment, digest = self.scenario, agreement.commitment, agreement.digest
        terms = scenario.head.terms
        self.told[member].adopted[digest] = agreement
        if digest in self._void:
            raise Broken(f"an end that was lost, and over which somebody went on, is agreed: nonce {commitment.nonce}")
        dishonest = len([each for each in scenario.liars if each < scenario.parties])
        if terms.threshold == scenario.parties and dishonest < scenario.parties:
            # Two agreements may stand on one parent, signed by all before either was agreed; one alone is gone on from.
            self._parents[digest] = commitment.parent
            grandparent = self._parents.get(commitment.parent)
            if (
                grandparent is not None
                and self._children.setdefault(grandparent, commitment.parent) != commitment.parent
            ):
                raise Broken(f"two lines of agreements, one with nonce {commitment.nonce}, from one parent")
        convergent = dishonest < 2 * terms.threshold - scenario.parties
        if convergent and self._nonces.setdefault(commitment.nonce, digest) != digest:
            raise Broken(f"two agreements of nonce {commitment.nonce}")

    # What a participant holds -----------------------------------------------------------------------------------------
    def check_restarted(self, member: int, channel: Channel) -> None:
        """After a restart it has what it was told that it has, or what superseded that."""
        if member in self.scenario.liars:
            return
        stopped = self.told[member].stopped
        if stopped is not None and stopped.reason == StopReason.RESTORED:
            self.told[member].stopped = None  # the others may have agreed on something above its floor since
        told = self.told[member].adopted.values()
        highest = max((each.commitment.nonce for each in told), default=-1)
        tip = channel.agreement
        if member in self.forgotten:
            return
        if highest >= 0 and (tip is None or tip.commitment.nonce < highest):
            raise Broken(f"member {member} was told of nonce {highest} and restarted at {tip and tip.commitment.nonce}")

    def check_sizes(self, member: int, channel: Channel) -> None:
        """What it holds in memory is bounded, whatever it was sent."""
        scenario = self.scenario
        parties, inputs = scenario.parties, scenario.head.ruleset.batch_inputs
        desk, catch_up, watch = channel._desk, channel._catch_up, channel._watch
        sizes = {
            "early signatures": (sum(map(len, desk.ballot._early.values())), 64 * parties),
            "standing proposals": (len(desk.ballot.standing), 64),
            "refused nonces": (len(desk.ballot.refused), 256),
            "signed above the agreement": (len(desk.ballot.signed), 4096),
            "inputs of others": (sum(map(len, desk.pool._others.values())), (inputs + 4) * parties),
            "own inputs": (len(desk.pool.own) + len(desk.pool.wishes), inputs + 4),
            "answers awaited": (len(desk.outbox._keeping) + len(desk.outbox._signing), 2 * inputs + 64),
            "remembered commitments": (len(watch._commitments), 512),
            "remembered inputs": (len(watch._inputs), 512),
            "orphans": (len(catch_up._orphans), 64),
            "greetings": (len(catch_up._told) + len(catch_up._ahead), 2 * len(scenario.members)),
            "divergent leaders": (len(desk.ballot.divergent), parties + 1),
            "past": (len(channel._line._past), 17),
        }
        for name, (size, most) in sizes.items():
            if size > most:
                raise Broken(f"member {member} holds {size} {name}, more than {most}")
