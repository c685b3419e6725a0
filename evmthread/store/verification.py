"""Verifies a thread file, or a line from elsewhere, without EVM and without state: by keccak and recovery alone.

It proves what these keys signed, in which order, on which inputs; not that the results were computed right. That is
replay's matter.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from evmthread.commit.agreement import Agreement, verify
from evmthread.commit.batch import check_environment, check_signed_batch
from evmthread.commit.commitment import Suspension, check_successor, check_suspension_fits
from evmthread.commit.refusals import BrokenParent, Refusal
from evmthread.commit.succession import check_succession
from evmthread.commit.terms import check_origin_code, check_rules, thread_id
from evmthread.primitives.types import ZERO_HASH
from evmthread.store.threadfile import AgreedRecord, ThreadFileReader, ThreadHead


@dataclass(eq=False)
class SealMismatch(Refusal):
    """The seal counts other records than there are, or names another tip."""

    what: str
    expected: object
    got: object

    def __str__(self) -> str:
        return f"seal: {self.what}: the records give {self.expected}, the seal says {self.got}"


@dataclass(frozen=True, slots=True)
class FileReport:
    """A thread file that holds. `tip` is the last agreement; None in a file that was sealed before the genesis.

    `suspension` says where the call stands that is open there, if one is. Where the ruleset doesn't say `transcript`
    it is what the file claims: machineHash is a machine's then, and only a replay can tell.
    """

    head: ThreadHead
    thread_id: bytes
    count: int
    tip: Agreement | None
    suspension: Suspension | None = None


def verify_head(head: ThreadHead) -> None:
    """Nothing, or a Refusal: terms, ruleset and code are well-formed and belong together."""
    check_rules(head.terms, head.ruleset)
    check_origin_code(head.terms, head.code)


def verify_records(head: ThreadHead, records: Iterable[AgreedRecord]) -> Iterator[tuple[Agreement, AgreedRecord]]:
    """Each agreed record of a line, beginning with the genesis, verified, in order.

    Raises a Refusal naming the commitment's nonce and the failed check, and what `records` raises.
    """
    verify_head(head)
    latest: Agreement | None = None
    environment = None
    for record in records:
        agreement = verify(head.domain, head.terms, record.signed)
        commitment = agreement.commitment
        if commitment.parent != (ZERO_HASH if latest is None else latest.digest):
            raise BrokenParent(commitment.parent, commitment.nonce)
        if latest is not None:
            check_successor(latest.commitment, commitment)
            check_succession(latest.commitment, commitment, record.batch.batch)
        check_suspension_fits(commitment, record.suspension, transcript=head.ruleset.transcript)
        check_signed_batch(head.domain, head.terms, head.ruleset, commitment, record.batch)
        check_environment(environment, record.batch.batch, nonce=commitment.nonce)
        latest, environment = agreement, record.batch.batch.environment
        yield agreement, record


def verify_line(reader: ThreadFileReader) -> Iterator[tuple[Agreement, AgreedRecord]]:
    """Each agreed record of a file, verified, in order; the seal is checked at the end.

    Raises a Refusal naming the commitment's nonce and the failed check, DecodingError, BackendError.
    """
    tip = ZERO_HASH
    for agreement, record in verify_records(reader.head, reader.agreed()):
        tip = agreement.digest
        yield agreement, record
    seal, count = reader.seal, reader.count
    assert seal is not None
    if seal.count != count:
        raise SealMismatch("agreed commitments", count, seal.count)
    if seal.tip != tip:
        raise SealMismatch("tip", "0x" + tip.hex(), "0x" + seal.tip.hex())


def verify_file(path: str | Path) -> FileReport:
    """What the file holds, all of it verified. Raises as verify_line does."""
    with ThreadFileReader(path) as reader:
        tip = suspension = None
        for agreement, record in verify_line(reader):
            tip, suspension = agreement, record.suspension
        identity = thread_id(reader.head.domain, reader.head.terms)
        return FileReport(reader.head, identity, reader.count, tip, suspension)
