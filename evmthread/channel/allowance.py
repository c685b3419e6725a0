"""How much goes to one peer in answer to what it asks: a token bucket of bytes, filled by time.

An answer may go as long as anything is left, whatever its size, and leaves a debt where it is longer: so the longest is
given, too, and whoever asks again later gets more.
"""

BURST_SECONDS = 16
"""As much as this time gives can go at once."""


class Allowance:
    """One peer's. Times are seconds since 1970."""

    def __init__(self, rate: float, now: float) -> None:
        """`rate`: bytes a second."""
        self._rate = rate
        self._left = rate * BURST_SECONDS
        self._since = now

    def is_left(self, now: float) -> bool:
        """Whether another answer may go."""
        self._left = min(self._left + (now - self._since) * self._rate, self._rate * BURST_SECONDS)
        self._since = now
        return self._left > 0

    def take(self, size: int) -> None:
        """An answer of so many bytes went."""
        self._left -= size
