"""When to try again: a time that doubles with each try, with a random part, and is short again after an agreement."""

from random import Random

MOST_DOUBLINGS = 6


class Pacing:
    """One timer. Times are seconds since 1970."""

    def __init__(self, base: float, random: Random) -> None:
        self.base = base
        self._random = random
        self.misses = 0
        self.next_at: float | None = None

    def arm(self, now: float) -> None:
        """Sets the next time, unless one is set."""
        if self.next_at is None:
            self.next_at = now + self._delay()

    def disarm(self) -> None:
        """There is nothing to wait for."""
        self.next_at = None

    def is_due(self, now: float) -> bool:
        """Whether the time has come."""
        return self.next_at is not None and now >= self.next_at

    def missed(self, now: float) -> None:
        """Nothing came of it: the next time is further away."""
        self.misses += 1
        self.next_at = now + self._delay()

    def succeeded(self) -> None:
        """An agreement: back to the base."""
        self.misses = 0
        self.next_at = None

    def _delay(self) -> float:
        doubled: float = self.base * 2 ** min(self.misses, MOST_DOUBLINGS)
        return doubled * (1 + self._random.random() / 2)
