"""Plays one seed under a real registry: deposits, disputes and the end are transactions on a chain with bad weather.

The chain is one of this process or a real node (blocks.py). What the channel's half of a run checks, is checked here,
too; and that the money that leaves the registry is what the highest agreement of the honest says (books.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.events import Refunded, Settled
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Patience, Transactions
from evmthread.channel.desk import ChainHead, Mode
from evmthread.channel.events import Adopted, Event
from evmthread.commit.agreement import Agreement
from evmthread.commit.commitment import Commitment, Status
from evmthread.commit.eip712 import TypedData
from evmthread.commit.terms import thread_id
from evmthread.primitives.keccak import keccak256
from evmthread.store.threadfile import ThreadHead
from evmthread.testing.simulation.apps import App, MorpionApp, PlainApp
from evmthread.testing.simulation.blocks import FINALITY, Blocks
from evmthread.testing.simulation.books import Books
from evmthread.testing.simulation.ending import Ending
from evmthread.testing.simulation.ledger import Broken, Ledger
from evmthread.testing.simulation.liar import Liar
from evmthread.testing.simulation.mempool import ChainWeather, Line, Mempool
from evmthread.testing.simulation.node import Node
from evmthread.testing.simulation.run import Simulation
from evmthread.testing.simulation.scenario import START, Scenario, scenario_of, simulation_keys
from evmthread.testing.simulation.settlers import Clerk, Settler, Tower
from evmthread.testing.simulation.swindler import Swindle, Swindler

ORIGIN = keccak256(b"evmthread simulation origin")[12:]
CHALLENGE_PERIOD = 600
OPEN_SECONDS = 900
SLOT = 4.0
"""Seconds between blocks."""
REACTION = 150.0
"""So many seconds before the deadline a party has to have an agreement that is to count."""
PATIENCE = 6000.0
_ETHER = 10**18


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


class SettlingLedger(Ledger):
    """The ledger of a run under a registry: also when honest participants may sign (signer law, rule 4)."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.final_mode: Callable[[], Mode] = lambda: Mode.NONE
        """What the finalized block says of the thread."""
        self.shown: Callable[[int], ChainHead | None] = lambda member: None
        """What a member knows of the chain."""
        self.held: dict[int, list[tuple[float, Agreement]]] = {}
        """When each honest member, or its watchtower, first had which highest agreement."""
        self.broken: Broken | None = None
        self._was_live = False

    def signed(self, member: int, typed_data: TypedData) -> None:
        """See Ledger. What is first signed above nonce 0, and is no end, is signed while the chain is LIVE."""
        record = typed_data.record
        again = isinstance(record, Commitment) and (member, record.nonce) in self._signed
        try:
            super().signed(member, typed_data)
            if isinstance(record, Commitment) and member not in self.scenario.liars and not again:
                self._check_live(member, record)
        except Broken as error:  # whoever asked for the signature takes it for a refusal of the signer's
            self.broken = self.broken or error
            raise

    def _check_live(self, member: int, commitment: Commitment) -> None:
        """An end may be signed at any time: before the deposits are in, it ends what never was."""
        if not commitment.nonce or commitment.status == Status.FINAL:
            return
        self._was_live = self._was_live or self.final_mode() in (Mode.LIVE, Mode.CHALLENGED, Mode.SETTLED)
        if not self._was_live:
            raise Broken(f"member {member} signed nonce {commitment.nonce} before the thread was LIVE for good")
        head = self.shown(member)
        if head is None or (head.finalized, head.latest) != (Mode.LIVE, Mode.LIVE):
            raise Broken(f"member {member} signed nonce {commitment.nonce}, and was shown {head}")

    def now_holds(self, holder: int, now: float, agreement: Agreement) -> None:
        """From now on this member has this agreement. Watchtowers have numbers of their own."""
        held = self.held.setdefault(holder, [])
        if not held or held[-1][1].commitment.nonce < agreement.commitment.nonce:
            held.append((now, agreement))

    def highest(self, holder: int, until: float) -> Agreement | None:
        """The highest agreement that a holder had at this time."""
        return next((agreement for when, agreement in reversed(self.held.get(holder, [])) if when <= until), None)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a run under a registry came to. `ended` is how: "settled", "refunded" or "never opened"."""

    scenario: SettlingScenario
    ended: str
    nonce: int
    agreements: int
    transactions: int
    failed: int
    gone: int
    challenged: int
    records: int
    returned: int
    seconds: float


class SettlingSimulation(Simulation):
    """One run. `play` isn't used: `settle` plays it to its end on chain."""

    ledger: SettlingLedger

    def __init__(self, seed: int, blocks: Blocks, *, app: App | None = None) -> None:
        """`blocks` makes a chain at its beginning, some time before START."""
        self.mempool = Mempool(blocks, Random(f"{seed} chain"), _chain_id(blocks))
        self.registry = self._deploy(blocks)
        self.settling = settling_scenario(seed, self.registry, app=app)
        super().__init__(seed, scenario=self.settling.scenario)
        self._put_accounts(blocks)
        head = self.scenario.head
        self.id = thread_id(head.domain, head.terms)
        self.books = Books(self.mempool, self.registry, self.id, head.terms, [each.address for each in self.accounts])
        self.ledger.final_mode = lambda: self.books.final_mode
        self.ledger.shown = self._shown
        self.settlers: list[Settler] = []
        self.swindles: list[Swindle] = []
        self.towers: list[Tower] = []
        for index, node in enumerate(self.nodes):
            self._enter(index, node)
        clerk = self.accounts[-1]
        self.clerk = Clerk(self.nodes[0], self._line(Random(f"{seed} clerk")), clerk)

    # Before the first message -----------------------------------------------------------------------------------------
    def _deploy(self, blocks: Blocks) -> Registry:
        deployer = KeyAccount(keccak256(b"evmthread simulation deployer"))
        blocks.put(deployer.address, balance=1000 * _ETHER)
        start = int(START) - 10_000

        def meanwhile(_: float) -> None:
            self.mempool.go_on(start)

        meanwhile(0)
        return Registry.deploy(self.mempool, deployer, patience=Patience(tries=50, sleep=meanwhile))

    def _put_accounts(self, blocks: Blocks) -> None:
        """Everybody has ether, the origin has its code; and all that is final."""
        count = len(self.scenario.members)
        # scenario_of makes one key more than there are parties.
        self.keys = [KeyAccount(key) for key in simulation_keys(self.scenario.parties + 1)]
        others = [KeyAccount(keccak256(b"evmthread simulation account %d" % each)) for each in range(count + 1)]
        self.accounts = [*self.keys, *others]
        for account in self.accounts:
            blocks.put(account.address, balance=1000 * _ETHER)
        blocks.put(ORIGIN, code=self.scenario.head.code)
        for back in range(2 * FINALITY, 0, -1):
            self.mempool.go_on(int(START) - back)
        self.mempool.made.clear()  # no reorg goes back further

    def _line(self, random: Random, node: Node | None = None) -> Registry:
        """The registry as one of them reaches it; nothing is waited for."""
        line = Line(self.mempool, random) if node is None else Line(self.mempool, random, node.boundaries.pass_one)
        transactions = Transactions(line, self.registry.domain.chain_id, Patience(tries=0))
        return Registry(transactions, self.registry.address)

    def _shown(self, member: int) -> ChainHead | None:
        endpoint = self.nodes[member].endpoint
        return None if endpoint is None else endpoint.channel._desk.head

    def _ledger(self) -> Ledger:
        return SettlingLedger(self.scenario)

    def _kind(self, index: int) -> type[Node]:
        return Swindler if self.scenario.members[index].lies else Node

    def _enter(self, index: int, node: Node) -> None:
        """One member comes to the chain."""
        seed, key = self.scenario.seed, self.keys[index]
        registry = self._line(Random(f"{seed} {index} line"), node)
        if isinstance(node, Swindler):
            self.swindles.append(Swindle(node, registry, key))
            return
        self.settlers.append(Settler(node, registry, key))
        tower = None
        if index in self.settling.towers:
            account = self.accounts[len(self.keys) + index]
            tower = Tower(node, self._line(Random(f"{seed} {index} tower")), account)
            self.towers.append(tower)
        heard = node.heard

        def hears(event: Event) -> None:
            heard(event)
            if isinstance(event, Adopted):
                self.ledger.now_holds(index, self.timeline.now, event.agreement)
                if tower is not None:
                    self.timeline.after(node.random.random() * 5, lambda: self._hand_over(index, tower, event))

        node.heard = hears

    def _hand_over(self, index: int, tower: Tower, event: Adopted) -> None:
        if not self.nodes[index].gone:
            tower.give(event.agreement)
            self.ledger.now_holds(_tower(index), self.timeline.now, event.agreement)

    # The storm --------------------------------------------------------------------------------------------------------
    def _prepare_chain(self) -> None:
        timeline, settling = self.timeline, self.settling
        self.mempool.weather = settling.weather
        timeline.after(SLOT, self._slot)
        for settler in self.settlers:
            timeline.after(3 + self.random.random() * 5, settler.mind)
        for swindle in self.swindles:
            timeline.after(5, swindle.look)
            timeline.after(10, swindle.mind)
            timeline.after(self.random.uniform(0.6, 1.2) * self.scenario.storm, swindle.begin)
        for tower in self.towers:
            timeline.after(self.random.random() * 5, tower.mind)
        timeline.after(30, self.clerk.mind)
        for index, when in settling.gone.items():
            timeline.after(when, self.nodes[index].leave)
        if settling.leaves_early:
            leaver = self.random.choice(self.settlers)
            timeline.after(self.random.uniform(0.5, 1.0) * self.scenario.storm, lambda: _leaves(leaver))

    def _slot(self) -> None:
        self.mempool.go_on(int(self.timeline.now))
        self.timeline.after(SLOT if self.timeline.now < START + self.scenario.storm + 300 else 3 * SLOT, self._slot)

    # To the end -------------------------------------------------------------------------------------------------------
    def settle(self) -> Settlement:
        """Plays the seed to its end on chain. Raises Broken, and whatever anything raises that it shouldn't."""
        timeline, scenario = self.timeline, self.scenario
        self._prepare()
        timeline.run_until(START + scenario.storm)
        self._clear_up()
        weather = self.mempool.weather
        self.mempool.weather = ChainWeather(late=weather.late, reorg=weather.reorg / 10)
        for user in self.users:
            user.closes = user.is_party
        for settler in self.settlers:
            patience = 3500 if self.settling.patient else 200
            timeline.after(patience + self.random.random() * 100, lambda settler=settler: _leaves(settler))  # type: ignore[misc]
        end = timeline.now + PATIENCE
        while not self._is_over() and timeline.now < end:
            timeline.run_until(timeline.now + 20)
        timeline.run_until(timeline.now + 240)  # all look once more
        return self._settlement()

    def _is_over(self) -> bool:
        mode = self.books.state.mode
        if mode is Mode.NONE:
            return self.timeline.now > START + OPEN_SECONDS
        return mode is Mode.SETTLED and self.books.final_mode is Mode.SETTLED

    def _settlement(self) -> Settlement:
        if self.ledger.broken is not None:
            raise self.ledger.broken
        Ending(self.scenario, self.nodes, self.ledger).check(self.cache)
        books = self.books
        books.check()
        ends = [event for event in books.events if isinstance(event, Settled | Refunded)]
        if not ends:
            if books.state.mode is not Mode.NONE and self.present:
                raise Broken(f"no end on chain: {books.state}")
            return self._outcome("never opened" if books.state.mode is Mode.NONE else "nobody was left", 0)
        self._check_known()
        (event,) = ends
        if isinstance(event, Settled):
            settled = self._settled(event)
            self._check_highest(event.nonce, settled)
            if settled is not None:
                books.check_paid(settled)
            return self._outcome("settled", event.nonce)
        # Deposits go back while not all are in, when nothing above the genesis can be agreed on; or after an exit.
        self._check_highest(-1 if books.deadline else 0, None)
        books.check_paid(None)
        return self._outcome("refunded", 0)

    @property
    def present(self) -> list[Node]:
        """The honest parties whose processes didn't end for good."""
        parties = [node for node in self.nodes if node.index < self.scenario.parties and not isinstance(node, Liar)]
        return [node for node in parties if node.index not in self.settling.gone]

    def _check_known(self) -> None:
        """Whoever is there knows that it is over."""
        for settler in self.settlers:
            endpoint = settler.node.endpoint
            if endpoint is not None and endpoint.channel.agreement is not None and not settler.knows_end:
                raise Broken(f"member {settler.node.index} doesn't know that the thread is settled")

    def _check_highest(self, nonce: int, settled: Commitment | None) -> None:
        """What was settled is as high as the highest agreement of any honest party that was there, or watched.

        Of what came in so late that no transaction could be sent in time, nothing is asked; an end that all signed
        comes after all else.
        """
        final = settled is not None and settled.status == Status.FINAL
        until = self.timeline.now if final or not self.books.deadline else self.books.deadline - REACTION
        holders = [node.index for node in self.present] + [_tower(index) for index in self.settling.towers]
        for holder in holders:
            agreement = self.ledger.highest(holder, until)
            if agreement is not None and agreement.commitment.nonce > nonce:
                who = f"member {holder}" if holder >= 0 else f"the watchtower of member {_tower(holder)}"
                raise Broken(f"settled on nonce {nonce}, and {who} had {agreement.commitment.nonce} in time")

    def _settled(self, event: Settled) -> Commitment | None:
        """What was settled, where an honest member has it, or must."""
        for held in self.ledger.held.values():
            for _, agreement in held:
                if agreement.digest == event.digest:
                    return agreement.commitment
        found = self.clerk.found
        return found.commitment if found is not None and found.digest == event.digest else None

    def _outcome(self, ended: str, nonce: int) -> Settlement:
        names = [type(event).__name__ for event in self.books.events]
        return Settlement(
            self.settling,
            ended,
            nonce,
            max((len(told.adopted) for told in self.ledger.told), default=0),
            self.books.transactions,
            sum(page.failed for page in self.books.pages),
            self.books.gone,
            names.count("Challenged"),
            names.count("Recorded"),
            names.count("Materialized"),
            self.timeline.now - START,
        )


def _tower(index: int) -> int:
    return -1 - index


def _leaves(settler: Settler) -> None:
    settler.leaves = True


def _chain_id(blocks: Blocks) -> int:
    return int(str(blocks.provider.request("eth_chainId")), 16)


def settle(seed: int, blocks: Blocks, *, app: App | None = None) -> Settlement:
    """Plays one seed on a new chain. Raises Broken, or what anything raised, where something is wrong."""
    return SettlingSimulation(seed, blocks, app=app).settle()
