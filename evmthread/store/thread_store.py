"""What a store of threads promises: one party's durable memory of every thread that it runs.

A store keeps what a channel's `Persist` effects carry (channel/kept.py), never two digests under one nonce, and lets
one process at a time write to a thread. It must not know what contents and states mean. Implementations show that they
keep these promises with `evmthread.testing.thread_stores`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, InputRecord, Record, SignedRecord
from evmthread.commit.eip712 import Domain
from evmthread.commit.signing import AlreadyFinal, EquivocationError, LogState, NonceNotAbove, SigningRefused, SignLog
from evmthread.commit.terms import thread_id
from evmthread.errors import BackendError, InvalidInput
from evmthread.primitives.arguments import show
from evmthread.primitives.types import ZERO_ADDRESS, ZERO_HASH
from evmthread.store.threadfile import ThreadHead
from evmthread.store.verification import verify_head

_UINT64 = 1 << 64
_DIGEST_BYTES = len(ZERO_HASH)


# What goes wrong ------------------------------------------------------------------------------------------------------
class LeaseLost(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """Somebody acquired the thread after us, maybe in another process: it is the one that writes now."""


class EarlierRefused(BackendError):  # noqa: N818 - see above
    """What was handed over before with this lease wasn't kept, and this may build on it."""


class DamagedThreadStore(BackendError):  # noqa: N818 - see above
    """The store isn't what was written: nothing is to be signed by it."""


class NotAThreadStore(BackendError):  # noqa: N818 - see above
    """The file is no store of threads, or one of another version."""


@dataclass(eq=False)
class UnknownThread(InvalidInput):
    """The store has no such thread."""

    thread_id: bytes

    def __str__(self) -> str:
        return f"no thread {show(self.thread_id)} in the store"


@dataclass(eq=False)
class ThreadExists(InvalidInput):
    """The store has this thread already."""

    thread_id: bytes

    def __str__(self) -> str:
        return f"thread 0x{self.thread_id.hex()} is in the store already"


@dataclass(eq=False)
class FloorWanted(SigningRefused):
    """The store was restored from a copy: nothing is signed in this thread before it has a floor."""

    thread_id: bytes

    def __str__(self) -> str:
        return f"thread 0x{self.thread_id.hex()} was restored from a copy: it needs a floor before anything is signed"


# What is read and written ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SavedThread:
    """What a channel goes on from.

    `base` is what the state at the tip is rebuilt of, oldest first: the newest `whole` record on the tip's line, or the
    genesis, and all after it to the tip, which is the agreed record with the highest nonce, and of equals the one with
    the higher digest. `signed` are the own signatures above the tip's nonce, ascending; `highest` is the highest nonce
    ever signed, -1 for none; `final` the digest of the final commitment that was signed. `inputs` are the own ones
    whose parent is the tip (zero before the genesis). `agreed` counts all agreed records, superseded ones too.
    """

    base: tuple[AgreedRecord, ...]
    signed: tuple[SignedRecord, ...]
    highest: int
    final: bytes | None
    inputs: tuple[InputRecord, ...]
    agreed: int

    @property
    def tip(self) -> AgreedRecord | None:
        """The latest agreement; None before the genesis."""
        return self.base[-1] if self.base else None


class KeptThread(Protocol):
    """One thread as the store has it. All reads raise DamagedThreadStore and other BackendErrors."""

    @property
    def thread_id(self) -> bytes:
        """32 bytes."""

    @property
    def head(self) -> ThreadHead:
        """Domain, terms, ruleset and code."""

    @property
    def key(self) -> bytes:
        """The 20-byte address of the own session key."""

    @property
    def restored(self) -> bool:
        """Whether the store was put back from a copy and the thread has had no new floor since.

        Nothing new is signed in it then: SignedRecords and InputRecords are refused with FloorWanted.
        """

    @property
    def floor(self) -> int | None:
        """The nonce at and below which nothing is signed any more; None where none was set."""

    def load(self) -> SavedThread:
        """What a channel goes on from, all of one moment."""

    def agreed(self, digest: bytes) -> AgreedRecord | None:
        """The agreed record of a commitment's digest, superseded ones too."""

    def line_after(self, nonce: int, limit: int) -> list[AgreedRecord]:
        """The agreed line that ends in the tip, above this nonce (-1: from its beginning), at most so many, ascending.

        Superseded records aren't in it: those that another record, on the same parent, left beside the tip's line.
        """

    def evidence(self) -> list[EvidenceRecord]:
        """All evidence, in the order in which it was kept; the same evidence is kept once."""


class Lease(KeptThread, Protocol):
    """The right to write to a thread, until somebody else acquires it. Writing then raises, or gives, LeaseLost."""

    @property
    def epoch(self) -> int:
        """Higher for each time that the thread is acquired."""

    def set_floor(self, nonce: int) -> None:
        """Never sign at or below this nonce again (signer law, rule 5); durable. A floor is only ever raised."""

    def sign_log(self) -> SignLog:
        """The thread's SignedRecords as a SignLog, for a GuardedSigner over the party's signer.

        A put of what stands already returns it and costs no sync. All that is asked raises LeaseLost, a put also
        FloorWanted.
        """


class ThreadStore(Protocol):
    """All threads of one process. May be used by several of its threads."""

    def create(self, head: ThreadHead, key: bytes) -> None:
        """Begins a thread, durably; `key` is the own session key's address, one of the terms' keys.

        Raises ThreadExists, InvalidInput, a Refusal for a head whose parts don't belong together.
        """

    def threads(self) -> list[bytes]:
        """The ids of all threads, ascending."""

    def look(self, thread_id: bytes) -> KeptThread:
        """A thread to be read; whoever writes to it isn't disturbed. Raises UnknownThread."""

    def acquire(self, thread_id: bytes) -> Lease:
        """The right to write to a thread; whoever had it before loses it. Raises UnknownThread."""

    def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
        """Keeps the records of all items in one transaction and one sync; they are durable when it returns.

        The records of an item are kept all or none. Gives for each item None, or why it is refused, and then the others
        are kept nevertheless, but for later items of the same lease (EarlierRefused). Refused are: another digest
        under the nonce of a SignedRecord (EquivocationError) or under the key of an InputRecord
        (InputEquivocationError), a nonce that isn't above the highest or the floor (NonceNotAbove), whatever is signed
        after a final one (AlreadyFinal) or before the floor of a restored thread (FloorWanted), an agreed record whose
        parent isn't kept or isn't lower, values of a wrong form (both InvalidInput), and what comes with a lost lease
        (LeaseLost) or another store's (InvalidInput).

        A record that is kept already, with the same digest, changes nothing. Raises BackendError where nothing was
        kept.
        """

    def close(self) -> None:
        """Lets go of everything. A second time does nothing."""


# Rules that every store keeps -----------------------------------------------------------------------------------------
def identify(head: ThreadHead, key: bytes) -> bytes:
    """The id of a thread that is to be created. Raises InvalidInput, a Refusal."""
    if type(head) is not ThreadHead or type(head.domain) is not Domain:
        raise InvalidInput("a ThreadHead is wanted")
    verify_head(head)
    if key not in head.terms.keys and (key != head.terms.operator or key == ZERO_ADDRESS):
        raise InvalidInput(f"0x{bytes(key).hex()} is neither a session key of the thread nor its operator")
    return thread_id(head.domain, head.terms)


def check_record(record: Record) -> None:
    """Nothing, or InvalidInput: the record has values of other types and sizes than it should."""
    if isinstance(record, SignedRecord):
        good = _are(record.nonce, digests=(record.digest,), blobs=(record.content,), flag=record.final)
    elif isinstance(record, InputRecord):
        good = _are(record.nonce, record.kind, digests=(record.digest, record.parent), blobs=(record.content,))
    elif isinstance(record, AgreedRecord):
        blobs = (record.content, record.state)
        good = _are(record.nonce, digests=(record.digest, record.parent), blobs=blobs, flag=record.whole)
    elif isinstance(record, EvidenceRecord):
        good = type(record.kind) is str and _are(record.party, blobs=(record.content,))
    else:
        raise InvalidInput(f"a {type(record).__name__} is none of the records that a store keeps")
    if not good:
        raise InvalidInput(f"a {type(record).__name__} with values of other types or sizes than it should have")


def _are(*numbers: object, digests: Sequence[object] = (), blobs: Sequence[object] = (), flag: object = False) -> bool:
    """Whether these are what they are called. Hot: asked seven times a round."""
    for number in numbers:
        if type(number) is not int or not 0 <= number < _UINT64:
            return False
    for digest in digests:
        if not isinstance(digest, bytes) or len(digest) != _DIGEST_BYTES:
            return False
    for blob in blobs:
        if not isinstance(blob, bytes):
            return False
    return type(flag) is bool


def check_signed(thread: bytes, record: SignedRecord, state: LogState) -> None:
    """Nothing, or the reason why the record isn't what stands after the attempt to put it."""
    if state.digest is not None and state.digest != record.digest:
        raise EquivocationError(thread, record.nonce, state.digest, record.digest)
    if state.final is not None and (state.digest is None or state.final != record.digest):
        raise AlreadyFinal(thread, state.final)
    if state.digest is None:
        raise NonceNotAbove(thread, record.nonce, state.highest)


def check_parent(record: AgreedRecord, parent_nonce: int | None) -> None:
    """Nothing, or InvalidInput: a record's parent isn't kept (None), or isn't lower."""
    if record.parent == ZERO_HASH:
        if record.nonce:
            raise InvalidInput(f"agreed record of nonce {record.nonce}: only the genesis has no parent")
    elif parent_nonce is None:
        raise InvalidInput(f"agreed record of nonce {record.nonce}: its parent 0x{record.parent.hex()} isn't kept")
    elif parent_nonce >= record.nonce:
        raise InvalidInput(f"agreed record of nonce {record.nonce}: its parent has nonce {parent_nonce}")
