"""Plays one seed under a real registry: deposits, disputes and the end are transactions on a chain with bad weather.

The chain is one of this process or a real node (blocks.py). What the channel's half of a run checks, is checked here,
too; and that the money that leaves the registry is what the highest agreement of the honest says (books.py).
"""

from dataclasses import dataclass
from random import Random

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.events import Refunded, Settled
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Patience, Transactions
from evmthread.channel.desk import ChainHead, Mode
from evmthread.channel.events import Adopted, Event
from evmthread.commit.commitment import Commitment, Status
from evmthread.commit.terms import thread_id
from evmthread.primitives.keccak import keccak256
from evmthread.testing.simulation.apps import App
from evmthread.testing.simulation.blocks import FINALITY, Blocks
from evmthread.testing.simulation.books import Books
from evmthread.testing.simulation.ending import Ending
from evmthread.testing.simulation.ledger import Broken, Ledger
from evmthread.testing.simulation.liar import Liar
from evmthread.testing.simulation.mempool import ChainWeather, Line, Mempool
from evmthread.testing.simulation.node import Node
from evmthread.testing.simulation.run import Simulation
from evmthread.testing.simulation.scenario import START, simulation_keys
from evmthread.testing.simulation.settlers import Clerk, Settler, Tower
from evmthread.testing.simulation.settling_ledger import SettlingLedger
from evmthread.testing.simulation.settling_scenario import OPEN_SECONDS, ORIGIN, SettlingScenario, settling_scenario
from evmthread.testing.simulation.swindler import Swindle, Swindler

SLOT = 4.0
"""Seconds between blocks."""
REACTION = 150.0
"""So many seconds before the deadline a party has to have an agreement that is to count."""
PATIENCE = 6000.0
_ETHER = 10**18


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a run under a registry came to.

    `ended` is how: "settled" (on `nonce`), "refunded", "never opened", or, without an end, "nobody was left". Then come
    counts: of agreements that one member adopted at most, of transactions and those that failed, of steps of the chain
    that reorgs took, of challenges, records and contracts put back on chain; and how many simulated seconds it took.
    """

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

    def _node(self, index: int) -> Node:
        kind = Swindler if self.scenario.members[index].lies else Node
        return kind(self.scenario, index, self.timeline, self.network, self.ledger, self.cache, self._folder)

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
