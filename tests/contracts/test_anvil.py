"""The on-chain path of contracts that ask, on a real node: see tests/anvil.py for how to name one.

Each transaction is run here too, on a fork of the node's rules: status, gas and logs must be the node's.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from evmthread.commit import TRAP_ADDRESS, LocalSigner
from evmthread.contracts import Artifact, load_artifact
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import Log
from tests.anvil import CHAIN_ID, Anvil, logs_of, running_anvil, unhex
from tests.contracts.answering import NO, YES
from tests.contracts.test_thread_library import SURVEY, TRAPS
from tests.morpion_model import DRAWN, PLAYING, WON_BY_X, ZERO

MORPION = load_artifact("MorpionDraw")
KEYS = tuple(keccak256(b"evmthread anvil key %d" % number) for number in range(2))
X, O = (LocalSigner(key).address for key in KEYS)  # noqa: E741 - the marks' names in the contract
STAKE, TURN_SECONDS, RICH, GAS = 10**15, 3600, 10**19, 3_000_000


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running_anvil() as running:
        yield running


class Chain:
    """A contract on the node and the same one in a World, to which the same happens."""

    def __init__(self, node: Anvil, artifact: Artifact, arguments: bytes = b"") -> None:
        self.node, self.artifact = node, artifact
        self.world = World(fork=node.fork)
        self.logs: tuple[Log, ...] = ()
        for player in (X, O):
            nonce = int(node.ask("eth_getTransactionCount", "0x" + player.hex(), "latest"), 16)
            node.put(player, balance=RICH)
            self.world.set_balance(player, RICH)
            self.world.set_nonce(player, nonce)
        created = self._send(X, artifact.creation_code + arguments, to=None, succeeds=True)
        self.address = unhex(created["contractAddress"])
        assert unhex(node.ask("eth_getCode", created["contractAddress"], "latest")) == artifact.runtime_code

    def send(self, sender: bytes, name: str, *arguments: object, value: int = 0, succeeds: bool = True) -> list[str]:
        """Sends a transaction; the events that it logged, by name."""
        data = self.artifact.function(name).encode(*arguments)
        receipt = self._send(sender, data, to=self.address, value=value, succeeds=succeeds)
        self.logs = logs_of(receipt["logs"])
        decoded = [self.artifact.decode_event(log) for log in self.logs]
        return [event.name for event in decoded if event is not None]

    def _send(self, sender: bytes, data: bytes, *, to: bytes | None, value: int = 0, succeeds: bool) -> Any:
        transaction = Transaction(
            chain_id=CHAIN_ID,
            nonce=self.world.nonce(sender),
            gas_price=10**10,
            gas_limit=GAS,
            to=to,
            value=value,
            data=data,
        ).signed(KEYS[(X, O).index(sender)])
        receipt = self.node.send(transaction)
        self.world.environment = self.node.environment(int(receipt["blockNumber"], 16))
        ours = self.world.apply(transaction)
        assert (int(receipt["status"], 16) == 1) == ours.success == succeeds
        assert int(receipt["gasUsed"], 16) == ours.gas_used
        assert logs_of(receipt["logs"]) == ours.logs
        return receipt

    def ask(self, name: str, *arguments: object) -> tuple[object, ...]:
        """What a view function says on the node."""
        function = self.artifact.function(name)
        call = {"to": "0x" + self.address.hex(), "data": "0x" + function.encode(*arguments).hex()}
        return function.decode(unhex(self.node.ask("eth_call", call, "latest")))

    def wait(self, seconds: int) -> None:
        """The next block comes so much later."""
        now = int(self.node.block(int(self.node.ask("eth_blockNumber"), 16))["timestamp"], 16)
        self.node.ask("evm_setNextBlockTimestamp", hex(now + seconds))


@pytest.fixture
def game(node: Anvil) -> Chain:
    """A game that both have joined."""
    chain = Chain(node, MORPION, MORPION.encode_constructor(X, O, STAKE, TURN_SECONDS))
    chain.send(X, "join", value=STAKE)
    assert chain.send(O, "join", value=STAKE) == ["Joined", "Started"]
    return chain


def test_a_draw_is_offered_by_one_transaction_and_accepted_by_another(game: Chain) -> None:
    assert game.send(X, "play", 4) == ["Played", "BREAKPOINT"]
    assert game.send(X, "offerDraw") == ["DrawOffered"]
    assert game.ask("drawOffer") == (X,)
    game.send(O, "acceptDraw", 0, succeeds=False)
    game.send(X, "acceptDraw", 1, succeeds=False)
    assert game.send(O, "acceptDraw", 1) == ["DrawAccepted", "Finished", "BREAKPOINT"]
    assert game.ask("state") == (DRAWN,)
    balances = [int(game.node.ask("eth_getBalance", "0x" + player.hex(), "latest"), 16) for player in (X, O)]
    assert balances == [game.world.balance(player) for player in (X, O)]
    for player in (X, O):
        assert game.ask("owed", player) == (STAKE,)
        assert game.send(player, "withdraw") == ["Withdrawn"]
    assert int(game.node.ask("eth_getBalance", "0x" + game.address.hex(), "latest"), 16) == 0


def test_a_refused_draw_and_one_that_lapsed_and_play_goes_on(game: Chain) -> None:
    assert game.send(O, "offerDraw") == ["DrawOffered"]
    assert game.send(X, "refuseDraw", 0) == ["DrawRefused", "BREAKPOINT"]
    game.send(O, "offerDraw", succeeds=False)
    game.send(X, "play", 0)
    assert game.send(X, "offerDraw") == ["DrawOffered"]
    game.send(O, "play", 3)
    assert game.ask("drawOffer") == (ZERO,)
    game.send(O, "acceptDraw", 1, succeeds=False)
    for player, cell in ((X, 1), (O, 4)):
        game.send(player, "play", cell)
    assert game.ask("state") == (PLAYING,)
    assert game.send(X, "play", 2) == ["Played", "Finished", "BREAKPOINT"]
    assert game.ask("state") == (WON_BY_X,)


def test_an_open_offer_saves_nobody_from_the_clock(game: Chain) -> None:
    game.send(X, "offerDraw")
    game.wait(TURN_SECONDS + 60)
    game.send(O, "acceptDraw", 0, succeeds=False)
    assert game.send(O, "claimTimeout") == ["Finished"]
    assert game.ask("winner") == (O,)


def test_two_offers_are_a_draw(game: Chain) -> None:
    game.send(O, "offerDraw")
    assert game.send(X, "offerDraw") == ["DrawAccepted", "Finished", "BREAKPOINT"]
    assert game.ask("state") == (DRAWN,)


def test_the_library_finds_nobody_who_answers(node: Anvil) -> None:
    chain = Chain(node, TRAPS)
    assert chain.ask("inThread") == (False,)
    assert chain.ask("ask", O, b"?") == (False, b"")
    assert chain.ask("askYesNo", O, b"?") == (False, False)
    assert chain.send(X, "plainBreakpoint") == ["BREAKPOINT"]
    assert chain.send(X, "breakpoint", 7, b"\x01" * 32, b"note") == ["BREAKPOINT"]
    assert chain.artifact.event("BREAKPOINT").decode(chain.logs[0]).values == (7, b"\x01" * 32, b"note")
    for name, before in (
        *(("askAndStore", ()), ("viaConstructor", ()), ("viaStatic", ()), ("askThenWrite", ()), ("caught", ())),
        *(("nested", (3,)), ("viaDelegate", (chain.address,)), ("staticThenWrite", ()), ("relay", (O,))),
    ):
        chain.send(X, name, *before, O, b"?")
        assert chain.ask("stored") == (b"",)
    chain.send(X, "highLevel", O, b"?", succeeds=False)
    assert node.ask("eth_getCode", "0x" + TRAP_ADDRESS.hex(), "latest") == "0x"


def test_a_question_waits_for_a_transaction(node: Anvil) -> None:
    chain = Chain(node, SURVEY)
    question = (1).to_bytes(32, "big")
    assert chain.send(X, "survey", O) == ["Asked"]
    assert chain.ask("isWaiting", O, question) == (True,)
    chain.send(X, "answer", question, YES, succeeds=False)
    assert chain.send(O, "answer", question, YES) == ["Answered"]
    chain.send(O, "answer", question, NO, succeeds=False)
    assert (chain.ask("yes"), chain.ask("no")) == ((1,), (0,))
