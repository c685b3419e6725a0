"""What a watcher says of a thread on chain: events once, when final; the mode at once; nothing that isn't proven."""

import pytest

from evmthread.chain.events import Event, ThreadState
from evmthread.chain.follower import Follower
from evmthread.chain.watcher import Final, Gone, Head, Position, Seen, Watcher
from evmthread.channel.desk import ChainHead, Mode
from evmthread.commit import LocalSigner, Resume, SignatureSet, TypedData
from evmthread.errors import DecodingError
from evmthread.primitives.keccak import keccak256
from tests.chain.chains import FINALITY
from tests.chain.conftest import OnChain
from tests.chain.following import follow, names
from tests.chain.played import KEYS, Played


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


def test_head_is_what_a_channel_takes(world: OnChain) -> None:
    game = Played(world.chain, world.registry)
    game.fund()
    (head,) = [each.head for each in follow(world, game).poll() if isinstance(each, Head)]
    assert type(head) is ChainHead
    assert head.timestamp == world.chain.time
    assert head.number - head.finalized_number == FINALITY
