"""Transactions sent to anvil one after the other, and the same in one World on the state before the first.

What is compared: receipts, the roots of each block that hang on them, and in the end every account and slot that was
touched, or the state root.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from evmthread.execution.invalid import InvalidTransaction
from evmthread.execution.receipts import Receipt, logs_bloom
from evmthread.execution.transaction import BLOB, FEE_MARKET, Transaction
from evmthread.execution.world import TransactionResult, World
from evmthread.merkle.trie import ordered_root
from evmthread.primitives.keccak import EMPTY_HASH
from evmthread.rpc import NodeRefused
from evmthread.state.remote import RemoteState
from evmthread.state.view import EMPTY_ACCOUNT
from tests.anvil import Anvil, logs_of, running_anvil, unhex, word
from tests.differential.cases import BLOCK, KEY, SENDER, Account, make_case
from tests.differential.peers import count_of, seed_of
from tests.state.blocks import Following, begin_block
from tests.state.deployed import PLAYERS, deploy, random_call, signed


@pytest.fixture(scope="module", params=["cancun", "prague", "osaka", None], ids=lambda name: name or "newest")
def node(request: pytest.FixtureRequest) -> Iterator[Anvil]:
    with running_anvil(
        *("--block-base-fee-per-gas", str(BLOCK.base_fee)),
        *("--disable-min-priority-fee", "--order", "fifo"),
        hardfork=request.param,
    ) as running:
        yield running


def assert_same_receipt(done: TransactionResult, sent: Transaction, receipt: Mapping[str, Any], what: str) -> None:
    theirs = (int(receipt["status"], 16) == 1, int(receipt["gasUsed"], 16), logs_of(receipt["logs"]))
    assert (done.success, done.gas_used, done.logs) == theirs, what
    assert int(receipt["effectiveGasPrice"], 16) == done.gas_price, what
    if sent.to is None and done.success:
        assert unhex(receipt["contractAddress"]) == done.created, what


def assert_same_block(done: TransactionResult, sent: Transaction, block: Mapping[str, Any], what: str) -> None:
    """The roots of a block with this one transaction."""
    kind = bytes((sent.type,)) if sent.type else b""
    receipt = Receipt(done.success, done.gas_used, done.logs).encode()
    assert block["transactionsRoot"] == "0x" + ordered_root([sent.encode()]).hex(), what
    assert block["receiptsRoot"] == "0x" + ordered_root([kind + receipt]).hex(), what
    assert block["logsBloom"] == "0x" + logs_bloom(done.logs).hex(), what


def run_both(node: Anvil, world: World, sent: Transaction, what: str) -> bool:
    """Runs a signed transaction there and here, and compares; False where both refuse it."""
    number = int(node.ask("eth_blockNumber"), 16) + 1
    refusal: InvalidTransaction | None = None
    with world.isolated():
        try:
            world.apply(sent)
        except InvalidTransaction as error:
            refusal = error
    if refusal is not None:
        assert_never_mined(node, sent, f"{what}: {refusal}")
        begin_block(world, node, number)
        return False
    receipt = node.send(sent)
    assert int(receipt["blockNumber"], 16) == number
    begin_block(world, node, number)
    done = world.apply(sent)
    assert_same_receipt(done, sent, receipt, what)
    assert_same_block(done, sent, node.block(number), what)
    return True


def assert_never_mined(node: Anvil, sent: Transaction, what: str) -> None:
    """The node refuses a transaction, or takes it and leaves it out of the next block."""
    name = "0x" + sent.hash().hex()
    with suppress(NodeRefused):
        node.ask("eth_sendRawTransaction", "0x" + sent.encode().hex())
    block = node.block(node.mine())
    assert block["transactions"] == [], what
    node.ask("anvil_dropTransaction", name)


def assert_same_changes(node: Anvil, world: World, what: str) -> int:
    """Every account and slot that differs from the view is in the node's newest state; how many there are."""
    world.begin_transaction()
    changes, count = world.changes(), 0
    for address, change in changes.accounts.items():
        name, after = "0x" + address.hex(), change.after or EMPTY_ACCOUNT
        theirs = (
            int(node.ask("eth_getTransactionCount", name, "latest"), 16),
            int(node.ask("eth_getBalance", name, "latest"), 16),
            unhex(node.ask("eth_getCode", name, "latest")),
        )
        code = b"" if after.code_hash == EMPTY_HASH else world.code(address)
        assert (after.nonce, after.balance, code) == theirs, f"{what}: {name}"
        for key, (_, value) in change.slots.items():
            count += 1
            assert node.ask("eth_getStorageAt", name, word(key), "latest") == word(value), f"{what}: {name} {key:#x}"
    return count + len(changes.accounts)


def world_of(node: Anvil, number: int) -> World:
    state = Following(RemoteState(node.provider, number), node)
    return World(view=state, fork=node.fork, environment=node.environment(number))


def test_the_repositorys_contracts(node: Anvil) -> None:
    seed = seed_of()
    contracts = deploy(node)
    world = world_of(node, node.mine())
    succeeded = 0
    for number in range(count_of(40)):
        what = f"EVMTHREAD_SEED={seed}, transaction {number}"
        succeeded += run_both(node, world, signed(node, random_call(Random(f"{seed}/{number}"), contracts)), what)
    assert succeeded
    assert assert_same_changes(node, world, f"EVMTHREAD_SEED={seed}") > len(PLAYERS)


def random_group(random: Random, fork: str) -> tuple[Mapping[bytes, Account], list[Transaction]]:
    """Accounts, and transactions of one sender without nonces and signatures."""
    cases = [make_case(random, fork, "", transactions=True) for _ in range(8)]
    accounts, sent = dict(cases[0].accounts), [case.transaction for case in cases]
    for transaction in sent:
        # anvil takes every account for one that exists, and so refunds each authorization (EIP-7702): let them exist.
        authorities = [authorization.authority() for authorization in transaction.authorizations]
        accounts |= {place: Account(0, 1, b"", {}) for place in authorities if place and place not in accounts}
    # A node wants the blobs themselves.
    return accounts, [
        replace(each, type=FEE_MARKET, blob_hashes=(), max_blob_fee=0) if each.type == BLOB else each for each in sent
    ]


def test_random_programs_and_all_types(node: Anvil) -> None:
    seed = seed_of()
    for group in range(count_of(40) // 8):
        accounts, transactions = random_group(Random(f"{seed}/{group}"), node.fork.name)
        nonce = int(node.ask("eth_getTransactionCount", "0x" + SENDER.hex(), "latest"), 16)
        for address, account in accounts.items():
            kept = nonce if address == SENDER else account.nonce
            node.put(address, nonce=kept, balance=account.balance, code=account.code, storage=account.storage)
        world = world_of(node, node.mine())
        for number, sent in enumerate(transactions):
            what = f"EVMTHREAD_SEED={seed}, group {group}, transaction {number}"
            run_both(node, world, replace(sent, nonce=world.nonce(SENDER)).signed(KEY), what)
        assert_same_changes(node, world, f"EVMTHREAD_SEED={seed}, group {group}")
