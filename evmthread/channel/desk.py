"""What the parts of one channel share: its thread, who takes part, the time, the chain, and what goes out.

Decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from random import Random
from typing import Protocol

from evmthread.channel.allowance import Allowance
from evmthread.channel.ballot import Ballot
from evmthread.channel.errors import RemoteProtocolError
from evmthread.channel.events import CloseAsked, PeerFault, Stopped, StopReason
from evmthread.channel.kept import AgreedRecord
from evmthread.channel.messages import Agreed, Fetch, Hello, Message
from evmthread.channel.outbox import Outbox
from evmthread.channel.pacing import Pacing
from evmthread.channel.phases import CLOSED, CLOSING, DISPUTED, OPENING, PENDING, READY, STOPPED, Phase
from evmthread.channel.pool import Pool
from evmthread.channel.review import highest_nonce
from evmthread.channel.thread import Thread
from evmthread.commit.commitment import FINAL
from evmthread.commit.opening import DEFAULT_INCLUSION
from evmthread.commit.terms import signing_addresses
from evmthread.errors import InvalidInput
from evmthread.primitives.rlp import MAX_ITEMS
from evmthread.primitives.types import ZERO_HASH

WHOLE_EVERY = 64
"""How often the whole state is kept by default."""

MAX_INPUTS = MAX_ITEMS // 12
"""So many inputs of 11 items with their signatures, and what is beside them, can be read from one message."""

WAITING_BATCHES = 2
"""The data of so many batches are kept of each other party's inputs that wait."""

MAX_FLOORS = 2
"""So many floors of a participant are given new ground: whoever announces more doesn't move the thread by it."""

MAX_FAULTS = 64
"""So often our user is told of what no honest one sends, by each participant on an agreement; then ever more rarely."""


class Mode(IntEnum):
    """What the registry says of a thread (commitment.md, section 5)."""

    NONE = 0
    FUNDING = 1
    LIVE = 2
    CHALLENGED = 3
    SETTLED = 4


_ONCE_LIVE = (Mode.LIVE, Mode.CHALLENGED, Mode.SETTLED)

NEVER = (1 << 64) - 1
"""As a floor: nothing is ever signed again."""

MAX_TOLD = NEVER - 1
"""The highest nonce that a Hello can tell: it has 64 bits for one more."""


@dataclass(frozen=True, slots=True)
class ChainHead:
    """What a party knows of the chain: its latest block, and the thread's mode there and in the finalized block."""

    number: int
    timestamp: int
    latest: Mode
    finalized_number: int
    finalized: Mode


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """How a party behaves. Nothing here is signed, and parties may differ but in who leads.

    `base_timer`: seconds until something is sent again. `operator_leads`: the operator orders all batches, else the
    parties in turn. `on_chain`: there is a registry, and nothing above nonce 0 is signed before it says LIVE. `manual`:
    the user decides on each proposal. `automatic`: who leads proposes as soon as there are inputs, else when told to.
    `linger`: how many seconds it waits for more of them. `answer_rate`: bytes a second that each other one gets in
    answer to what it asks, above 0; at once as many as in 16 seconds. `inclusion`: as check_opening takes it.
    `whole_every`: each so many agreements the whole state is kept, so that a restart reads at most so many changes.
    `trusts_others`: a party whose store was put back from a copy signs again, last, beside others of which fewer than
    threshold - 1 lie; else it only reads (docs/channel.md, Restored stores).
    """

    base_timer: float = 2.0
    operator_leads: bool = False
    on_chain: bool = False
    manual: bool = False
    automatic: bool = True
    linger: float = 0.0
    answer_rate: float = 1 << 20
    inclusion: int = DEFAULT_INCLUSION
    whole_every: int = WHOLE_EVERY
    trusts_others: bool = False

    def __post_init__(self) -> None:
        if not self.base_timer > 0:
            raise InvalidInput(f"a base timer above 0 seconds, not {self.base_timer}")
        if not self.linger >= 0:
            raise InvalidInput(f"to linger for 0 seconds or more, not {self.linger}")
        if not self.answer_rate > 0:
            raise InvalidInput(f"answers at a rate above 0, not {self.answer_rate}")
        if self.whole_every < 1:
            raise InvalidInput(f"the whole state is kept each so many agreements, 1 at least, not {self.whole_every}")


class History(Protocol):
    """What a channel reads back of the agreements that it had kept; a store's Lease is one."""

    def agreed(self, digest: bytes) -> AgreedRecord | None:
        """The agreement on the commitment with this digest."""

    def line_after(self, nonce: int, limit: int) -> Sequence[AgreedRecord]:
        """Of the line that ends in the latest agreement, those above this nonce, ascending, at most `limit`."""


class Desk:
    """The shared state of one channel."""

    def __init__(
        self, thread: Thread, index: int, options: ChannelOptions, history: History, random: Random, now: float
    ) -> None:
        terms = thread.terms
        parties = len(terms.keys)
        self.thread = thread
        self.parties = parties
        self.index = index
        self.is_party = index < parties
        self.owner = terms.owners[index] if self.is_party else b""
        """The account that this party acts for inside the thread; an operator that is no party has none."""
        self.options = options
        self.history = history
        self.now = now
        self._addresses = signing_addresses(terms)
        self.others = tuple(each for each in range(len(self._addresses)) if each != index)
        self.outbox = Outbox(thread.thread_id)
        self._allowances = {each: Allowance(options.answer_rate, now) for each in self.others}
        # The leader that is always the same is the operator: as a party, or as the one participant beyond them.
        always = operator_index(thread) if options.operator_leads else None
        self.ballot = Ballot(parties, terms.threshold, index, always=always)
        # All lapse with the next agreement, before which no more than a batch can hold is of use.
        most = min(thread.ruleset.batch_inputs, MAX_INPUTS)
        self.pool = Pool(most, WAITING_BATCHES * thread.ruleset.batch_bytes)
        self.pacing = Pacing(options.base_timer, random)
        self.head: ChainHead | None = None
        self.tip: Agreed | None = None
        """The latest agreement with all that it takes to execute it."""
        self.own_floor = 0
        """Of a restored store: nothing at or below it is signed."""
        self.wants_floor = False
        """Our store is restored, and what floor it needs shows when we have the genesis: nothing is signed before."""
        self.lost_end = False
        """Our key signed an end that our store lacks: nothing is ever signed again."""
        self.begun: int | None = None
        """The genesis's timestamp."""
        self.owner_nonce = 0
        """Our owner's account nonce after the latest agreement."""
        self.balance = 0
        """Our owner's, after the latest agreement."""
        self.count = 0
        """How many agreements there were."""
        self.heard: set[int] = set()
        self.hears_until: float | None = None
        """Others have later agreements: nothing is signed until we have them too, or until then."""
        self.wants_end = False
        """Our user wants to close."""
        self.end_asked_on: bytes | None = None
        """On which agreement we last asked the others to close."""
        self.others_want_end = False
        """Somebody does, on the latest agreement."""
        self.floors: dict[int, set[int]] = {}
        """Floors that others with restored stores announced; of each as many as MAX_FLOORS."""
        self.stopped: Stopped | None = None
        self.disputed_at: int | None = None
        """The chain's block in which a challenge or a settlement was last seen."""
        self.ready_to_close: bytes | None = None
        """The digest on which we said that we are ready to close; nothing else is signed then."""
        self.close_answers: dict[int, bytes] = {}
        self.close_told: dict[int, bytes] = {}
        """Of whom our user was told that it wants to close, and on which agreement."""
        self._faults: dict[int, tuple[bytes, int]] = {}
        """How much no honest one sends came from each participant, and on which agreement."""

    @property
    def phase(self) -> Phase:
        """Where the channel is."""
        agreement = self.thread.agreement
        if agreement is not None and agreement.commitment.status == FINAL:
            return CLOSED
        if self.stopped is not None:
            return STOPPED
        if self.disputed_at is not None:
            return DISPUTED
        if agreement is None:
            return OPENING
        if self.ready_to_close is not None or self.ballot.final is not None:
            return CLOSING
        return READY if self.ballot.own_standing is None else PENDING

    @property
    def all_ready(self) -> bool:
        """Whether every party said that it is ready to close on our latest agreement (signer law, rule 3)."""
        tip = self.thread.parent
        ready = not self.is_party or self.ready_to_close == tip
        return ready and all(self.close_answers.get(each) == tip for each in range(self.parties))

    @property
    def tip_nonce(self) -> int:
        """The latest agreement's nonce, -1 before the genesis."""
        agreement = self.thread.agreement
        return -1 if agreement is None else agreement.commitment.nonce

    @property
    def rank(self) -> tuple[int, bytes]:
        """By which the latest agreement is compared with another: its nonce, then its digest."""
        return self.tip_nonce, self.thread.parent

    @property
    def is_ended(self) -> bool:
        """Whether the end is agreed: all have signed it, and nothing counts more."""
        agreement = self.thread.agreement
        return agreement is not None and agreement.commitment.status == FINAL

    def key_of(self, participant: int) -> bytes:
        """The address with which a participant signs."""
        return self._addresses[participant]

    @property
    def is_live(self) -> bool:
        """Whether the chain, where there is one, lets us sign above nonce 0."""
        if not self.options.on_chain:
            return True
        head = self.head
        return head is not None and head.finalized == Mode.LIVE and self.disputed_at is None

    def may_sign_above_genesis(self, *, final: bool) -> bool:
        """Whether the chain lets us sign what isn't the genesis (signer law, rule 4).

        An end can be signed in a dispute, too, but as little as anything else before the thread was LIVE.
        """
        if self.is_live:
            return True
        return final and self.head is not None and self.head.finalized in _ONCE_LIVE

    @property
    def is_greeted(self) -> bool:
        """Whether as many as it takes have told us what they have signed (signer law, rule 5)."""
        heard = len(self.heard) - (self.parties in self.heard)  # an operator that is no party comes after them
        needed = self.thread.terms.threshold if self.tip is not None else self.parties
        return heard + self.is_party >= needed

    @property
    def may_sign(self) -> bool:
        """Whether anything may be signed at all: our store is sound, and we know what others have."""
        waits = self.hears_until is not None and self.now < self.hears_until
        return self.stopped is None and not self.wants_floor and self.is_greeted and not waits

    @property
    def highest_now(self) -> int:
        """The highest nonce that we sign now."""
        return highest_nonce(self.now if self.begun is None else self.begun, self.now)

    @property
    def highest_claimed(self) -> int:
        """The highest nonce that an honest party can have signed by now, wherever its clock stands."""
        drift = self.thread.ruleset.clock_drift
        return highest_nonce(self.now if self.begun is None else self.begun, self.now + 2 * drift)

    @property
    def is_restored(self) -> bool:
        """Whether our store was put back from a copy, and nothing is agreed yet above all that the lost one signed."""
        return self.wants_floor or (self.own_floor > 0 and self.tip_nonce <= self.own_floor)

    @property
    def needs_floor(self) -> bool:
        """Whether the store is to get a floor now: a restored one that has the genesis, one that lacks our end any."""
        if self.lost_end:
            return self.own_floor != NEVER
        return self.wants_floor and self.tip is not None

    @property
    def only_reads(self) -> bool:
        """Whether what a restored store lacks may bind us, and nobody can tell: then nothing is signed.

        Whoever leads every nonce signs first, and can't wait for the others.
        """
        if not (self.is_party and self.is_restored):
            return False
        return self.own_floor == NEVER or not self.options.trusts_others or self.ballot.leads_always(self.index)

    def look_at_store(self) -> None:
        """Stops where a restored store only reads."""
        if self.only_reads:
            self.stop(StopReason.RESTORED, "only what others agree on, or the chain, leads on from here")

    @property
    def may_ask(self) -> bool:
        """Whether an input may be signed on the latest agreement: of a restored store, not where the lost one can have.

        Before the genesis none is bound to anything.
        """
        return self.tip is None or not self.own_floor or self.tip_nonce > self.own_floor

    @property
    def has_to_clear(self) -> bool:
        """Whether somebody wants to end, and a signature of ours stands above the agreement: an empty batch frees."""
        return (self.wants_end or self.others_want_end) and self.ballot.highest_signed > max(
            self.tip_nonce, self.own_floor
        )

    @property
    def may_lack_genesis(self) -> bool:
        """Whether our restored store is from before the genesis: others may agree on it, and think that we have it."""
        return self.wants_floor and self.tip is None

    @property
    def waits_for_ground(self) -> bool:
        """Whether others have to know our floor: they lead to above it."""
        return self.is_party and self.own_floor != NEVER and self.own_floor > 0 and self.tip_nonce <= self.own_floor

    @property
    def waits_for_others(self) -> bool:
        """Whether something of ours waits for others, or of others for us."""
        ballot, pool = self.ballot, self.pool
        return (
            ballot.own_standing is not None
            or bool(pool.wishes or pool)
            or ballot.has_signed_aside
            or self.waits_for_ground
            or self.new_ground is not None
        )

    @property
    def new_ground(self) -> int | None:
        """The lowest nonce from which on a restored party can ask for anything again, where we can lead to there."""
        if not self.floors or not self.ballot.leads(self.index) or (self.is_party and self.is_restored):
            return None
        floors = self.floors_ahead
        return min(floors) + 1 if floors else None

    @property
    def floors_ahead(self) -> list[int]:
        """Floors of others with restored stores at or above the latest agreement."""
        return [floor for announced in self.floors.values() for floor in announced if floor >= self.tip_nonce]

    def note_floor(self, peer: int, floor: int) -> None:
        """A participant announced its floor."""
        if not floor:
            return
        known = self.floors.setdefault(peer, set())
        if len(known) < MAX_FLOORS:
            known.add(min(floor, self.highest_claimed))

    @property
    def free_nonce(self) -> int:
        """The lowest nonce that can be proposed."""
        return self.ballot.lowest_free(self.tip_nonce, self.pacing.misses)

    def hello(self, seen: int) -> Hello:
        """What we have, for a party of which we have `seen` a signature under this nonce: it must know that, too."""
        highest = min(max(self.ballot.highest_signed, seen), MAX_TOLD)  # somebody may have signed the very last nonce
        # Where we never sign again nobody can give us ground, nor where all have to sign it and we only read.
        everyone_signs = self.thread.terms.threshold == self.parties
        lost = self.own_floor == NEVER or (everyone_signs and self.only_reads)
        floor = 0 if lost else self.own_floor
        return Hello(highest, min(self.tip_nonce, MAX_TOLD), self.thread.parent, floor)

    # Answers ----------------------------------------------------------------------------------------------------------
    def may_answer(self, peer: int) -> bool:
        """Whether what a peer asks is answered with more than it sent: it may ask again when time has passed."""
        return self._allowances[peer].is_left(self.now)

    def answer(self, peer: int, message: Message) -> None:
        """Sends a peer what it asked for, or shows that it lacks, if anything is left of its allowance."""
        if self.may_answer(peer):
            self.charge(peer, self.outbox.send(peer, message))

    def charge(self, peer: int, size: int) -> None:
        """So many bytes went to a peer in answer."""
        self._allowances[peer].take(size)

    def fetch_unknown(self, peer: int, digest: bytes) -> None:
        """Somebody builds on an agreement: asks it for that, where we don't have it."""
        if digest not in (ZERO_HASH, self.thread.parent) and self.history.agreed(digest) is None:
            self.outbox.send(peer, Fetch(digest))

    def stand_at(self, agreed: Agreed) -> None:
        """The thread stands at another agreement, with nothing prepared."""
        self.tip = agreed
        if self.is_party:
            self.owner_nonce = self.thread.account_nonce(self.owner)
            self.balance = self.thread.account_balance(self.owner)

    def tell_close(self, peer: int) -> None:
        """Tells our user, unless it wants that itself, that a participant wants to close: once on each agreement."""
        if not self.wants_end and self.close_told.get(peer) != self.thread.parent:
            self.close_told[peer] = self.thread.parent
            self.outbox.notify(CloseAsked(peer))

    def tell_fault(self, peer: int, error: RemoteProtocolError) -> None:
        """Tells our user of what no honest participant sends; after MAX_FAULTS only where it is twice as much again."""
        agreement, count = self._faults.get(peer, (self.thread.parent, 0))
        count = count + 1 if agreement == self.thread.parent else 1
        self._faults[peer] = self.thread.parent, count
        if count <= MAX_FAULTS or not count & (count - 1):
            self.outbox.notify(PeerFault(peer, error, count))

    def stop(self, reason: StopReason, detail: str) -> None:
        """Signs nothing more."""
        if self.stopped is None:
            self.stopped = Stopped(reason, detail)
            self.outbox.notify(self.stopped)


def operator_index(thread: Thread) -> int:
    """The operator as a participant: a party where it is an owner or a key, else one beyond the parties."""
    terms = thread.terms
    for addresses in (terms.owners, terms.keys):
        if terms.operator in addresses:
            return addresses.index(terms.operator)
    return len(terms.keys)
