"""The record of an instruction, its five shapes, and the decorators that make records of plain functions.

An opcode is one ordinary typed function. Its parameters after `frame` and `host` are the words it pops, top of the
stack first; what it returns is the word it pushes. Its body assumes that the stack was checked and the base price
charged. The stepper calls the function; the region compiler lifts it.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from evmthread.errors import InvalidInput

Function = TypeVar("Function", bound=Callable[..., object])


class Shape(Enum):
    """What an instruction's function sees, and so how an engine may run it."""

    STACK = "stack"  # PUSH, DUP, SWAP, POP, PC, JUMPDEST: no function; engines move the words themselves
    PURE = "pure"  # words in, word out
    FRAMED = "framed"  # frame and words; may grow memory and charge gas
    HOST = "host"  # frame, host and words; may be asked to wait
    CONTROL = "control"  # frame, host and words; jumps, calls, halts


# Plain names: reading a member through its class costs ten times as much, and compiling does for each instruction.
STACK, PURE, FRAMED, CONTROL = Shape.STACK, Shape.PURE, Shape.FRAMED, Shape.CONTROL


@dataclass(frozen=True, slots=True)
class Instruction:
    """One opcode: its byte, its name, and what it does.

    `steady` marks a framed or host instruction that charges nothing beyond its base price, never fails, never waits
    and shows no gas: engines may settle the gas of a whole run of such instructions at once.
    `immediate` is the number of bytes after the opcode that belong to it (PUSH). `shows_pc` marks one whose function
    looks at `frame.pc`, which engines otherwise leave behind while they run.
    """

    opcode: int
    name: str
    shape: Shape
    pops: int
    pushes: int
    function: Callable[..., object] | None = None
    steady: bool = False
    immediate: int = 0
    shows_pc: bool = False

    def with_function(self, function: Callable[..., object]) -> "Instruction":
        """The instruction with another function of the same form, such as one that calls the old one.

        It may have effects of its own: it is called each time, never folded or tried out, with gas and pc exact.
        """
        if self.shape is not Shape.PURE:
            return replace(self, function=function, steady=False, shows_pc=True)

        def framed(_frame: object, *words: int) -> object:
            return function(*words)

        return replace(self, shape=Shape.FRAMED, function=framed, steady=False, shows_pc=True)


def _record(
    opcode: int, name: str, shape: Shape, hidden: int, *, steady: bool, pushes: int | None = None
) -> Callable[[Function], Function]:
    def attach(function: Function) -> Function:
        signature = inspect.signature(function)
        pops = len(signature.parameters) - hidden
        results = pushes if pushes is not None else int(signature.return_annotation is int)
        record = Instruction(opcode, name, shape, pops, results, function, steady)
        function.instruction = record  # type: ignore[attr-defined]
        return function

    return attach


def pure(opcode: int, name: str) -> Callable[[Function], Function]:
    """A function of words alone: `(*words) -> word`."""
    return _record(opcode, name, Shape.PURE, 0, steady=True)


def framed(opcode: int, name: str, *, steady: bool = False) -> Callable[[Function], Function]:
    """A function of the frame: `(frame, *words) -> word or None`."""
    return _record(opcode, name, Shape.FRAMED, 1, steady=steady)


def host(opcode: int, name: str, *, steady: bool = False) -> Callable[[Function], Function]:
    """A function that asks the world: `(frame, host, *words) -> word or None`."""
    return _record(opcode, name, Shape.HOST, 2, steady=steady)


def control(opcode: int, name: str, *, pushes: int = 0) -> Callable[[Function], Function]:
    """A function that decides where to go: `(frame, host, *words) -> ...`.

    A jump returns the next pc, or None to fall through. A call or creation returns the word to push at once, or the
    Message whose outcome is pushed later. A halt sets the frame's status and output and returns HALTED.
    """
    return _record(opcode, name, Shape.CONTROL, 2, steady=False, pushes=pushes)


def instruction_of(function: Callable[..., object]) -> Instruction:
    """The record that a decorator attached. Raises InvalidInput for a function without one."""
    record: Instruction | None = getattr(function, "instruction", None)
    if record is None:
        raise InvalidInput(f"{getattr(function, '__name__', function)} is no instruction")
    return record


class Halted(Enum):
    """What a halting instruction returns: the frame's status and output say how it ended."""

    HALTED = "halted"


HALTED = Halted.HALTED
