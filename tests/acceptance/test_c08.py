"""C8: what was signed for another chain, registry or thread says nothing here."""

from dataclasses import replace

import pytest

from evmthread.commit import (
    Domain,
    KeyGrant,
    LocalSigner,
    Resume,
    Terms,
    TypedData,
    check_input_signature,
    check_signed_batch,
    thread_id,
    verify_key_grant,
    verify_resume,
)
from evmthread.commit.refusals import MalformedSignature, WrongSignature, WrongThread
from tests.acceptance.refusing import DOMAIN, Case
from tests.commit import commit_samples as samples

TERMS = samples.terms_of(2)
OTHER_KEY = (WrongSignature, MalformedSignature)

ELSEWHERE: dict[str, tuple[Domain, Terms]] = {
    "chain": (Domain(2, samples.REGISTRY), TERMS),
    "chain id above 64 bits": (Domain(1 + (1 << 64), samples.REGISTRY), TERMS),
    "registry": (Domain(1, samples.OPERATOR), TERMS),
    "salt": (DOMAIN, replace(TERMS, salt=8)),
    "origin": (DOMAIN, replace(TERMS, origin=bytes(20))),
    "deposits": (DOMAIN, replace(TERMS, deposits=(10**18 - 5, 10**18))),
    "rules": (DOMAIN, replace(TERMS, ruleset=bytes(32))),
    "openBefore": (DOMAIN, replace(TERMS, open_before=0)),
}


@pytest.mark.parametrize(("domain", "terms"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_c8_an_agreement_of_another(domain: Domain, terms: Terms) -> None:
    case = Case(2)
    theirs = samples.agree(domain, terms, samples.commitment_of(domain, terms))
    # As it is, it names its own thread; with the name changed, the signatures are over something else.
    case.refused(WrongThread, theirs.signatures, commitment=theirs.commitment)
    renamed = replace(theirs.commitment, thread_id=case.commitment.thread_id)
    case.refused(OTHER_KEY, theirs.signatures, commitment=renamed)
    case.refused(WrongThread, domain=domain, terms=terms)


@pytest.mark.parametrize(("domain", "terms"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_c8_an_input_of_another(domain: Domain, terms: Terms) -> None:
    here, there = samples.input_of(DOMAIN, TERMS), samples.input_of(domain, terms)
    theirs = samples.signers(2)[0].sign(TypedData(domain, there))
    with pytest.raises(OTHER_KEY):
        check_input_signature(DOMAIN, TERMS, here, theirs)
    commitment, signed = samples.committed_batch(DOMAIN, TERMS, (there,))
    with pytest.raises(WrongThread):
        check_signed_batch(DOMAIN, TERMS, samples.RULESET, commitment, signed)


@pytest.mark.parametrize(("domain", "terms"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_c8_a_grant_and_a_resume_of_another(domain: Domain, terms: Terms) -> None:
    keys = tuple([LocalSigner(samples.private_key(index)).address for index in (4, 5)])
    ours, theirs = replace(TERMS, keys=keys), replace(terms, keys=keys)
    owner = samples.signers(2)[0]
    grant = KeyGrant(thread_id(domain, theirs), owner.address, keys[0])
    signature = owner.sign(TypedData(domain, grant))
    assert verify_key_grant(domain, theirs, grant, signature) == 0
    with pytest.raises(WrongThread):
        verify_key_grant(DOMAIN, ours, grant, signature)
    with pytest.raises(OTHER_KEY):
        verify_key_grant(DOMAIN, ours, replace(grant, thread_id=thread_id(DOMAIN, ours)), signature)
    resume = Resume(thread_id(domain, terms), 5)
    signatures = samples.sign_record(domain, terms, resume)
    verify_resume(domain, terms, resume, signatures)
    with pytest.raises(WrongThread):
        verify_resume(DOMAIN, TERMS, resume, signatures)
    with pytest.raises(OTHER_KEY):
        verify_resume(DOMAIN, TERMS, replace(resume, thread_id=thread_id(DOMAIN, TERMS)), signatures)
