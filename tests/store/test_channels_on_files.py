"""Channels over real files, each with a group commit: what they keep, verifies, replays, and is gone on from."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from evmthread.channel.effects import Persist
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.cli import main
from evmthread.commit import Agreement, InputKind
from evmthread.store.endpoint import Endpoint
from evmthread.store.group_commit import GroupCommit
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.threadfile import ThreadHead
from tests.channel.games import CALL_GAS, CREATE_GAS, MORPION, STAKE, START, TURN_SECONDS, MorpionMatch

SECONDS = 20.0  # more than any sync takes


@dataclass
class Table:
    """Two parties of one game, as two processes have them: a store, a writer and an endpoint each."""

    folder: Path
    match: MorpionMatch = field(default_factory=MorpionMatch)
    now: float = START
    wire: deque[tuple[int, int, bytes]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.sit_down()

    def sit_down(self) -> None:
        """Both open their files, and begin, or go on."""
        self.stores, self.groups, self.endpoints = [], [], []
        head = ThreadHead(LOCAL_DOMAIN, self.match.terms, self.match.rules, self.match.code)
        for index, signer in enumerate(self.match.signers):
            store = SqliteThreadStore(self.folder / str(index))
            if not store.threads():
                store.create(head, signer.address)
            group = GroupCommit[tuple[Endpoint, int]](store)

            def keep(endpoint: Endpoint, persist: Persist, group: GroupCommit[tuple[Endpoint, int]] = group) -> None:
                group.submit(endpoint.lease, persist.records, (endpoint, persist.token), urgent=persist.urgent)

            def send(to: int, data: bytes, index: int = index) -> None:
                self.wire.append((index, to, data))

            (thread_id,) = store.threads()
            self.endpoints.append(
                Endpoint.open(
                    store, thread_id, signer, now=self.now, random=Random(index), send=send, notify=lambda _: None,
                    keep=keep,
                )
            )  # fmt: skip
            self.stores.append(store)
            self.groups.append(group)
        for endpoint in self.endpoints:
            endpoint.start()
        self.settle(-1)

    def get_up(self) -> None:
        for store, group in zip(self.stores, self.groups, strict=True):
            group.close()
            store.close()
        self.wire.clear()

    def settle(self, nonce: int) -> None:
        """Carries what is sent, and tells what is kept, until both agreed on a nonce."""
        for _ in range(2000):
            while self.wire:
                sender, to, data = self.wire.popleft()
                self.endpoints[to].receive(sender, data)
            for group in self.groups:
                for each in group.completed(SECONDS):
                    assert each.error is None
                    each.key[0].kept(each.key[1], None)
            if not self.wire:
                agreed = [endpoint.channel.agreement for endpoint in self.endpoints]
                if all((-1 if each is None else each.commitment.nonce) >= nonce for each in agreed):
                    return
                self.now += 0.5
                for endpoint in self.endpoints:
                    endpoint.tick(self.now)
        raise AssertionError(f"nonce {nonce} isn't agreed")

    def call(self, actor: int, name: str, *arguments: object, value: int = 0) -> None:
        nonce = self.tip.commitment.nonce
        data = MORPION.function(name).encode(*arguments)
        self.endpoints[actor].do(lambda channel: channel.request(data, value=value, gas=CALL_GAS, lasting=True))
        self.settle(nonce + 1)

    @property
    def tip(self) -> Agreement:
        agreement = self.endpoints[0].channel.agreement
        assert agreement is not None
        return agreement

    def create(self) -> None:
        owners = self.match.terms.owners
        code = MORPION.creation_code + MORPION.encode_constructor(owners[0], owners[1], STAKE, TURN_SECONDS)
        first = self.endpoints[0]
        first.do(lambda channel: channel.request(code, gas=CREATE_GAS, kind=InputKind.CREATE))
        first.do(lambda channel: channel.propose())
        self.settle(0)


def test_a_game_over_files_with_a_restart(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.create()
    for player in (0, 1):
        table.call(player, "join", value=STAKE)
    for number, cell in enumerate((0, 1, 4)):
        table.call(number % 2, "play", cell)
    before = table.tip
    table.get_up()
    table.sit_down()
    assert table.tip == before
    for number, cell in enumerate((2, 8), 1):
        table.call(number % 2, "play", cell)
    tip, name = table.tip, table.match.thread.thread_id.hex()
    table.get_up()
    for index in (0, 1):
        place = str(tmp_path / str(index))
        with SqliteThreadStore(place) as store:
            store.check()
            kept = store.look(table.match.thread.thread_id)
            assert kept.load().tip is not None
            assert kept.line_after(-1, 100)[-1].digest == tip.digest
            assert kept.load().highest == tip.commitment.nonce
        for action in ("list", "show", "verify", "replay"):
            assert main(["thread", action, place, *([] if action == "list" else [name])]) == 0
        assert main(["thread", "export", place, name, str(tmp_path / f"{index}.thread")]) == 0
        assert main(["replay", str(tmp_path / f"{index}.thread")]) == 0
    assert (tmp_path / "0.thread").read_bytes() == (tmp_path / "1.thread").read_bytes()
