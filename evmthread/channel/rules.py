"""The rules under which one thread executes: its fork with the ruleset's limits, its address, whom it may call.

Built once from Domain, Terms and Ruleset, and refused where this version can't execute them.
"""

from dataclasses import dataclass
from functools import lru_cache

from evmthread.channel.errors import NotSupported
from evmthread.commit.eip712 import Domain
from evmthread.commit.refusals import IllFormedRuleset
from evmthread.commit.terms import Ruleset, Terms, check_rules, thread_address, thread_id
from evmthread.isa.forks import Fork, fork_named, with_dialect
from evmthread.precompiles.precompile import Precompile, fixed_price
from evmthread.primitives.types import ZERO_ADDRESS, ZERO_HASH

RECORDED_BYTES = 2**26
"""What the trees of calls of a batch with as many inputs as may be can take; further calls are run and checked, and
only counted."""

_RECORDED_OF_AN_INPUT = 2**18

_STATICCALL = 0xFA  # EIP-214, Byzantium: since then there is a TRAP


def _no_output(_data: bytes) -> bytes:
    return b""


# What DELEGATECALL and CALLCODE see of the trap address: warm from the start, an empty answer, no price beyond the
# call's. A CALL or STATICCALL never gets there: it asks somebody (calls.py).
_UNANSWERED_TRAP = Precompile("evmthread trap", fixed_price(0), _no_output)


@dataclass(frozen=True, slots=True)
class ThreadRules:
    """What stays the same from batch to batch.

    `fork` runs calls, `creation_fork` the genesis creation. `known` are the addresses without code that may be called.
    """

    domain: Domain
    terms: Terms
    ruleset: Ruleset
    thread_id: bytes
    address: bytes
    fork: Fork
    creation_fork: Fork
    has_trap: bool
    known: frozenset[bytes]


def thread_rules(domain: Domain, terms: Terms, ruleset: Ruleset) -> ThreadRules:
    """The rules of the thread that these terms open.

    Raises a Refusal where terms and ruleset aren't well-formed or don't belong together, NotSupported for a base
    state.
    """
    check_rules(terms, ruleset)
    if ruleset.base_number:
        raise NotSupported(f"a base state (baseNumber {ruleset.base_number}) is not supported yet")
    base = fork_named(ruleset.fork)
    if ruleset.memory_bytes > (most := base.limits.memory_bytes):  # gas that is set as high would pay for all of it
        raise NotSupported(f"memoryBytes of {ruleset.memory_bytes}: at most {most} are supported")
    if ruleset.trap in base.precompiles or ruleset.trap in terms.owners:
        raise IllFormedRuleset("trap is no precompile and no owner", ruleset.trap)
    if ruleset.dialect != ZERO_HASH and not _has_return_data(base):
        raise IllFormedRuleset("the dialect needs Byzantium or later", ruleset.fork)
    has_trap = ruleset.trap != ZERO_ADDRESS and _has_return_data(base)
    fork, creation_fork = _forks(
        ruleset.fork,
        ruleset.memory_bytes,
        recorded_bytes(ruleset.batch_inputs),
        ruleset.trap if has_trap else None,
        dialect=ruleset.dialect != ZERO_HASH,
    )
    thread = thread_id(domain, terms)
    return ThreadRules(
        domain,
        terms,
        ruleset,
        thread,
        thread_address(domain.verifying_contract, thread),
        fork,
        creation_fork,
        has_trap,
        frozenset((*base.precompiles, *terms.owners, ruleset.trap)) - {ZERO_ADDRESS},
    )


def recorded_bytes(batch_inputs: int) -> int:
    """What the tree of calls of each input may take where a batch has at most so many."""
    return min(_RECORDED_OF_AN_INPUT, RECORDED_BYTES // max(1, batch_inputs))


def _has_return_data(fork: Fork) -> bool:
    return fork.table[_STATICCALL] is not None


@lru_cache(maxsize=64)
def _forks(name: str, memory_bytes: int, recorded: int, trap: bytes | None, *, dialect: bool) -> tuple[Fork, Fork]:
    """(fork, creation fork). Remembered, because what is known of a code is kept by the identity of its fork."""
    base = fork_named(name)
    fork = base.evolve(
        base.name,
        limits={"memory_bytes": memory_bytes, "recorded_bytes": recorded},
        precompiles=None if trap is None else {int.from_bytes(trap, "big"): _UNANSWERED_TRAP},
    )
    if dialect:
        fork = with_dialect(fork)
    # The root contract has nonce 1 before it runs, also in forks in which a new contract begins with 0.
    started = fork if fork.rules.contract_start_nonce else fork.evolve(base.name, rules={"contract_start_nonce": 1})
    return fork, started
