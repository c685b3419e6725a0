"""C14: stale challenges: the newest agreement is posted within two blocks, and nobody gains a second."""

import pytest

from evmthread.chain.errors import CallReverted
from evmthread.chain.watchtower import Alarm, Alarmed, Answered, Over, Standing, Watchtower
from tests.chain.chains import FINALITY
from tests.chain.conftest import OnChain
from tests.chain.watching import WATCHER, number, started, words


def test_c14_the_newest_is_posted_within_two_blocks(world: OnChain) -> None:
    game = started(world, 0, 3, 1, 4)
    for _ in range(50):  # as many agreed states, all newer
        game._agree(game.parties[0].sign_input(to=game.owners[1].address, value=1, gas=100_000))
    tower = Watchtower(world.registry, game.tip, WATCHER)
    assert words(tower) == []
    stale = world.registry.challenge(game.owners[1], game.line[4])
    deadline = world.registry.thread(game.thread_id).deadline
    told = words(tower)
    assert [type(each) for each in told] == [Alarmed, Answered]
    assert isinstance(told[0], Alarmed)
    assert told[0].alarm is Alarm.CHALLENGED
    state = world.registry.thread(game.thread_id)
    assert (state.record, state.deadline) == (game.tip.digest, deadline)  # no second is gained
    assert number(world) <= stale.block.number + 2
    assert words(tower) == [Standing(state)]
    assert words(tower) == []
    game.past_deadline()
    world.registry.settle_record(WATCHER, game.terms, game.tip.commitment)
    world.chain.mine(FINALITY)
    assert words(tower) == [Over(world.registry.thread(game.thread_id))]
    assert tower.is_over


def test_c14_withheld_ones_posted_one_by_one_gain_nothing(world: OnChain) -> None:
    game = started(world, 0, 3, 1, 4, 2)
    tower = Watchtower(world.registry, game.tip, WATCHER)
    words(tower)
    world.registry.challenge(game.owners[1], game.line[1])
    deadline = world.registry.thread(game.thread_id).deadline
    for place in (2, 3):  # two of them come before the watchtower looks
        world.registry.respond(game.owners[1], game.line[place])
    assert [type(each) for each in words(tower)] == [Alarmed, Answered]
    for place in (4, 5, 6):
        with pytest.raises(CallReverted, match="StaleNonce"):
            world.registry.respond(game.owners[1], game.line[place])
    state = world.registry.thread(game.thread_id)
    assert (state.record, state.deadline) == (game.tip.digest, deadline)
