"""What stands above the latest agreement: proposals that were executed here, signatures, nonces that are used up.

Counts and remembers; whether something may be signed at all is rounds.py's matter. Every signature that comes in here
was recovered before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from evmthread.channel.messages import Propose, encode_body
from evmthread.channel.review import leader_of
from evmthread.commit.commitment import FINAL, Commitment

MAX_EARLY = 64
"""So many signatures of each party are kept that came before their proposal."""

MAX_SPARE = 16
"""So many proposals stand beside those that count as openProposals; the lowest goes first."""

MAX_REFUSED = 64

NEAR = 1 << 20
"""Whoever claims to have used a nonce further ahead than this is only followed if it is needed."""


@dataclass(slots=True)
class Standing:
    """A proposal on the latest agreement that was executed here, and the parties' signatures on it by index."""

    propose: Propose
    digest: bytes
    signatures: dict[int, bytes] = field(default_factory=dict)
    signed_here: bool = False
    signing: bool = False
    """Our signature on it is on its way."""
    wanted: bool = False
    """We sign it as soon as our signature makes it an agreement: see Desk.is_restored."""
    rejected: bool = False
    content: bytes = field(init=False)
    """What is kept of it, before our signature."""
    nonce: int = field(init=False)
    """The commitment's."""
    counts: bool = field(init=False)
    """Whether it is one of the openProposals: an empty batch repeats its parent, and isn't (signer law, 2)."""

    def __post_init__(self) -> None:
        self.content = encode_body(self.propose)
        self.nonce = self.propose.commitment.nonce
        self.counts = bool(self.propose.batch.batch.inputs)


class Ballot:
    """One party's view of what may become the next agreement."""

    def __init__(self, parties: int, threshold: int, index: int, *, always: int | None) -> None:
        """Party `index`'s, or the operator's; `always`: the participant that leads every nonce, where there is one."""
        self._parties = parties
        self._threshold = threshold
        self._index = index
        self._always = always
        self.standing: dict[int, Standing] = {}
        self.own_standing: Standing | None = None
        """What we signed last above the latest agreement."""
        self.highest_signed = -1
        """The highest nonce that we signed, or our floor."""
        self.signed: dict[int, bytes] = {}
        """What we signed above the latest agreement, by nonce, and its digest."""
        self.final: bytes | None = None
        """The digest of the final commitment that we signed."""
        self._used: dict[int, int] = {}
        """What each other party says, or shows, that it signs nothing at or below."""
        self._bound: set[int] = set()
        """Parties that signed a final commitment on the latest agreement: they sign nothing else."""
        self.refused: set[int] = set()
        """Nonces above the latest agreement that we refused to sign."""
        self._early: dict[tuple[int, bytes], dict[int, bytes]] = {}
        self.told: Standing | None = None
        """The proposal of which our user was told last, to decide on it."""
        self.held: Propose | None = None
        """A final commitment that is reviewed as soon as all have said that they are ready."""
        self.divergent: dict[int, int] = {}
        """How many proposals of each participant didn't execute to what was signed."""

    def leader(self, nonce: int) -> int:
        """Who proposes this nonce: a party, or the operator that is none, by the number of parties."""
        return leader_of(nonce, self._parties) if self._always is None else self._always

    def leads(self, index: int) -> bool:
        """Whether this participant leads any nonce."""
        return index < self._parties if self._always is None else index == self._always

    def leads_always(self, index: int) -> bool:
        """Whether this participant leads every nonce."""
        return index == self._always

    def lowest_free(self, agreed: int, misses: int) -> int:
        """The lowest nonce that we and enough others can still sign, as far as we know.

        Whoever claims to be far ahead may lie: as long as there are enough without it, it is left behind. After misses
        more are counted on, and fewer again, in turn.
        """
        level = max(agreed, self.highest_signed, -1)
        if all([used <= level for used in self._used.values()]):  # noqa: C419 - hot, and a list is made faster
            return level + 1
        others = sorted(self._used.get(each, -1) for each in range(self._parties) if each != self._index)
        more = misses // 2 % (self._parties - self._threshold + 1)
        wanted = self._threshold + more - (self._index < self._parties)
        for count, used in enumerate(others):
            if count < wanted or used <= level + NEAR:
                level = max(level, used)
        return level + 1

    def next_led_by(self, index: int, agreed: int, misses: int, *, least: int = 0) -> int:
        """The lowest free nonce that this participant leads, if it leads any, and not below `least`."""
        nonce = max(self.lowest_free(agreed, misses), least)
        return nonce if self._always is not None else nonce + (index - nonce) % self._parties

    def add(self, standing: Standing) -> Standing:
        """Takes up an executed proposal, with the signatures that came before it."""
        early = self._early.pop((standing.nonce, standing.digest), {})
        standing.signatures.update(early)
        self.standing[standing.nonce] = standing
        if len(self.standing) > MAX_SPARE:  # seldom
            spare = [each.nonce for each in self.standing.values() if not (each.signed_here and each.counts)]
            for nonce in sorted(spare)[: max(0, len(spare) - MAX_SPARE)]:
                if nonce != standing.nonce:
                    del self.standing[nonce]
        signed = [each for each in self.standing.values() if each.signed_here]
        self.own_standing = max(signed, key=lambda each: each.nonce, default=None)
        return standing

    @property
    def undecided(self) -> Standing | None:
        """The proposal on the latest agreement that waits for our user's decision."""
        told = self.told
        return None if told is None or self.standing.get(told.nonce) is not told else told

    def refuse(self, nonce: int) -> None:
        """We don't sign this nonce on this agreement."""
        if len(self.refused) < MAX_REFUSED:
            self.refused.add(nonce)

    def note_signed(self, standing: Standing) -> None:
        """From now on this nonce is used up, whether or not the signature has left."""
        standing.signed_here = standing.signing = True
        if self.own_standing is None or standing.nonce > self.own_standing.nonce:
            self.own_standing = standing
        self.signed[standing.nonce] = standing.digest
        self.highest_signed = max(self.highest_signed, standing.nonce)
        if standing.propose.commitment.status == FINAL:
            self.final = standing.digest

    def note_used(self, party: int, nonce: int) -> None:
        """A party says, or shows, that it signs nothing at or below this nonce."""
        if party != self._index and party < self._parties:
            self._used[party] = max(nonce, self._used.get(party, -1))

    def note_bound(self, party: int) -> None:
        """A party signed a final commitment on the latest agreement."""
        if party < self._parties:
            self._bound.add(party)

    @property
    def can_only_end(self) -> bool:
        """Whether so many are bound that nothing but an end can be agreed on the latest agreement any more."""
        return self._parties - len(self._bound - {self._index}) < self._threshold

    def highest_of(self, party: int) -> tuple[int, Commitment | None, bytes] | None:
        """The highest signature of a party that we have above the agreement: its nonce, what it signed, and itself.

        What it signed is None where that hasn't come yet.
        """
        found: list[tuple[int, Commitment | None, bytes]] = [
            (each.nonce, each.propose.commitment, each.signatures[party])
            for each in self.standing.values()
            if party in each.signatures
        ]
        found += [(nonce, None, early[party]) for (nonce, _), early in self._early.items() if party in early]
        return max(found, key=itemgetter(0), default=None)

    def add_signature(
        self, nonce: int, digest: bytes, index: int, signature: bytes, *, early: bool = True
    ) -> Standing | None:
        """Adds a signature to its proposal; if `early`, keeps it for a while where that hasn't come yet."""
        standing = self.standing.get(nonce)
        if standing is not None and standing.digest == digest:
            standing.signatures.setdefault(index, signature)
            return standing
        if early and sum(1 for each in self._early.values() if index in each) < MAX_EARLY:
            self._early.setdefault((nonce, digest), {}).setdefault(index, signature)
        return None

    @property
    def open_proposals(self) -> int:
        """How many of our signatures stand above the latest agreement, as openProposals counts them."""
        return len([None for standing in self.standing.values() if standing.signed_here and standing.counts])

    @property
    def has_signed_aside(self) -> bool:
        """Whether we signed something above the agreement, on an older one: others may have agreed on it."""
        return any(nonce not in self.standing for nonce in self.signed)

    def tip_moved(self, nonce: int) -> None:
        """Another agreement is the latest: nothing on the old one stands any more."""
        self.standing.clear()
        self.own_standing = None
        self.refused.clear()
        self._bound.clear()
        self.told = self.held = None
        self.divergent.clear()
        self._early = {key: early for key, early in self._early.items() if key[0] > nonce}
        self.signed = {each: digest for each, digest in self.signed.items() if each > nonce}

    def restore(self, *, highest: int, final: bytes | None, signed: Mapping[int, bytes]) -> None:
        """What the store says that we signed."""
        self.highest_signed, self.final, self.signed = highest, final, dict(signed)
