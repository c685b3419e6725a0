"""evmthread against the execution specifications (EELS): random transactions on every fork that EELS has.

Each run begins at a new seed, which a failure names: EVMTHREAD_SEED repeats it, EVMTHREAD_DIFFERENTIAL_CASES says how
many transactions to run.
"""

from random import Random

import pytest

from evmthread.isa.forks import HISTORY
from tests.conftest import Engine
from tests.differential.cases import differences, make_case
from tests.differential.peers import apply_transaction, count_of, eels, seed_of

# Constantinople without Petersburg never was: both came in one block, and EELS has what came out of it.
FORKS = [fork.name for fork in HISTORY if fork.name != "Constantinople"]
FAST, SLOW = 170, 8_500


def run(engine: Engine, count: int) -> None:
    seed, failures, silent = seed_of(), [], 0
    print(f"{count} transactions on {', '.join(FORKS)} from seed {seed}")
    with eels() as peer:
        for number in range(seed, seed + count):
            fork = FORKS[number % len(FORKS)]
            case = make_case(Random(number), fork, f"EVMTHREAD_SEED={number}", transactions=True)
            ours, theirs = apply_transaction(engine, case), peer.ask(case)
            if theirs is None:
                silent += 1
            else:
                failures += differences(case, ours, theirs)
            if len(failures) > 20:
                break
    assert silent <= count // 100 + 1
    assert not failures, f"from seed {seed}:\n" + "\n".join(failures)


def test_random_transactions(engine: Engine) -> None:
    run(engine, count_of(FAST))


@pytest.mark.slow
def test_many_random_transactions(engine: Engine) -> None:
    run(engine, count_of(SLOW))
