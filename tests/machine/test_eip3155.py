"""Trace lines: the bytes that go-ethereum would write."""

import json

import pytest

from evmthread.execution.world import World
from evmthread.isa.frame import Frame
from evmthread.machine.eip3155 import end_line, failure_of, step_line
from evmthread.machine.hooks import Hook
from evmthread.machine.tracing import Step
from tests.assembler import assemble

STEP = Step(5, 0x01, "ADD", 255, 3, 2, 7, 64, [0, 1, 2**256 - 1], None, b"\x2a", None)


def test_a_line_has_gos_fields_in_gos_order() -> None:
    assert step_line(STEP) == (
        '{"pc":5,"op":1,"gas":"0xff","gasCost":"0x3","memSize":64,"stack":["0x0","0x1","0x' + "f" * 64 + '"],'
        '"depth":2,"refund":7,"opName":"ADD"}'
    )


def test_what_is_asked_for_is_there() -> None:
    step = STEP._replace(memory=b"\x01\x02", stack=[])
    assert step_line(step, with_return_data=True) == (
        '{"pc":5,"op":1,"gas":"0xff","gasCost":"0x3","memory":"0x0102","memSize":64,"stack":[],"returnData":"0x2a",'
        '"depth":2,"refund":7,"opName":"ADD"}'
    )
    assert json.loads(step_line(STEP, with_stack=False))["stack"] is None


def test_an_unknown_opcode_and_an_error() -> None:
    line = json.loads(step_line(STEP._replace(opcode=0x0C, name=None, error="invalid opcode")))
    assert (line["opName"], line["error"]) == ("opcode 0xc not defined", "invalid opcode: opcode 0xc not defined")
    assert json.loads(step_line(STEP._replace(error="out of gas")))["error"] == "out of gas"


@pytest.mark.parametrize(
    ("program", "line", "failure"),
    [
        ("PUSH1 1 PUSH1 0 MSTORE8 PUSH1 1 PUSH1 0 RETURN", '{"output":"01","gasUsed":"0x12"}', None),
        ("PUSH1 0 PUSH1 0 REVERT", '{"output":"","gasUsed":"0x6","error":"execution reverted"}', "execution reverted"),
        (
            "ADD",
            '{"output":"","gasUsed":"0x64","error":"stack underflow"}',
            "stack underflow",
        ),
    ],
)
def test_the_last_line(program: str, line: str, failure: str | None) -> None:
    lines: list[str] = []

    class Ends(Hook):
        def transaction_end(self, frame: Frame) -> None:
            lines.append(end_line(frame))

    world = World(hooks=[Ends()])
    world.set_code(bytes(20), assemble(program))
    result = world.call(bytes(20), gas=100)
    assert lines == [line]
    assert failure_of(result) == failure
