"""C29: of 2 to 5 parties, under every threshold, a set of signers agrees exactly when it meets the rule."""

from typing import Any

import pytest

from evmthread.commit import Agreement, Commitment, SignatureSet, Terms, check_terms
from evmthread.commit.refusals import IllFormedTerms, NotEnoughSignatures
from tests.acceptance.refusing import DOMAIN, VECTORS
from tests.commit import commit_samples as samples

SUBSETS: list[dict[str, Any]] = VECTORS["subsets"]


def test_c29_the_vectors_are_all_of_them() -> None:
    forms = ("at rest", "genesis", "final")
    wanted = [f"{form}, {threshold} of {n}" for n in range(2, 6) for threshold in range(n + 2) for form in forms]
    assert [entry["what"] for entry in SUBSETS] == wanted


@pytest.mark.parametrize("entry", SUBSETS, ids=lambda entry: entry["what"])
def test_c29_every_set_of_signers(entry: dict[str, Any]) -> None:
    terms, commitment = Terms.from_json(entry["terms"]), Commitment.from_json(entry["commitment"])
    signatures = [bytes.fromhex(each[2:]) for each in entry["signatures"]]
    parties, threshold = len(terms.keys), terms.threshold
    needed = parties if commitment.nonce == 0 or commitment.status == 2 else threshold
    accepted, refusals = [], {}
    for bitmap in range(1 << parties):
        chosen = SignatureSet(bitmap, tuple([each for index, each in enumerate(signatures) if bitmap >> index & 1]))
        try:
            agreement = Agreement(DOMAIN, terms, commitment, chosen)
        except (NotEnoughSignatures, IllFormedTerms) as error:
            refusals[bitmap] = error
        else:
            assert agreement.signatures == chosen
            accepted.append(bitmap)
    assert accepted == entry["accepted"]
    majority = parties / 2 < threshold <= parties
    assert accepted == [each for each in range(1 << parties) if majority and each.bit_count() >= needed]
    for bitmap, refusal in refusals.items():
        if majority:
            assert isinstance(refusal, NotEnoughSignatures)
            assert (refusal.needed, refusal.got) == (needed, bitmap.bit_count())
        else:
            assert isinstance(refusal, IllFormedTerms)  # a 2-of-4, among others


@pytest.mark.parametrize(("parties", "threshold"), [(4, 2), (2, 1), (6, 3), (16, 8), (3, 0), (3, 4), (5, 255)])
def test_c29_a_threshold_that_half_can_meet_is_refused_in_the_terms(parties: int, threshold: int) -> None:

    with pytest.raises(IllFormedTerms, match="n/2 < threshold <= n"):
        check_terms(samples.terms_of(parties, threshold=threshold))
