"""C18: a node that drops, repeats, reorders or lies: the same state as from one that told all once, or a refusal."""

from collections.abc import Callable
from random import Random

import pytest

from evmthread.chain.errors import NodeLies
from evmthread.chain.events import Event
from evmthread.chain.follower import Follower
from evmthread.chain.watcher import Final, Position, Watcher
from evmthread.rpc import BadAnswer, NodeUnreachable
from tests.chain.chains import FINALITY
from tests.chain.conftest import OnChain
from tests.chain.following import follow, names
from tests.chain.lying import Change, Unreliable, each, flipped, member
from tests.chain.played import Played


def _drop(logs: list[object]) -> list[object]:
    return logs[1:]


def _nested(*names: str, change: Callable[[str], str] = flipped) -> Change:
    name, *rest = names
    if not rest:
        return member(name, change)
    inner = _nested(*rest, change=change)
    return member(name, lambda value: [inner(item) for item in value] if isinstance(value, list) else inner(value))


LIES: dict[str, dict[str, Change]] = {
    "a log left out": {"eth_getLogs": _drop},
    "all logs left out": {"eth_getLogs": lambda logs: []},
    "a log's data": {"eth_getLogs": each(member("data", flipped))},
    "a log of another contract": {"eth_getLogs": each(member("address", flipped))},
    "a log in another place": {"eth_getLogs": each(member("logIndex", lambda index: hex(int(index, 16) + 1)))},
    "a log in another block": {"eth_getLogs": each(member("blockNumber", lambda number: "0x1"))},
    "a receipt's log": {"eth_getBlockReceipts": each(_nested("logs", "data"))},
    "a receipt's status": {"eth_getBlockReceipts": each(member("status", lambda status: "0x0"))},
    "a header's state root": {"eth_getBlockByNumber": member("stateRoot", flipped)},
    "a header's time": {"eth_getBlockByNumber": member("timestamp", lambda time: hex(int(time, 16) + 1))},
    "a header's receipts root": {"eth_getBlockByHash": member("receiptsRoot", flipped)},
    "a header's hash": {"eth_getBlockByNumber": member("hash", flipped)},
    "a slot's value": {"eth_getProof": _nested("storageProof", "value")},
    "a proof": {"eth_getProof": member("accountProof", lambda nodes: [flipped(nodes[0]), *nodes[1:]])},
    "no proof": {"eth_getProof": member("storageProof", lambda slots: [])},
}


@pytest.mark.parametrize("lie", LIES)
def test_c18_a_lie_is_refused_at_the_hash_and_changes_nothing(world: OnChain, lie: str) -> None:
    game = Played(world.chain, world.registry)
    game.fund()
    world.chain.mine(FINALITY)
    node = Unreliable(world.chain.provider, **LIES[lie])
    watcher = Watcher(world.registry.domain, game.terms)
    follower = Follower(node, watcher)
    with pytest.raises((NodeLies, BadAnswer)):
        follower.poll()
    assert watcher.position == Position()
    assert watcher.head is None
    node.changes = {}
    assert names(follower.poll(), Final) == ["Announced", "Deposited", "Deposited"]


@pytest.mark.parametrize(
    "fault",
    [lambda logs: logs + logs, lambda logs: logs[::-1], lambda logs: sorted(logs + logs, key=str)],
    ids=["repeated", "reordered", "both"],
)
def test_c18_what_is_repeated_or_reordered_counts_once(world: OnChain, fault: Change) -> None:
    game = Played(world.chain, world.registry)
    game.fund()
    world.registry.exit(game.owners[0], game.terms)
    world.chain.mine(FINALITY)
    straight = follow(world, game)
    crooked = Follower(Unreliable(world.chain.provider, eth_getLogs=fault), Watcher(world.registry.domain, game.terms))
    assert crooked.poll() == straight.poll()
    assert crooked.watcher.position == straight.watcher.position


def test_c18_a_node_that_lies_now_and_then_delays_and_no_more(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    game.fund()
    world.chain.mine(FINALITY)
    turns = iter([True, False])
    node = Unreliable(world.chain.provider, eth_getLogs=lambda logs: [] if next(turns, False) else logs)
    follower = Follower(node, Watcher(world.registry.domain, game.terms))
    assert names(follower.poll(), Final) == ["Announced", "Deposited", "Deposited"]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_c18_a_node_that_drops_some_requests(world: OnChain, share: float) -> None:
    """Whatever request fails, the next poll makes up for it: nothing is lost, and nothing told twice."""
    game = Played(world.chain, world.registry)
    random = Random(18)

    class Dropping:
        def request(self, method: str, *parameters: object) -> object:
            if random.random() < share:
                raise NodeUnreachable("dropped")
            return world.chain.provider.request(method, *parameters)

    straight = follow(world, game)
    crooked = Follower(Dropping(), Watcher(world.registry.domain, game.terms))
    told: list[list[Event]] = [[], []]
    steps: tuple[Callable[[], object], ...] = (
        lambda: None,
        game.fund,
        lambda: world.registry.exit(game.owners[0], game.terms),
        lambda: world.chain.mine(FINALITY),
    )
    for step in steps:
        step()
        for events, follower in zip(told, (straight, crooked), strict=True):
            for _ in range(100):
                try:
                    news = follower.poll()
                except NodeUnreachable:
                    continue
                events += [each.placed.event for each in news if isinstance(each, Final)]
    assert [type(each).__name__ for each in told[0]] == ["Announced", "Deposited", "Deposited", "Challenged"]
    assert told[1] == told[0]
    assert crooked.watcher.position == straight.watcher.position
