"""Plays one seed: a storm, then fair weather, then a look at what everybody holds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from evmthread.channel.desk import ChainHead, Mode
from evmthread.machine.code_cache import CodeCache
from evmthread.testing.simulation.apps import App
from evmthread.testing.simulation.ending import FINAL_SIGNED, Ending
from evmthread.testing.simulation.ledger import Broken, Ledger
from evmthread.testing.simulation.liar import Liar
from evmthread.testing.simulation.network import Link, Network
from evmthread.testing.simulation.node import Node
from evmthread.testing.simulation.scenario import START, Scenario, scenario_of
from evmthread.testing.simulation.timeline import Timeline
from evmthread.testing.simulation.user import User

PATIENCE = 6000.0
"""Simulated seconds of fair weather after which what hasn't come won't come."""

STEP = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `excuse` says why no progress was asked for."""

    scenario: Scenario
    agreements: int
    closed: bool
    excuse: str
    seconds: float
    events: dict[str, int]


class Simulation:
    """One run. `play` plays it to its end; what is wrong is raised."""

    def __init__(
        self, seed: int, *, app: App | None = None, folder: Path | None = None, scenario: Scenario | None = None
    ) -> None:
        """`folder`: an empty one, in which all stores are SQLite files; by default they are in memory.

        `scenario` takes the place of the seed's.
        """
        self.scenario = scenario = scenario_of(seed, app=app) if scenario is None else scenario
        self._folder = folder
        self.random = Random(f"{seed} weather")
        self.timeline = Timeline(START)
        self.ledger = self._ledger()
        self.network = Network(self.timeline, Random(f"{seed} network"), self._deliver)
        self.cache = CodeCache()
        self.nodes: list[Node] = []
        self.users: list[User] = []
        self.trace: Callable[[int, int, bytes], None] | None = None
        self._height = 100
        for index in range(len(scenario.members)):
            node = self._node(index)
            self.nodes.append(node)
            self.users.append(User(node))
        self._mode = Mode.FUNDING
        self._final = Mode.FUNDING

    def _ledger(self) -> Ledger:
        return Ledger(self.scenario)

    def _node(self, index: int) -> Node:
        kind = Liar if self.scenario.members[index].lies else Node
        return kind(self.scenario, index, self.timeline, self.network, self.ledger, self.cache, self._folder)

    def _deliver(self, sender: int, receiver: int, data: bytes) -> None:
        node = self.nodes[receiver]
        if self.trace is not None:
            self.trace(sender, receiver, data)
        if isinstance(node, Liar):
            node.receives(data)
        node.act(lambda endpoint: endpoint.receive(sender, data))
        if node.endpoint is not None:
            self.ledger.check_sizes(receiver, node.endpoint.channel)

    # The storm --------------------------------------------------------------------------------------------------------
    def _prepare(self) -> None:
        scenario, random, timeline = self.scenario, self.random, self.timeline
        for node, user in zip(self.nodes, self.users, strict=True):
            if isinstance(node, Liar):
                node.begin()
            timeline.after(random.random() * 3, node.open)
            timeline.after(3 + random.random(), user.mind)
            node.boundaries.rate = node.member.crashes
            for _ in range(scenario.requests):
                timeline.after(random.random() * scenario.storm, user.ask)
            if scenario.closes_early and random.random() < 0.8:
                timeline.after((0.3 + random.random()) * scenario.storm, user.close)
            if node.member.backup:
                first, second = sorted((random.random(), random.random()))
                timeline.after(first * scenario.storm, node.back_up)
                timeline.after(second * scenario.storm, node.restore)
        for sender in range(len(self.nodes)):
            for receiver in range(len(self.nodes)):
                bad, link = random.choice((0.2, 1.0)), scenario.link
                self.network.links[sender, receiver] = Link(
                    link.lost * bad, link.repeated * bad, link.damaged * bad, max(0.02, link.delay * bad)
                )
        if scenario.partitions:
            self._fall_apart()
        self._prepare_chain()

    def _prepare_chain(self) -> None:
        scenario, random, timeline = self.scenario, self.random, self.timeline
        if scenario.on_chain:
            timeline.after(5 + random.random() * 10, lambda: self._turn(Mode.LIVE))
            timeline.after(1, self._show_chain)
            if random.random() < 0.5:
                timeline.after(scenario.storm * 0.5, lambda: self._turn(Mode.CHALLENGED))
                timeline.after(scenario.storm * 0.9, lambda: self._turn(Mode.LIVE))
            if scenario.disputed:
                timeline.after(scenario.storm * random.random(), lambda: self._turn(Mode.SETTLED))

    def _fall_apart(self) -> None:
        random = self.random
        if self.timeline.now >= START + self.scenario.storm:
            return
        apart = [index for index in range(len(self.nodes)) if random.random() < 0.5]
        self.network.apart = frozenset(apart) if random.random() < 0.5 else frozenset()
        self.timeline.after(random.random() * 30, self._fall_apart)

    def _turn(self, mode: Mode) -> None:
        if self._mode != Mode.SETTLED:
            self._mode = mode
            self.timeline.after(15, lambda: self._finalize(mode))

    def _finalize(self, mode: Mode) -> None:
        self._final = mode

    def _show_chain(self) -> None:
        self._height += 1
        now = int(self.timeline.now)
        head = ChainHead(self._height, now, self._mode, self._height - 2, self._final)
        for node in self.nodes:
            node.shown = head
            if self.random.random() < 0.8:
                self.timeline.after(self.random.random() * 5, lambda node=node: self._show(node))  # type: ignore[misc]
        self.timeline.after(8, self._show_chain)

    def _show(self, node: Node) -> None:
        head = node.shown
        if head is not None:
            node.act(lambda endpoint: endpoint.head(head))

    # Fair weather -----------------------------------------------------------------------------------------------------
    def _clear_up(self) -> None:
        self.network.heal()
        for node in self.nodes:
            node.ahead = node.member.after
            node.boundaries.rate = 0.0
            self.timeline.after(self.random.random() * 5, node.open)
        for user in self.users:
            user.calm = True

    def play(self) -> Outcome:
        """Plays the seed. Raises Broken, and whatever an endpoint raises that it shouldn't."""
        scenario, timeline = self.scenario, self.timeline
        self._prepare()
        timeline.run_until(START + scenario.storm)
        self._clear_up()
        ending = Ending(scenario, self.nodes, self.ledger)
        timeline.run_until(timeline.now + 25)  # all have begun again by then
        end, excuse, wrong = timeline.now + PATIENCE, "", "nothing happened"
        while wrong and not excuse and timeline.now < end:
            timeline.run_until(timeline.now + STEP)
            excuse, wrong = ending.excuse(), self._missing(ending)
        if excuse:
            timeline.run_until(timeline.now + 60)
        elif wrong:
            raise Broken(f"no progress: {wrong}")
        closed = self._close(ending) if excuse in ("", FINAL_SIGNED) else False
        for node in self.nodes:
            if node.endpoint is not None:
                self.ledger.check_sizes(node.index, node.endpoint.channel)
        ending.check(self.cache)
        agreements = max((len(told.adopted) for told in self.ledger.told), default=0)
        return Outcome(scenario, agreements, closed, excuse, timeline.now - START, dict(self.ledger.events))

    def _missing(self, ending: Ending) -> str:
        wishes = []
        for node in ending.able_parties:
            if node.endpoint is None:
                return f"member {node.index} is down"
            if self.ledger.signed_final(node.index):
                continue  # where the others go on, nothing of its is executed: its key signs nothing else
            owner = self.scenario.head.terms.owners[node.index]
            wishes.append((owner, self.users[node.index].wish.data))
        if all(node.endpoint is not None and node.endpoint.channel.phase.value == "closed" for node in ending.able):
            return ""
        return ending.missing(wishes)

    def _close(self, ending: Ending) -> bool:
        scenario, timeline = self.scenario, self.timeline
        if scenario.liars or len(ending.able) < len(self.nodes) or scenario.disputed:
            return False
        for user in self.users:
            user.closes = user.is_party
        end = timeline.now + PATIENCE
        while (wrong := ending.not_closed()) and timeline.now < end:
            timeline.run_until(timeline.now + STEP)
        if wrong and not self._is_bound(ending):
            raise Broken(f"no end: {wrong}")
        return not wrong

    def _is_bound(self, ending: Ending) -> bool:
        """Whether a party signed a final commitment on an agreement that others have gone on from: it blocks."""
        open_ones = [node for node in ending.able if node.endpoint is not None and self._is_open(node)]
        signed = [node for node in open_ones if self.ledger.signed_final(node.index)]
        return bool(signed) and len(signed) < len(open_ones)

    def _is_open(self, node: Node) -> bool:
        return node.endpoint is not None and node.endpoint.channel.phase.value != "closed"

    def close(self) -> None:
        """Lets go of all stores."""
        for node in self.nodes:
            node.close()


def run(seed: int, *, app: App | None = None, folder: Path | None = None) -> Outcome:
    """Plays one seed; see Simulation. Raises Broken, or what an endpoint raised, where something is wrong."""
    simulation = Simulation(seed, app=app, folder=folder)
    try:
        return simulation.play()
    finally:
        simulation.close()
