"""Which functions of a source are open in a frame: follows the jumps into them and out of them.

A code has no call stack of its own: a call is a jump with an address to return to somewhere on the stack. Which jumps
are calls and returns, the source map says. Knows nothing of gas and lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evmthread.contracts.artifact import SourceFunction
from evmthread.contracts.source_map import Jump, SourceMap


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """An open function: what it is, in which source, the jump that called it, and the stack that it found."""

    source: str
    function: SourceFunction | None
    pc: int
    target: int
    stack: tuple[int, ...]

    @property
    def name(self) -> str:
        """ "Contract.name", or where it begins."""
        return f"pc {self.target}" if self.function is None else self.function.name


def after_jump(
    source_map: SourceMap, calls: tuple[FunctionCall, ...], pc: int, target: int, stack: Sequence[int]
) -> tuple[FunctionCall, ...]:
    """The open functions, the innermost last, after the JUMP at `pc` went to `target` and left this stack.

    A return closes every function that found its address on the stack more often than it is there now: also those that
    the optimizer let end in another one, and no more than one of a recursion.
    """
    place = source_map.at(pc)
    if place is None or place.jump is Jump.NEITHER:
        return calls
    if place.jump is Jump.INTO:
        there = source_map.at(target)
        source, function = (place.source, None) if there is None else (there.source, there.function)
        return (*calls, FunctionCall(source, function, pc, target, tuple(stack)))
    left = stack.count(target)
    kept = len(calls)
    while kept and calls[kept - 1].stack.count(target) > left:
        kept -= 1
    return calls[:kept]
