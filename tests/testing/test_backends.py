"""The suite for backends finds what is wrong with a backend."""

import unittest
from collections.abc import Callable

import pytest
from hypothesis import Phase, settings

from evmthread.state.memory import MemoryState
from evmthread.state.view import Account, AccountChange, StateBackend, StateChanges
from evmthread.testing.backends import backend_tests


class Careful(MemoryState):
    """Nothing is wrong with this one."""


class KeepsSlotsOfTheDeleted(MemoryState):
    def apply(self, changes: StateChanges, *, check: bool = False) -> None:
        kept = {a: dict(self.slots(a)) for a, change in changes.accounts.items() if change.after is None}
        super().apply(changes)
        self._storage.update(kept)


class OverlooksWiping(MemoryState):
    def apply(self, changes: StateChanges, *, check: bool = False) -> None:
        accounts = {a: AccountChange(c.before, c.after, c.slots) for a, c in changes.accounts.items()}
        super().apply(StateChanges(accounts, changes.codes))


class TakesEmptyForAbsent(MemoryState):
    def account(self, address: bytes) -> Account | None:
        account = super().account(address)
        return None if account is not None and account.is_empty else account


class LosesCodes(MemoryState):
    def apply(self, changes: StateChanges, *, check: bool = False) -> None:
        super().apply(StateChanges(changes.accounts, {}))


class KeepsZeros(MemoryState):
    def apply(self, changes: StateChanges, *, check: bool = False) -> None:
        super().apply(changes)
        for address, change in changes.accounts.items():
            for key, (_, value) in change.slots.items():
                if not value and change.after is not None:
                    self._storage[address][key] = 0


class TruncatesWords(MemoryState):
    def slot(self, address: bytes, key: int) -> int:
        return super().slot(address, key) % 2**255


class ChecksTooLate(MemoryState):
    def apply(self, changes: StateChanges, *, check: bool = False) -> None:
        for address, change in changes.accounts.items():
            super().apply(StateChanges({address: change}, changes.codes))


class Credulous(MemoryState):
    def apply(self, changes: StateChanges, *, check: bool = False) -> None:
        try:
            super().apply(changes)
        except ValueError:
            return


def torn(state: MemoryState, changes: StateChanges, step: int) -> MemoryState:
    for address, change in list(changes.accounts.items())[:step]:
        state.apply(StateChanges({address: change}, changes.codes))
    return state


def failures(case: type[unittest.TestCase]) -> int:
    # The first failure is enough: nothing is made smaller, or remembered. The same examples each time.
    case.settings = settings(  # type: ignore[attr-defined]
        case.settings, phases=[Phase.generate], database=None, derandomize=True
    )
    result = unittest.TestResult()
    case("runTest").run(result)
    return len(result.failures) + len(result.errors)


def test_a_good_backend_passes() -> None:
    assert failures(backend_tests(Careful, examples=20)) == 0


@pytest.mark.parametrize(
    "kind",
    [
        KeepsSlotsOfTheDeleted,
        OverlooksWiping,
        TakesEmptyForAbsent,
        LosesCodes,
        KeepsZeros,
        TruncatesWords,
        ChecksTooLate,
        Credulous,
    ],
)
def test_a_bad_backend_fails(kind: Callable[[], StateBackend]) -> None:
    assert failures(backend_tests(kind, examples=200)) == 1


def test_what_is_lost_at_reopening_or_torn_by_a_crash_fails() -> None:
    assert failures(backend_tests(MemoryState, reopen=lambda _: MemoryState(), examples=200)) == 1
    assert failures(backend_tests(MemoryState, interrupt=torn, examples=200)) == 1
