"""Moves a World on from block to block of a node, as the node's chain goes."""

from evmthread.execution.world import World
from evmthread.state.view import StateView
from tests.anvil import Anvil, unhex

# What a block does before its first transaction since Prague: it stores its parent's hash (EIP-2935).
HISTORY = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
SYSTEM = b"\xff" * 19 + b"\xfe"
SYSTEM_GAS = 30_000_000


class Following:
    """A pinned state, with the hashes of the blocks that came after it."""

    def __init__(self, state: StateView, node: Anvil) -> None:
        self.state, self.node = state, node
        self.account, self.code, self.slot = state.account, state.code, state.slot

    def block_hash(self, number: int) -> bytes:
        return unhex(self.node.block(number)["hash"])


def begin_block(world: World, node: Anvil, number: int) -> None:
    """Moves a world on to a block of the node."""
    world.environment = node.environment(number)
    if world.code(HISTORY):
        world.begin_transaction()
        assert world.call(HISTORY, unhex(node.block(number)["parentHash"]), sender=SYSTEM, gas=SYSTEM_GAS).success
