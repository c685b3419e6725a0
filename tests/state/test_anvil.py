"""Remote states of a real node: what is read, what a reorg, a death and a lie of the node become."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread, Timer
from typing import Any

import pytest

from evmthread.errors import BackendError
from evmthread.execution.world import World
from evmthread.rpc import BadAnswer, HttpProvider, NodeRefused, NodeUnreachable
from evmthread.state.memory import MemoryState
from evmthread.state.opening import open_state
from evmthread.state.remote import BlockGone, RemoteState, WrongState
from evmthread.state.view import StateChanges
from tests.anvil import Anvil, running_anvil, word
from tests.assembler import assemble
from tests.rpc.node import Node, Refusal

CONTRACT, SENDER = b"\xcc" * 20, b"\x5e" * 20
NAME = "0x" + CONTRACT.hex()
# Adds slot 5 to the slot that the calldata names, keeps the sum in slot 0, and tells it with its parent's hash.
SUM = assemble(
    "PUSH 5 SLOAD PUSH 0 CALLDATALOAD SLOAD ADD DUP1 PUSH 0 SSTORE PUSH 0 MSTORE "
    "PUSH 1 NUMBER SUB BLOCKHASH PUSH 32 MSTORE CALLER BALANCE PUSH 64 MSTORE PUSH 96 PUSH 0 RETURN"
)


@pytest.fixture
def mortal() -> Iterator[Anvil]:
    """A node that a test may kill."""
    with running_anvil() as node:
        yield node


def world_on(state: RemoteState, node: Anvil) -> World:
    return World(view=state, fork=node.fork, environment=node.environment(state.block.number))


def test_our_storage_proofs_are_anvils(anvil: Anvil) -> None:
    generator = random.Random(1)
    slots = {generator.getrandbits(generator.choice((4, 8, 256))): generator.getrandbits(200) | 1 for _ in range(60)}
    anvil.put(CONTRACT, code=b"\x00", storage=slots)
    anvil.mine()
    ours = MemoryState()
    ours.set_account(CONTRACT, code=b"\x00", storage=slots)
    keys = [*slots, 2**255, 12345]
    theirs = anvil.ask("eth_getProof", NAME, [word(key) for key in keys], "latest")
    mine: dict[str, Any] = ours.proof(CONTRACT, keys)
    assert theirs["storageHash"] == mine["storageHash"]
    assert theirs["codeHash"] == mine["codeHash"]
    assert [(int(slot["key"], 16), slot["value"], slot["proof"]) for slot in theirs["storageProof"]] == [
        (int(slot["key"], 16), slot["value"], slot["proof"]) for slot in mine["storageProof"]
    ]
    state = RemoteState(anvil.provider)
    assert {key: state.slot(CONTRACT, key) for key in keys} == {key: slots.get(key, 0) for key in keys}


@pytest.mark.parametrize("trust", [False, True])
def test_calls_give_what_anvil_gives(anvil: Anvil, trust: bool) -> None:
    anvil.put(CONTRACT, code=SUM, storage={5: 40, 7: 2})
    state = RemoteState(anvil.url, anvil.mine(), trust=trust)
    world = world_on(state, anvil)
    for key in (7, 8, 5):
        result = world.call(CONTRACT, key.to_bytes(32, "big"), sender=SENDER)
        call = {"to": NAME, "from": "0x" + SENDER.hex(), "data": word(key)}
        assert "0x" + result.output.hex() == anvil.ask("eth_call", call, hex(state.block.number))
        assert result.output[32:64] == state.block.parent_hash
    state.close()


@pytest.mark.parametrize("trust", [False, True])
def test_a_reorg(anvil: Anvil, trust: bool, tmp_path: Path) -> None:
    anvil.put(CONTRACT, code=SUM, storage={5: 40, 7: 2, 8: 3})
    old = anvil.mine(3)
    state = RemoteState(anvil.provider, trust=trust, cache=tmp_path / "cache")
    world = world_on(state, anvil)
    assert int.from_bytes(world.call(CONTRACT, word_bytes(7), sender=SENDER).output[:32], "big") == 42
    done, logs = world.changes(), world.logs
    anvil.ask("anvil_reorg", 2, [])
    anvil.put(CONTRACT, storage={5: 50, 7: 12, 8: 13})
    anvil.mine()
    # What was read before can still be told, and so a call that needs no more; nothing else.
    assert (state.slot(CONTRACT, 5), state.slot(CONTRACT, 7)) == (40, 2)
    assert int.from_bytes(world.call(CONTRACT, word_bytes(7), sender=SENDER).output[:32], "big") == 42
    with pytest.raises(BlockGone, match=f"block {old} was 0x{state.block.hash.hex()}"):
        world.call(CONTRACT, word_bytes(8), sender=SENDER)
    for read in (lambda: state.account(b"\x77" * 20), lambda: state.block_hash(old - 2), state.check_canonical):
        with pytest.raises(BlockGone):
            read()
    # The call that failed changed nothing, and what was kept is of the old block only.
    assert (world.changes(), world.logs) == (done, logs)
    state.close()
    named = "0x" + state.block.hash.hex()
    with pytest.raises(BlockGone):
        RemoteState(anvil.provider, named, trust=trust)
    # What was cached of the old block can still be read, but nothing more of it, and it tells that it is gone.
    kept = RemoteState(anvil.provider, named, trust=trust, cache=tmp_path / "cache")
    assert (kept.slot(CONTRACT, 5), kept.slot(CONTRACT, 7)) == (40, 2)
    for read in (lambda: kept.slot(CONTRACT, 8), kept.check_canonical):
        with pytest.raises(BlockGone):
            read()
    kept.close()
    now = RemoteState(anvil.provider, trust=trust, cache=tmp_path / "cache")
    assert [now.slot(CONTRACT, key) for key in (5, 7, 8)] == [50, 12, 13]
    now.close()


def word_bytes(value: int) -> bytes:
    return value.to_bytes(32, "big")


def test_a_node_that_is_killed_between_two_reads(mortal: Anvil, tmp_path: Path) -> None:
    mortal.put(CONTRACT, code=SUM, storage={5: 40, 7: 2, 8: 3})
    mortal.mine()
    state = RemoteState(mortal.url, cache=tmp_path / "cache")
    world = world_on(state, mortal)
    world.call(CONTRACT, word_bytes(7), sender=SENDER)
    done = world.changes()
    mortal.kill()
    for ask in (
        lambda: world.call(CONTRACT, word_bytes(8), sender=SENDER),
        lambda: state.account(b"\x77" * 20),
        lambda: state.slot(CONTRACT, 9),
        state.check_canonical,
        lambda: RemoteState(mortal.url),
        lambda: open_state(mortal.url + "@latest"),
    ):
        with pytest.raises(NodeUnreachable, match=f"{mortal.url} can't be asked"):
            ask()
    assert world.changes() == done
    assert int.from_bytes(world.call(CONTRACT, word_bytes(7), sender=SENDER).output[:32], "big") == 42
    state.close()


@pytest.mark.parametrize("trust", [False, True])
def test_a_node_that_is_killed_in_the_middle(mortal: Anvil, trust: bool) -> None:
    mortal.put(CONTRACT, code=SUM, storage={key: key + 1 for key in range(50)})
    mortal.mine()
    state = RemoteState(mortal.url, trust=trust)
    read: dict[int, int] = {}

    def read_on() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            read[len(read)] = state.slot(CONTRACT, len(read))

    death = Timer(0.1, mortal.process.kill)
    death.start()
    with pytest.raises(NodeUnreachable):
        read_on()
    death.join()
    assert read
    assert all(value == (key + 1 if key < 50 else 0) for key, value in read.items())
    state.close()


def test_the_latest_state_is_proven_while_the_node_makes_blocks(anvil: Anvil) -> None:
    """Meanwhile anvil may give proofs of the next block's state, which the pinned block's root refuses."""
    anvil.put(CONTRACT, code=SUM, storage={5: 40})
    anvil.mine()

    def mine() -> None:
        provider = HttpProvider(anvil.url)
        for _ in range(100):
            provider.request("anvil_mine", "0x2")
        provider.close()

    mining = Thread(target=mine)
    mining.start()
    reads = 0
    while mining.is_alive() or not reads:
        state = RemoteState(anvil.provider)
        assert state.slot(CONTRACT, 5) == 40
        state.close()
        reads += 1
    mining.join()


def lying(anvil: Anvil, method: str, change: Callable[[Any], object]) -> Node:
    """A node that says what anvil says, but for one method."""
    provider = HttpProvider(anvil.url)

    def answer(asked: str, *parameters: object) -> object:
        try:
            told = provider.request(asked, *parameters)
        except NodeRefused as error:
            raise Refusal(error.message) from error
        return change(told) if asked == method else told

    return Node(answer)


@pytest.mark.parametrize(
    ("method", "change", "error"),
    [
        ("eth_getCode", lambda code: code[:-2] + "00", WrongState),
        ("eth_getCode", lambda code: "0x", WrongState),
        ("eth_getCode", lambda code: code[:-1], BadAnswer),
        ("eth_getCode", lambda code: None, BadAnswer),
        ("eth_getProof", lambda proof: proof | {"balance": "0x1"}, WrongState),
        ("eth_getProof", lambda proof: proof | {"accountProof": proof["accountProof"][:-1]}, WrongState),
        ("eth_getProof", lambda proof: proof | {"accountProof": [*proof["accountProof"], "0x80"]}, WrongState),
        ("eth_getProof", lambda proof: proof | {"codeHash": "0x" + "00" * 31}, BadAnswer),
        ("eth_getProof", lambda proof: [proof], BadAnswer),
        ("eth_getBlockByNumber", lambda block: block | {"stateRoot": "0x" + "11" * 32}, WrongState),
        ("eth_getBlockByNumber", lambda block: block | {"timestamp": "0x1"}, WrongState),
        ("eth_getBlockByNumber", lambda block: "latest", BadAnswer),
    ],
)
def test_a_node_that_lies(
    anvil: Anvil, method: str, change: Callable[[Any], object], error: type[BackendError]
) -> None:
    anvil.put(CONTRACT, code=SUM, storage={5: 40, 7: 2})
    anvil.mine()
    changes: list[StateChanges] = []
    with lying(anvil, method, change) as node:

        def call() -> None:
            state = RemoteState(node.url)
            world = world_on(state, anvil)
            try:
                world.call(CONTRACT, word_bytes(7), sender=SENDER)
            finally:
                changes.append(world.changes())
                state.close()

        with pytest.raises(error):
            call()
    assert not any(changes)
