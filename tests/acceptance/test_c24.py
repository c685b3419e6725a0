"""C24, its shape: a batch that a peer signed validly, and whose form alone shows that no thread can have run it."""

from typing import Any

import pytest

from evmthread.commit import (
    Agreement,
    Batch,
    Commitment,
    Environment,
    Ruleset,
    SignedBatch,
    Terms,
    check_environment,
    check_signed_batch,
    check_succession,
    check_successor,
)
from evmthread.commit.refusals import IllFormedBatch, Refusal
from tests.acceptance.refusing import DOMAIN, VECTORS
from tests.commit import commit_samples as samples

SHAPES = [
    each for each in VECTORS["batches"] if each["check"] == "IllFormedBatch" and each["clause"] != "actor is an owner"
]
STEPS = [each for each in VECTORS["successions"] if each["check"]]


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["what"])
def test_c24_a_batch_out_of_shape_is_refused_although_all_signed(entry: dict[str, Any]) -> None:
    terms = Terms.from_json(VECTORS["namedTerms"][entry["terms"]])
    ruleset = Ruleset.from_json(VECTORS["namedRulesets"][entry["ruleset"]])
    commitment = Commitment.from_json(entry["commitment"])
    agreed = samples.agree(DOMAIN, terms, commitment)  # every signature is right
    assert isinstance(agreed, Agreement)
    signed = SignedBatch.decode(bytes.fromhex(entry["bytes"][2:]), batch_bytes=ruleset.batch_bytes)
    with pytest.raises(IllFormedBatch) as caught:
        check_signed_batch(DOMAIN, terms, ruleset, commitment, signed)
    # It says where: the commitment, the clause, and the first input that breaks it.
    assert (caught.value.nonce, caught.value.clause) == (commitment.nonce, entry["clause"])
    assert str(caught.value) == entry["message"]
    assert caught.value.index is None or 0 <= caught.value.index < len(signed.batch.inputs)


@pytest.mark.parametrize("entry", STEPS, ids=lambda entry: entry["what"])
def test_c24_a_step_that_nothing_can_make_is_refused_although_all_signed(entry: dict[str, Any]) -> None:

    parent, child = Commitment.from_json(entry["parent"]), Commitment.from_json(entry["commitment"])
    batch = Batch.decode(bytes.fromhex(entry["batch"][2:]))

    def check() -> None:
        check_successor(parent, child)
        check_environment(Environment.from_json(entry["parentEnvironment"]), batch, nonce=child.nonce)
        check_succession(parent, child, batch)

    with pytest.raises(Refusal) as caught:
        check()
    assert type(caught.value).__name__ == entry["check"]
    assert caught.value.nonce == child.nonce
    assert str(caught.value) == entry["message"]
