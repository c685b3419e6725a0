"""How much one peer gets of what costs us more than asking for it costs the peer: a token bucket, filled by time.

An answer may go as long as anything is left, whatever its size, and leaves a debt where it is longer: so the longest is
given, too, and whoever asks again later gets more.
"""

BURST_SECONDS = 16
"""As much as this time gives can go at once."""


class Allowance:
    """One peer's. Times are seconds since 1970."""

    def __init__(self, rate: float, now: float, *, most: float | None = None) -> None:
        """`rate`: how much a second. `most`: how much at once, by default what BURST_SECONDS give."""
        self._rate = rate
        self._left = self._most = rate * BURST_SECONDS if most is None else most
        self._since = now

    def is_left(self, now: float) -> bool:
        """Whether more may be given."""
        self._left = min(self._left + (now - self._since) * self._rate, self._most)
        self._since = now
        return self._left > 0

    def take(self, size: int) -> None:
        """So much was given."""
        self._left -= size
