"""What a watcher says of a thread on chain: events once, when final; the mode at once; nothing that isn't proven."""

from collections.abc import Callable

import pytest

from evmthread.chain.errors import NodeLies
from evmthread.chain.events import Event, ThreadState
from evmthread.chain.follower import Follower
from evmthread.chain.watcher import Final, Gone, Head, News, Position, Seen, Watcher
from evmthread.channel.desk import ChainHead, Mode
from evmthread.commit import LocalSigner, Resume, SignatureSet, TypedData
from evmthread.errors import DecodingError
from evmthread.primitives.keccak import keccak256
from evmthread.rpc import BadAnswer
from evmthread.testing.node import LocalNode
from tests.chain.chains import FINALITY, InProcess, deploy
from tests.chain.conftest import OnChain
from tests.chain.lying import Change, Unreliable, each, flipped, member
from tests.chain.played import KEYS, Played


def names(news: list[News], kind: type) -> list[str]:
    """The events of one kind of news."""
    return [type(each.placed.event).__name__ for each in news if isinstance(each, kind)]  # type: ignore[union-attr]


def follow(world: OnChain, game: Played, *, start: int = 0) -> Follower:
    position = Position(start - 1) if start else None
    return Follower(world.chain.provider, Watcher(world.registry.domain, game.terms, position))


def test_events_are_seen_at_once_and_final_once(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    follower = follow(world, game)
    first = follower.poll()
    assert [type(each) for each in first] == [Head]
    assert first[0].head.latest is first[0].head.finalized is Mode.NONE  # type: ignore[union-attr]
    game.fund()
    news = follower.poll()
    assert names(news, Seen) == ["Announced", "Deposited", "Deposited"]
    assert names(news, Final) == []
    assert isinstance(news[-1], Head)
    assert (news[-1].head.latest, news[-1].head.finalized) == (Mode.LIVE, Mode.NONE)
    assert follower.poll() == []
    world.chain.mine(FINALITY)
    news = follower.poll()
    assert names(news, Final) == ["Announced", "Deposited", "Deposited"]
    assert names(news, Seen) == names(news, Gone) == []
    assert follower.watcher.head is not None
    assert follower.watcher.head.finalized is Mode.LIVE
    world.chain.mine(3)
    assert names(follower.poll(), Final) == []


def test_a_whole_life_and_a_restart_at_every_moment(world: OnChain) -> None:
    """Whenever it is stopped and goes on from its position, it tells every event, once."""
    game, registry = Played(world.chain, world.registry), world.registry
    follower, told = follow(world, game), list[Event]()

    def look() -> None:
        nonlocal follower
        world.chain.mine(FINALITY)
        again = Watcher(registry.domain, game.terms, Position.decode(follower.watcher.position.encode()))
        follower = Follower(world.chain.provider, again)
        told.extend(each.placed.event for each in follower.poll() if isinstance(each, Final))

    game.fund()
    look()
    game.play(0, 3, 1, 4)
    registry.checkpoint(game.owners[0], game.line[3])
    look()
    registry.exit(game.owners[1], game.terms)
    deadline = registry.thread(game.thread_id).deadline
    resume = TypedData(registry.domain, Resume(game.thread_id, deadline))
    signatures = SignatureSet.of({index: LocalSigner(key).sign(resume) for index, key in enumerate(KEYS)})
    look()
    registry.resume(game.owners[0], game.terms, deadline, signatures)
    look()
    registry.challenge(game.owners[0], game.line[4])
    registry.respond(game.owners[1], game.tip)
    look()
    game.past_deadline()
    registry.settle_record(game.owners[0], game.terms, game.tip.commitment)
    look()
    registry.materialize(game.owners[0], game.terms, game.tip.commitment, game.returning())
    look()
    wanted = (
        "Announced Deposited Deposited Recorded Challenged Resumed Recorded Challenged Recorded Settled Materialized"
    )
    assert [type(each).__name__ for each in told] == wanted.split()
    assert follower.watcher.position.state == registry.thread(game.thread_id)
    whole = follow(world, game)
    assert [each.placed.event for each in whole.poll() if isinstance(each, Final)] == told


def test_positions_are_read_strictly() -> None:
    position = Position(7, keccak256(b"block"), ThreadState(keccak256(b"digest"), 3, 99, 5, Mode.CHALLENGED))
    assert Position.decode(position.encode()) == position
    assert Position.decode(Position().encode()) == Position()
    for wrong in (b"", b"\x02" + position.encode()[1:], position.encode() + b"\x00", position.encode()[:-1] + b"\x09"):
        with pytest.raises(DecodingError):
            Position.decode(wrong)


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


def test_a_node_that_is_behind_tells_nothing(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    provider = world.chain.provider
    behind = {tag: provider.request("eth_getBlockByNumber", tag, False) for tag in ("latest", "finalized")}
    game.fund()
    world.chain.mine(FINALITY)
    follower = follow(world, game)
    assert follower.poll()

    class Behind:
        def request(self, method: str, *parameters: object) -> object:
            if method == "eth_getBlockByNumber" and parameters[0] in behind:
                return behind[str(parameters[0])]
            return provider.request(method, *parameters)

    position = follower.watcher.position
    assert Follower(Behind(), follower.watcher).poll() == []
    assert follower.watcher.position == position


def test_c17_off_for_10_000_blocks_costs_a_bounded_number_of_requests() -> None:
    chain = InProcess(LocalNode(finality=FINALITY))
    registry = deploy(chain)
    game = Played(chain, registry)
    follower = Follower(chain.provider, Watcher(registry.domain, game.terms))
    follower.poll()
    saved = follower.watcher.position.encode()
    game.fund()
    chain.mine(10_000)
    game.play(0)
    registry.challenge(game.owners[0], game.tip)
    node = Unreliable(chain.provider)
    again = Follower(node, Watcher(registry.domain, game.terms, Position.decode(saved)))
    news = again.poll()
    assert names(news, Final) == ["Announced", "Deposited", "Deposited"]
    assert names(news, Seen) == ["Recorded", "Challenged"]
    assert node.asked.count("eth_getLogs") == 6
    assert len(node.asked) == 6 + 2 * 2 + 3 * 2  # two headers, two proofs, and three blocks that have events
    node.asked.clear()
    assert again.poll() == []
    assert len(node.asked) == 2


def test_head_is_what_a_channel_takes(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    game.fund()
    (head,) = [each.head for each in follow(world, game).poll() if isinstance(each, Head)]
    assert type(head) is ChainHead
    assert head.timestamp == world.chain.time
    assert head.number - head.finalized_number == FINALITY
