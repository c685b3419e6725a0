"""What a seed says: who takes part, how they behave, and what befalls them. Plain values; nothing happens here."""

from dataclasses import dataclass, replace
from random import Random

from evmthread.channel.desk import WHOLE_EVERY, ChannelOptions
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.commit.signing import LocalSigner
from evmthread.commit.terms import DIALECT, Ruleset, Terms
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_ADDRESS
from evmthread.store.threadfile import ThreadHead
from evmthread.testing.simulation.apps import App, MorpionApp, PlainApp
from evmthread.testing.simulation.network import Link

START = 1_760_000_000.0
DEPOSIT = 5000
FEE = 10 * 7 * 6 * 5 * 4 * 3


@dataclass(frozen=True, slots=True)
class Member:
    """One participant. `clock` is how many seconds its clock is off in the storm, `after` later."""

    options: ChannelOptions
    lies: bool = False
    lies_at_once: bool = False
    silent: float = 0.0
    crashes: float = 0.0
    clock: float = 0.0
    after: float = 0.0
    slow_disk: bool = False
    backup: bool = False
    marked: bool = True

    @property
    def traits(self) -> set[str]:
        """The names of what it does, or has."""
        flags = {"backup": self.backup, "slow_disk": self.slow_disk}
        flags |= {"manual": self.options.manual, "automatic": self.options.automatic}
        flags |= {"trusts": self.backup and self.options.trusts_others}
        return {name for name, on in flags.items() if on}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run. The storm lasts `storm` seconds; `requests` is how often each user asks for something in it."""

    seed: int
    head: ThreadHead
    signers: tuple[LocalSigner, ...]
    members: tuple[Member, ...]
    app: App
    link: Link
    partitions: bool
    storm: float
    requests: int
    closes_early: bool
    on_chain: bool
    disputed: bool

    @property
    def parties(self) -> int:
        """How many parties there are; a member beyond them is an operator who is none."""
        return len(self.head.terms.keys)

    @property
    def liars(self) -> frozenset[int]:
        """The members that lie."""
        return frozenset([index for index, member in enumerate(self.members) if member.lies])

    @property
    def leads_always(self) -> int | None:
        """The member that leads every nonce, if there is one."""
        terms = self.head.terms
        if not self.members[0].options.operator_leads:
            return None
        return terms.keys.index(terms.operator) if terms.operator in terms.keys else self.parties

    def __str__(self) -> str:
        terms = self.head.terms
        parts = [f"seed {self.seed}: {self.parties} parties, threshold {terms.threshold}"]
        if self.leads_always is not None:
            parts.append(f"{self.leads_always} leads")
        if self.liars:
            parts.append(f"liars {sorted(self.liars)}")
        for name in ("backup", "trusts", "slow_disk", "manual", "automatic"):
            some = [number for number, member in enumerate(self.members) if name in member.traits]
            parts += [f"{name} {some}"] if some else []
        parts.append(f"clocks {[round(member.clock) for member in self.members]}")
        parts += [name for name in ("partitions", "closes_early", "on_chain", "disputed") if getattr(self, name)]
        return ", ".join([*parts, type(self.app).__name__, str(self.link)])


def simulation_keys(count: int) -> list[bytes]:
    """The private keys of the members, whose addresses ascend."""
    keys = [keccak256(b"evmthread simulation key %d" % index) for index in range(count)]
    return sorted(keys, key=lambda key: LocalSigner(key).address)


def _signers(count: int) -> tuple[LocalSigner, ...]:
    return tuple(map(LocalSigner, simulation_keys(count)))


def scenario_of(seed: int, *, app: App | None = None) -> Scenario:
    """The scenario of a seed; `app` takes the place of the one that the seed would choose."""
    random = Random(seed)
    parties = random.choice((2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 7))
    threshold = parties if random.random() < 0.5 else random.randrange(parties // 2 + 1, parties + 1)
    mode = random.choice(("turns", "turns", "turns", "party", "outside", "outside leads"))
    chosen: App = app if app is not None else MorpionApp() if random.random() < 0.06 else PlainApp()
    signers = _signers(parties + 1)
    everyone = [signer.address for signer in signers]
    keys, outsider = tuple(everyone[:parties]), signers[parties]
    operator = {"turns": ZERO_ADDRESS, "party": random.choice(keys)}.get(mode, outsider.address)
    ruleset = Ruleset(
        contract_timeout=86_400,
        dialect=DIALECT,
        transcript=random.random() < 0.5,
        clock_drift=random.choice((120, 120, 30)),
        open_proposals=random.choice((8, 8, 2)),
        batch_inputs=random.choice((256, 256, 8, 2)),
        batch_gas=random.choice((30_000_000, 5_000_000)),
        fee_per_gigagas=0 if mode == "turns" else 10**9 // 1000,
    )
    terms = Terms(
        origin=bytes(20),
        code_hash=keccak256(chosen.code),
        ruleset=ruleset.hash_struct(),
        asset=bytes(20),
        keys=keys,
        owners=keys,
        deposits=(DEPOSIT,) * parties,
        threshold=threshold,
        operator=operator,
        max_fee=0 if mode == "turns" else FEE // 10,
        challenge_period=3600,
        open_before=int(START) + 3600,
        salt=seed,
    )
    members = parties + (1 if mode.startswith("outside") else 0)
    on_chain = random.random() < 0.15
    options = ChannelOptions(
        operator_leads=mode in ("party", "outside leads"),
        on_chain=on_chain,
        linger=random.choice((0.0, 0.0, 0.0, 1.0)),
    )
    everybody = _members(random, members, parties, threshold, options, ruleset.clock_drift)
    stores = Random(f"{seed} stores")
    everybody = tuple([_keeping(member, stores.choice((WHOLE_EVERY, WHOLE_EVERY, 1, 2, 3))) for member in everybody])
    liars = [index for index, member in enumerate(everybody) if member.lies and index < parties]
    if len(liars) <= threshold - 2:  # else whoever trusts the others is wrong, and nothing is promised
        everybody = tuple([_trusting(member) if stores.random() < 0.7 else member for member in everybody])
    bad = random.random() < 0.7
    link = Link(
        lost=random.choice((0.0, 0.05, 0.3)) * bad,
        repeated=random.choice((0.0, 0.1, 0.4)) * bad,
        damaged=random.choice((0.0, 0.0, 0.05)) * bad,
        delay=random.choice((0.02, 0.2, 2.0)) if bad else 0.02,
    )
    return Scenario(
        seed=seed,
        head=ThreadHead(LOCAL_DOMAIN, terms, ruleset, chosen.code),
        signers=signers,
        members=everybody,
        app=chosen,
        link=link,
        partitions=bad and random.random() < 0.4,
        storm=random.choice((10.0, 20.0, 40.0, 80.0)),
        requests=random.randrange(1, 4),
        closes_early=random.random() < 0.15,
        on_chain=on_chain,
        disputed=on_chain and random.random() < 0.5,
    )


def _keeping(member: Member, whole_every: int) -> Member:
    return replace(member, options=replace(member.options, whole_every=whole_every))


def _trusting(member: Member) -> Member:
    return replace(member, options=replace(member.options, trusts_others=True))


def _members(
    random: Random, members: int, parties: int, threshold: int, options: ChannelOptions, drift: int
) -> tuple[Member, ...]:
    crashes = random.choice((0.0, 0.0, 0.002, 0.01))
    manual = random.random() < 0.15
    clocks = random.random() < 0.2
    made = []
    for _ in range(members):
        own = replace(options, manual=manual and random.random() < 0.5, automatic=random.random() < 0.9)
        far = random.choice((0.3, 0.9, 2.0)) if clocks else 0.02
        made.append(
            Member(
                own,
                crashes=crashes if random.random() < 0.7 else 0.0,
                clock=random.uniform(-drift, drift) * far,
                after=random.uniform(-1, 1),
                slow_disk=random.random() < 0.15,
                backup=random.random() < 0.05,
                marked=random.random() < 0.7,
            )
        )
    if random.random() < 0.35:
        most = max(1, parties - threshold) if random.random() < 0.7 else parties - 1
        for index in random.sample(range(members), random.randrange(1, most + 1)):
            silent = random.choice((0.0, 0.0, 0.3, 1.0))
            made[index] = replace(
                made[index], lies=True, lies_at_once=random.random() < 0.2, silent=silent, backup=False, crashes=0.0
            )
    return tuple(made)
