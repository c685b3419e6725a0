"""Proofs against signed roots: what is there, what isn't, and that only an Agreement's roots count."""

import json
from dataclasses import replace

import commit_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.commit import (
    EMPTY_TRIE_ROOT,
    Agreement,
    Excluded,
    Included,
    thread_address,
    verify_account,
    verify_eth_get_proof,
    verify_receipt,
    verify_slot,
)
from evmthread.errors import DecodingError, InvalidInput
from evmthread.merkle.accounts import Account, StateRoots
from evmthread.merkle.eip1186 import account_proof
from evmthread.merkle.proofs import ProofError, prove_account, prove_slot
from evmthread.merkle.receipts import Receipt, prove_receipt, receipts_root
from evmthread.primitives.keccak import EMPTY_HASH, keccak256
from evmthread.primitives.types import Log

TERMS = samples.terms_of(2)
THREAD = samples.commitment_of(samples.DOMAIN, TERMS).thread_id
ROOT = thread_address(samples.REGISTRY, THREAD)
OTHER, ABSENT = b"\x0b" * 20, b"\x0a" * 20
SLOTS = {0: 1, 1: 2**255, 2: 127, 3: 128, 9: 2**256 - 1}
RECEIPTS = [
    Receipt(index % 3 != 0, 21_000 * index, (Log(ROOT, (EMPTY_HASH,), b"x"),) * (index % 2)) for index in range(130)
]


def state_of() -> StateRoots:
    state = StateRoots()
    state.set_account(ROOT, 1, 10**15, keccak256(b"code"))
    for key, value in SLOTS.items():
        state.set_slot(ROOT, key, value)
    state.set_account(OTHER, 0, 5, EMPTY_HASH)
    state.set_slot(OTHER, 7, 77)
    for number in range(40):
        state.set_account(bytes([number]) * 20 if number not in (10, 11) else b"\xee" * 20, 0, 1 + number, EMPTY_HASH)
    return state


STATE = state_of()


def agreement_of(**changes: object) -> Agreement:
    values = {
        "state_root": STATE.root(),
        "storage_root": STATE.storage_root(ROOT),
        "receipts_root": receipts_root(RECEIPTS),
    }
    commitment = samples.commitment_of(samples.DOMAIN, TERMS, **(values | changes))
    return samples.agree(samples.DOMAIN, TERMS, commitment)


AGREEMENT = agreement_of()


def test_accounts() -> None:
    root_account = Account(1, 10**15, STATE.storage_root(ROOT), keccak256(b"code"))
    found = verify_account(AGREEMENT, ROOT, prove_account(STATE, ROOT))
    assert found == Included(AGREEMENT.digest, root_account)
    assert verify_account(AGREEMENT, ABSENT, prove_account(STATE, ABSENT)) == Excluded(AGREEMENT.digest)
    for address, proof in ((ROOT, prove_account(STATE, ABSENT)), (ABSENT, prove_account(STATE, ROOT)), (ROOT, [])):
        with pytest.raises(ProofError):
            verify_account(AGREEMENT, address, proof)


def test_slots_of_the_root_contract() -> None:
    for key, value in SLOTS.items():
        assert verify_slot(AGREEMENT, key, prove_slot(STATE, ROOT, key)) == Included(AGREEMENT.digest, value)
    assert verify_slot(AGREEMENT, 4, prove_slot(STATE, ROOT, 4)) == Excluded(AGREEMENT.digest)
    with pytest.raises(ProofError):
        verify_slot(AGREEMENT, 4, prove_slot(STATE, ROOT, 0))
    with pytest.raises(ProofError):  # of the root contract unless another account is named
        verify_slot(AGREEMENT, 7, prove_slot(STATE, OTHER, 7))


def test_slots_of_other_accounts() -> None:
    for address, key in ((OTHER, 7), (OTHER, 0), (ROOT, 3), (ROOT, 4), (ABSENT, 7)):
        account, slot = prove_account(STATE, address), prove_slot(STATE, address, key)
        value = STATE.slot(address, key)
        expected = Included(AGREEMENT.digest, value) if value else Excluded(AGREEMENT.digest)
        assert verify_slot(AGREEMENT, key, slot, address=address, account=account) == expected
    with pytest.raises(ProofError):  # an account that isn't there has no slots
        verify_slot(AGREEMENT, 7, prove_slot(STATE, OTHER, 7), address=ABSENT, account=prove_account(STATE, ABSENT))
    with pytest.raises(ProofError):
        verify_slot(AGREEMENT, 7, prove_slot(STATE, OTHER, 7), address=OTHER, account=prove_account(STATE, ROOT))
    with pytest.raises(ProofError):
        verify_slot(AGREEMENT, 7, prove_slot(STATE, OTHER, 7), address=OTHER)
    with pytest.raises(InvalidInput, match="not its address"):
        verify_slot(AGREEMENT, 7, prove_slot(STATE, ROOT, 7), account=prove_account(STATE, OTHER))


def test_the_form_of_eth_get_proof() -> None:
    for address in (ROOT, OTHER, ABSENT):
        keys = [0, 4, 7]
        answer = json.loads(json.dumps(account_proof(STATE, address, keys).to_json()))
        found = verify_eth_get_proof(AGREEMENT, answer, address, keys)
        expected = STATE.account(address)
        assert found == (Excluded(AGREEMENT.digest) if expected is None else Included(AGREEMENT.digest, expected))
        for wrong in (answer | {"balance": "0x7"}, answer | {"address": "0x" + "ee" * 20}):
            with pytest.raises(ProofError):
                verify_eth_get_proof(AGREEMENT, wrong, address, keys)
        with pytest.raises(ProofError, match="other slots"):
            verify_eth_get_proof(AGREEMENT, answer, address)
        with pytest.raises(DecodingError):
            verify_eth_get_proof(AGREEMENT, answer | {"nonce": "0x01"}, address, keys)


def test_receipts() -> None:
    for index in (0, 1, 127, 128, 129):
        proof = prove_receipt(RECEIPTS, index)
        assert verify_receipt(AGREEMENT, index, proof) == Included(AGREEMENT.digest, RECEIPTS[index])
        with pytest.raises(ProofError):
            verify_receipt(AGREEMENT, index + 1, proof)
    assert verify_receipt(AGREEMENT, 130, prove_receipt(RECEIPTS, 130)) == Excluded(AGREEMENT.digest)
    empty = agreement_of(receipts_root=EMPTY_TRIE_ROOT)
    assert verify_receipt(empty, 0, prove_receipt([], 0)) == Excluded(empty.digest)
    with pytest.raises(ProofError):
        verify_receipt(empty, 0, prove_receipt(RECEIPTS, 0))
    with pytest.raises(InvalidInput):
        verify_receipt(AGREEMENT, -1, [])


def test_an_empty_state() -> None:
    empty = agreement_of(state_root=EMPTY_TRIE_ROOT, storage_root=EMPTY_TRIE_ROOT)
    assert verify_account(empty, ROOT, []) == Excluded(empty.digest)
    assert verify_slot(empty, 0, []) == Excluded(empty.digest)
    assert verify_slot(empty, 0, [], address=ROOT, account=[]) == Excluded(empty.digest)
    with pytest.raises(ProofError):
        verify_account(empty, ROOT, [b"\x80"])


def test_a_condition_tells_inclusion_from_exclusion() -> None:
    assert verify_account(AGREEMENT, ROOT, prove_account(STATE, ROOT))
    assert not verify_account(AGREEMENT, ABSENT, prove_account(STATE, ABSENT))
    assert bool(Included(b"", 0))
    assert Included(b"d", None) != Excluded(b"d")


def test_only_an_agreement_counts() -> None:
    proof = prove_account(STATE, ROOT)
    for unverified in (AGREEMENT.signed, AGREEMENT.commitment, AGREEMENT.commitment.state_root, None):
        with pytest.raises(InvalidInput, match="an Agreement is wanted"):
            verify_account(unverified, ROOT, proof)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="an Agreement is wanted"):
            verify_slot(unverified, 0, prove_slot(STATE, ROOT, 0))  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="an Agreement is wanted"):
            verify_eth_get_proof(unverified, {}, ROOT)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="an Agreement is wanted"):
            verify_receipt(unverified, 0, prove_receipt(RECEIPTS, 0))  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_proof_is_refused(data: st.DataObject) -> None:
    address = data.draw(st.sampled_from([ROOT, OTHER, ABSENT]))
    proof = prove_account(STATE, address)
    place = data.draw(st.integers(0, len(proof) - 1))
    node = bytearray(proof[place])
    node[data.draw(st.integers(0, len(node) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProofError):
        verify_account(AGREEMENT, address, [*proof[:place], bytes(node), *proof[place + 1 :]])


def test_another_threads_agreement_says_nothing_of_this_state() -> None:
    elsewhere = samples.terms_of(2, salt=8)
    base = samples.commitment_of(samples.DOMAIN, elsewhere)
    foreign = samples.agree(samples.DOMAIN, elsewhere, replace(base, storage_root=STATE.storage_root(OTHER)))
    with pytest.raises(ProofError):
        verify_account(foreign, ROOT, prove_account(STATE, ROOT))
    with pytest.raises(ProofError):
        verify_slot(foreign, 0, prove_slot(STATE, ROOT, 0))
