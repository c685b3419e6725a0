"""Simulated time: what happens next, and when. Knows nothing of what happens."""

from collections.abc import Callable
from heapq import heappop, heappush

MOST = 200_000
"""So many actions are more than any run needs whose participants ever rest."""


class Timeline:
    """Actions in the order of their times; those of one time in the order in which they were asked for."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._count = 0
        self.done = 0
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Does this then, or now where that is past."""
        self._count += 1
        heappush(self._waiting, (max(time, self.now), self._count, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Does this later."""
        self.at(self.now + seconds, action)

    def run_until(self, time: float) -> None:
        """Does all that is to be done until this time."""
        while self._waiting and self._waiting[0][0] <= time:
            self.now, _, action = heappop(self._waiting)
            self.done += 1
            if self.done > MOST:
                raise RuntimeError(f"more than {MOST} actions: somebody never rests")
            action()
        self.now = max(self.now, time)
