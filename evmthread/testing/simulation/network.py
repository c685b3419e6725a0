"""A network that loses, repeats, delays, reorders and damages messages, link by link, and falls apart for a while.

Knows bytes and participants, and nothing of what the bytes mean.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from evmthread.testing.simulation.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Link:
    """How bad one direction between two participants is: shares of messages, and seconds."""

    lost: float = 0.0
    repeated: float = 0.0
    damaged: float = 0.0
    delay: float = 0.05


GOOD = Link()


class Network:
    """All links. `deliver(sender, receiver, data)` is called when a message arrives."""

    def __init__(self, timeline: Timeline, random: Random, deliver: Callable[[int, int, bytes], None]) -> None:
        self._timeline = timeline
        self._random = random
        self._deliver = deliver
        self.links: dict[tuple[int, int], Link] = {}
        self.apart: frozenset[int] = frozenset()
        """The participants on one side of a partition; the rest is on the other."""

    def heal(self) -> None:
        """From now on everything arrives."""
        self.links.clear()
        self.apart = frozenset()

    def send(self, sender: int, receiver: int, data: bytes) -> None:
        """Takes a message, and lets it arrive once, more often, or never."""
        random, link = self._random, self.links.get((sender, receiver), GOOD)
        if (sender in self.apart) != (receiver in self.apart) or random.random() < link.lost:
            return
        for _ in range(1 + (random.random() < link.repeated)):
            sent = damage(random, data) if random.random() < link.damaged else data
            self._timeline.after(
                link.delay * random.expovariate(1.0),
                lambda sent=sent: self._deliver(sender, receiver, sent),  # type: ignore[misc]
            )


def damage(random: Random, data: bytes) -> bytes:
    """The same bytes with one changed, some cut off, or some put on."""
    changed = bytearray(data)
    choice = random.randrange(4)
    if choice == 0:
        return data[: random.randrange(len(data))]
    if choice == 1:
        return data + random.randbytes(random.randrange(1, 9))
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)
