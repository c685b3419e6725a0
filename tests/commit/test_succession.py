"""What a batch may be after the commitment before it: continuations and empty batches."""

from dataclasses import replace
from typing import Any

import pytest

from evmthread.commit import (
    Batch,
    Commitment,
    Environment,
    Input,
    InputKind,
    check_environment,
    check_successor,
    thread_id,
)
from evmthread.commit.refusals import IllFormedBatch, Refusal
from evmthread.commit.succession import check_succession
from evmthread.primitives.keccak import keccak256
from tests.commit.commit_samples import DOMAIN, commitment_of, environment, terms_of
from tests.commit.vector_forms import VECTORS, verdict

TERMS = terms_of()
MACHINE = keccak256(b"machine")
RESTING = commitment_of(DOMAIN, TERMS)
SUSPENDED = commitment_of(DOMAIN, TERMS, status=1, awaiting=TERMS.owners[0], machine_hash=MACHINE)


def child_of(parent: Commitment, **changes: object) -> Commitment:
    return replace(parent, nonce=6, **changes)  # type: ignore[arg-type]


def batch_of(kind: InputKind | None, data: bytes = b"", actor: bytes = TERMS.owners[0]) -> Batch:
    if kind is None:
        return Batch(environment(), ())
    each = Input(thread_id(DOMAIN, TERMS), 0, bytes(32), kind, actor, bytes(20), 0, 100_000, data)
    return Batch(environment(), (each,))


@pytest.mark.parametrize(
    ("parent", "batch"),
    [
        (RESTING, batch_of(InputKind.CALL)),
        (RESTING, batch_of(None)),
        (SUSPENDED, batch_of(None)),
        (SUSPENDED, batch_of(InputKind.ANSWER, MACHINE + b"yes")),
        (SUSPENDED, batch_of(InputKind.ABORT, MACHINE, TERMS.owners[1])),
    ],
)
def test_what_continues_is_accepted(parent: Commitment, batch: Batch) -> None:
    check_succession(parent, child_of(parent), batch)


@pytest.mark.parametrize(
    ("parent", "batch", "clause"),
    [
        (RESTING, batch_of(InputKind.ANSWER, MACHINE), "only when suspended"),
        (RESTING, batch_of(InputKind.ABORT, MACHINE), "only when suspended"),
        (SUSPENDED, batch_of(InputKind.CALL), "first after a suspension"),
        (SUSPENDED, batch_of(InputKind.ANSWER, keccak256(b"other")), "machineHash"),
        (SUSPENDED, batch_of(InputKind.ANSWER, MACHINE[:31]), "machineHash"),
        (SUSPENDED, batch_of(InputKind.ANSWER, MACHINE, TERMS.owners[1]), "who is awaited"),
        (SUSPENDED, batch_of(InputKind.ABORT, MACHINE + b"\0"), "alone"),
    ],
)
def test_what_does_not_continue_is_refused(parent: Commitment, batch: Batch, clause: str) -> None:
    for given in (batch, Batch.decode(batch.encode())):
        with pytest.raises(IllFormedBatch, match=clause) as refused:
            check_succession(parent, child_of(parent), given)
        assert refused.value.nonce == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"status": 1, "awaiting": TERMS.owners[0], "machine_hash": MACHINE},
        {"state_root": keccak256(b"other")},
        {"storage_root": keccak256(b"other")},
        {"receipts_root": keccak256(b"other")},
        {"gas_used": RESTING.gas_used + 1},
        {"fee": RESTING.fee + 1},
        {"balances": (RESTING.balances[0] - 1, RESTING.balances[1])},
    ],
)
def test_an_empty_batch_changes_nothing(changes: dict[str, object]) -> None:
    with pytest.raises(Refusal):
        check_succession(RESTING, child_of(RESTING, **changes), batch_of(None))


def test_a_final_commitment_is_not_an_empty_batch_like_others() -> None:
    check_succession(RESTING, child_of(RESTING, status=2), batch_of(None))


@pytest.mark.parametrize("entry", VECTORS["successions"], ids=lambda entry: entry["what"])
def test_the_vectors_follow_as_they_say(entry: dict[str, Any]) -> None:
    parent, child = Commitment.from_json(entry["parent"]), Commitment.from_json(entry["commitment"])
    before, batch = Environment.from_json(entry["parentEnvironment"]), Batch.decode(bytes.fromhex(entry["batch"][2:]))

    def check() -> None:
        check_successor(parent, child)
        check_environment(before, batch, nonce=child.nonce)
        check_succession(parent, child, batch)

    assert verdict(check) == {name: entry[name] for name in ("check", "clause", "message")}
