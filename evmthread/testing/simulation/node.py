"""One simulated participant: a process with a store, a signer, a clock that is off, and an end at any boundary."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChainHead
from evmthread.channel.effects import Effect, Persist
from evmthread.channel.errors import LocalProtocolError
from evmthread.channel.events import Event
from evmthread.commit.terms import thread_id
from evmthread.errors import EvmthreadError
from evmthread.machine.code_cache import CodeCache
from evmthread.store.endpoint import Endpoint
from evmthread.testing.simulation.crashing import Boundaries, Crash, CrashingStore, WatchedSigner
from evmthread.testing.simulation.disks import Disk, disk
from evmthread.testing.simulation.ledger import Ledger
from evmthread.testing.simulation.network import Network
from evmthread.testing.simulation.scenario import Scenario
from evmthread.testing.simulation.timeline import Timeline


class Node:
    """A member of a scenario while it is played."""

    def __init__(
        self,
        scenario: Scenario,
        index: int,
        timeline: Timeline,
        network: Network,
        ledger: Ledger,
        cache: CodeCache,
        folder: Path | None,
    ) -> None:
        self.scenario = scenario
        self.index = index
        self.member = scenario.members[index]
        self.timeline = timeline
        self.network = network
        self.ledger = ledger
        self.random = Random(f"{scenario.seed} {index}")
        self.boundaries = Boundaries(self.random)
        self.signer = scenario.signers[index]
        self.thread_id = thread_id(scenario.head.domain, scenario.head.terms)
        self.store = disk(folder, f"member{index}", self.boundaries)
        self.store.create(scenario.head, self.signer.address)
        self.endpoint: Endpoint | None = None
        self.heard: Callable[[Event], None] = lambda event: None
        """Told what the user is told."""
        self.shown: ChainHead | None = None
        self.ahead = self.member.clock
        """How many seconds its clock is ahead."""
        self.gone = False
        """Its process never begins again."""
        self._cache = cache
        self._life = 0
        self._backup: Disk | None = None
        self._kept: list[Persist] = []
        self._timer: float | None = None
        self._flushes = False

    # Its process ------------------------------------------------------------------------------------------------------
    @property
    def clock(self) -> float:
        """What its clock shows."""
        return self.timeline.now + self.ahead

    def open(self) -> None:
        """The process begins, on its store as that is."""
        if self.endpoint is not None or self.gone:
            return
        self._life += 1
        self._kept.clear()
        self._timer, self._flushes = None, False
        try:
            self.endpoint = self._opened()
        except Crash:
            self.crash()
            return
        self.ledger.check_restarted(self.index, self.endpoint.channel)
        if self.shown is not None:
            shown = self.shown
            self.act(lambda endpoint: endpoint.head(shown))
        self.act(lambda endpoint: endpoint.start())

    def _opened(self) -> Endpoint:
        return Endpoint.open(
            CrashingStore(self.store, self.boundaries),  # type: ignore[arg-type] # all that an endpoint asks of a store
            self.thread_id,
            WatchedSigner(self.signer, self.boundaries, lambda data: self.ledger.signed(self.index, data)),
            now=self.clock,
            random=Random(self.random.random()),
            send=self.send,
            notify=self._notify,
            options=self.member.options,
            cache=self._cache,
            keep=self._keep if self.member.slow_disk else None,
        )

    def close(self) -> None:
        """All is over."""
        for store in (self.store, self._backup):
            if store is not None:
                store.close()

    def crash(self) -> None:
        """The process ends; what it hadn't synced is lost."""
        self.endpoint = None
        self._life += 1
        self.store = self.store.crash()
        self.timeline.after(self.random.choice((0.1, 1.0, 20.0)) * self.random.random(), self.open)

    def act(self, action: Callable[[Endpoint], None]) -> None:
        """Does something in the process: it learns the time first, as a driver would tell it."""
        if self.endpoint is None:
            return
        try:
            clock = self.clock
            self.endpoint.do(lambda channel: channel.tick(clock))
            action(self.endpoint)
        except Crash:
            self.crash()
        else:
            self._look_after()

    def decide(self, decide: Callable[[Channel], list[Effect]]) -> EvmthreadError | None:
        """A decision of the user; what it may be refused with."""
        refused: list[EvmthreadError] = []

        def act(endpoint: Endpoint) -> None:
            try:
                endpoint.do(decide)
            except LocalProtocolError as error:
                refused.append(error)

        self.act(act)
        return refused[0] if refused else None

    def _look_after(self) -> None:
        endpoint, life = self.endpoint, self._life
        if endpoint is None:
            return
        if endpoint.timer is not None and endpoint.timer != self._timer:
            self._timer = endpoint.timer
            self.timeline.at(endpoint.timer - self.ahead, lambda: self._wake(life))
        if not self._flushes and not self.member.slow_disk:
            self._flushes = True
            self.timeline.after(self.random.choice((0.001, 0.01, 0.5)), lambda: self._flush(life))

    def _wake(self, life: int) -> None:
        if life == self._life and self.endpoint is not None and self._timer is not None:
            self._timer = None
            clock = self.clock
            self.act(lambda endpoint: endpoint.tick(clock))

    def _flush(self, life: int) -> None:
        if life == self._life and self.endpoint is not None:
            self._flushes = False
            try:
                self.endpoint.flush()
            except Crash:
                self.crash()
            else:
                if self.endpoint.timer is not None and self.endpoint.timer != self._timer:
                    self._look_after()

    def write_all(self) -> None:
        """Keeps what it was asked to keep, without waiting."""
        if self.endpoint is not None:
            self.endpoint.flush()
        while self._kept:
            self._kept_now(self._life)

    # What its endpoint asks of it -------------------------------------------------------------------------------------
    def send(self, to: int, data: bytes) -> None:
        """Bytes go out."""
        self.boundaries.pass_one()
        self.network.send(self.index, to, data)
        self.boundaries.pass_one()

    def _notify(self, event: Event) -> None:
        self.boundaries.pass_one()
        self.ledger.happened(self.index, event)
        self.heard(event)
        self.boundaries.pass_one()

    def _keep(self, endpoint: Endpoint, persist: Persist) -> None:
        self._kept.append(persist)
        life = self._life
        if len(self._kept) == 1:
            self.timeline.after(self.random.choice((0.01, 0.3)), lambda: self._kept_now(life))

    def _kept_now(self, life: int) -> None:
        if life != self._life or self.endpoint is None:
            return
        endpoint, kept = self.endpoint, self._kept
        self._kept = []
        try:
            store = CrashingStore(self.store, self.boundaries)
            results = store.write([(endpoint.lease, each.records) for each in kept])
            for each, error in zip(kept, results, strict=True):
                endpoint.kept(each.token, error)
        except Crash:
            self.crash()
        else:
            self._look_after()

    # What befalls it --------------------------------------------------------------------------------------------------
    def leave(self) -> None:
        """Its process ends for good."""
        self.gone = True
        if self.endpoint is not None:
            self.crash()

    def back_up(self) -> None:
        """Its store is copied."""
        self._backup = self.store.copy(restored=self.member.marked)

    def restore(self) -> None:
        """Its store is lost, and the copy takes its place."""
        if self._backup is None:
            return
        if self.endpoint is not None:
            self.crash()
        self.store, self._backup = self._backup, None
        final = self.store.look(self.thread_id).load().final
        self.ledger.restored(self.index, marked=self.member.marked, final=final)
