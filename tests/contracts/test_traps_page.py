"""docs/traps.md: its examples are compiled and run, its figures measured."""

import re
from pathlib import Path

import pytest

from evmthread.commit import TRAP_ADDRESS, InputKind
from evmthread.commit.terms import BREAKPOINT_TOPIC
from evmthread.contracts import load_artifact
from tests.channel.games import CREATE_GAS, STAKE, TURN_SECONDS, Match, ruleset
from tests.contracts.answering import NO, YES
from tests.contracts.test_thread_library import ALICE, BOB, Deployed, compiled
from tests.morpion_model import DRAWN, PLAYING

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "traps.md").read_text(encoding="utf-8")
MORPION = load_artifact("MorpionDraw")
DEAL = compiled("Deal")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_addresses_and_topics_are_those_of_the_rules() -> None:
    assert f"`0x{TRAP_ADDRESS.hex()}`" in PAGE
    assert f"PUSH 0x{BREAKPOINT_TOPIC.hex()} PUSH 0 PUSH 0 LOG1" in PAGE


def test_the_solidity_example_is_compiled() -> None:
    assert Path(__file__).with_name("Deal.sol").read_text(encoding="utf-8").endswith(block("solidity"))


def test_the_solidity_example_takes_both_paths() -> None:
    asked = Deployed(DEAL, YES, BOB)
    assert [log.topics[0] for log in asked.run("bid", 7).logs] == [DEAL.event("Sold").topic, BREAKPOINT_TOPIC]
    assert (asked.ask("price"), asked.ask("offer")) == ((7,), (0,))
    refused = Deployed(DEAL, NO, BOB)
    assert refused.run("bid", 7).logs == ()
    assert (refused.ask("price"), refused.ask("offer")) == ((0,), (0,))
    waiting = Deployed(DEAL, None, BOB)
    assert waiting.run("bid", 7).logs == ()
    assert (waiting.ask("price"), waiting.ask("offer")) == ((0,), (7,))
    assert not waiting.run("accept", 7, sender=ALICE).success
    assert not waiting.run("accept", 6, sender=BOB).success
    assert waiting.run("accept", 7, sender=BOB).success
    assert (waiting.ask("price"), waiting.ask("offer")) == ((7,), (0,))
    assert not waiting.run("accept", 0, sender=BOB).success


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("python"), "docs/traps.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert said == ["True (0,)", "['DrawOffered', 'DrawAccepted', 'Finished', 'BREAKPOINT']"]
    assert "# True (0,)" in PAGE


class DrawMatch(Match):
    """A thread in which a game of MorpionDraw stands after X's first move."""

    def __init__(self, **rules: object) -> None:
        super().__init__(MORPION.runtime_code, rules=ruleset(**rules))
        arguments = MORPION.encode_constructor(*self.terms.owners, STAKE, TURN_SECONDS)
        self.call(0, MORPION.creation_code + arguments, kind=InputKind.CREATE, gas=CREATE_GAS)
        for player in (0, 1):
            self.call(player, MORPION.function("join").encode(), value=STAKE)
        self.call(0, MORPION.function("play").encode(4))

    def gas_of(self, player: int, data: bytes, **changes: object) -> int:
        """The gas that a batch with this input adds."""
        before = self.tip.commitment.gas_used
        self.call(player, data, **changes)
        return self.tip.commitment.gas_used - before

    def ask(self, name: str) -> object:
        function = MORPION.function(name)
        return function.decode(self.thread.call(function.encode()).output)[0]


@pytest.mark.parametrize("answer", [YES, NO])
def test_in_a_thread_the_offer_waits_for_the_other(answer: bytes) -> None:
    match = DrawMatch()
    _, o = match.terms.owners
    before = match.tip.commitment
    assert match.gas_of(0, MORPION.function("offerDraw").encode()) == 0
    suspended = match.tip.commitment
    assert (suspended.status, suspended.awaiting) == (1, o)
    assert (suspended.state_root, suspended.balances) == (before.state_root, before.balances)
    data = suspended.machine_hash + answer
    gas = match.gas_of(1, data, kind=InputKind.ANSWER, nonce=0, gas=0)
    assert f"{gas:,} {'accepted' if answer == YES else 'refused'}" in PAGE
    assert match.ask("state") == (DRAWN if answer == YES else PLAYING)
    assert (match.tip.commitment.status, match.ask("drawOffer")) == (0, bytes(20))


@pytest.mark.parametrize("trap", [bytes(20), b"\x77" * 20])
def test_in_a_thread_without_this_trap_it_takes_the_on_chain_path(trap: bytes) -> None:
    match = DrawMatch(trap=trap)
    offered = match.gas_of(0, MORPION.function("offerDraw").encode())
    assert (match.tip.commitment.status, match.ask("drawOffer")) == (0, match.terms.owners[0])
    accepted = match.gas_of(1, MORPION.function("acceptDraw").encode(1))
    assert match.ask("state") == DRAWN
    assert f"{offered:,}, and {accepted:,} for `acceptDraw`" in PAGE
