import pytest

from evmthread.errors import InvalidInput
from evmthread.execution.environment import TransactionEnvironment, WorldHost
from evmthread.isa.forks import CANCUN, HISTORY
from evmthread.isa.frame import Frame
from evmthread.isa.instruction import HALTED, Instruction, Shape, control, framed, host, instruction_of, pure
from evmthread.isa.message import CallKind, Message
from evmthread.machine.operations import operation_of
from tests.sandbox import BLOCK, CONTRACT, RICH, SENDER, state

ALL = list(dict.fromkeys(record for fork in HISTORY for record in fork.table if record is not None))


def frame_with(stack: list[int]) -> Frame:
    """A frame in which every instruction succeeds: gas, wei, a JUMPDEST, some return data."""
    view = state({CONTRACT: "STOP"}, balances={CONTRACT: RICH})
    world = WorldHost(view, BLOCK)
    world.transaction = TransactionEnvironment(SENDER, 1)
    world.begin_transaction()
    message = Message(CallKind.CALL, SENDER, CONTRACT, CONTRACT, b"\x5b", b"data", 0, 0, 10**7, False, 0)
    frame = Frame(message, CANCUN, world, None, frozenset({0}))
    frame.slots, frame.stored = world.open_storage(CONTRACT)
    frame.mark, frame.memory_limit, frame.caller_pc = world.mark(), 1_000, 0
    frame.return_data = b"returned"
    frame.stack = stack
    return frame


@pytest.mark.parametrize(
    "record", [r for r in ALL if r.function and r.name != "INVALID"], ids=lambda record: record.name
)
def test_declared_pops_and_pushes_are_what_the_function_does(record: Instruction) -> None:
    below = [101, 102, 103]
    # A jump wants its target and its condition; zeros do for everything else.
    operands = [0] * record.pops if record.name != "JUMPI" else [1, 0]
    frame = frame_with([*below, *operands])
    result = operation_of(record)(frame, frame.stack)
    assert frame.stack[:3] == below
    waits = isinstance(result, Message)
    assert len(frame.stack) == 3 + (0 if waits else record.pushes)
    assert all(type(word) is int and 0 <= word < 2**256 for word in frame.stack)
    if record.shape is not Shape.CONTROL:
        assert result is None
    elif waits:
        assert record.pushes == 1
    else:
        assert result is HALTED or type(result) is int


@pytest.mark.parametrize(
    "record", [r for r in ALL if not r.function and not r.immediate], ids=lambda record: record.name
)
def test_stack_instructions_move_words(record: Instruction) -> None:
    if record.name in ("PC", "PUSH0"):
        assert (record.pops, record.pushes) == (0, 1)
        return
    words = list(range(100, 120))
    stack = list(words)
    assert operation_of(record)(frame_with(stack), stack) is None
    assert len(stack) == len(words) - record.pops + record.pushes
    expected = list(words)
    if record.name == "POP":
        expected.pop()
    elif record.name.startswith("DUP"):
        expected.append(words[-record.pops])
    elif record.name.startswith("SWAP"):
        depth = int(record.name[4:])
        expected[-1], expected[-1 - depth] = words[-1 - depth], words[-1]
    assert stack == expected


def test_decorators_read_pops_and_pushes_from_the_signature() -> None:
    @pure(0x0C, "THREE")
    def three(a: int, b: int, c: int) -> int:
        return a + b + c

    @framed(0x0D, "TWO", steady=True)
    def two(frame: Frame, a: int, b: int) -> None: ...

    @host(0x0E, "ONE")
    def one(frame: Frame, world: object, a: int) -> int:
        return a

    @control(0x0F, "CALLS", pushes=1)
    def calls(frame: Frame, world: object, a: int, b: int) -> int:
        return a

    assert instruction_of(three) == Instruction(0x0C, "THREE", Shape.PURE, 3, 1, three, steady=True)
    assert instruction_of(two) == Instruction(0x0D, "TWO", Shape.FRAMED, 2, 0, two, steady=True)
    assert instruction_of(one) == Instruction(0x0E, "ONE", Shape.HOST, 1, 1, one, steady=False)
    assert instruction_of(calls) == Instruction(0x0F, "CALLS", Shape.CONTROL, 2, 1, calls, steady=False)


def test_a_plain_function_is_no_instruction() -> None:
    with pytest.raises(InvalidInput, match="len is no instruction"):
        instruction_of(len)


def test_steady_instructions_charge_nothing_and_never_fail() -> None:
    for record in ALL:
        if record.steady and record.shape in (Shape.FRAMED, Shape.HOST):
            frame = frame_with([2**256 - 1] * record.pops)
            operation_of(record)(frame, frame.stack)
            assert frame.gas == 10**7, record.name
            assert frame.memory == [], record.name
