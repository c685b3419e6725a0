"""Replay: re-executes a line of agreements from the contract's code and compares every field."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from evmthread.channel.inputs import BatchOutcome
from evmthread.channel.review import execute_proposed
from evmthread.channel.thread import Thread
from evmthread.commit.agreement import Agreement, Signed, verify
from evmthread.commit.batch import SignedBatch
from evmthread.commit.commitment import FINAL, Suspension
from evmthread.commit.refusals import BrokenParent


@dataclass(frozen=True, slots=True)
class Replayed:
    """One agreement that holds, and what executing its batch gave."""

    agreement: Agreement
    outcome: BatchOutcome


def replay(
    thread: Thread, line: Iterable[tuple[Signed, SignedBatch] | tuple[Signed, SignedBatch, Suspension | None]]
) -> Iterator[Replayed]:
    """Executes each batch on the thread, compares and adopts; `line` goes on from the thread's latest agreement.

    An item of the line whose commitment is suspended has its Suspension. Raises a Refusal naming the nonce and the
    failed check (DivergentField the field that differs, both values); the thread then stands at the last agreement
    that holds.
    """
    for signed_commitment, signed_batch, *rest in line:
        suspension = rest[0] if rest else None
        agreement = _verified(thread, signed_commitment)
        commitment = agreement.commitment
        if commitment.parent != thread.parent:
            raise BrokenParent(commitment.parent, commitment.nonce)
        final = commitment.status == FINAL
        execute_proposed(thread, commitment, signed_batch, suspension, final=final)
        prepared = thread.prepared
        assert prepared is not None
        thread.adopt(agreement)
        yield Replayed(agreement, prepared.outcome)


def _verified(thread: Thread, signed: Signed) -> Agreement:
    if type(signed) is Agreement:
        return signed  # its constructor verified it; one of another thread differs in threadId, which is compared
    return verify(thread.domain, thread.terms, signed)
