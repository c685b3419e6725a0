"""What a store of threads must say, in the plainest way: for the conformance suite of stores, and for nothing else.

Each question is answered from all that was ever kept; nothing is remembered beside it.
"""

from copy import deepcopy
from dataclasses import dataclass, field

from evmthread.channel.kept import AgreedRecord, EvidenceRecord, InputRecord, Record, SignedRecord
from evmthread.commit.signing import (
    AlreadyFinal,
    EquivocationError,
    InputEquivocationError,
    LogState,
    NonceNotAbove,
)
from evmthread.errors import InvalidInput
from evmthread.store.thread_store import FloorWanted, SavedThread

ZERO = bytes(32)


@dataclass
class ThreadModel:
    """One thread."""

    records: list[Record] = field(default_factory=list)
    floor: int | None = None
    restored: bool = False

    # Putting ----------------------------------------------------------------------------------------------------------
    def write(self, records: list[Record]) -> type[Exception] | None:
        """Keeps all, or none and gives the class of the reason."""
        changed = deepcopy(self)
        for record in records:
            if (reason := changed.put(record)) is not None:
                return reason
        self.records = changed.records
        return None

    def put(self, record: Record) -> type[Exception] | None:
        """Keeps one, or gives the class of the reason why not."""
        standing = [each for each in self.records if type(each) is type(record) and _place(each) == _place(record)]
        if isinstance(record, SignedRecord) and not standing:
            reason = self._reason_not_to_sign(record)
        elif isinstance(record, SignedRecord):
            final = self.final
            reason = None
            if _digest(standing[0]) != record.digest:
                reason = EquivocationError
            elif final is not None and final != record.digest:
                reason = AlreadyFinal
        elif isinstance(record, InputRecord):
            reason = None
            if standing and _digest(standing[0]) != record.digest:
                reason = InputEquivocationError
            elif not standing and self.final is not None:
                reason = AlreadyFinal
            elif not standing and self.restored:
                reason = FloorWanted
        elif isinstance(record, AgreedRecord) and not standing:
            reason = None if self._may_follow(record) else InvalidInput
        else:
            reason = None
        if reason is None and not standing:
            self.records.append(record)
        return reason

    def _reason_not_to_sign(self, record: SignedRecord) -> type[Exception] | None:
        if self.final is not None:
            return AlreadyFinal
        if record.nonce <= max(self.highest, -1 if self.floor is None else self.floor):
            return NonceNotAbove
        return FloorWanted if self.restored else None

    def _may_follow(self, record: AgreedRecord) -> bool:
        if record.parent == ZERO:
            return record.nonce == 0
        return any(each.digest == record.parent and each.nonce < record.nonce for each in self.agreed)

    def set_floor(self, nonce: int) -> None:
        """Only ever up."""
        self.floor, self.restored = max(nonce, self.floor or 0), False

    # Asking -----------------------------------------------------------------------------------------------------------
    @property
    def signed(self) -> list[SignedRecord]:
        return [each for each in self.records if isinstance(each, SignedRecord)]

    @property
    def agreed(self) -> list[AgreedRecord]:
        return [each for each in self.records if isinstance(each, AgreedRecord)]

    @property
    def evidence(self) -> list[EvidenceRecord]:
        return [each for each in self.records if isinstance(each, EvidenceRecord)]

    @property
    def highest(self) -> int:
        return max([each.nonce for each in self.signed], default=-1)

    @property
    def final(self) -> bytes | None:
        return next((each.digest for each in self.signed if each.final), None)

    @property
    def line(self) -> list[AgreedRecord]:
        """From the genesis to the tip."""
        found = sorted(self.agreed, key=lambda each: (each.nonce, each.digest))[-1:]
        while found and found[0].parent != ZERO:
            parent = found[0].parent
            found.insert(0, next(each for each in self.agreed if each.digest == parent))
        return found

    def log_state(self, nonce: int) -> LogState:
        """See SignLog."""
        digest = next((each.digest for each in self.signed if each.nonce == nonce), None)
        return LogState(digest, max(self.highest, -1 if self.floor is None else self.floor), self.final)

    def saved(self) -> SavedThread:
        """What `load` must give."""
        line = self.line
        tip = line[-1] if line else None
        whole = [number for number, each in enumerate(line) if each.whole]
        parent, above = (ZERO, -1) if tip is None else (tip.digest, tip.nonce)
        inputs = [each for each in self.records if isinstance(each, InputRecord) and each.parent == parent]
        return SavedThread(
            base=tuple(line[whole[-1] if whole else 0 :]),
            signed=tuple([each for each in self.signed if each.nonce > above]),
            highest=self.highest,
            final=self.final,
            inputs=tuple(sorted(inputs, key=lambda each: (each.kind, each.nonce))),
            agreed=len(self.agreed),
        )


def _place(record: Record) -> object:
    """Of records with one place, one is kept."""
    match record:
        case SignedRecord():
            return record.nonce
        case InputRecord():
            return (record.kind, record.nonce, record.parent)
        case AgreedRecord():
            return record.digest
        case EvidenceRecord():
            return record


def _digest(record: Record) -> bytes:
    assert isinstance(record, SignedRecord | InputRecord)
    return record.digest
