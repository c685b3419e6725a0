"""What a seed says of a run under a real registry: the scenario of the channel, changed, and how the chain behaves."""

from dataclasses import dataclass, replace
from random import Random

from evmthread.chain.registry import Registry
from evmthread.primitives.keccak import keccak256
from evmthread.store.threadfile import ThreadHead
from evmthread.testing.simulation.apps import App, MorpionApp, PlainApp
from evmthread.testing.simulation.mempool import ChainWeather
from evmthread.testing.simulation.scenario import START, Scenario, scenario_of

ORIGIN = keccak256(b"evmthread simulation origin")[12:]
CHALLENGE_PERIOD = 600
OPEN_SECONDS = 900
"""So long after START deposits can be paid in."""


@dataclass(frozen=True, slots=True)
class SettlingScenario:
    """What a seed says beside its scenario: who ends its process for good, and when; who has a watchtower; the weather.

    `patient`: nobody leaves before the channel says that it is due. `leaves_early`: somebody leaves in the storm.
    """

    scenario: Scenario
    gone: dict[int, float]
    towers: frozenset[int]
    weather: ChainWeather
    patient: bool
    leaves_early: bool


def settling_scenario(seed: int, registry: Registry, *, app: App | None = None) -> SettlingScenario:
    """The scenario of a seed under this registry."""
    random = Random(f"{seed} settling")
    chosen: App = app if app is not None else MorpionApp() if random.random() < 0.25 else PlainApp()
    base = scenario_of(seed, app=chosen)
    ruleset = replace(base.head.ruleset, contract_timeout=5_700)
    terms = replace(
        base.head.terms,
        origin=ORIGIN,
        ruleset=ruleset.hash_struct(),
        challenge_period=CHALLENGE_PERIOD,
        open_before=int(START) + OPEN_SECONDS,
    )
    parties = base.parties
    members = list(base.members)
    for index, member in enumerate(members):
        # A genesis that some clocks don't let pass tells nothing of the chain.
        far = ruleset.clock_drift / 4
        options = replace(member.options, on_chain=True)
        clock = max(-far, min(far, member.clock))
        members[index] = replace(member, options=options, clock=clock, backup=False, lies_at_once=False)
    if not base.liars and random.random() < 0.6:  # most runs have somebody to lie to the chain
        liar = random.randrange(parties)
        silent = random.choice((0.0, 0.0, 0.3))
        members[liar] = replace(members[liar], lies=True, silent=silent, crashes=0.0)
    honest = [index for index in range(parties) if not members[index].lies]
    storm = random.choice((250.0, 400.0))
    gone = {index: storm * random.uniform(0.4, 1.0) for index in honest[1:] if random.random() < 0.25}
    towers = frozenset([index for index in honest if random.random() < (0.8 if index in gone else 0.3)])
    if honest and honest[0] in towers and random.random() < 0.3:
        gone[honest[0]] = storm * random.uniform(0.4, 1.0)  # then its watchtower has to do
    bad = random.random() < 0.8
    weather = ChainWeather(
        late=random.choice((0.0, 0.2, 0.5)) * bad,
        lost=random.choice((0.0, 0.02)) * bad,
        reorg=random.choice((0.0, 0.05, 0.1)) * bad,
        unreachable=random.choice((0.0, 0.01, 0.05)) * bad,
    )
    scenario = replace(
        base,
        head=ThreadHead(registry.domain, terms, ruleset, chosen.code),
        members=tuple(members),
        storm=storm,
        requests=random.randrange(3, 8),
        on_chain=True,
        disputed=False,
    )
    return SettlingScenario(scenario, gone, towers, weather, random.random() < 0.15, random.random() < 0.2)
