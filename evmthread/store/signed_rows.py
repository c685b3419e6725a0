"""The rows that keep a key from signing two things: what it signed, and the floors of restored files.

Shared by the signers' log and the store of threads. It knows a digest's place, and nothing of what was signed.

A file that was put back from a copy lacks what was signed since. Each time that happens its count of restores goes up,
and nothing is signed in a thread whose floor was set, or which was begun, at a lower count.
"""

from dataclasses import dataclass

from evmthread.commit.signing import LogState
from evmthread.store.database import Database, Run, above_bytes, nonce_bytes
from evmthread.store.thread_store import FloorWanted

SCHEMA = """
CREATE TABLE signed(thread BLOB NOT NULL, nonce BLOB NOT NULL, digest BLOB NOT NULL, final INTEGER NOT NULL,
    content BLOB NOT NULL, checksum BLOB NOT NULL);
CREATE UNIQUE INDEX signed_once ON signed(thread, nonce);
CREATE TABLE floors(thread BLOB PRIMARY KEY, nonce BLOB, restores INTEGER NOT NULL, checksum BLOB NOT NULL)
    WITHOUT ROWID
"""
_ROW = "SELECT thread, nonce, digest, final, content, checksum FROM signed WHERE thread = ?"
_AT = f"{_ROW} AND nonce = ?"
_ABOVE = f"{_ROW} AND nonce > ? ORDER BY nonce"
_LAST = f"{_ROW} ORDER BY nonce DESC LIMIT 1"
_FLOOR = "SELECT thread, nonce, restores, checksum FROM floors WHERE thread = ?"


@dataclass(frozen=True, slots=True)
class SignedEntry:
    """One commitment that was signed, with what has to be sent again."""

    nonce: int
    digest: bytes
    final: bool
    content: bytes


class SignedRows:
    """What was signed, in the tables above. All of it runs inside the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # What was signed --------------------------------------------------------------------------------------------------
    def put(self, run: Run, thread_id: bytes, nonce: int, digest: bytes, *, final: bool, content: bytes) -> LogState:
        """See SignLog.put_if_absent. Raises FloorWanted."""
        state = self.state(run, thread_id, nonce)
        if state.digest is None and nonce > state.highest and state.final is None:
            if self.floor_wanted(run, thread_id):
                raise FloorWanted(thread_id)
            self._database.insert(run, "signed", (thread_id, nonce_bytes(nonce), digest, int(final), content))
            return LogState(digest, nonce, digest if final else None)
        return state

    def state(self, run: Run, thread_id: bytes, nonce: int) -> LogState:
        """What stands, seen from this nonce."""
        key = nonce_bytes(nonce)
        last = self.last(run, thread_id)
        floor = self.floor(run, thread_id)
        signed = -1 if last is None else last.nonce
        standing = last
        if nonce != signed:
            standing = self._entry(run(_AT, (thread_id, key)).fetchone()) if nonce < signed else None
        final = last.digest if last is not None and last.final else None
        return LogState(
            None if standing is None else standing.digest, max(signed, -1 if floor is None else floor), final
        )

    def last(self, run: Run, thread_id: bytes) -> SignedEntry | None:
        """The entry with the highest nonce. A final one is always the last."""
        return self._entry(run(_LAST, (thread_id,)).fetchone())

    def at(self, run: Run, thread_id: bytes, nonce: int) -> SignedEntry | None:
        """The entry of a nonce."""
        return self._entry(run(_AT, (thread_id, nonce_bytes(nonce))).fetchone())

    def above(self, run: Run, thread_id: bytes, nonce: int) -> list[SignedEntry]:
        """The entries above a nonce, in order."""
        rows = run(_ABOVE, (thread_id, above_bytes(nonce))).fetchall()
        return [entry for row in rows if (entry := self._entry(row)) is not None]

    def check(self, run: Run) -> None:
        """Reads every row. Raises the file's `damaged`."""
        self._database.check_table(run, "signed", "thread, nonce, digest, final, content")
        self._database.check_table(run, "floors", "thread, nonce, restores")

    def _entry(self, row: tuple[bytes, ...] | None) -> SignedEntry | None:
        if row is None:
            return None
        _, nonce, digest, final, content = self._database.checked("signed", row)
        return SignedEntry(int.from_bytes(nonce, "big"), digest, bool(final), content)

    # Floors -----------------------------------------------------------------------------------------------------------
    def count_restore(self, run: Run) -> None:
        """The file has just been put back from a copy."""
        self._database.count_meta(run, "restores")

    def restores(self, run: Run) -> int:
        """How often the file was put back from a copy."""
        return self._database.meta_number(run, "restores")

    def begin(self, run: Run, thread_id: bytes) -> None:
        """A thread begins: nothing can have been signed in it before."""
        if restores := self.restores(run):
            self._database.insert(run, "floors", (thread_id, None, restores))

    def floor(self, run: Run, thread_id: bytes) -> int | None:
        """The nonce at and below which nothing is signed; None for no floor."""
        return self._floor(run, thread_id)[0]

    def floor_wanted(self, run: Run, thread_id: bytes) -> bool:
        """Whether the file was restored since the floor was set, or the thread begun."""
        return self._floor(run, thread_id)[1] < self.restores(run)

    def raise_floor(self, run: Run, thread_id: bytes, nonce: int) -> None:
        """Sets the floor, or leaves it where it is higher already."""
        floor = max(nonce, self.floor(run, thread_id) or 0)
        run("DELETE FROM floors WHERE thread = ?", (thread_id,))
        self._database.insert(run, "floors", (thread_id, nonce_bytes(floor), self.restores(run)))

    def _floor(self, run: Run, thread_id: bytes) -> tuple[int | None, int]:
        row = run(_FLOOR, (thread_id,)).fetchone()
        if row is None:
            return None, 0
        _, nonce, restores = self._database.checked("floors", row)
        return None if nonce is None else int.from_bytes(nonce, "big"), restores
