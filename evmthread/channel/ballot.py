"""What stands above the latest agreement: proposals that were executed here, signatures, nonces that are used up.

Counts and remembers; whether something may be signed at all is rounds.py's matter. Every signature that comes in here
was recovered before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evmthread.channel.messages import Propose, encode_body
from evmthread.channel.review import leader_of
from evmthread.commit.commitment import Status

MAX_EARLY = 64
"""So many signatures of each party are kept that came before their proposal."""


@dataclass(slots=True)
class Standing:
    """A proposal on the latest agreement that was executed here, and the parties' signatures on it by index."""

    propose: Propose
    digest: bytes
    signatures: dict[int, bytes] = field(default_factory=dict)
    signed_here: bool = False
    rejected: bool = False
    content: bytes = field(init=False)
    """What is kept of it, before our signature."""

    def __post_init__(self) -> None:
        self.content = encode_body(self.propose)

    @property
    def nonce(self) -> int:
        """The commitment's."""
        return self.propose.commitment.nonce

    @property
    def counts(self) -> bool:
        """Whether it is one of the openProposals: an empty batch at rest isn't (signer law, rule 2)."""
        return bool(self.propose.batch.batch.inputs) or self.propose.commitment.status != Status.REST


class Ballot:
    """One party's view of what may become the next agreement."""

    def __init__(self, parties: int, *, always: int | None) -> None:
        """`always`: the participant that leads every nonce, where there is one."""
        self._parties = parties
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
        self.proven = -1
        """The highest nonce under which another's signature was seen."""
        self.floors: dict[int, int] = {}
        self.refused: set[int] = set()
        """Nonces above the latest agreement that we refused to sign."""
        self._early: dict[tuple[int, bytes], dict[int, bytes]] = {}

    def leader(self, nonce: int) -> int:
        """Who proposes this nonce: a party, or the operator that is none, by the number of parties."""
        return leader_of(nonce, self._parties) if self._always is None else self._always

    def lowest_free(self, agreed: int) -> int:
        """The lowest nonce that nobody is known to have used up or to be barred from."""
        return max(agreed, self.highest_signed, self.proven, *self.floors.values(), -1) + 1

    def next_led_by(self, index: int, agreed: int) -> int:
        """The lowest free nonce that this participant leads."""
        nonce = self.lowest_free(agreed)
        while self.leader(nonce) != index:
            nonce += 1
        return nonce

    def add(self, standing: Standing) -> Standing:
        """Takes up an executed proposal, with the signatures that came before it."""
        early = self._early.pop((standing.nonce, standing.digest), {})
        standing.signatures.update(early)
        self.standing[standing.nonce] = standing
        if standing.signed_here:
            self._note_own(standing)
        return standing

    def _note_own(self, standing: Standing) -> None:
        if self.own_standing is None or standing.nonce > self.own_standing.nonce:
            self.own_standing = standing

    def note_signed(self, standing: Standing) -> None:
        """From now on this nonce is used up, whether or not the signature has left."""
        standing.signed_here = True
        self._note_own(standing)
        self.signed[standing.nonce] = standing.digest
        self.highest_signed = max(self.highest_signed, standing.nonce)
        if standing.propose.commitment.status == Status.FINAL:
            self.final = standing.digest

    def note_proven(self, nonce: int) -> None:
        """Another's signature under this nonce was seen."""
        self.proven = max(self.proven, nonce)

    def add_signature(self, nonce: int, digest: bytes, index: int, signature: bytes) -> Standing | None:
        """Adds a signature to its proposal; keeps it for a while where that hasn't come yet."""
        standing = self.standing.get(nonce)
        if standing is not None and standing.digest == digest:
            standing.signatures.setdefault(index, signature)
            return standing
        if sum(1 for early in self._early.values() if index in early) < MAX_EARLY:
            self._early.setdefault((nonce, digest), {}).setdefault(index, signature)
        return None

    @property
    def open_proposals(self) -> int:
        """How many of our signatures stand above the latest agreement, as openProposals counts them."""
        return sum(1 for standing in self.standing.values() if standing.signed_here and standing.counts)

    def tip_moved(self, nonce: int) -> None:
        """Another agreement is the latest: nothing on the old one stands any more."""
        self.standing.clear()
        self.own_standing = None
        self.refused.clear()
        self._early = {key: early for key, early in self._early.items() if key[0] > nonce}
        self.signed = {each: digest for each, digest in self.signed.items() if each > nonce}

    def restore(self, *, highest: int, final: bytes | None, signed: Mapping[int, bytes]) -> None:
        """What the store says that we signed."""
        self.highest_signed, self.final, self.signed = highest, final, dict(signed)
