"""Counts the cases of a run, and says on standard error how far it is and how it ended."""

import heapq
import sys
import time

from evmthread.commands.reporting import printable
from evmthread.testing.runner import Event, Row, Unreadable

REFRESH = 0.2  # seconds between two looks of a progress line on a terminal
REPORT = 10.0  # seconds between two progress lines elsewhere
SHOWN_FAILURES = 20
LINE_CHARACTERS = 2000


class Tally:
    """What became of the cases so far."""

    def __init__(self, *, shows: bool, slowest: int) -> None:
        self.total = self.failed = self.unreadable = self.foreign = 0
        self._began = time.monotonic()
        self._shows = shows
        self._terminal = sys.stderr.isatty()
        self._shown = self._began
        self._slowest = slowest
        self._slow: list[tuple[float, str]] = []
        self._failures: list[str] = []

    @property
    def seconds(self) -> float:
        """How long the run has taken."""
        return time.monotonic() - self._began

    def hear(self, event: Event) -> None:
        """Counts whatever comes of a file."""
        if isinstance(event, Row):
            self.count(event)
        elif isinstance(event, Unreadable):
            self.complain(event.message)
        else:
            self.foreign += 1

    def count(self, row: Row) -> None:
        """Counts a case."""
        self.total += 1
        if not row.passed:
            self.failed += 1
            if len(self._failures) < SHOWN_FAILURES:
                self._failures.append(_clipped(f"{_place(row)}: {row.error}"))
        if self._slowest:
            push = heapq.heappush if len(self._slow) < self._slowest else heapq.heappushpop
            push(self._slow, (row.seconds, _clipped(_place(row))))
        if self._shows:
            self._show(row.file)

    def complain(self, message: str) -> None:
        """Counts and names what can't be read."""
        self.unreadable += 1
        self._clear()
        print(f"evmthread: {_clipped(message)}", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._shows and self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr)

    def _show(self, file: str) -> None:
        now = time.monotonic()
        if now - self._shown < (REFRESH if self._terminal else REPORT):
            return
        self._shown = now
        text = f"{self.total:,} cases, {self.failed:,} failed, {self._rate():,.0f} a second: {file}"
        if self._terminal:
            print(f"\r\x1b[K{printable(text[:100])}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _rate(self) -> float:
        return self.total / max(self.seconds, 1e-9)

    def summarise(self) -> None:
        """Says how it ended: failures, slow cases, counts."""
        self._clear()
        lines = [f"FAILED {failure}" for failure in self._failures]
        if self.failed > len(self._failures):
            lines.append(f"... and {self.failed - len(self._failures):,} more")
        lines += [f"{seconds:8.2f} s  {place}" for seconds, place in sorted(self._slow, reverse=True)]
        counts = [f"{self.total:,} cases: {self.total - self.failed:,} passed, {self.failed:,} failed"]
        if self.unreadable:
            counts.append(f"{self.unreadable:,} not readable")
        if self.foreign:
            counts.append(f"{self.foreign:,} tests of other kinds passed over")
        counts.append(f"{self.seconds:.1f} s, {self._rate():,.0f} cases a second")
        print("\n".join([*lines, ", ".join(counts)]), file=sys.stderr, flush=True)

    def counts(self) -> dict[str, object]:
        """The counts as JSON."""
        return {
            "cases": self.total,
            "passed": self.total - self.failed,
            "failed": self.failed,
            "unreadable": self.unreadable,
            "seconds": round(self.seconds, 3),
            "casesPerSecond": round(self._rate(), 1),
        }

    def exit_code(self, *, zero: bool) -> int:
        """2 when something couldn't be read, 1 when a case failed (0 with `zero`), else 0."""
        if self.unreadable:
            return 2
        return 1 if self.failed and not zero else 0


def _clipped(text: str) -> str:
    """A text that holds names and values of a fixture, which may be of any length, as one line."""
    return printable(text[:LINE_CHARACTERS])


def _place(row: Row) -> str:
    fork = f" {row.fork}[{row.case_index}]" if row.fork else ""
    file = f"{row.file} " if row.file else ""
    return f"{file}{row.name}{fork}"
