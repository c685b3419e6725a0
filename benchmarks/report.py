"""What tables and summaries are made of: aligned columns, geometric means, and the groups that goals are set for."""

import math
from collections.abc import Iterable, Sequence

HOST_HEAVY = frozenset({"call_loop", "sload_sstore_loop"})
APART = frozenset({"call_noop", "ecrecover_loop"})  # a call of one instruction; a loop over a library
COMPUTING = "computing"
HOST = "host-heavy"
FAMILIES = "families"
GROUPS = (COMPUTING, HOST, FAMILIES)
COLD, BOTH_COLD, STORED = "cold", "both cold", "stored"
OURS = ("stepper", COLD, BOTH_COLD, STORED, "warm")  # how evmthread itself is measured


def group_of(name: str, *, solidity: bool) -> str | None:
    """The group of a workload; None for those that stand alone. `solidity`: one of our own contracts."""
    if name in APART:
        return None
    if name.startswith("family_"):
        return FAMILIES
    return HOST if solidity or name in HOST_HEAVY else COMPUTING


def geometric_mean(values: Iterable[float]) -> float:
    """Of at least one positive number."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))


def columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line: the first cell to the left, the others to the right."""
    first, *others = zip(cells, widths, strict=True)
    return first[0].ljust(first[1]) + "".join(cell.rjust(width) for cell, width in others)
