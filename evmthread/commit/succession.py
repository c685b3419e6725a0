"""What must hold between a commitment with its batch and the commitment before it, as far as no execution is needed.

Knows no EVM: what an answer does to the machine, only a replay can tell.
"""

from evmthread.commit.batch import ABORT, ANSWER, CONTINUATIONS, Batch
from evmthread.commit.commitment import EMPTY_TRIE_ROOT, FINAL, SUSPENDED, Commitment
from evmthread.commit.refusals import IllFormedBatch, WrongHash


def check_succession(parent: Commitment, child: Commitment, batch: Batch) -> None:
    """Nothing, or a Refusal: the batch continues where its parent stands (commitment.md, sections 2 and 3).

    A suspended machine is answered or aborted by the next input, and by nothing else; an empty batch changes nothing.
    """
    if not batch.inputs:
        if child.status != FINAL:
            _check_nothing_changed(parent, child)
        return
    first = batch.inputs[0]
    suspended = parent.status == SUSPENDED
    if (first.kind in CONTINUATIONS) != suspended:
        clause = (
            "an answer or abort first after a suspension" if suspended else "an answer or abort only when suspended"
        )
        raise IllFormedBatch(clause, int(first.kind), 0, child.nonce)
    if not suspended:
        return
    if first.data[:32] != parent.machine_hash:
        raise IllFormedBatch("data that begins with the parent's machineHash", first.data[:32], 0, child.nonce)
    if first.kind == ABORT and len(first.data) != 32:
        raise IllFormedBatch("an abort's data is the machineHash alone", len(first.data), 0, child.nonce)
    if first.kind == ANSWER and first.actor != parent.awaiting:
        raise IllFormedBatch("an answer by the owner who is awaited", first.actor, 0, child.nonce)


def _check_nothing_changed(parent: Commitment, child: Commitment) -> None:
    if child.receipts_root != EMPTY_TRIE_ROOT:
        raise WrongHash("receiptsRoot of an empty batch", EMPTY_TRIE_ROOT, child.receipts_root, child.nonce)
    repeated: tuple[tuple[str, object, object], ...] = (
        ("status", parent.status, child.status),
        ("awaiting", parent.awaiting, child.awaiting),
        ("stateRoot", parent.state_root, child.state_root),
        ("storageRoot", parent.storage_root, child.storage_root),
        ("machineHash", parent.machine_hash, child.machine_hash),
        ("gasUsed", parent.gas_used, child.gas_used),
        ("balances", parent.balances, child.balances),
        ("fee", parent.fee, child.fee),
    )
    for name, expected, got in repeated:
        if expected != got:
            raise IllFormedBatch(f"an empty batch repeats its parent's {name}", got, nonce=child.nonce)
