"""What a durable state asks of a database: named tables of bytes, read by key or in order, written all or nothing.

It must not know what the bytes mean. sqlite.py and lmdb.py are the two that are shipped.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from evmthread.errors import BackendError

TABLES = ("meta", "account", "slot", "code", "node", "history", "block", "gone_account", "gone_slot")

Write: TypeAlias = tuple[str, bytes, bytes | None]
"""Table, key, and the value to put there; None takes the key away."""


class CorruptState(BackendError):  # noqa: N818 - as all names in errors.py, it says what happened
    """The stored bytes are not what was written: torn, truncated or changed. Nothing read from it is to be trusted."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place} is damaged: {reason}")
        self.place = place
        self.reason = reason


class NotAState(BackendError):  # noqa: N818 - see above
    """The file is no state of evmthread, or one of another version."""


class StateBusy(BackendError):  # noqa: N818 - see above
    """Another process holds the state for writing, or wrote to it since it was opened here."""


class StoreFull(BackendError):  # noqa: N818 - see above
    """The disk, or the room given to the database, is full; nothing was written."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a table must still hold under a key for a write to happen."""

    table: str
    key: bytes
    value: bytes | None


class Store(Protocol):
    """A database. Its methods raise CorruptState, StateBusy, StoreFull or another BackendError."""

    place: str
    """Where it is, for messages."""

    before_step: Callable[[int], None] | None
    """Called with a step's number before each step of a write, the last of which makes it durable; for tests."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key, or None."""

    def scan(self, table: str, prefix: bytes = b"", *, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with `prefix`, from `start` on, and their values, in the order of keys; in bounded memory."""

    def write(self, writes: Iterable[Write], *, expected: Expected | None = None) -> None:
        """Makes the writes, all or none, and durable before it returns. Raises StateBusy unless `expected` holds."""

    def check(self) -> None:
        """Raises CorruptState for what the database itself can find wrong in the whole of its file."""

    def size(self) -> int:
        """Bytes on disk."""

    def close(self) -> None:
        """Lets go of the file. A second time does nothing."""
