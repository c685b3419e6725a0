"""Two processes play Morpion over a socket pair. One is killed in mid-game and goes on from its store; one lies.

X plays in this process, O in another. Each has its own key, its own store on disk, and its own copy of the state; all
that goes between them is bytes. When O's process is killed, a new one opens the store and the game goes on. In a second
game O signs two commitments for one nonce: X refuses, and keeps the proof in a file that anyone can check.

Run it: python examples/two_processes.py
"""

import contextlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

from evmthread.channel.channel import Channel
from evmthread.channel.desk import ChannelOptions
from evmthread.channel.events import Adopted, Closed, Convicted, Event
from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.channel.messages import Propose, decode_message, encode_message
from evmthread.commit import InputKind, LocalSigner, Ruleset, Terms, TypedData
from evmthread.commit.terms import thread_id
from evmthread.contracts import load_artifact
from evmthread.primitives.keccak import keccak256
from evmthread.store.endpoint import Endpoint
from evmthread.store.evidence_file import read_evidence, write_evidence
from evmthread.store.sqlite_threads import SqliteThreadStore
from evmthread.store.threadfile import ThreadHead

MORPION = load_artifact("Morpion")
DAY = 24 * 3600
CELLS = (4, 0, 2, 1, 6)  # X takes the middle, and wins by a diagonal
# Keys for show: everybody can compute them.
X, O = SIGNERS = sorted([LocalSigner(keccak256(b"example %d" % number)) for number in (1, 2)], key=lambda s: s.address)  # noqa: E741


def terms_and_rules(game: int) -> tuple[Terms, Ruleset]:
    """What both agree on before anything else."""
    rules = Ruleset(contract_timeout=DAY)
    players = (X.address, O.address)
    terms = Terms(
        origin=bytes(20),
        code_hash=keccak256(MORPION.runtime_code),
        ruleset=rules.hash_struct(),
        asset=bytes(20),
        keys=players,
        owners=players,
        deposits=(0, 0),
        threshold=2,
        operator=bytes(20),
        max_fee=0,
        challenge_period=3600,
        open_before=2**63,
        salt=game,
    )
    return terms, rules


class Player:
    """One endpoint at one end of a socket."""

    def __init__(self, index: int, game: int, folder: Path, end: socket.socket) -> None:
        self.index, self.end, self.events = index, end, list[Event]()
        self.store = SqliteThreadStore(folder / f"player{index}.store")
        terms, rules = terms_and_rules(game)
        thread = thread_id(LOCAL_DOMAIN, terms)
        if thread not in self.store.threads():
            head = ThreadHead(LOCAL_DOMAIN, terms, rules, MORPION.runtime_code)
            self.store.create(head, SIGNERS[index].address)
        self.endpoint = Endpoint.open(
            self.store,
            thread,
            SIGNERS[index],
            now=time.time(),
            random=Random(index),
            send=lambda _, data: self.send(data),
            notify=self.events.append,
            options=ChannelOptions(base_timer=0.2),
        )
        self.endpoint.start()

    def send(self, data: bytes) -> None:
        """Each message with its length before it. Whoever isn't there gets it later, or asks for it."""
        with contextlib.suppress(OSError):
            self.end.sendall(len(data).to_bytes(4, "big") + data)

    def step(self) -> None:
        """Waits for one message, or until the channel wants to be told the time."""
        timer = self.endpoint.timer
        wait = 0.2 if timer is None else min(0.2, max(0.0, timer - time.time()))
        if select.select([self.end], [], [], wait)[0] and (head := self.receive(4)):
            self.endpoint.receive(1 - self.index, self.receive(int.from_bytes(head, "big")))
        self.endpoint.tick(time.time())

    def receive(self, size: int) -> bytes:
        """So many bytes, or none where the other process is gone."""
        try:
            return self.end.recv(size, socket.MSG_WAITALL)
        except ConnectionResetError:
            return b""

    def until(self, done: Callable[[], bool]) -> None:
        """Steps until then, at most half a minute."""
        end = time.monotonic() + 30
        while not done():
            assert time.monotonic() < end, f"party {self.index} waits in vain: {self.endpoint.channel.phase}"
            self.step()

    def until_nonce(self, nonce: int) -> None:
        """Until this nonce is agreed."""
        self.until(lambda: self.nonce >= nonce)

    def adopted(self, kind: type[Event] = Adopted) -> Event:
        """The next event of this kind."""
        self.until(lambda: any(isinstance(event, kind) for event in self.events))
        event = next(event for event in self.events if isinstance(event, kind))
        del self.events[: self.events.index(event) + 1]
        return event

    @property
    def channel(self) -> Channel:
        return self.endpoint.channel

    @property
    def nonce(self) -> int:
        """The latest agreement's."""
        return -1 if self.channel.agreement is None else self.channel.agreement.commitment.nonce

    def ask(self, name: str) -> int:
        """What a view function of the contract says."""
        function = MORPION.function(name)
        return int(function.decode(self.channel.thread.call(function.encode()).output)[0])  # type: ignore[call-overload]

    def call(self, name: str, *arguments: object) -> None:
        """Wants a call in the thread."""
        data = MORPION.function(name).encode(*arguments)
        self.endpoint.do(lambda channel: channel.request(data, gas=1_000_000))

    def begin(self) -> None:
        """X proposes the genesis, in which it creates the contract."""
        create = MORPION.creation_code + MORPION.encode_constructor(X.address, O.address, 0, DAY)
        self.endpoint.do(lambda channel: channel.request(create, gas=4_000_000, kind=InputKind.CREATE))
        self.until(lambda: self.channel.is_greeted)
        self.endpoint.do(lambda channel: channel.propose())

    def play(self) -> None:
        """Joins, moves when it is our turn, and agrees to close when the game is over."""
        self.until_nonce(self.index)
        if self.nonce == self.index:
            self.call("join")
        while self.nonce < 2 + len(CELLS):
            self.until_nonce(2)
            moves = self.ask("moves")
            if moves < len(CELLS) and moves % 2 == self.index:
                self.call("play", CELLS[moves])
            self.until_nonce(self.nonce + 1)
        self.endpoint.do(lambda channel: channel.close())
        self.adopted(Closed)


def other_process(game: int, folder: Path, *, lies: bool = False) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """O in a process of its own, and our end of the socket pair."""
    ours, theirs = socket.socketpair()
    words = [sys.executable, __file__, str(theirs.fileno()), str(game), str(folder), *(["lies"] if lies else [])]
    process = subprocess.Popen(words, pass_fds=[theirs.fileno()])
    theirs.close()
    return process, ours


def be_o(descriptor: int, game: int, folder: Path, *, lies: bool) -> None:
    """What the other process does."""
    player = Player(1, game, folder, socket.socket(fileno=descriptor))
    if not lies:
        player.play()
        return
    honest_send = player.send

    def send_two(data: bytes) -> None:
        """An honest proposal, and a second one for the same nonce, in which O counts less gas."""
        honest_send(data)
        thread, message = decode_message(data, batch_bytes=player.channel.thread.ruleset.batch_bytes)
        if isinstance(message, Propose):
            other = replace(message.commitment, gas_used=message.commitment.gas_used - 1)
            signature = O.sign(TypedData(LOCAL_DOMAIN, other))  # around the guard, which would refuse
            honest_send(encode_message(thread, replace(message, commitment=other, signature=signature)))

    player.send = send_two  # type: ignore[method-assign]
    player.until_nonce(0)
    player.call("join")
    player.until(lambda: False)


def first_game(folder: Path) -> None:
    process, end = other_process(1, folder)
    player = Player(0, 1, folder, end)
    player.begin()
    player.until_nonce(0)
    player.call("join")
    player.until_nonce(2)
    print("both have joined: each call is a commitment that both have executed and signed")
    for move, cell in enumerate(CELLS):
        if move == 3:
            process.kill()
            print("O's process is killed:", signal.Signals(-process.wait()).name)
            process, player.end = other_process(1, folder)
            print("a new process opens O's store and greets")
        if move % 2 == 0:
            player.call("play", cell)
        player.until_nonce(3 + move)
        print(f"{'XO'[move % 2]} takes cell {cell}: nonce {player.nonce} is agreed")
    print("winner:", {X.address: "X", O.address: "O"}[winner(player)])
    player.endpoint.do(lambda channel: channel.close())
    player.adopted(Closed)
    agreement = player.channel.agreement
    assert agreement is not None
    print(f"closed with nonce {agreement.commitment.nonce}, signed by parties {agreement.signatures.indexes()}")
    player.until(lambda: process.poll() is not None)
    print("O's process is done:", process.returncode)
    player.store.close()


def winner(player: Player) -> bytes:
    function = MORPION.function("winner")
    address = function.decode(player.channel.thread.call(function.encode()).output)[0]
    return address if isinstance(address, bytes) else bytes.fromhex(str(address)[2:])


def second_game(folder: Path) -> None:
    process, end = other_process(2, folder, lies=True)
    player = Player(0, 2, folder, end)
    player.begin()
    convicted = player.adopted(Convicted)
    assert isinstance(convicted, Convicted)
    process.kill()
    process.wait()
    print("O lies, and party", convicted.party, "is caught")
    thread = player.channel.thread
    file = folder / "evidence.json"
    write_evidence(file, thread.domain, thread.terms, convicted.evidence)
    print("the evidence file says: it", read_evidence(file).convict())
    player.store.close()


def main() -> None:
    if len(sys.argv) > 1:
        be_o(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), lies=len(sys.argv) > 4)
        return
    with tempfile.TemporaryDirectory() as folder:
        first_game(Path(folder))
        second_game(Path(folder))


if __name__ == "__main__":
    main()
