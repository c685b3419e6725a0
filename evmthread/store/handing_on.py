"""A thread of a store for others to check: its line verified, and written into the file that anybody can verify.

Loads no EVM: what executes a line again is in replaying.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from evmthread.channel import kept
from evmthread.commit.agreement import Agreement, SignedCommitment
from evmthread.commit.batch import SignedBatch
from evmthread.commit.commitment import Suspension
from evmthread.commit.eip712 import digest
from evmthread.commit.records import decode_versioned, decoded_list
from evmthread.commit.refusals import Refusal
from evmthread.errors import BackendError, InvalidInput
from evmthread.store.thread_store import KeptThread
from evmthread.store.threadfile import AGREED_OVERHEAD_BYTES, AgreedRecord, ThreadFileWriter, ThreadHead
from evmthread.store.verification import FileReport, verify_records
from evmthread.store.watchtower_file import write_watchtower_file

Progress = Callable[[str, int], None]
"""Called with what is done, and how many of it."""

_PAGE = 100  # records that are read at once
_WHAT = "commitments"


@dataclass(eq=False)
class OtherContent(Refusal):
    """A store keeps one commitment under another one's digest, nonce or parent."""

    nonce: int

    def __str__(self) -> str:
        return f"nonce {self.nonce}: what is kept under it is another commitment"


def read_agreed(head: ThreadHead, record: kept.AgreedRecord) -> AgreedRecord:
    """What an agreed record holds, not verified. Raises DecodingError, OtherContent."""
    # channel/messages.py reads the same bytes; but it loads an EVM.
    most = head.ruleset.batch_bytes + AGREED_OVERHEAD_BYTES
    item = decode_versioned(record.content, "Agreed", max_bytes=most)
    agreed, batch, suspension = decoded_list(item, "Agreed", 3)
    signed = SignedCommitment.from_rlp(agreed)
    commitment = signed.commitment
    if (digest(head.domain, commitment), commitment.nonce, commitment.parent) != (
        record.digest,
        record.nonce,
        record.parent,
    ):
        raise OtherContent(record.nonce)
    return AgreedRecord(
        signed, SignedBatch.from_rlp(batch), None if suspension == [] else Suspension.from_rlp(suspension)
    )


def verified_line(
    thread: KeptThread, *, progress: Progress = lambda _what, _count: None
) -> Iterator[tuple[Agreement, AgreedRecord]]:
    """The agreed line of a thread, from its genesis to its tip, each commitment verified.

    Raises a Refusal naming the commitment's nonce and the failed check, DecodingError, BackendError.
    """
    head = thread.head
    for count, each in enumerate(verify_records(head, _line(thread, head)), 1):
        progress(_WHAT, count)
        yield each


def _line(thread: KeptThread, head: ThreadHead) -> Iterator[AgreedRecord]:
    nonce = -1
    while page := thread.line_after(nonce, _PAGE):
        for record in page:
            yield read_agreed(head, record)
        nonce = page[-1].nonce


def verify_thread(thread: KeptThread, *, progress: Progress = lambda _what, _count: None) -> FileReport:
    """What the agreed line holds, all of it verified. Raises as verified_line does."""
    return _report(thread, verified_line(thread, progress=progress))


def export_thread(
    thread: KeptThread, path: str | Path, *, progress: Progress = lambda _what, _count: None
) -> FileReport:
    """Writes the agreed line into a new, sealed thread file, each commitment verified before.

    Raises as verified_line does, and BackendError where there is something under this name; then nothing is written.
    """
    if Path(path).exists():
        raise BackendError(f"{path}: is there already")
    writer = ThreadFileWriter.create(path, thread.head, durable=False)
    try:
        report = _report(thread, _written(writer, verified_line(thread, progress=progress)))
        writer.seal()
    except BaseException:
        writer.remove()
        raise
    return report


def export_newest(
    thread: KeptThread, path: str | Path, *, progress: Progress = lambda _what, _count: None
) -> FileReport:
    """Writes the newest agreement into a watchtower file, after the whole line was verified; an older file is replaced.

    Raises as verified_line does, InvalidInput where nothing is agreed on yet; then nothing is written.
    """
    report = _report(thread, verified_line(thread, progress=progress))
    if report.tip is None:
        raise InvalidInput(f"thread 0x{report.thread_id.hex()}: nothing is agreed on yet")
    write_watchtower_file(path, report.tip)
    return report


def _written(
    writer: ThreadFileWriter, line: Iterator[tuple[Agreement, AgreedRecord]]
) -> Iterator[tuple[Agreement, AgreedRecord]]:
    for agreement, record in line:
        writer.append(agreement, record.batch, record.suspension)
        yield agreement, record


def _report(thread: KeptThread, line: Iterator[tuple[Agreement, AgreedRecord]]) -> FileReport:
    count, tip, suspension = 0, None, None
    for agreement, record in line:
        count, tip, suspension = count + 1, agreement, record.suspension
    return FileReport(thread.head, thread.thread_id, count, tip, suspension)
