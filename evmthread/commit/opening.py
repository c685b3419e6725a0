"""What one must know before one puts money into a thread: whether there is time to come back to the chain.

These rules bind whoever opens a thread, and depend on what it thinks of its chain. They are no part of verifying what
others opened: that is check_rules.
"""

from evmthread.commit.members import plain_type
from evmthread.commit.refusals import ContractTimeoutTooShort
from evmthread.commit.terms import Ruleset, Terms, check_rules

DEFAULT_INCLUSION = 600
"""Seconds within which a transaction that pays for it is in the chain (commitment.md, section 5)."""

_SECONDS = plain_type("uint32")


def exit_time(terms: Terms, ruleset: Ruleset, *, inclusion: int = DEFAULT_INCLUSION) -> int:
    """How many seconds the way back to the chain takes at most: challenge, settle, materialize, and clocks apart."""
    return terms.challenge_period + ruleset.clock_drift + 3 * int(_SECONDS.plain(inclusion, "inclusion"))


def check_opening(terms: Terms, ruleset: Ruleset, *, inclusion: int = DEFAULT_INCLUSION) -> None:
    """Nothing, or a Refusal: a thread may be opened on these.

    Both are well-formed, the terms name this ruleset, and the contract's shortest deadline, where it has one, is more
    than twice the exit time: a move that waits for a silent peer can still be made on chain. `inclusion` is in seconds.
    """
    check_rules(terms, ruleset)
    needed = exit_time(terms, ruleset, inclusion=inclusion)
    if 0 < ruleset.contract_timeout <= 2 * needed:
        raise ContractTimeoutTooShort(ruleset.contract_timeout, needed)
