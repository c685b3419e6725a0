"""Sending: what is tried first, what is waited for, and why it failed; on both chains."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from evmthread.chain.accounts import KeyAccount
from evmthread.chain.development import give, pass_time, unlocked_account
from evmthread.chain.errors import CallReverted, CannotPay, NodeLies, NotIncluded, TooMuchGas
from evmthread.chain.transactions import MAX_TRANSACTION_GAS, Call, Patience, Transactions
from evmthread.channel.returning import ReturnToChain
from evmthread.errors import CryptoError, InvalidInput
from evmthread.primitives.keccak import keccak256
from evmthread.rpc import NodeRefused
from tests.assembler import assemble
from tests.chain.chains import ETHER, QUICK, account, rich
from tests.chain.conftest import OnChain
from tests.chain.lying import Unreliable, flipped, member
from tests.chain.played import MORPION, Played

SENDER = account("sender")
# Takes as much gas as it is given.
ENDLESS = assemble("again: PUSH @again JUMP")


def sending(world: OnChain) -> Transactions:
    rich(world.chain, SENDER)
    return world.registry.transactions


def number(world: OnChain, method: str, *parameters: object) -> int:
    return int(str(world.chain.provider.request(method, *parameters)), 16)


def test_a_key_and_a_node_pay(world: OnChain) -> None:
    transactions = sending(world)
    there = account("receiver").address
    before = number(world, "eth_getBalance", "0x" + there.hex(), "latest")
    done = transactions.send(SENDER, Call("pay", there, value=5))
    assert (done.gas_used, done.logs, done.created) == (21_000, (), None)
    node = unlocked_account(world.chain.provider)
    assert node is not None
    transactions.send(node, Call("pay", there, value=7))
    assert number(world, "eth_getBalance", "0x" + there.hex(), "latest") == before + 12
    made = transactions.send(node, Call("create", None, assemble("PUSH1 1 PUSH1 0 RETURN")))
    assert made.created is not None


def test_nothing_is_spent_on_what_is_known_to_fail(world: OnChain) -> None:
    transactions = sending(world)
    nonce = transactions.next_nonce(SENDER)
    with pytest.raises(CannotPay):
        transactions.send(SENDER, Call("pay", SENDER.address, value=10**30))
    burner = keccak256(b"burner")[12:]
    world.chain.put(burner, code=ENDLESS)
    with pytest.raises((TooMuchGas, CallReverted)):
        transactions.send(SENDER, Call("burn", burner))
    game = Played(world.chain, world.registry)
    with pytest.raises(CallReverted) as refused:
        world.registry.exit(SENDER, game.terms)
    assert (refused.value.name, refused.value.transaction) == ("WrongMode", None)
    huge = ReturnToChain((b"\x01" * 32,) * 600, (b"\x01" * 32,) * 600, MORPION.runtime_code, ())
    with pytest.raises(TooMuchGas, match="16,777,216") as large:
        world.registry.materialize(SENDER, game.terms, game.tip.commitment, huge)
    assert large.value.needed is not None
    assert large.value.needed > MAX_TRANSACTION_GAS
    assert transactions.next_nonce(SENDER) == nonce


def test_a_transaction_that_fails_in_its_block_says_why(world: OnChain) -> None:
    transactions = sending(world)
    game = Played(world.chain, world.registry)
    call = world.registry.call("exit", game.terms)
    with pytest.raises(CallReverted, match="failed in block") as failed:
        transactions.send(SENDER, call, gas=200_000)
    assert failed.value.name == "WrongMode"
    assert failed.value.transaction is not None

    def unclear(method: str, *parameters: object) -> object:
        if method == "eth_call":
            raise NodeRefused(method, 3, "execution reverted", "0xnothing")
        return world.chain.provider.request(method, *parameters)

    told = Transactions(SimpleNamespace(request=unclear), transactions.chain_id, QUICK)
    with pytest.raises(CallReverted, match="failed in block") as unsaid:
        told.look(call, failed.value.transaction)
    assert unsaid.value.transaction == failed.value.transaction


def test_a_transaction_that_reached_the_node_twice_was_sent(world: OnChain) -> None:
    """The connection broke after the node had it; asked again, the node says that it knows it already."""
    sending(world)

    def twice(method: str, *parameters: object) -> object:
        answer = world.chain.provider.request(method, *parameters)
        if method == "eth_sendRawTransaction":
            raise NodeRefused(method, -32000, "already known")
        return answer

    node = SimpleNamespace(request=twice)
    transactions = Transactions(node, world.registry.domain.chain_id, QUICK)
    assert transactions.send(SENDER, Call("pay", SENDER.address)).gas_used == 21_000

    def refuse(method: str, *parameters: object) -> object:
        if method == "eth_sendRawTransaction":
            raise NodeRefused(method, -32000, "underpriced")
        return world.chain.provider.request(method, *parameters)

    with pytest.raises(NodeRefused, match="underpriced"):
        Transactions(SimpleNamespace(request=refuse), world.registry.domain.chain_id, QUICK).send(
            SENDER, Call("pay", SENDER.address)
        )


def test_patience_ends(world: OnChain) -> None:
    transactions = sending(world)
    slept: list[float] = []
    patience = Patience(confirmations=5, pause=0.5, tries=12, sleep=slept.append)
    waiting = Transactions(world.chain.provider, transactions.chain_id, patience)
    with pytest.raises(NotIncluded) as waited:
        waiting.send(SENDER, Call("pay", SENDER.address, value=1))
    assert len(slept) == 12
    assert slept == sorted(slept)
    assert max(slept) == 0.5
    world.chain.mine(4)
    call = Call("pay", SENDER.address, value=1)
    assert waiting.wait(SENDER, call, waited.value.transaction).transaction == waited.value.transaction


def test_a_receipt_is_the_one_of_its_block(world: OnChain) -> None:
    transactions = sending(world)
    call = Call("pay", SENDER.address, value=1)
    sent = transactions.submit(SENDER, call)
    transactions.wait(SENDER, call, sent)
    for lie in (
        {"eth_getTransactionReceipt": member("transactionHash", flipped)},
        {"eth_getTransactionReceipt": member("transactionIndex", lambda index: "0x7")},
        {"eth_getBlockReceipts": lambda receipts: [{**receipts[0], "status": "0x0"}]},
        {"eth_getBlockByHash": member("receiptsRoot", flipped)},
    ):
        with pytest.raises(NodeLies):
            Transactions(Unreliable(world.chain.provider, **lie), transactions.chain_id).look(call, sent)


def test_a_replacement_takes_the_place_and_costs_more(world: OnChain) -> None:
    transactions = sending(world)
    asked: list[str] = []

    class Refusing:
        """Takes no transaction: shows what it would get."""

        def request(self, method: str, *parameters: object) -> object:
            if method == "eth_sendRawTransaction":
                asked.append(str(parameters[0]))
                return None
            return world.chain.provider.request(method, *parameters)

    from evmthread.execution.transaction import decode_transaction
    from evmthread.isa.forks import OSAKA

    over = Transactions(Refusing(), transactions.chain_id, QUICK)
    call = Call("pay", SENDER.address, value=1)
    nonce = over.next_nonce(SENDER)
    over.submit(SENDER, call)
    over.submit(SENDER, call, nonce=nonce, hurry=4)
    first, second = (decode_transaction(bytes.fromhex(raw[2:]), OSAKA.transactions) for raw in asked)
    assert first.nonce == second.nonce == nonce
    assert first.chain_id == transactions.chain_id
    assert second.max_priority_fee == 4 * first.max_priority_fee
    assert second.max_fee == 4 * first.max_fee
    assert first.sender(OSAKA.transactions, transactions.chain_id) == SENDER.address


def test_development_nodes_give_and_move_time(world: OnChain) -> None:
    provider = world.chain.provider
    poor = account(f"poor on {type(world.chain).__name__}").address
    give(provider, poor, ETHER)
    give(provider, poor, ETHER // 2)
    assert number(world, "eth_getBalance", "0x" + poor.hex(), "latest") == ETHER
    before = world.chain.time
    assert pass_time(provider, 1000)
    assert world.chain.time >= before + 1000
    without = Unreliable(provider, eth_accounts=lambda accounts: [])
    assert unlocked_account(without) is None
    with pytest.raises(CannotPay):
        give(without, account("poorer").address, 1)


def test_keys_stay_where_they_are() -> None:
    import pickle

    key = keccak256(b"a secret")
    one = KeyAccount(key)
    assert key.hex() not in repr(one)
    with pytest.raises(InvalidInput):
        pickle.dumps(one)
    with pytest.raises(CryptoError):
        KeyAccount(bytes(32))


def test_gas_has_some_to_spare(world: OnChain) -> None:
    transactions = sending(world)
    game = Played(world.chain, world.registry)
    game.fund()
    game.play(0)
    call = world.registry.call("challenge", *_signed(game))
    gas = transactions.gas_for(game.owners[0].address, call)
    done = transactions.send(game.owners[0], call)
    assert done.gas_used < gas <= done.gas_used * 1.3
    assert replace(call, value=1) != call


def _signed(game: Played) -> tuple[object, ...]:
    tip = game.tip
    return tip.terms, tip.commitment, tip.signatures.bitmap, tip.signatures.signatures
