"""LocalNode: what a client of a real node is told, from a chain of this process."""

from itertools import pairwise

import pytest

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.blocks import block_at, proven, receipts_of
from evmthread.chain.development import give
from evmthread.chain.transactions import Call, Patience, Transactions
from evmthread.errors import InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.rpc import NodeRefused
from evmthread.state.remote import RemoteState
from evmthread.testing.node import UNLOCKED, LocalNode
from tests.assembler import assemble

RICH = KeyAccount(keccak256(b"rich on a local node"))
COUNTER = assemble("PUSH1 1 PUSH1 0 SLOAD ADD PUSH1 0 SSTORE PUSH1 0 PUSH1 0 LOG0 STOP")
CREATION = assemble(f"PUSH {len(COUNTER)} DUP1 PUSH1 11 PUSH1 0 CODECOPY PUSH1 0 RETURN").ljust(11, b"\x00") + COUNTER


@pytest.fixture
def node() -> LocalNode:
    node = LocalNode(finality=3)
    give(node, RICH.address, 10**18)
    return node


def counted(node: LocalNode, times: int) -> bytes:
    """A contract that counts, called so many times."""
    transactions = Transactions(node, 1337, Patience(pause=0.01))
    there = transactions.send(RICH, Call("create", None, CREATION)).created
    assert there is not None
    assert node.chain.world.code(there) == COUNTER
    for _ in range(times):
        transactions.send(RICH, Call("count", there))
    return there


def test_headers_make_a_chain_and_prove_what_they_say(node: LocalNode) -> None:
    there = counted(node, 3)
    blocks = [block_at(node, number) for number in range(node.chain.number + 1)]
    assert all(later.parent_hash == earlier.hash for earlier, later in pairwise(blocks))
    latest = blocks[-1]
    for block, count in zip(blocks[-4:], range(4), strict=True):  # past states too
        assert proven(node, block, there, [0])[1] == [count]
    (receipt,) = receipts_of(node, latest)
    assert receipt.success
    assert [log.address for log in receipt.logs] == [there]
    assert block_at(node, "finalized") == blocks[-4]
    assert block_at(node, latest.hash) == latest
    state = RemoteState(node, "finalized")
    account = state.account(there)
    assert account is not None
    assert (state.slot(there, 0), state.code(account.code_hash)) == (0, COUNTER)


def test_logs_by_place_and_topic(node: LocalNode) -> None:
    there = counted(node, 2)
    every = node.request("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    assert isinstance(every, list)
    assert len(every) == 2
    last = every[-1]["blockHash"]
    assert node.request("eth_getLogs", {"blockHash": last}) == every[1:]
    assert node.request("eth_getLogs", {"fromBlock": "0x0", "address": "0x" + there.hex()}) == every
    assert node.request("eth_getLogs", {"fromBlock": "0x0", "address": "0x" + "11" * 20}) == []
    assert node.request("eth_getLogs", {"fromBlock": "0x0", "topics": ["0x" + "11" * 32]}) == []


def test_what_it_refuses(node: LocalNode) -> None:
    for method, parameters in (
        ("eth_nothing", ()),
        ("debug_traceCall", ()),
        ("eth_getBalance", ("0x12",)),
        ("eth_getBalance", ("0x" + "11" * 20, "0xffff")),
        ("eth_sendRawTransaction", ("0x00",)),
        ("eth_sendTransaction", ({"from": "0x" + "11" * 20},)),
        ("eth_call", ({"data": "0xzz"}, "latest")),
    ):
        with pytest.raises(NodeRefused):
            node.request(method, *parameters)
    assert node.request("eth_getBlockByNumber", "0xffff", False) is None
    assert node.request("eth_getBlockByHash", "0x" + "11" * 32, False) is None
    assert node.request("eth_getTransactionReceipt", "0x" + "11" * 32) is None
    assert node.request("eth_accounts") == ["0x" + UNLOCKED.hex()]


def test_an_estimate_is_enough_and_not_much_more(node: LocalNode) -> None:
    there = counted(node, 0)
    for _ in range(3):
        call = {"from": "0x" + RICH.address.hex(), "to": "0x" + there.hex()}
        estimate = int(str(node.request("eth_estimateGas", call)), 16)
        used = Transactions(node, 1337, Patience(pause=0.01)).send(RICH, Call("count", there), gas=estimate).gas_used
        assert used <= estimate <= used * 1.3


def test_blocks_are_taken_back_with_all_that_was_in_them() -> None:
    node = LocalNode(finality=3, reorgs=True)
    give(node, RICH.address, 10**18)
    there = counted(node, 2)
    before = block_at(node, "latest")
    transactions = Transactions(node, 1337, Patience(pause=0.01))
    gone = transactions.send(RICH, Call("count", there))
    node.mine()
    assert node.rollback(2) == before.number
    assert block_at(node, "latest") == before
    assert proven(node, before, there, [0])[1] == [2]
    assert node.request("eth_getBlockByHash", "0x" + gone.block.hash.hex(), False) is None
    assert node.request("eth_getTransactionReceipt", "0x" + gone.transaction.hex()) is None
    node.chain.wait(100)
    again = transactions.send(RICH, Call("count", there))
    assert again.block.parent_hash == before.hash
    assert again.block.hash != gone.block.hash
    assert proven(node, again.block, there, [0])[1] == [3]
    assert len(node.request("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})) == 3  # type: ignore[arg-type]


def test_no_more_blocks_are_taken_back_than_there_are(node: LocalNode) -> None:
    with pytest.raises(InvalidInput, match="1 blocks can't be taken back"):
        node.rollback(1)  # nothing was kept for it
    node = LocalNode(reorgs=True)
    node.mine(2)
    for count in (3, -1):
        with pytest.raises(InvalidInput, match="can't be taken back"):
            node.rollback(count)
    assert node.rollback(2) == 0
