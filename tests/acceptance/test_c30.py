"""C30: two to seven parties on a bad network, with crashes, restores and liars, through their whole life.

A run checks at every step that no honest key signs two digests for a nonce, that nothing agreed is lost, that honest
parties don't diverge, that money is conserved, and at its end that every line replays and that liars are convicted by
evidence that holds. tests/testing/simulation plays many more, and shows that each of these checks can fail.
"""

from collections.abc import Callable

import pytest

from evmthread.testing.simulation.run import run
from evmthread.testing.simulation.scenario import Scenario, scenario_of

KINDS: dict[str, Callable[[Scenario], bool]] = {
    **{f"{number} parties": lambda scenario, number=number: scenario.parties == number for number in (2, 3, 4, 5, 7)},  # type: ignore[misc]
    "liars": lambda scenario: bool(scenario.liars),
    "an operator leads": lambda scenario: scenario.leads_always is not None,
    "a chain": lambda scenario: bool(scenario.on_chain),
}


@pytest.mark.parametrize("kind", KINDS)
def test_c30(kind: str) -> None:
    """A few runs of the kind; in some the weather, or who lies, lets nothing be agreed, but not in all."""
    seeds = [seed for seed in range(300, 600) if KINDS[kind](scenario_of(seed))][:8]
    assert any(run(seed).agreements > 1 for seed in seeds)
