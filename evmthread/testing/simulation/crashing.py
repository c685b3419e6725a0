"""Where a participant's process may end: before and after each write, each signature, each message, each notice.

What it had written but not synced is lost then; all else that it held in memory is, too.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from evmthread.channel.kept import Record
from evmthread.commit.eip712 import TypedData
from evmthread.commit.signing import Signer
from evmthread.store.thread_store import KeptThread, Lease


class Crash(BaseException):
    """The process ends here. No Exception, so that nothing in between can take it for an error that it understands."""


class Boundaries:
    """Ends the process at some of the boundaries that it comes to."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.rate = 0.0
        self.seen = 0

    def pass_one(self) -> None:
        """One boundary. Raises Crash, or not."""
        self.seen += 1
        if self.rate and self._random.random() < self.rate:
            raise Crash


class Syncing(Protocol):
    """A store whose writes are durable when it says so."""

    def look(self, thread_id: bytes) -> KeptThread:
        """See ThreadStore."""

    def acquire(self, thread_id: bytes) -> Lease:
        """See ThreadStore."""

    def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
        """See ThreadStore."""

    def sync(self) -> None:
        """What was written until now outlasts a crash."""


class CrashingStore:
    """A store with boundaries around its writes and its syncs: a ThreadStore as far as an Endpoint asks."""

    def __init__(self, store: Syncing, boundaries: Boundaries) -> None:
        self._store = store
        self._boundaries = boundaries

    def look(self, thread_id: bytes) -> KeptThread:
        """See ThreadStore."""
        return self._store.look(thread_id)

    def acquire(self, thread_id: bytes) -> Lease:
        """See ThreadStore."""
        return self._store.acquire(thread_id)

    def write(self, batch: Sequence[tuple[Lease, Sequence[Record]]]) -> list[Exception | None]:
        """See ThreadStore."""
        self._boundaries.pass_one()
        results = self._store.write(batch)
        self._boundaries.pass_one()
        self._store.sync()
        self._boundaries.pass_one()
        return results


class WatchedSigner:
    """A signer that shows each signature that it makes to `made`, with boundaries around it."""

    def __init__(self, signer: Signer, boundaries: Boundaries, made: Callable[[TypedData], None]) -> None:
        self._signer = signer
        self._boundaries = boundaries
        self._made = made

    @property
    def address(self) -> bytes:
        """See Signer."""
        return self._signer.address

    def sign(self, typed_data: TypedData) -> bytes:
        """See Signer."""
        self._boundaries.pass_one()
        signature = self._signer.sign(typed_data)
        self._made(typed_data)
        self._boundaries.pass_one()
        return signature
