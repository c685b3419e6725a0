"""From a THREAD log to a thread: the registry's own, and any contract's request; and what is false in either."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from evmthread.chain.blocks import block_at, code_at, proven
from evmthread.chain.errors import NodeLies
from evmthread.chain.events import registry_artifact
from evmthread.chain.opening import find_announcements, open_thread, read_announcement, thread_head
from evmthread.chain.quantities import text
from evmthread.chain.registry import Registry
from evmthread.chain.transactions import Call
from evmthread.commit import Domain, Ruleset, Terms, thread_id
from evmthread.commit.refusals import IllFormedTerms, WrongHash, WrongThread
from evmthread.errors import DecodingError, InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.rpc import BadAnswer
from evmthread.state import remote
from evmthread.state.remote import PROOF_PAUSES
from tests.assembler import assemble
from tests.chain.chains import account, rich
from tests.chain.conftest import OnChain
from tests.chain.lying import Unreliable, each, flipped, member
from tests.chain.played import MORPION, ORIGIN, Played

# Logs its calldata: the first two words are topics, the rest is data.
LOGGER = assemble(
    """
    PUSH1 64 CALLDATASIZE SUB DUP1 PUSH1 64 PUSH1 0 CALLDATACOPY
    PUSH1 32 CALLDATALOAD PUSH1 0 CALLDATALOAD DUP3 PUSH1 0 LOG2 STOP
    """
)
ASKER = account("asker")


def request(world: OnChain, terms: Terms, domain: Domain | None = None) -> tuple[bytes, bytes]:
    """Another contract logs THREAD: its address, and the block's hash."""
    there = keccak256(b"a contract that asks")[12:]
    rich(world.chain, ASKER)
    world.chain.put(there, code=LOGGER)
    plain = tuple(getattr(terms, member.attribute) for member in Terms.STRUCT.members)
    event = registry_artifact().event("THREAD")
    identity = thread_id(world.registry.domain if domain is None else domain, terms)
    from evmthread.contracts.abi import encode_values

    data = event.topic + identity + encode_values(event.inputs[1:], [plain], what="THREAD")
    done = world.registry.transactions.send(ASKER, Call("ask", there, data))
    return there, done.block.hash


def test_the_registrys_log_opens_a_thread(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    first, second = game.fund()
    found = find_announcements(world.registry, first.block.number, second.block.number)
    assert [(each.terms, each.contract, each.is_request) for each in found] == [
        (game.terms, world.registry.address, False)
    ]
    assert read_announcement(world.registry, first.block.hash, 0) == found[0]
    head = thread_head(world.registry, found[0], game.rules)
    assert head.code == MORPION.runtime_code
    assert open_thread(head).thread_id == game.thread_id
    with pytest.raises(InvalidInput, match="THREAD"):
        read_announcement(world.registry, second.block.hash, 0)
    with pytest.raises(InvalidInput, match="logs"):
        read_announcement(world.registry, second.block.hash, 5)


def test_any_contract_may_ask(world: OnChain) -> None:
    terms = replace(Played(world.chain, world.registry).terms, salt=77)
    contract, block_hash = request(world, terms)
    asked = read_announcement(world.registry, block_hash, 0)
    assert asked.is_request
    assert asked.terms == terms
    number = asked.block.number
    assert find_announcements(world.registry, number, number) == []
    assert find_announcements(world.registry, number, number, contract) == [asked]
    head = thread_head(world.registry, asked, Played(world.chain, world.registry).rules)
    assert open_thread(head).terms == terms


def test_a_request_for_another_chain_or_with_other_terms(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    other = Domain(5, world.registry.address)
    contract, block_hash = request(world, game.terms, other)
    with pytest.raises(WrongThread):
        read_announcement(world.registry, block_hash, 0)
    number = block_at(world.chain.provider, block_hash).number
    assert find_announcements(world.registry, number, number, contract) == []
    _, block_hash = request(world, replace(game.terms, threshold=1))
    with pytest.raises(IllFormedTerms):
        read_announcement(world.registry, block_hash, 0)
    number = block_at(world.chain.provider, block_hash).number
    assert find_announcements(world.registry, number, number, contract) == []

    _, block_hash = request(world, replace(game.terms, code_hash=keccak256(b"other code")))
    asked = read_announcement(world.registry, block_hash, 0)
    with pytest.raises(WrongHash):
        thread_head(world.registry, asked, game.rules)
    with pytest.raises(WrongHash):
        thread_head(world.registry, asked, Ruleset(contract_timeout=0))


def test_what_is_no_request_hides_no_other(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    contract, block_hash = request(world, game.terms)
    event = registry_artifact().event("THREAD")
    last = number = block_at(world.chain.provider, block_hash).number
    for garbage in (b"", bytes(32), b"\xff" * 64):
        call = Call("garbage", contract, event.topic + bytes(32) + garbage)
        done = world.registry.transactions.send(ASKER, call)
        last = done.block.number
        with pytest.raises(DecodingError):
            read_announcement(world.registry, done.block.hash, 0)
    found = find_announcements(world.registry, number, last, contract)
    assert [each.terms for each in found] == [game.terms]


def test_a_node_that_lies_about_code_or_logs(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    first, _ = game.fund()
    asked = read_announcement(world.registry, first.block.hash, 0)

    def over(**changes: object) -> Registry:
        registry = Registry(world.registry.transactions, world.registry.address)
        registry.provider = Unreliable(world.chain.provider, **changes)  # type: ignore[arg-type]
        return registry

    with pytest.raises(NodeLies, match="code"):
        thread_head(over(eth_getCode=flipped), asked, game.rules)
    with pytest.raises(NodeLies, match="code"):
        code_at(Unreliable(world.chain.provider, eth_getCode=lambda code: "0x"), asked.block, ORIGIN)
    with pytest.raises(NodeLies, match="receipts"):
        read_announcement(over(eth_getBlockReceipts=lambda receipts: []), first.block.hash, 0)
    with pytest.raises(BadAnswer, match="type 256"):
        read_announcement(over(eth_getBlockReceipts=each(member("type", lambda _: "0x100"))), first.block.hash, 0)
    with pytest.raises(NodeLies, match="header"):
        read_announcement(
            over(eth_getBlockByHash=lambda block: {**block, "receiptsRoot": flipped(block["receiptsRoot"])}),
            first.block.hash,
            0,
        )
    with pytest.raises(NodeLies, match="proof"):
        thread_head(over(eth_getProof=lambda proof: {**proof, "accountProof": []}), asked, game.rules)

    number = first.block.number
    twice = over(eth_getLogs=lambda logs: logs * 2)
    assert [found.thread_id for found in find_announcements(twice, number, number)] == [game.thread_id]
    (log,) = world.chain.provider.request("eth_getLogs", {"blockHash": text(first.block.hash)})[:1]  # type: ignore[index]
    for unasked in (
        lambda: find_announcements(over(eth_getLogs=lambda _: [log]), 0, number - 1),
        lambda: find_announcements(over(eth_getLogs=lambda _: [log]), number, number, contract=ORIGIN),
    ):
        with pytest.raises(NodeLies, match="not asked for"):
            unasked()


def test_a_proof_of_the_next_blocks_state_is_asked_for_again(world: OnChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """anvil gives one while it makes that block. A node that goes on so lies; so does one that proves nothing."""
    slept: list[float] = []
    monkeypatch.setattr(remote, "sleep", slept.append)
    first, _ = Played(world.chain, world.registry).fund()

    def ask(wrong: int, nodes: Callable[[list[str]], list[str]]) -> object:
        slept.clear()
        left = iter(range(wrong))

        def late(proof: dict[str, Any]) -> dict[str, Any]:
            return proof if next(left, None) is None else {**proof, "accountProof": nodes(proof["accountProof"])}

        return proven(Unreliable(world.chain.provider, eth_getProof=late), first.block, world.registry.address)

    def other_root(nodes: list[str]) -> list[str]:
        return [flipped(nodes[0]), *nodes[1:]]

    most = len(PROOF_PAUSES)
    account, _ = ask(most, other_root)
    assert account is not None
    assert tuple(slept) == PROOF_PAUSES
    with pytest.raises(NodeLies, match="node 0 of the proof"):
        ask(most + 1, other_root)
    assert tuple(slept) == PROOF_PAUSES
    for nothing in (lambda nodes: [], lambda nodes: nodes[:-1], lambda nodes: [*nodes, "0x80"]):
        with pytest.raises(NodeLies, match="proof"):
            ask(1, nothing)
        assert not slept
