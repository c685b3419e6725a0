"""Why a machine stopped before its end, and which answer each stop wants.

A stop is a value that `run` returns, never an exception that its caller sees.
"""

from dataclasses import dataclass
from typing import TypeAlias

from evmthread.errors import Missing
from evmthread.primitives.arguments import address_bytes, byte_string, number_of_bits


@dataclass(frozen=True, slots=True)
class Question:
    """A TRAP: the machine waits for somebody's answer, any bytes. `who` is an address (20 bytes)."""

    who: bytes
    question: bytes

    def __post_init__(self) -> None:
        """Raises InvalidInput for other types."""
        address_bytes(self.who, "who is asked")
        byte_string(self.question, "question")


@dataclass(frozen=True, slots=True)
class Break:
    """A breakpoint was reached, just before the instruction it names; no answer is wanted.

    `reasons` says, for each breakpoint that wanted to stop here, which one it was.
    """

    reasons: tuple[str, ...]


Trap: TypeAlias = Question | Break


@dataclass(frozen=True, slots=True)
class Suspended:
    """What running gives instead of a finished call when the machine stopped on the way."""

    trap: Trap


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hook says in the place of a call: the callee's output, whether it succeeded, and the gas that it took.

    Nothing runs and no value moves. With `success` False the caller sees a revert.
    """

    output: bytes = b""
    success: bool = True
    gas_used: int = 0

    def __post_init__(self) -> None:
        """Raises InvalidInput for other types."""
        byte_string(self.output, "output")
        number_of_bits(self.gas_used, 256, "gas used")


class Stopped(Missing):
    """Raised where an instruction isn't to begin: engines leave the frame just before it, as for missing state.

    It stays inside the machine, whose `run` returns Suspended.
    """

    def __init__(self, trap: Trap) -> None:
        super().__init__("leave to go on", ())
        self.trap = trap
