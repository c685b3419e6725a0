"""What a region is made of: paths and what is known on them, sites where the frame can be rebuilt, the source.

Plain records. Knows no instruction and writes no code but a growth's own line.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from evmthread.machine.symbols import Value


@dataclass(slots=True)
class Path:
    """What is known at one point of one path: the symbolic stack above `depth` items of the entry stack."""

    stack: list[Value] = field(default_factory=list)
    depth: int = 0
    spent: int = 0
    size_low: int = 0
    size_valid: bool = True
    facts: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    bounds: dict[str, int] = field(default_factory=dict)
    words: dict[int, Value] = field(default_factory=dict)
    # Memory as the compiled-for frame has it, and what this path would have written; None where that isn't known.
    memory: dict[int, int | None] | None = field(default_factory=dict)
    # Growth checks since which nothing could see gas or memory, nor end the region, by base: a later one of the same
    # base joins them.
    growths: "dict[str, Growth]" = field(default_factory=dict)

    def copy(self) -> "Path":
        return Path(
            self.stack.copy(),
            self.depth,
            self.spent,
            self.size_low,
            self.size_valid,
            self.facts.copy(),
            self.bounds.copy(),
            self.words.copy(),
            None if self.memory is None else self.memory.copy(),
        )


class Site(NamedTuple):
    """How to rebuild the frame at one place: the texts of the stack above the untouched items, pc and gas.

    `spent` is the static gas up to, without, this instruction; `price` its base price; `guess` names the assumption
    that failed when a bail happens here, if it is one. `written`: the frame is already as it has to be.
    `grows`: memory that can't be paid for together with the rest of the region is for the stepper to see to.
    """

    pc: int
    spent: int
    price: int
    depth: int
    stack: tuple[str, ...]
    guess: str = ""
    written: bool = False
    grows: bool = False


@dataclass(slots=True)
class Growth:
    """A line that makes memory reach `reach` bytes, counted from `base` unless that is empty.

    Accesses that surely follow it, and before which nothing sees gas or memory, are reached for at once: growing in one
    go costs what growing step by step does.
    """

    line: int
    indent: int
    site: int
    base: str
    reach: int
    # A reach that is a multiple of 32, if one is known to be.
    aligned: int | None

    @property
    def text(self) -> str:
        end = str(self.reach) if not self.base else f"{self.base} + {self.reach}" if self.reach else self.base
        aligned = self.aligned is not None and not (self.reach - self.aligned) & 31
        return " " * self.indent + growing(self.site, end, aligned=aligned)


def place_of(end: Value) -> tuple[str, int] | None:
    """What the end of a memory range is counted from, "" where it is known beforehand, and how far from there it is."""
    if end.constant is not None:
        return "", end.constant
    return None if end.base is None else (end.base, end.delta)


def growing(site: int, end: str, *, aligned: bool) -> str:
    """Makes memory reach `end`, which is a multiple of 32 if it is `aligned`."""
    tested = end
    if not (end.isdecimal() or end.isidentifier()):
        tested, end = f"(end := {end})", "end"
    size = end if aligned else "len(memory) << 5"
    return f"if size < {tested}: site = {site}; gas = GROW(frame, {end}, gas, @GAS@); size = {size}"


@dataclass(frozen=True, slots=True)
class Source:
    """A region as text, with what its function needs. At `cuts` the budget ended a path that goes on."""

    head: int
    text: str
    sites: tuple[Site, ...]
    names: dict[str, Any]
    instructions: int
    loops: bool
    cuts: frozenset[int]

    @property
    def site_items(self) -> int:
        """The stack items of all sites."""
        return sum([len(site.stack) for site in self.sites])


class TooLong(Exception):  # noqa: N818 - an answer, not an error
    """The region's text would be longer than it is worth."""
