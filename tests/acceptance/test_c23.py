"""C23, C24: a peer's valid signature on what execution doesn't give: refused, with the first field that differs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.channel.events import Diverged
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Accept, Propose, Reject, RejectCode, encode_message
from evmthread.commit import Commitment, SignedBatch, TypedData
from tests.acceptance.table import Table, add
from tests.channel.games import ruleset

Change = Callable[[Commitment], Commitment]


def more_for_me(commitment: Commitment) -> Commitment:
    first, second = commitment.balances
    return replace(commitment, balances=(first - 1, second + 1))


CHANGES: dict[str, Change] = {
    "stateRoot": lambda c: replace(c, state_root=b"\x01" * 32),
    "storageRoot": lambda c: replace(c, storage_root=b"\x01" * 32),
    "receiptsRoot": lambda c: replace(c, receipts_root=b"\x01" * 32),
    "gasUsed": lambda c: replace(c, gas_used=c.gas_used + 1),
    "balances": more_for_me,
    "fee": lambda c: replace(c, fee=c.fee - 1),
}


def lie(table: Table, change: Change, batch: Callable[[SignedBatch], SignedBatch] = lambda batch: batch) -> Reject:
    """Party 1 proposes its call honestly, but with a change under its own valid signature; party 0's answer to it."""
    honest = table.endpoints[1]._send
    lied: list[bytes] = []

    def send(to: int, data: bytes) -> None:
        message = table.read(data)
        if isinstance(message, Propose):
            signed = batch(message.batch)
            commitment = change(replace(message.commitment, batch_hash=signed.batch.hash_struct()))
            signature = table.signer(1).sign(TypedData(LOCAL_DOMAIN, commitment))
            data = encode_message(table.thread_id, Propose(commitment, signed, message.suspension, signature))
            lied.append(data)
        honest(to, data)

    table.endpoints[1]._send = send
    table.sent.clear()
    table.call(1, add(3))
    assert lied
    answers = [table.read(data) for source, _, data in table.sent if source == 0]
    assert not [answer for answer in answers if isinstance(answer, Accept)]
    table.endpoints[1]._send = honest
    return next(answer for answer in answers if isinstance(answer, Reject))


def still_usable(table: Table) -> None:
    assert table.nonces == [0, 0]
    table.call(0, add(4), lasting=True)
    table.wait(120)
    assert table.sums[0] == table.sums[1] >= 4


@pytest.mark.parametrize("field", CHANGES)
def test_c23_fields_that_execution_does_not_give(tmp_path: Path, field: str) -> None:
    rules = ruleset(fee_per_gigagas=10**7)
    table = Table(tmp_path, rules=rules, operator=b"\x09" * 20, max_fee=1000).start()
    answer = lie(table, CHANGES[field])
    assert answer.code == RejectCode.DIVERGENT
    assert field in answer.where
    diverged = table.told(0, Diverged)
    assert isinstance(diverged[0], Diverged)
    assert (diverged[0].party, diverged[0].error.field) == (1, field)
    assert [record.kind for record in table.endpoints[0].lease.evidence()] == ["Divergence"]
    still_usable(table)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("timestamp ahead", {"timestamp": 1_760_000_000 + 10**6}),
        ("timestamp behind", {"timestamp": 1}),
        ("another coinbase", {"coinbase": b"\x01" * 20}),
        ("more gas", {"gas_limit": 2**40}),
        ("a chosen random number", {"prev_randao": b"\x01" * 32}),
    ],
)
def test_c23_environments(tmp_path: Path, name: str, change: dict[str, object]) -> None:
    table = Table(tmp_path).start()

    def other(signed: SignedBatch) -> SignedBatch:
        environment = replace(signed.batch.environment, **change)  # type: ignore[arg-type]
        return replace(signed, batch=replace(signed.batch, environment=environment))

    answer = lie(table, lambda commitment: commitment, other)
    assert answer.code in (RejectCode.INVALID, RejectCode.CLOCK, RejectCode.DIVERGENT), name
    still_usable(table)
