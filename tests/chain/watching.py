"""A game that a watchtower watches."""

from evmthread.chain.transactions import Call
from evmthread.chain.watchtower import Answered, Watchtower, Word
from tests.chain.chains import account, rich
from tests.chain.conftest import OnChain
from tests.chain.played import Played

WATCHER = account("watchtower")


def started(world: OnChain, *cells: int) -> Played:
    rich(world.chain, WATCHER)
    game = Played(world.chain, world.registry)
    game.fund()
    game.play(*cells)
    return game


def words(tower: Watchtower) -> list[Word]:
    """What it says; an answer that it sent is in a block then."""
    said = tower.look()[1]
    for each in said:
        if isinstance(each, Answered):
            tower.registry.transactions.wait(WATCHER, Call("answer", tower.registry.address), each.transaction)
    return said


def number(world: OnChain) -> int:
    return int(str(world.chain.provider.request("eth_blockNumber")), 16)
