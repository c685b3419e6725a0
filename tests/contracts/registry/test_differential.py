"""One story on both chains and both engines: each receipt (status, gas, logs), revert and balance is the same."""

from typing import TypeAlias

import pytest

from evmthread.commit import Resume, thread_id
from evmthread.testing.chain import MinedTransaction
from tests.commit.commit_samples import ETHER, sign_record
from tests.contracts.registry.chains import Chain, account_key, chain_named, transact
from tests.contracts.registry.deployed import OPERATOR, STRANGER, Deployed, abi, deploy, key_of, spread
from tests.contracts.registry.games import Game, contract, morpion
from tests.contracts.registry.test_settle import BOMB, BURNS, HALTS, REVERTS

Story: TypeAlias = "tuple[list[MinedTransaction], list[int], list[bytes]]"


class Recording:
    """A chain that remembers every receipt."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.receipts: list[MinedTransaction] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._chain, name)

    def send(self, transaction: object) -> MinedTransaction:
        receipt = self._chain.send(transaction)  # type: ignore[arg-type]
        self.receipts.append(receipt)
        return receipt


def money(registry: Deployed) -> None:
    """Deposits, disputes, settlement, receivers of every kind, transactions that fail."""
    terms = registry.opened(3, threshold=2)
    party = key_of(terms, 0)
    registry.send(party, "open", terms, 0, value=terms.deposits[0])
    for nonce in (0, 4, 4, 3):
        registry.send(STRANGER, "checkpoint", *registry.signed(terms, registry.commitment(terms, nonce)))
    registry.send(STRANGER, "challenge", *registry.signed(terms, registry.commitment(terms, 5)))
    registry.send(party, "challenge", *registry.signed(terms, registry.commitment(terms, 5), (0, 2)))
    registry.send(STRANGER, "respond", *registry.signed(terms, registry.commitment(terms, 6), (1,)))
    registry.send(STRANGER, "respond", *registry.signed(terms, registry.commitment(terms, 6), (1, 2)))
    deadline = registry.thread(terms).deadline
    word = Resume(thread_id(registry.domain, terms), deadline)
    registry.send(STRANGER, "resume", terms, deadline, spread(sign_record(registry.domain, terms, word))[1])
    registry.send(party, "exit", terms)
    registry.send(STRANGER, "settle", *registry.unsigned(terms, registry.commitment(terms, 6)))
    registry.past_deadline(terms)
    for owner, code in zip(terms.owners, (REVERTS, BURNS, BOMB), strict=True):
        registry.chain.put(owner, code=code)
    registry.chain.put(OPERATOR, code=HALTS)
    registry.send(STRANGER, "settle", *registry.unsigned(terms, registry.commitment(terms, 6)), gas=250_000)
    registry.send(STRANGER, "settle", *registry.unsigned(terms, registry.commitment(terms, 6)))
    registry.send(STRANGER, "settle", *registry.unsigned(terms, registry.commitment(terms, 6)))
    registry.send(STRANGER, "withdraw", OPERATOR, OPERATOR)
    registry.send(STRANGER, "withdraw", OPERATOR, bytes(20))
    late = registry.terms(2, salt=1)
    registry.send(STRANGER, "open", late, 0, value=late.deposits[0])
    registry.chain.wait_until(late.open_before)
    registry.send(STRANGER, "open", late, 1, value=late.deposits[1])
    registry.send(STRANGER, "refund", late)
    registry.send(STRANGER, "open", registry.terms(2, threshold=1), 0, value=ETHER)


def games(registry: Deployed) -> None:
    """Contracts that come back, are played on, and pay."""
    receiver = bytes(18) + b"\xf0\x09"
    game = morpion(registry, turn_seconds=5000)
    for number, cell in enumerate((0, 3, 1, 4)):
        game.call(number % 2, "play", cell)
    game.send(1, receiver, 12345)
    commitment = game.settle_by_challenge()
    arguments = game.materialize_arguments(commitment)
    registry.send(STRANGER, "materialize", *arguments[:-1], ())
    registry.send(STRANGER, "materialize", *arguments, gas=600_000)
    game.materialize(commitment)
    registry.send(STRANGER, "materialize", *arguments)
    registry.send(STRANGER, "claim", game.terms, commitment, receiver, game.account_proof(receiver))
    registry.send(STRANGER, "claim", game.terms, commitment, receiver, game.account_proof(receiver))
    registry.send(STRANGER, "slot", commitment, bytes(32), game.slot_proof(0))
    game.transact(1, "play", 2)
    game.transact(0, "play", 2)
    game.transact(0, "withdraw")
    other = Game(registry, contract("Layout"), salt=8)
    other.call(0, "fill", 77, value=1000)
    other.materialize(other.settle_final())
    other.transact(1, "fill", 3)
    other.transact(1, "clear")
    other.transact(1, "pay", receiver, 1000)


def story(name: str) -> Story:
    """What became of every transaction, and in the end of every account."""
    with chain_named(name) as chain:
        recording = Recording(chain)
        registry = deploy(recording)  # type: ignore[arg-type]
        start = chain.snapshot()
        money(registry)
        accounts = {registry.address, OPERATOR, *registry.terms(3).owners}
        balances = [chain.balance(account) for account in sorted(accounts)]
        chain.restore(start)
        games(registry)
        transact(recording, account_key("stranger"), registry.address, abi(b""), value=1, gas=60_000)  # type: ignore[arg-type]
        codes = [chain.code(receipt.created) for receipt in recording.receipts if receipt.created]
        balances += [chain.balance(account) for account in sorted(accounts)]
        return recording.receipts, balances, codes


@pytest.fixture(scope="module")
def ours() -> Story:
    return story("in process")


@pytest.mark.parametrize("other", ["anvil", "in process, stepper"])
def test_the_same_story_on_each_chain(ours: Story, other: str) -> None:
    theirs = story(other)
    for expected, got in zip(theirs[0], ours[0], strict=True):
        assert got == expected
    assert ours == theirs
    assert sum(not receipt.success for receipt in ours[0]) >= 12
    assert len(ours[0]) > 45
