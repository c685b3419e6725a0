"""The debugger's commands, one session after the other, on real contracts."""

import pytest

from evmthread.contracts import Artifact
from evmthread.debugging.debugger import COMMANDS, Debugger
from evmthread.debugging.known_code import KnownCode
from evmthread.debugging.timeline import Beginning, Timeline
from evmthread.execution.world import World
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.debugging.contracts import artifact, beginning_of, line_of
from tests.debugging.test_timeline import asking

COVERED, FAILING, CALLER = artifact("Covered"), artifact("Failing"), artifact("Caller")
KNOWN = KnownCode([COVERED, FAILING, CALLER])


def debugger_of(name: str, *arguments: object, contract: Artifact = COVERED) -> Debugger:
    constructor: tuple[object, ...] = (5,) if contract is COVERED else (False,)
    return Debugger(Timeline(beginning_of(contract, *arguments, name=name, constructor=constructor), KNOWN))


def said(debugger: Debugger, *commands: str) -> str:
    """The answer to the last of some commands."""
    answer: list[str] = []
    for command in commands:
        answer = debugger.obey(command)
    return "\n".join(answer)


def test_a_session_forwards_and_backwards() -> None:
    debugger = debugger_of("addTwice", 4)
    assert "Covered.addTwice(uint256)" in "\n".join(debugger.here())
    assert "if (number > bound) {" in said(debugger, "step")
    assert "total += number;" in said(debugger, "s 2")
    assert "_add(number);" in said(debugger, "out")
    thirty = said(debugger, "next")
    assert f"{COVERED.source_name}:30" in thirty
    assert "emit Added(number);" in said(debugger, "back")
    assert said(debugger, "step") == thirty
    assert f"{COVERED.source_name}:29" in said(debugger, "backn")
    ended = said(debugger, "continue")
    assert "ended: success" in ended
    assert "output 0x" + f"{13:064x}" in ended
    assert "return total;" in said(debugger, "b")
    assert said(debugger, "goto end") == ended
    assert "it has ended" in said(debugger, "step")


def test_instructions_forwards_and_backwards() -> None:
    debugger = debugger_of("add", 4)
    assert said(debugger, "stepi").startswith("#1 ")
    assert said(debugger, "si 10").startswith("#11 ")
    assert said(debugger, "backi 4").startswith("#7 ")
    assert said(debugger, "goto 3").startswith("#3 ")
    assert said(debugger, "bi 9").startswith("this is the beginning\n#0 ")
    assert said(debugger, "bi").startswith("this is the beginning\n#0 ")


def test_breakpoints_are_set_met_listed_and_deleted() -> None:
    debugger = debugger_of("add", 4)
    assert said(debugger, "break") == "no breakpoints"
    assert said(debugger, "break slot 0") == "breakpoint 1: slot 0"
    assert said(debugger, "break function _add") == "breakpoint 2: function _add"
    assert said(debugger, "br") == "1  slot 0\n2  function _add"
    assert said(debugger, "c").startswith("stopped: breakpoint 2, function Covered._add\n#")
    assert said(debugger, "c").startswith("stopped: breakpoint 1, read of slot 0x0\n#")
    assert said(debugger, "next 9").startswith("stopped: breakpoint 1, write of slot 0x0\n#")
    assert said(debugger, "reverse").startswith("stopped: breakpoint 1, read of slot 0x0\n#")
    assert said(debugger, "delete 1") == ""
    assert said(debugger, "br") == "2  function _add"
    assert said(debugger, "r").startswith("stopped: breakpoint 2")
    assert said(debugger, "r").startswith("back at the beginning\n#0 ")
    assert said(debugger, "delete all", "br") == "no breakpoints"
    assert "ended" in said(debugger, "c")
    assert said(debugger, "delete 7") == "error: no breakpoint 7"


def test_a_bare_line_number_is_of_the_present_source() -> None:
    debugger = debugger_of("add", 4)
    line = line_of(COVERED, "emit Added")
    assert "of which source" in said(debugger, f"break line {line}")
    assert said(debugger, "step", f"break line {line}") == f"breakpoint 1: line {line}"
    assert "emit Added(number);" in said(debugger, "c")


def test_what_can_be_looked_at() -> None:
    debugger = debugger_of("add", 4)
    said(debugger, "break opcode LOG2", "c")
    where = said(debugger, "where").splitlines()
    assert [line.split()[1] for line in where] == ["Covered._add", "Covered.add", "Covered.add(uint256)"]
    assert where[0].endswith(f"{COVERED.source_name}:{line_of(COVERED, 'emit Added')}")
    assert where[1].endswith(f"{COVERED.source_name}:24")
    assert "CALL of 0x" in where[2]
    stack = said(debugger, "stack").splitlines()
    assert stack[2].split() == ["2", "0x" + COVERED.event("Added").topic.hex()]
    assert stack[3].split() == ["3", "0x4"]
    assert said(debugger, "storage") == "0x0 = 0x9  total"
    assert said(debugger, "storage 0") == "0x0 = 0x9  total"
    assert said(debugger, "storage 0x7") == "0x7 = 0x0"
    data = COVERED.function("add").encode(4)
    assert said(debugger, "calldata").split()[1] == data[:8].hex()
    memory = said(debugger, "memory 0x40 32")
    assert memory.startswith("0x0040  ")
    assert len(memory.splitlines()) == 1
    assert memory.split()[4].endswith("80")
    assert said(debugger, "memory 0x10000").startswith("memory ends at ")
    assert said(debugger, "returndata") == "return data is empty"
    assert said(debugger, "logs") == "no logs so far"
    assert "Added(number=4)" in said(debugger, "si", "logs")
    assert ">" in said(debugger, "code")
    assert any(line.startswith(">") and "emit Added" in line for line in said(debugger, "bi", "list").splitlines())
    assert "contract Covered {" in said(debugger, "list 5")
    assert said(debugger, "list 9999").endswith("lines")
    assert said(debugger, "here").startswith("#")


def test_the_place_of_code_that_the_compiler_made_is_its_callers() -> None:
    debugger = debugger_of("add", 4)
    said(debugger, "break opcode ADD", "break line Covered.sol:68", "c", "delete all")
    while "checked_add" not in said(debugger, "where").splitlines()[0]:
        said(debugger, "si")
    assert "checked_add_t_uint256" in said(debugger, "here")
    assert any(line.startswith(">") and "total += number" in line for line in said(debugger, "list").splitlines())


@pytest.mark.parametrize(
    ("name", "arguments", "reason", "text"),
    [
        ("divides", [0], "Panic(0x12): division or modulo by zero in Failing.divides", "1 / number"),
        (
            "refuses",
            [3],
            "Refused(who=0x0000000000000000000000000000000000000000, amount=3) in Failing.refuses",
            "amount);",
        ),
    ],
)
def test_a_failure_is_told_and_can_be_walked_back_from(
    name: str, arguments: list[object], reason: str, text: str
) -> None:
    debugger = debugger_of(name, *arguments, contract=FAILING)
    ended = said(debugger, "c")
    assert "ended: revert" in ended
    assert reason in ended
    assert text in said(debugger, "back")


def test_questions() -> None:
    debugger = Debugger(Timeline(asking(1), KNOWN))
    assert "asks 0x" + "05".zfill(40) + ": 0x\nit goes on with: answer HEX" in said(debugger, "c")
    assert said(debugger, "c") == said(debugger, "here")
    assert said(debugger, "answer") == "error: answer takes the bytes of the answer as hex, 0x for none"
    assert "POP" in said(debugger, "answer 0x0102")
    assert said(debugger, "c").endswith("output 0x0102")


def test_without_source_lines_are_instructions() -> None:
    view = MemoryState()
    view.set_account(b"\xaa" * 20, code=assemble("PUSH1 1 PUSH1 2 ADD POP"))
    beginning = Beginning(
        lambda hooks: World(view=view, hooks=hooks), lambda world: world.open_call(b"\xaa" * 20, b"\x01\x02\x03\x04")
    )
    debugger = Debugger(Timeline(beginning, KNOWN))
    assert "0x" + "aa" * 20 + ".0x01020304" in said(debugger, "here")
    assert "ADD" in said(debugger, "step 2")
    assert said(debugger, "list") == "no source is known here"
    assert "#1 " in said(debugger, "back")
    assert "ended" in said(debugger, "c")
    assert "STOP" in said(debugger, "back")


def test_wrong_commands_are_answered() -> None:
    debugger = debugger_of("add", 4)
    for command, error in (
        ("foo", "no command 'foo'; help lists them"),
        ("st", None),
        ("re", "re: reverse, returndata?"),
        ("step x", "no number: 'x'"),
        ("step 0", "a number from 1 to"),
        ("step 1 2", "a number from 1 to"),
        ("goto", "goto takes"),
        ("goto x", "no number"),
        ("memory x", "no number"),
        ("answer 0x", "nothing is asked here"),
        ("answer 0x0", "odd number"),
        ("delete", "delete takes"),
        ("break foo", "a breakpoint is one of"),
    ):
        answer = said(debugger, command)
        assert answer.startswith("error: ") == (error is not None), command
        assert (error or "") in answer
    assert said(debugger, "") == said(debugger, "# a remark") == ""


def test_help_names_every_command_and_each_explains_itself() -> None:
    debugger = debugger_of("add", 4)
    text = said(debugger, "help")
    for command in COMMANDS:
        assert command.help in text
        assert said(debugger, f"help {command.names[0]}").startswith(", ".join(command.names))
    names = [name for command in COMMANDS for name in command.names]
    assert len(names) == len(set(names))
    assert not debugger.ended
    assert said(debugger, "quit") == ""
    assert debugger.ended
