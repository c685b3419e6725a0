"""Tells in a few steps of C code that the fixed-size members of a record are plain and in range, as nearly all are.

Hot: fourteen records are made in a round of two parties, and asking member by member takes a tenth of it. Where the
answer is no, the member by member check of records.py says what is wrong, or makes plain what isn't.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter, ge, lt
from typing import Any


class PlainMembers:
    """The members of one struct that are unsigned integers, or byte strings of a fixed size."""

    __slots__ = ("_blobs", "_limits", "_numbers", "_sizes", "_zeros")

    def __init__(self, numbers: Sequence[tuple[str, int]], blobs: Sequence[tuple[str, int]]) -> None:
        """Attributes with what their value is below, and attributes with their size in bytes."""
        self._numbers = _getter([name for name, _ in numbers])
        self._limits = tuple([limit for _, limit in numbers])
        self._zeros = (0,) * len(numbers)
        self._blobs = _getter([name for name, _ in blobs])
        self._sizes = tuple([size for _, size in blobs])

    def hold(self, record: object) -> bool:
        """Whether each is an int in range, or bytes of its size, of exactly that type."""
        numbers, blobs = self._numbers(record), self._blobs(record)
        return (
            set(map(type, numbers)) <= _INT
            and set(map(type, blobs)) <= _BYTES
            and not any(map(lt, numbers, self._zeros))
            and not any(map(ge, numbers, self._limits))
            and tuple(map(len, blobs)) == self._sizes
        )


_INT, _BYTES = {int}, {bytes}


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """As attrgetter, but a tuple for any number of names."""
    if len(names) > 1:
        return attrgetter(*names)
    if names:
        get = attrgetter(names[0])
        return lambda record: (get(record),)
    return lambda _: ()
