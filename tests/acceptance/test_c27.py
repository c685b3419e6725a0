"""C27: proofs against the roots that parties signed: equal verdicts here and in the trie package.

Absent key, empty trie, inlined node, mutated, foreign root, leading zeros; on vectors, and on a game that was played.
"""

import json
from typing import Any

import pytest
import rlp
from trie.exceptions import BadTrieProof
from trie.hexary import HexaryTrie

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.thread import Thread
from evmthread.commit import (
    EMPTY_TRIE_ROOT,
    Agreement,
    Excluded,
    Included,
    verify_account,
    verify_eth_get_proof,
    verify_receipt,
    verify_slot,
)
from evmthread.execution.receipts import Receipt, prove_receipt
from evmthread.merkle.eip1186 import account_proof
from evmthread.merkle.proofs import ProofError, prove_account, prove_slot
from evmthread.primitives.keccak import keccak256
from evmthread.state.memory import MemoryState
from tests.acceptance.refusing import DOMAIN, VECTORS
from tests.channel.games import MorpionMatch
from tests.commit import commit_samples as samples

PROOFS: list[dict[str, Any]] = VECTORS["proofs"]
TERMS = samples.terms_of(2)


def agreed(**roots: bytes) -> Agreement:
    return samples.agree(DOMAIN, TERMS, samples.commitment_of(DOMAIN, TERMS, **roots))


@pytest.mark.parametrize("entry", PROOFS, ids=lambda entry: f"{entry['kind']} {entry['what']}")
def test_c27_the_vectors_under_a_signed_root(entry: dict[str, Any]) -> None:
    root, proof = bytes.fromhex(entry["root"][2:]), [bytes.fromhex(node[2:]) for node in entry["proof"]]
    agreement = agreed(state_root=root, storage_root=root, receipts_root=root)
    if entry["kind"] == "value":
        return  # of no account, slot or receipt: test_vectors.py asks verify_proof
    ask = {
        "account": lambda: verify_account(agreement, bytes.fromhex(entry["address"][2:]), proof),
        "slot": lambda: verify_slot(agreement, int(entry["slot"]), proof),
        "receipt": lambda: verify_receipt(agreement, entry["index"], proof),
    }[entry["kind"]]
    if entry["check"]:
        with pytest.raises(ProofError) as caught:
            ask()
        assert str(caught.value) == entry["message"]
        return
    found = ask()
    assert found.digest == agreement.digest
    assert isinstance(found, Excluded if entry["value"] is None else Included)
    if isinstance(found, Included) and entry["kind"] == "slot":
        assert found.value == int(entry["value"])
    if isinstance(found, Included) and entry["kind"] == "receipt":
        assert isinstance(found.value, Receipt)
        assert "0x" + found.value.encode().hex() == entry["value"]


def game() -> tuple[MorpionMatch, MemoryState, list[list[Receipt]]]:
    """A game's line, the state that a thread of our own has after executing it, and each batch's receipts."""
    match = MorpionMatch().begin()
    match.play(4, 0, 8)
    state = MemoryState()
    thread = Thread.open(LOCAL_DOMAIN, match.terms, match.rules, code=match.code, state=state)
    receipts = []
    for agreement, signed in match.line:
        thread.prepare(signed, nonce=agreement.commitment.nonce)
        assert thread.prepared is not None
        receipts.append(thread.prepared.outcome.receipts())
        thread.adopt(agreement)
    return match, state, receipts


def test_c27_a_game_that_was_played() -> None:
    match, state, receipts = game()
    tip, roots = match.tip, state.roots()
    address, owners = match.thread.address, match.terms.owners
    for each in (address, *owners):
        assert verify_account(tip, each, prove_account(roots, each)) == Included(tip.digest, roots.account(each))
    absent = b"\xee" * 20
    assert verify_account(tip, absent, prove_account(roots, absent)) == Excluded(tip.digest)
    slots = state.storage(address)
    assert len(slots) >= 4
    for key, value in slots.items():
        assert verify_slot(tip, key, prove_slot(roots, address, key)) == Included(tip.digest, value)
        assert their_value(tip.commitment.storage_root, key, prove_slot(roots, address, key)) == value
    empty = next(key for key in range(100) if key not in slots)
    assert verify_slot(tip, empty, prove_slot(roots, address, empty)) == Excluded(tip.digest)
    assert their_value(tip.commitment.storage_root, empty, prove_slot(roots, address, empty)) == 0
    answer = json.loads(json.dumps(account_proof(roots, address, sorted(slots)).to_json()))
    assert verify_eth_get_proof(tip, answer, address, sorted(slots)) == Included(tip.digest, roots.account(address))
    for (agreement, _), made in zip(match.line, receipts, strict=True):
        for index, receipt in enumerate(made):
            proof = prove_receipt(made, index)
            assert verify_receipt(agreement, index, proof) == Included(agreement.digest, receipt)
        assert verify_receipt(agreement, len(made), prove_receipt(made, len(made))) == Excluded(agreement.digest)
    # A move's proof under the root of another move, and an older state's under a newer root.
    before = match.line[-2][0]
    with pytest.raises(ProofError):
        verify_account(before, address, prove_account(roots, address))
    with pytest.raises(ProofError):
        verify_receipt(before, 0, prove_receipt(receipts[-1], 0))
    assert tip.commitment.storage_root != EMPTY_TRIE_ROOT


def their_value(root: bytes, key: int, proof: list[bytes]) -> int:
    leaf = HexaryTrie.get_from_proof(root, keccak256(key.to_bytes(32, "big")), [rlp.decode(node) for node in proof])
    return int.from_bytes(rlp.decode(leaf), "big") if leaf else 0


def test_c27_a_mutated_proof_of_the_game_is_refused_by_both() -> None:
    match, state, _ = game()
    roots, address = state.roots(), match.thread.address
    for key in state.storage(address):
        proof = prove_slot(roots, address, key)
        for place, node in enumerate(proof):
            changed = [*proof[:place], node[:-1] + bytes([node[-1] ^ 1]), *proof[place + 1 :]]
            with pytest.raises(ProofError):
                verify_slot(match.tip, key, changed)
            with pytest.raises((BadTrieProof, rlp.exceptions.DecodingError)):
                their_value(match.tip.commitment.storage_root, key, changed)
