"""A node's eth_getProof against a root that parties signed."""

import commit_samples as samples
import pytest

from evmthread.commit import Excluded, Included, verify_account, verify_eth_get_proof, verify_slot
from evmthread.merkle.accounts import Account
from evmthread.merkle.eip1186 import AccountProof
from evmthread.merkle.proofs import ProofError
from evmthread.primitives.keccak import keccak256
from tests.anvil import running_anvil, unhex, word

CONTRACT, ABSENT = b"\x0c" * 20, b"\x0a" * 20
CODE = bytes.fromhex("60016002")
SLOTS = {0: 5, 1: 2**255, 2**255: 9}


def test_a_nodes_proofs_hold_under_a_signed_root() -> None:
    terms = samples.terms_of(2)
    with running_anvil() as node:
        node.put(CONTRACT, balance=7, nonce=1, code=CODE, storage=SLOTS)
        root = unhex(node.block(node.mine())["stateRoot"])
        asked = [*SLOTS, 3]
        keys = [word(key) for key in asked]
        answers = {each: node.ask("eth_getProof", "0x" + each.hex(), keys, "latest") for each in (CONTRACT, ABSENT)}
    storage_root = unhex(answers[CONTRACT]["storageHash"])
    signed = samples.commitment_of(samples.DOMAIN, terms, state_root=root, storage_root=storage_root)
    agreement = samples.agree(samples.DOMAIN, terms, signed)
    account = Account(1, 7, storage_root, keccak256(CODE))
    assert verify_eth_get_proof(agreement, answers[CONTRACT], CONTRACT, asked) == Included(agreement.digest, account)
    assert verify_eth_get_proof(agreement, answers[ABSENT], ABSENT, asked) == Excluded(agreement.digest)
    read = AccountProof.from_json(answers[CONTRACT])
    assert verify_account(agreement, CONTRACT, read.proof) == Included(agreement.digest, account)
    for slot in read.slots:
        expected = Included(agreement.digest, SLOTS[slot.key]) if slot.key in SLOTS else Excluded(agreement.digest)
        assert verify_slot(agreement, slot.key, slot.proof) == expected
        assert verify_slot(agreement, slot.key, slot.proof, address=CONTRACT, account=read.proof) == expected
    foreign = samples.agree(samples.DOMAIN, terms, samples.commitment_of(samples.DOMAIN, terms))
    for answer, address in ((answers[CONTRACT], CONTRACT), (answers[ABSENT], ABSENT)):
        with pytest.raises(ProofError):
            verify_eth_get_proof(foreign, answer, address, asked)
