"""Replay: re-executes a line of agreements from the contract's code and compares every field."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from evmthread.channel.errors import NotSupported
from evmthread.channel.inputs import BatchOutcome
from evmthread.channel.party import check_fields
from evmthread.channel.thread import Thread
from evmthread.commit.agreement import Agreement, Signed, verify
from evmthread.commit.batch import SignedBatch
from evmthread.commit.commitment import Status
from evmthread.commit.refusals import BrokenParent


@dataclass(frozen=True, slots=True)
class Replayed:
    """One agreement that holds, and what executing its batch gave."""

    agreement: Agreement
    outcome: BatchOutcome


def replay(thread: Thread, line: Iterable[tuple[Signed, SignedBatch]]) -> Iterator[Replayed]:
    """Executes each batch on the thread, compares and adopts; `line` goes on from the thread's latest agreement.

    Raises a Refusal naming the nonce and the failed check (DivergentField the field that differs, both values), and
    NotSupported; the thread then stands at the last agreement that holds.
    """
    for signed_commitment, signed_batch in line:
        agreement = _verified(thread, signed_commitment)
        commitment = agreement.commitment
        if commitment.parent != thread.parent:
            raise BrokenParent(commitment.parent, commitment.nonce)
        if commitment.status == Status.SUSPENDED:
            raise NotSupported(f"nonce {commitment.nonce}: a suspended commitment is not supported without suspension")
        final = commitment.status == Status.FINAL
        executed = thread.prepare(signed_batch, nonce=commitment.nonce, final=final)
        prepared = thread.prepared
        assert prepared is not None
        try:
            check_fields(executed, commitment)
        except BaseException:
            thread.discard()
            raise
        thread.adopt(agreement)
        yield Replayed(agreement, prepared.outcome)


def _verified(thread: Thread, signed: Signed) -> Agreement:
    if type(signed) is Agreement:
        return signed  # its constructor verified it; one of another thread differs in threadId, which is compared
    return verify(thread.domain, thread.terms, signed)
