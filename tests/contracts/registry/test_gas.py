"""What the registry costs, as a table that these tests make: docs/registry-gas.json. They fail where it is 2 % off.

To write it anew: EVMTHREAD_WRITE_GAS=1 pytest tests/contracts/registry/test_gas.py
"""

import json
import os
import random
from pathlib import Path

import pytest

from evmthread.commit import Resume, Terms, thread_id
from evmthread.merkle.accounts import StateRoots
from evmthread.merkle.proofs import prove_slot
from evmthread.primitives.keccak import EMPTY_HASH
from tests.commit.commit_samples import sign_record
from tests.contracts.registry.deployed import OPERATOR, STRANGER, Deployed, key_of, spread
from tests.contracts.registry.games import Game, contract, morpion

TABLE = Path(__file__).parents[3] / "docs" / "registry-gas.json"
PARTIES = (2, 3, 5)
TOLERANCE = 0.02

# What was asked of two parties.
GOALS = {
    "open, all": 143_000,
    "checkpoint": 67_000,
    "challenge": 69_000,
    "respond": 77_000,
    "settle, final": 97_000,
    "settle, after a challenge": 89_000,
    "challenge and settle": 158_000,
    "slot, one of 256, as a transaction": 82_000,
}


def measured(registry: Deployed, parties: int) -> dict[str, int]:
    """Gas by what was done. Everybody who is paid has an account already."""
    chain = registry.chain
    chain.put(OPERATOR, balance=1)
    terms = registry.terms(parties, challenge_period=3600)
    found: dict[str, int] = {}

    def gas(name: str, *arguments: object, value: int = 0, actor: int = 0) -> int:
        return registry.done(key_of(terms, actor), name, *arguments, value=value).gas_used

    opening = [gas("open", terms, i, value=deposit, actor=i) for i, deposit in enumerate(terms.deposits)]
    found["open, first"], found["open, last"] = opening[0], opening[-1]
    found["open, all"] = sum(opening)
    commitment, newer = registry.commitment(terms), registry.commitment(terms, 7)
    live = chain.snapshot()
    found["checkpoint"] = gas("checkpoint", *registry.signed(terms, commitment))
    chain.restore(live)
    found["exit"] = gas("exit", terms)
    chain.restore(live)
    found["settle, final"] = gas("settle", *registry.signed(terms, registry.final(terms)))
    chain.restore(live)
    found["challenge"] = gas("challenge", *registry.signed(terms, commitment))
    challenged = chain.snapshot()
    found["respond"] = gas("respond", *registry.signed(terms, newer))
    chain.restore(challenged)
    found["resume"] = gas("resume", *_resume(registry, terms))
    chain.restore(challenged)
    registry.past_deadline(terms)
    found["settle, after a challenge"] = gas("settle", *registry.unsigned(terms, commitment))
    found["challenge and settle"] = found["challenge"] + found["settle, after a challenge"]
    chain.restore(live)
    gas("exit", terms)
    registry.past_deadline(terms)
    found["refund"] = gas("refund", terms)
    return found


def _resume(registry: Deployed, terms: Terms) -> tuple[object, ...]:
    deadline = registry.thread(terms).deadline
    word = Resume(thread_id(registry.domain, terms), deadline)
    return terms, deadline, spread(sign_record(registry.domain, terms, word))[1]


def slot_of_256(registry: Deployed) -> int:
    """A slot of a thread with 256 slots, proven in a transaction of its own."""
    generator = random.Random(256)
    roots, home = StateRoots(), bytes(20)
    roots.set_account(home, 1, 0, EMPTY_HASH)
    slots = {key: generator.getrandbits(256) for key in range(256)}
    for key, value in slots.items():
        roots.set_slot(home, key, value)
    terms = registry.opened()
    final = registry.final(terms, storage_root=roots.storage_root(home))
    registry.done(STRANGER, "settle", *registry.signed(terms, final))
    costs = []
    for key in range(0, 256, 16):
        arguments = (final, key.to_bytes(32, "big"), prove_slot(roots, home, key))
        assert registry.read("slot", *arguments) == slots[key].to_bytes(32, "big")
        costs.append(registry.done(STRANGER, "slot", *arguments).gas_used)
    return sorted(costs)[len(costs) // 2]


def returns(registry: Deployed) -> dict[str, int]:
    """Claims and contracts."""
    found = {}
    game = Game(registry, contract("Layout"))
    friend = bytes(18) + b"\xf0\x01"
    game.send(0, friend, 300)
    registry.chain.put(friend, balance=1)
    final = game.settle_final()
    arguments = (game.terms, final, friend, game.account_proof(friend))
    found["claim"] = registry.done(STRANGER, "claim", *arguments).gas_used
    board = morpion(registry, salt=8)
    for number, cell in enumerate((0, 3, 1)):
        board.call(number % 2, "play", cell)
    commitment = board.settle_by_challenge()
    found["materialize, Morpion"] = board.materialize(commitment).gas_used
    coin = Game(registry, contract("Coin"), 10**24, salt=9)
    found["materialize, an ERC-20"] = coin.materialize(coin.settle_final()).gas_used
    return found


def test_the_gas_table(registry: Deployed) -> None:
    start = registry.chain.snapshot()
    table: dict[str, dict[str, int]] = {}
    for parties in PARTIES:
        table[f"{parties} parties"] = measured(registry, parties)
        registry.chain.restore(start)
    table["2 parties"] |= {"slot, one of 256, as a transaction": slot_of_256(registry)} | returns(registry)
    if os.environ.get("EVMTHREAD_WRITE_GAS"):
        TABLE.write_text(json.dumps(table, indent=1) + "\n")
    committed = json.loads(TABLE.read_bytes())
    assert {name: sorted(rows) for name, rows in committed.items()} == {
        name: sorted(rows) for name, rows in table.items()
    }
    off = {
        (name, row): (gas, committed[name][row])
        for name, rows in table.items()
        for row, gas in rows.items()
        if abs(gas - committed[name][row]) > TOLERANCE * committed[name][row]
    }
    assert not off, off


@pytest.mark.parametrize("row", GOALS)
def test_the_goals_are_reached(row: str) -> None:
    assert json.loads(TABLE.read_bytes())["2 parties"][row] <= GOALS[row]
