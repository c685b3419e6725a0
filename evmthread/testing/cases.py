"""What every suite makes of its tests: cases, and the outcome of a case. Knows no suite."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from evmthread.machine.code_cache import CodeCache
from evmthread.machine.hooks import Hook

Hooks = Sequence[Hook]


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What became of a case. `error` says in words why it failed, "" where it passed.

    Fields that a suite knows nothing of are None. `dump` makes the whole state after the case as JSON.
    """

    error: str = ""
    state_root: bytes | None = None
    logs_hash: bytes | None = None
    gas_used: int | None = None
    dump: Callable[[], dict[str, object]] | None = field(default=None, repr=False)

    @property
    def passed(self) -> bool:
        return not self.error


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to check. `fork` is "" where the suite has none. `check` never raises on what a fixture says.

    `check(cache, hooks)`: a cache of decoded code to use, and hooks that watch the machines.
    """

    name: str
    fork: str
    index: int
    check: Callable[[CodeCache, Hooks], CaseOutcome]


def differences(*comparisons: tuple[str, object, object]) -> str:
    """In words, where (what, got, want) differ; "" where all are equal."""
    return "; ".join(
        [f"{what} mismatch: got {_show(got)}, want {_show(want)}" for what, got, want in comparisons if got != want]
    )


def _show(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
