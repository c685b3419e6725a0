"""The rules of a thread: what a ruleset changes of its fork, and which rulesets can't be executed."""

from dataclasses import replace

import pytest

from evmthread.channel.errors import NotSupported
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.rules import RECORDED_BYTES, ThreadRules, _forks, recorded_bytes, thread_rules
from evmthread.commit import DIALECT, TRAP_ADDRESS, Ruleset, thread_address, thread_id
from evmthread.commit.refusals import IllFormedRuleset, Refusal
from evmthread.isa.forks import fork_named
from evmthread.primitives.types import ZERO_ADDRESS
from tests.channel.games import ruleset, terms_of

STOP = b"\x00"
BREAKPOINT = 0xB0


def rules_of(rules: Ruleset) -> ThreadRules:
    return thread_rules(LOCAL_DOMAIN, terms_of(STOP, rules), rules)


def test_the_limits_of_a_threads_forks() -> None:
    for fork in _forks("Osaka", 2**24, 2**17, TRAP_ADDRESS, dialect=False):
        assert fork.limits.recorded_bytes == 2**17
        assert fork.limits.memory_bytes == 2**24


@pytest.mark.parametrize("inputs", [0, 1, 256, 257, 100_000, 2**32 - 1])
def test_the_trees_of_a_batch_are_bounded_however_many_inputs_it_may_have(inputs: int) -> None:
    rules = rules_of(ruleset(batch_inputs=inputs))
    for fork in (rules.fork, rules.creation_fork):
        assert fork.limits.recorded_bytes == recorded_bytes(inputs) <= 2**18
        assert fork.limits.recorded_bytes * inputs <= RECORDED_BYTES
    assert recorded_bytes(256) == 2**18


def test_more_memory_than_a_host_gives_is_not_supported() -> None:
    assert rules_of(ruleset(memory_bytes=2**31)).fork.limits.memory_bytes == 2**31
    with pytest.raises(NotSupported, match="memoryBytes of 2147483649"):
        rules_of(ruleset(memory_bytes=2**31 + 1))


def test_who_is_who_in_a_thread() -> None:
    rules = ruleset()
    terms = terms_of(STOP, rules)
    found = rules_of(rules)
    assert (found.domain, found.terms, found.ruleset) == (LOCAL_DOMAIN, terms, rules)
    assert found.thread_id == thread_id(LOCAL_DOMAIN, terms)
    assert found.address == thread_address(LOCAL_DOMAIN.verifying_contract, found.thread_id)
    assert found.known == {*fork_named("Osaka").precompiles, *terms.owners, TRAP_ADDRESS}
    without = rules_of(ruleset(trap=ZERO_ADDRESS))
    assert without.known == {*fork_named("Osaka").precompiles, *terms.owners}


def test_terms_and_ruleset_belong_together() -> None:
    with pytest.raises(Refusal):
        thread_rules(LOCAL_DOMAIN, terms_of(STOP, ruleset()), ruleset(memory_bytes=2**20))


def test_a_base_state_is_not_supported() -> None:
    with pytest.raises(NotSupported, match="baseNumber 1"):
        rules_of(replace(ruleset(), base_number=1, base_hash=b"\x01" * 32))


def test_the_trap_is_nobody_else() -> None:
    owner = terms_of(STOP, ruleset()).owners[0]
    for trap in (owner, min(fork_named("Osaka").precompiles)):
        with pytest.raises(IllFormedRuleset, match="trap is no precompile and no owner"):
            rules_of(ruleset(trap=trap))


@pytest.mark.parametrize(("fork", "returns"), [("SpuriousDragon", False), ("Byzantium", True), ("Osaka", True)])
def test_a_trap_and_the_dialect_need_return_data(fork: str, returns: bool) -> None:
    plain = rules_of(ruleset(fork=fork))
    assert plain.has_trap == returns
    for each in (plain.fork, plain.creation_fork):
        assert each.name == fork_named(fork).name
        assert (TRAP_ADDRESS in each.precompiles) == returns
        assert each.table[BREAKPOINT] is None
    without = rules_of(ruleset(fork=fork, trap=ZERO_ADDRESS))
    assert not without.has_trap
    assert TRAP_ADDRESS not in without.fork.precompiles
    if not returns:
        with pytest.raises(IllFormedRuleset, match="the dialect needs Byzantium"):
            rules_of(ruleset(fork=fork, dialect=DIALECT))
        return
    spoken = rules_of(ruleset(fork=fork, dialect=DIALECT))
    assert spoken.fork.table[BREAKPOINT] is not None
    assert spoken.creation_fork.table[BREAKPOINT] is not None


def test_the_root_contract_begins_with_nonce_1_in_every_fork() -> None:
    homestead = rules_of(ruleset(fork="Homestead"))
    assert homestead.fork.rules.contract_start_nonce == 0
    assert homestead.creation_fork.rules.contract_start_nonce == 1
    osaka = rules_of(ruleset())
    assert osaka.creation_fork is osaka.fork
