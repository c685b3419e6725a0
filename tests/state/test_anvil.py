"""Remote states and proofs against anvil, a real node: EVMTHREAD_ANVIL or the PATH says where its program is."""

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from evmthread.execution.environment import BlockEnvironment
from evmthread.execution.world import World
from evmthread.isa.forks import fork_named
from evmthread.rpc import HttpProvider, NodeUnreachable
from evmthread.state.memory import MemoryState
from evmthread.state.remote import BlockGone, RemoteState
from tests.assembler import assemble

ANVIL = os.environ.get("EVMTHREAD_ANVIL") or shutil.which("anvil")
pytestmark = pytest.mark.skipif(ANVIL is None, reason="no anvil: set EVMTHREAD_ANVIL to its program")
CONTRACT = b"\xcc" * 20
NAME = "0x" + CONTRACT.hex()
SENDER = b"\x5e" * 20


@pytest.fixture(scope="module")
def node() -> Iterator[HttpProvider]:
    assert ANVIL is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [ANVIL, "--host", "127.0.0.1", "--port", str(port), "--silent", "--hardfork", "prague"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            provider = HttpProvider(f"http://127.0.0.1:{port}")
            for _ in range(200):
                try:
                    provider.request("eth_chainId")
                    break
                except NodeUnreachable:
                    time.sleep(0.05)
            yield provider
            provider.close()
        finally:
            process.kill()


def word(value: int) -> str:
    return "0x" + value.to_bytes(32, "big").hex()


def put(node: HttpProvider, code: bytes, slots: dict[int, int]) -> None:
    node.request("anvil_setCode", NAME, "0x" + code.hex())
    for key, value in slots.items():
        node.request("anvil_setStorageAt", NAME, word(key), word(value))
    node.request("anvil_mine", "0x1")


def test_our_storage_proofs_are_anvils(node: HttpProvider) -> None:
    generator = random.Random(1)
    slots = {generator.getrandbits(generator.choice((4, 8, 256))): generator.getrandbits(200) | 1 for _ in range(60)}
    put(node, b"\x00", slots)
    ours = MemoryState()
    ours.set_account(CONTRACT, code=b"\x00", storage=slots)
    keys = [*slots, 2**255, 12345]
    theirs = node.request("eth_getProof", NAME, [word(key) for key in keys], "latest")
    assert isinstance(theirs, dict)
    mine = ours.proof(CONTRACT, keys)
    assert theirs["storageHash"] == mine["storageHash"]
    assert theirs["codeHash"] == mine["codeHash"]
    assert [(int(slot["key"], 16), slot["value"], slot["proof"]) for slot in theirs["storageProof"]] == [
        (int(slot["key"], 16), slot["value"], slot["proof"])
        for slot in mine["storageProof"]  # type: ignore[attr-defined]
    ]
    state = RemoteState(node)
    assert {key: state.slot(CONTRACT, key) for key in keys} == {key: slots.get(key, 0) for key in keys}


@pytest.mark.parametrize("trust", [False, True])
def test_calls_give_what_anvil_gives(node: HttpProvider, trust: bool) -> None:
    program = (
        "PUSH 5 SLOAD PUSH 0 CALLDATALOAD SLOAD ADD PUSH 0 MSTORE "
        "PUSH 1 NUMBER SUB BLOCKHASH PUSH 32 MSTORE CALLER BALANCE PUSH 64 MSTORE PUSH 96 PUSH 0 RETURN"
    )
    put(node, assemble(program), {5: 40, 7: 2})
    state = RemoteState(node, trust=trust)
    environment = BlockEnvironment(number=state.block.number)
    world = World(view=state, fork=fork_named("Prague"), environment=environment)
    for key in (7, 8, 5):
        result = world.call(CONTRACT, key.to_bytes(32, "big"), sender=SENDER)
        call = {"to": NAME, "from": "0x" + SENDER.hex(), "data": word(key)}
        theirs = node.request("eth_call", call, hex(state.block.number))
        assert isinstance(theirs, str)
        assert result.success
        # anvil's own block hash of the parent, when it calls on top of the pinned block, is another one: leave it out.
        mine = result.output
        assert (mine[:32], mine[64:]) == (bytes.fromhex(theirs[2:])[:32], bytes.fromhex(theirs[2:])[64:])
        assert mine[32:64] == state.block.parent_hash


@pytest.mark.parametrize("trust", [False, True])
def test_a_reorg(node: HttpProvider, trust: bool) -> None:
    put(node, b"\x00", {1: 1})
    node.request("anvil_mine", "0x3")
    state = RemoteState(node, trust=trust)
    assert state.slot(CONTRACT, 1) == 1
    node.request("anvil_reorg", 2, [])
    put(node, b"\x00", {1: 2})
    assert state.slot(CONTRACT, 1) == 1
    with pytest.raises(BlockGone):
        state.slot(CONTRACT, 2)
