"""Following a thread on one of the chains, and what was told of it."""

from evmthread.chain.follower import Follower
from evmthread.chain.watcher import News, Position, Watcher
from tests.chain.conftest import OnChain
from tests.chain.played import Played


def names(news: list[News], kind: type) -> list[str]:
    """The events of one kind of news."""
    return [type(each.placed.event).__name__ for each in news if isinstance(each, kind)]  # type: ignore[union-attr]


def follow(world: OnChain, game: Played, *, start: int = 0) -> Follower:
    position = Position(start - 1) if start else None
    return Follower(world.chain.provider, Watcher(world.registry.domain, game.terms, position))
