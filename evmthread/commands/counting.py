"""Says on standard error how far a long piece of work is."""

import sys
import time

REFRESH = 0.2  # seconds between two looks of the line on a terminal
REPORT = 10.0  # seconds between two lines elsewhere


class Counting:
    """A progress function: called with what is being done, and how many items are done."""

    def __init__(self, *, shows: bool) -> None:
        self._shows = shows
        self._terminal = sys.stderr.isatty()
        self._shown = time.monotonic()

    def __call__(self, what: str, count: int) -> None:
        now = time.monotonic()
        if not self._shows or now - self._shown < (REFRESH if self._terminal else REPORT):
            return
        self._shown = now
        text = f"{count:,} {what}"
        print(f"\r\x1b[K{text}" if self._terminal else text, end="" if self._terminal else "\n", file=sys.stderr)
        sys.stderr.flush()

    def end(self) -> None:
        """The work is over: takes the line off the terminal."""
        if self._shows and self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
