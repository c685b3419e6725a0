"""evmthread against pyrevm: random programs with the same status, gas, output, logs, storage and accounts.

Each run begins at a new seed, which a failure names: EVMTHREAD_SEED repeats it, EVMTHREAD_DIFFERENTIAL_CASES says how
many programs to run.
"""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Engine
from tests.differential.cases import differences, make_case
from tests.differential.peers import ask_pyrevm, call_as_pyrevm_does, count_of, pyrevm, pyrevm_knows, seed_of

FORKS = ("Cancun", "Prague", "Osaka")
FAST, SLOW = 500, 100_000


def forks() -> list[str]:
    """The forks whose rules the installed pyrevm has."""
    pyrevm()
    known = [fork for fork in FORKS if pyrevm_knows(fork)]
    assert known
    return known


def compare(engine: Engine, random: Random, fork: str, name: str) -> list[str]:
    case = make_case(random, fork, name, slots=1)
    ours = call_as_pyrevm_does(engine, case)
    return differences(case, ours, ask_pyrevm(case, ours))


def run(engine: Engine, count: int) -> None:
    known, seed, failures = forks(), seed_of(), []
    print(f"{count} programs on {', '.join(known)} from seed {seed}")
    for number in range(seed, seed + count):
        fork = known[number % len(known)]
        failures += compare(engine, Random(number), fork, f"EVMTHREAD_SEED={number}")
        if len(failures) > 20:
            break
    assert not failures, f"from seed {seed}:\n" + "\n".join(failures)


def test_random_programs(engine: Engine) -> None:
    run(engine, count_of(FAST))


@pytest.mark.slow
def test_many_random_programs(engine: Engine) -> None:
    run(engine, count_of(SLOW // 2))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False), place=st.integers(0, 2))
def test_programs_that_hypothesis_draws_and_shrinks(engine: Engine, random: Random, place: int) -> None:
    known = forks()
    assert compare(engine, random, known[place % len(known)], "drawn") == []
