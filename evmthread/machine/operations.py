"""Instructions as steps on a frame and its stack: what both engines call where nothing is compiled.

Made from an instruction's record alone. Knows no code and no place in it, but for the constants that it is given.
"""

# Each constant that is pushed is a function of its own: unevaluated annotations make it half as large, and faster made.
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame, from_bytes
from evmthread.isa.instruction import Instruction, Shape

Operation = Callable[[Frame, list[int]], object]

STACK_LIMIT = 1024  # Yellow Paper, section 9.1


def push(value: int) -> Operation:
    """Pushes a constant."""
    return lambda _frame, stack: stack.append(value)  # annotations would be made, and kept, for each constant


def pushed(code: bytes, pc: int, size: int) -> int:
    """The constant of the PUSH at pc; beyond the end of the code lie zeros."""
    data = code[pc + 1 : pc + 1 + size]
    return from_bytes(data) << 8 * (size - len(data))


def at(pc: int) -> Operation:
    """Says where the frame is, for the function that comes next and looks."""

    def run(frame: Frame, stack: list[int]) -> None:
        frame.pc = pc

    return run


def _duplicate(depth: int) -> Operation:
    def run(frame: Frame, stack: list[int]) -> None:
        stack.append(stack[-depth])

    return run


def _swap(depth: int) -> Operation:
    other = -depth - 1

    def run(frame: Frame, stack: list[int]) -> None:
        stack[-1], stack[other] = stack[other], stack[-1]

    return run


def _pop(frame: Frame, stack: list[int]) -> None:
    stack.pop()


def _nothing(frame: Frame, stack: list[int]) -> None:
    pass


def _pure_operation(function: Callable[..., object], pops: int) -> Operation:
    # Hot path: one closure for each arity.
    def unary(frame: Frame, stack: list[int]) -> None:
        stack[-1] = function(stack[-1])  # type: ignore[call-overload]

    def binary(frame: Frame, stack: list[int]) -> None:
        top = stack.pop()
        stack[-1] = function(top, stack[-1])  # type: ignore[call-overload]

    def ternary(frame: Frame, stack: list[int]) -> None:
        top = stack.pop()
        second = stack.pop()
        stack[-1] = function(top, second, stack[-1])  # type: ignore[call-overload]

    return {1: unary, 2: binary, 3: ternary}[pops]


def _framed_operation(function: Callable[..., object], pops: int, pushes: int) -> Operation:
    # Hot path. Operands leave the stack only when the function is through: it may be told to wait and run again.
    def load(frame: Frame, stack: list[int]) -> None:
        stack.append(function(frame))  # type: ignore[arg-type]

    def replace(frame: Frame, stack: list[int]) -> None:
        stack[-1] = function(frame, stack[-1])  # type: ignore[call-overload]

    def store(frame: Frame, stack: list[int]) -> None:
        function(frame, stack[-1], stack[-2])
        del stack[-2:]

    def other(frame: Frame, stack: list[int]) -> None:
        result = function(frame, *stack[: -pops - 1 : -1])
        del stack[len(stack) - pops :]
        if pushes:
            stack.append(result)  # type: ignore[arg-type]

    return {(0, 1): load, (1, 1): replace, (2, 0): store}.get((pops, pushes), other)


def _host_operation(function: Callable[..., object], pops: int, pushes: int) -> Operation:
    def load(frame: Frame, stack: list[int]) -> None:
        stack.append(function(frame, frame.host))  # type: ignore[arg-type]

    def replace(frame: Frame, stack: list[int]) -> None:
        stack[-1] = function(frame, frame.host, stack[-1])  # type: ignore[call-overload]

    def store(frame: Frame, stack: list[int]) -> None:
        function(frame, frame.host, stack[-1], stack[-2])
        del stack[-2:]

    def other(frame: Frame, stack: list[int]) -> None:
        result = function(frame, frame.host, *stack[: -pops - 1 : -1])
        del stack[len(stack) - pops :]
        if pushes:
            stack.append(result)  # type: ignore[arg-type]

    return {(0, 1): load, (1, 1): replace, (2, 0): store}.get((pops, pushes), other)


def _control_operation(function: Callable[..., object], pops: int) -> Operation:
    def none(frame: Frame, stack: list[int]) -> object:
        return function(frame, frame.host)

    def one(frame: Frame, stack: list[int]) -> object:
        result = function(frame, frame.host, stack[-1])
        del stack[-1]
        return result

    def two(frame: Frame, stack: list[int]) -> object:
        result = function(frame, frame.host, stack[-1], stack[-2])
        del stack[-2:]
        return result

    def call(frame: Frame, stack: list[int]) -> object:
        result = function(frame, frame.host, *stack[: -pops - 1 : -1])
        del stack[len(stack) - pops :]
        if type(result) is int:
            stack.append(result)
            return None
        return result

    return {0: none, 1: one, 2: two}.get(pops, call)


def operation_of(instruction: Instruction) -> Operation:
    """The instruction as a step on a frame and its stack. PUSH and PC depend on their place and are made there."""
    function, pops, pushes = instruction.function, instruction.pops, instruction.pushes
    if instruction.shape is Shape.STACK:
        name = instruction.name
        if name.startswith("DUP"):
            return _duplicate(pops)
        if name.startswith("SWAP"):
            return _swap(pops - 1)
        if name == "PUSH0":
            return push(0)
        return _pop if name == "POP" else _nothing
    assert function is not None
    if instruction.shape is Shape.PURE:
        return _pure_operation(function, pops)
    if instruction.shape is Shape.FRAMED:
        return _framed_operation(function, pops, pushes)
    if instruction.shape is Shape.HOST:
        return _host_operation(function, pops, pushes)
    return _control_operation(function, pops)


# What kind of step a row is, where it isn't the number of bytes that a PUSH takes from the code. From SWAP_ROW on words
# are moved, and functions of words alone called, by `interpret` itself, which calls a branch's function with its one or
# two operands too; the others are operations. After those of ENDS a segment ends.
STEP, PC_ROW, UNSTEADY_ROW, CONTROL_ROW, BRANCH_ROW, SWAP_ROW, POP_ROW, NOTHING_ROW, DUP_ROW, BINARY_ROW = range(
    0, -10, -1
)
ENDS = (UNSTEADY_ROW, CONTROL_ROW, BRANCH_ROW)

# (kind, pops, largest stack before, base price, what is called: an operation, or a binary row's or branch's function)
Row = tuple[int, int, int, int, Callable[..., Any]]
Table = tuple[tuple[Operation | None, ...], tuple[Row | None, ...]]


def _kind_of(record: Instruction) -> int:
    if record.immediate:
        return record.immediate
    name = record.name
    if record.shape is Shape.CONTROL and record.pops in (1, 2) and not record.pushes:
        return BRANCH_ROW
    if record.shape is Shape.CONTROL or record.shows_pc:
        return CONTROL_ROW
    if record.shape is Shape.PURE and record.pops == 2:
        return BINARY_ROW
    if record.shape is not Shape.STACK:
        return STEP if record.steady else UNSTEADY_ROW
    if name.startswith("DUP"):
        return DUP_ROW
    if name.startswith("SWAP"):
        return SWAP_ROW
    return {"POP": POP_ROW, "PC": PC_ROW, "JUMPDEST": NOTHING_ROW}.get(name, STEP)


def table_of(fork: Fork) -> Table:
    """A fork's instructions as the stepper runs them, by opcode."""
    operations = tuple([None if record is None else operation_of(record) for record in fork.table])
    rows: list[Row | None] = []
    for record, operation in zip(fork.table, operations, strict=True):
        if record is None or operation is None:
            rows.append(None)
            continue
        kind = _kind_of(record)
        called = record.function if kind in (BINARY_ROW, BRANCH_ROW) and record.function is not None else operation
        highest = STACK_LIMIT - record.pushes + record.pops
        rows.append((kind, record.pops, highest, fork.base_prices[record.opcode], called))
    return operations, tuple(rows)
