"""What belongs to one transaction of a journal, and a point to go back to. Plain data; the journal changes it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from evmthread.primitives.types import Log


class _Absent:
    """The old value of a key that wasn't there."""


ABSENT: Final = _Absent()


class Scope(NamedTuple):
    """What belongs to one transaction. Each dictionary is undone through the journal's list."""

    warm: dict[bytes, bool]  # EIP-2929
    opened: dict[bytes, dict[int, int]]  # account -> warm slots with their present values
    transient: dict[bytes, dict[int, int]]  # EIP-1153
    touched: dict[bytes, bool]  # EIP-161: only accounts that may be empty
    created: dict[bytes, bool]  # EIP-6780
    destroyed: dict[bytes, bool]
    breakpoints: dict[bytes, bool]  # accounts that asked for a commitment (the thread dialect)
    logs: list[Log]
    undo_start: int  # where the journal's undo list was when the transaction began


def new_scope(undo_start: int, warm: Mapping[bytes, bool]) -> Scope:
    """A transaction in which nothing has happened; these accounts are warm from the start."""
    return Scope(dict(warm), {}, {}, {}, {}, {}, {}, [], undo_start)


class Mark(NamedTuple):
    """A point to which the whole journal can go back, also across transactions."""

    era: object
    undo: int
    scope: Scope
    logs: int
    refund: int
