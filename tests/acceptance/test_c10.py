"""C10, what bytes have of it: after the end, and for another occasion, what was signed before has no effect."""

from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.commit import (
    AlreadyFinal,
    GuardedSigner,
    KeyGrant,
    Resume,
    TypedData,
    check_signed_batch,
    check_succession,
    check_successor,
    thread_id,
    verify_chain,
    verify_resume,
)
from evmthread.commit.refusals import IllFormedBatch, MalformedSignature, ParentIsFinal, WrongSignature
from evmthread.store.signlog import SqliteSignLog
from tests.acceptance.refusing import DOMAIN
from tests.commit import commit_samples as samples

TERMS = samples.terms_of(2)
LINE = samples.line_of(DOMAIN, TERMS, (0, 1, 2), final=True)
FINAL = LINE[-1]


def test_c10_nothing_follows_a_final_commitment() -> None:
    for nonce, status in ((4, 0), (4, 1), (4, 2), (2**64 - 1, 2)):
        waiting = {"awaiting": TERMS.owners[0], "machine_hash": b"\1" * 32} if status == 1 else {}
        later = replace(FINAL.commitment, nonce=nonce, parent=FINAL.digest, status=status, **waiting)
        with pytest.raises(ParentIsFinal):
            check_successor(FINAL.commitment, later)
        agreed = samples.agree(DOMAIN, TERMS, later)
        with pytest.raises(ParentIsFinal):
            verify_chain(DOMAIN, TERMS, [*LINE, agreed], agreed.digest)


def test_c10_what_was_agreed_before_the_end_is_superseded_by_it() -> None:
    beside = samples.agree(DOMAIN, TERMS, replace(LINE[2].commitment, nonce=40, parent=LINE[1].digest))
    chain = verify_chain(DOMAIN, TERMS, [beside, *LINE], FINAL.digest)
    assert chain.line == tuple(LINE)
    assert chain.superseded == (beside,)


def test_c10_a_key_that_signed_the_end_signs_nothing_more(tmp_path: Path) -> None:
    signer = samples.signers(2)[0]
    with SqliteSignLog(tmp_path / "log", signer.address) as log:
        last = GuardedSigner(signer, log).sign(TypedData(DOMAIN, FINAL.commitment))
    with SqliteSignLog(tmp_path / "log", signer.address) as log:
        guarded = GuardedSigner(signer, log)
        assert guarded.sign(TypedData(DOMAIN, FINAL.commitment)) == last
        thread = thread_id(DOMAIN, TERMS)
        for record in (
            replace(FINAL.commitment, nonce=9),
            replace(FINAL.commitment, nonce=9, status=0),
            samples.input_of(DOMAIN, TERMS),
            KeyGrant(thread, TERMS.owners[0], TERMS.keys[0]),
            Resume(thread, 7),
        ):
            with pytest.raises(AlreadyFinal):
                guarded.sign(TypedData(DOMAIN, record))


def test_c10_a_resume_is_for_one_challenge() -> None:
    resume = Resume(thread_id(DOMAIN, TERMS), 1_800_000_000)
    signatures = samples.sign_record(DOMAIN, TERMS, resume)
    verify_resume(DOMAIN, TERMS, resume, signatures)
    for deadline in (0, 1_799_999_999, 1_800_000_001, 2**64 - 1):
        with pytest.raises((WrongSignature, MalformedSignature)):
            verify_resume(DOMAIN, TERMS, replace(resume, deadline=deadline), signatures)


def test_c10_an_input_bound_to_its_parent_runs_on_no_other() -> None:
    bound = samples.input_of(DOMAIN, TERMS, parent=LINE[0].digest)
    for parent, fits in ((LINE[0].digest, True), (LINE[1].digest, False)):
        commitment, signed = samples.committed_batch(DOMAIN, TERMS, (bound,), parent=parent)
        if fits:
            check_signed_batch(DOMAIN, TERMS, samples.RULESET, commitment, signed)
        else:
            with pytest.raises(IllFormedBatch, match="parent zero or the commitment's parent"):
                check_signed_batch(DOMAIN, TERMS, samples.RULESET, commitment, signed)


def test_c10_an_answer_is_valid_once() -> None:
    machine = b"\1" * 32
    waiting = samples.commitment_of(DOMAIN, TERMS, status=1, awaiting=TERMS.owners[0], machine_hash=machine)
    link = samples.link(DOMAIN, waiting)
    answer = samples.input_of(DOMAIN, TERMS, kind=2, nonce=0, parent=link, data=machine + b"yes")
    child, signed = samples.committed_batch(DOMAIN, TERMS, (answer,), nonce=6, parent=link)
    check_succession(waiting, child, signed.batch)
    with pytest.raises(IllFormedBatch, match="only when suspended"):
        check_succession(child, replace(child, nonce=7), signed.batch)
    other = replace(waiting, machine_hash=b"\2" * 32)
    with pytest.raises(IllFormedBatch, match="machineHash"):
        check_succession(other, child, signed.batch)
