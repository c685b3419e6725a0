"""Opening: a thread whose contract leaves no time to come back to the chain is refused before money goes into it."""

from dataclasses import replace
from typing import Any

import commit_samples as samples
import pytest
from vector_forms import VECTORS, verdict

from evmthread.commit import Ruleset, Terms, check_opening, check_rules, exit_time
from evmthread.commit.refusals import ContractTimeoutTooShort, IllFormedRuleset, IllFormedTerms, WrongHash
from evmthread.errors import InvalidInput


def opened(timeout: int, *, challenge: int = 300, drift: int = 120) -> tuple[Terms, Ruleset]:
    ruleset = Ruleset(contract_timeout=timeout, clock_drift=drift)
    return samples.terms_of(2, ruleset=ruleset.hash_struct(), challenge_period=challenge), ruleset


def test_exit_time_is_challenge_clocks_and_three_inclusions() -> None:
    terms, ruleset = opened(0)
    assert exit_time(terms, ruleset) == 300 + 120 + 3 * 600
    assert exit_time(terms, ruleset, inclusion=0) == 420
    assert exit_time(terms, ruleset, inclusion=7) == 441
    for inclusion in (-1, True, 1.5, None, 1 << 32):
        with pytest.raises(InvalidInput, match="inclusion"):
            exit_time(terms, ruleset, inclusion=inclusion)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("challenge", "drift", "inclusion"), [(300, 120, 600), (60, 0, 0), (2_592_000, 4_000, 3_600), (3_600, 120, 12)]
)
def test_the_shortest_deadline_is_more_than_twice_the_exit_time(challenge: int, drift: int, inclusion: int) -> None:
    needed = challenge + drift + 3 * inclusion
    for timeout in (0, 2 * needed + 1, 2**32 - 1):
        check_opening(*opened(timeout, challenge=challenge, drift=drift), inclusion=inclusion)
    for timeout in (1, needed, 2 * needed - 1, 2 * needed):
        with pytest.raises(ContractTimeoutTooShort, match=f"contractTimeout is {timeout} s") as refused:
            check_opening(*opened(timeout, challenge=challenge, drift=drift), inclusion=inclusion)
        assert (refused.value.contract_timeout, refused.value.exit_time) == (timeout, needed)
        check_rules(*opened(timeout, challenge=challenge, drift=drift))  # what others opened can still be verified


def test_by_default_a_transaction_takes_ten_minutes() -> None:
    check_opening(*opened(2 * (300 + 120 + 1_800) + 1))
    with pytest.raises(ContractTimeoutTooShort):
        check_opening(*opened(2 * (300 + 120 + 1_800)))


def test_all_else_is_checked_first() -> None:
    terms, ruleset = opened(0)
    with pytest.raises(IllFormedTerms):
        check_opening(replace(terms, threshold=0), ruleset)
    with pytest.raises(IllFormedTerms, match="reserve"):
        check_opening(replace(terms, deposits=(0, 0)), ruleset)
    with pytest.raises(IllFormedRuleset):
        check_opening(terms, replace(ruleset, version=2))
    with pytest.raises(WrongHash):
        check_opening(terms, replace(ruleset, batch_gas=1))


def test_nobody_can_leave_the_contracts_deadline_out() -> None:
    with pytest.raises(TypeError, match="contract_timeout"):
        Ruleset()  # type: ignore[call-arg]


@pytest.mark.parametrize("entry", VECTORS["openings"], ids=lambda entry: entry["what"])
def test_the_vectors_open_or_not_as_they_say(entry: dict[str, Any]) -> None:
    terms, ruleset = Terms.from_json(entry["terms"]), Ruleset.from_json(entry["ruleset"])
    inclusion = entry["inclusion"]
    assert exit_time(terms, ruleset, inclusion=inclusion) == entry["exitTime"]
    found = verdict(lambda: check_opening(terms, ruleset, inclusion=inclusion))
    assert found == {name: entry[name] for name in ("check", "clause", "message")}
