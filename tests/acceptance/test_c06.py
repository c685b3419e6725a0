"""C6, what a key's log and evidence have of it: a lower nonce, an equal one with the same digest, and with another."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.commit import (
    Agreement,
    Equivocation,
    EquivocationError,
    GuardedSigner,
    LocalSigner,
    NonceNotAbove,
    TypedData,
    digest,
    verify_chain,
)
from evmthread.store.signlog import SqliteSignLog
from tests.acceptance.refusing import DOMAIN
from tests.commit import commit_samples as samples

TERMS = samples.terms_of(2)
SIGNERS = samples.signers(2)


def commitment(nonce: int, **changes: object) -> TypedData:
    return TypedData(DOMAIN, samples.commitment_of(DOMAIN, TERMS, nonce=nonce, **changes))


def test_c6_in_a_log_on_disk(tmp_path: Path) -> None:
    key = SIGNERS[0].address
    with SqliteSignLog(tmp_path / "log", key) as log:
        guarded = GuardedSigner(SIGNERS[0], log)
        first = guarded.sign(commitment(5), content=b"five")
        guarded.sign(commitment(9), content=b"nine")
    for _ in range(2):  # and the same after a restart
        with SqliteSignLog(tmp_path / "log", key) as log:
            guarded = GuardedSigner(SIGNERS[0], log)
            before = log.entries(commitment(5).record.thread_id)  # type: ignore[attr-defined]
            for nonce in (1, 4, 6, 8):
                with pytest.raises(NonceNotAbove):
                    guarded.sign(commitment(nonce))
            assert guarded.sign(commitment(5), content=b"other") == first  # no effect: the same bytes again
            for nonce in (5, 9):
                for changes in ({"fee": 0}, {"status": 2}, {"state_root": bytes(32)}):
                    with pytest.raises(EquivocationError):
                        guarded.sign(commitment(nonce, **changes))
            assert log.entries(commitment(5).record.thread_id) == before  # type: ignore[attr-defined]


def test_c6_a_peers_two_digests_are_kept_as_evidence() -> None:
    one, other = commitment(5).record, commitment(5, fee=0).record
    pair = [(each, SIGNERS[1].sign(TypedData(DOMAIN, each))) for each in (one, other)]
    evidence = Equivocation(DOMAIN, TERMS, 1, *pair[0], *pair[1])  # type: ignore[arg-type]
    text = json.dumps(evidence.to_json())
    assert Equivocation.from_json(DOMAIN, TERMS, json.loads(text)) == evidence
    assert {digest(DOMAIN, evidence.first), digest(DOMAIN, evidence.second)} == {
        digest(DOMAIN, one),
        digest(DOMAIN, other),
    }


def test_c6_two_agreements_under_one_nonce_stay_apart() -> None:
    """An agreement on another digest replaces nothing: the line is the one that ends in its tip."""
    line = samples.line_of(DOMAIN, TERMS, (0, 1, 2))
    fork = samples.agree(DOMAIN, TERMS, replace(line[2].commitment, state_root=bytes(32)))
    for tip, beside in ((line[2], fork), (fork, line[2])):
        chain = verify_chain(DOMAIN, TERMS, [*line, fork, *line], tip.digest)
        assert chain.line == (*line[:2], tip)
        assert chain.superseded == (beside,)
    again = Agreement.decode(DOMAIN, TERMS, line[2].encode())
    assert verify_chain(DOMAIN, TERMS, [*line, again], again.digest).superseded == ()


def test_c6_another_key_signs_what_it_likes(tmp_path: Path) -> None:
    for index, signer in enumerate(SIGNERS):
        with SqliteSignLog(tmp_path / str(index), signer.address) as log:
            GuardedSigner(LocalSigner(samples.private_key(index)), log).sign(commitment(5, fee=index))
