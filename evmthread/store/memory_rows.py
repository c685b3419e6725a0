"""What a store in memory keeps of one thread, and how a record is put there, with what undoes it.

Whether a record may be put is decided here and in thread_store.py; what it means isn't known.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import TypeAlias

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, InputRecord, Record, SignedRecord
from evmthread.commit.signing import AlreadyFinal, InputEquivocationError, LogState
from evmthread.store.thread_store import (
    FloorWanted,
    check_parent,
    check_record,
    check_signed,
)
from evmthread.store.threadfile import ThreadHead


@dataclass(slots=True)
class Rows:
    """What is kept of one thread. `line` is the agreed line that ends in the tip, `places` where each stands in it."""

    thread_id: bytes
    head: ThreadHead
    key: bytes
    epoch: int = 0
    floor: int | None = None
    restored: bool = False
    signed: dict[int, SignedRecord] = field(default_factory=dict)
    inputs: dict[tuple[int, int, bytes], InputRecord] = field(default_factory=dict)
    agreed: dict[bytes, AgreedRecord] = field(default_factory=dict)
    line: list[AgreedRecord] = field(default_factory=list)
    places: dict[bytes, int] = field(default_factory=dict)
    evidence: dict[EvidenceRecord, None] = field(default_factory=dict)

    def copied(self, *, restored: bool) -> "Rows":
        """The same, sharing nothing that changes."""
        other = copy(self)
        other.restored = self.restored or restored
        for name in ("signed", "inputs", "agreed", "line", "places", "evidence"):
            setattr(other, name, copy(getattr(self, name)))
        return other

    @property
    def last(self) -> SignedRecord | None:
        return self.signed[next(reversed(self.signed))] if self.signed else None  # they were put in ascending order

    def state(self, nonce: int) -> LogState:
        """See SignLog."""
        standing, last = self.signed.get(nonce), self.last
        highest = max(-1 if last is None else last.nonce, -1 if self.floor is None else self.floor)
        final = last.digest if last is not None and last.final else None
        return LogState(None if standing is None else standing.digest, highest, final)

    @property
    def final(self) -> bytes | None:
        """The digest of the final commitment that was signed."""
        last = self.last
        return last.digest if last is not None and last.final else None


Undo: TypeAlias = list[Callable[[], object]]
"""What takes changes back, oldest first."""


def put(rows: Rows, record: Record, undo: Undo) -> None:
    """Keeps a record. Raises what ThreadStore.write says; whoever calls takes back what was put before."""
    check_record(record)
    if isinstance(record, SignedRecord):
        check_signed(rows.thread_id, record, put_signed(rows, record, undo))
    elif isinstance(record, InputRecord):
        _put_input(rows, record, undo)
    elif isinstance(record, AgreedRecord):
        _put_agreed(rows, record, undo)
    elif record not in rows.evidence:
        rows.evidence[record] = None
        undo.append(lambda: rows.evidence.pop(record))


def put_signed(rows: Rows, record: SignedRecord, undo: Undo) -> LogState:
    """See SignLog.put_if_absent. Raises FloorWanted."""
    state = rows.state(record.nonce)
    if state.digest is not None or record.nonce <= state.highest or state.final is not None:
        return state
    if rows.restored:
        raise FloorWanted(rows.thread_id)
    rows.signed[record.nonce] = record
    undo.append(lambda: rows.signed.pop(record.nonce))
    return LogState(record.digest, record.nonce, record.digest if record.final else None)


def _put_input(rows: Rows, record: InputRecord, undo: Undo) -> None:
    key = (record.kind, record.nonce, record.parent)
    if (standing := rows.inputs.get(key)) is not None:
        if standing.digest != record.digest:
            raise InputEquivocationError(rows.thread_id, *key, standing.digest, record.digest)
        return
    if (last := rows.last) is not None and last.final:
        raise AlreadyFinal(rows.thread_id, last.digest)
    if rows.restored:
        raise FloorWanted(rows.thread_id)
    rows.inputs[key] = record
    undo.append(lambda: rows.inputs.pop(key))


def _put_agreed(rows: Rows, record: AgreedRecord, undo: Undo) -> None:
    if record.digest in rows.agreed:
        return
    parent = rows.agreed.get(record.parent)
    check_parent(record, None if parent is None else parent.nonce)
    rows.agreed[record.digest] = record
    undo.append(lambda: rows.agreed.pop(record.digest))
    line, places = rows.line, rows.places
    if line and (record.nonce, record.digest) < (line[-1].nonce, line[-1].digest):
        return
    if not line or line[-1] is parent:  # nearly always it goes on where the line ends
        places[record.digest] = len(line)
        line.append(record)
        undo.append(lambda: places.pop(line.pop().digest))
        return
    branch, under = [record], parent
    while under is not None and under.digest not in rows.places:
        branch.append(under)
        under = rows.agreed.get(under.parent)
    start = 0 if under is None else rows.places[under.digest] + 1
    left = rows.line[start:]
    _set_line(rows, start, branch[::-1])
    undo.append(lambda: _set_line(rows, start, left))


def _set_line(rows: Rows, start: int, records: list[AgreedRecord]) -> None:
    for gone in rows.line[start:]:
        del rows.places[gone.digest]
    rows.line[start:] = records
    rows.places.update((each.digest, start + number) for number, each in enumerate(records))
