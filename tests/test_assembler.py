import pytest

from evmthread.isa.forks import FRONTIER, HISTORY, LONDON
from tests.assembler import AssemblyError, assemble


def test_instructions_and_sized_literals() -> None:
    assert assemble("PUSH1 2 PUSH1 3 ADD").hex() == "6002600301"
    assert assemble("PUSH 0 PUSH 255 PUSH 256 PUSH 0x0001 PUSH 0xabc").hex() == "600060ff6101006100016" + "10abc"
    assert assemble("PUSH4 1 PUSH32 1").hex() == "6300000001" + "7f" + "00" * 31 + "01"
    assert assemble("PUSH -2").hex() == "7f" + "ff" * 31 + "fe"
    assert assemble("PUSH0 DATA 0xfe00").hex() == "5ffe00"


def test_labels_are_jump_destinations() -> None:
    assert assemble("PUSH @end JUMP INVALID end: STOP").hex() == "61000556fe5b00"
    assert assemble("loop: PUSH @loop JUMP").hex() == "5b61000056"


def test_comments_and_lines() -> None:
    assert assemble("ADD ; SUB\n; MUL\n  DIV").hex() == "0104"


def test_names_are_the_forks_own() -> None:
    assert assemble("DIFFICULTY", fork=LONDON) == assemble("PREVRANDAO", fork=HISTORY[-1])
    with pytest.raises(AssemblyError, match="line 2: Frontier has no DELEGATECALL"):
        assemble("ADD\nDELEGATECALL", fork=FRONTIER)
    for fork in HISTORY:
        for instruction in fork.table:
            if instruction is not None and not instruction.immediate:
                assert assemble(instruction.name, fork=fork) == bytes((instruction.opcode,))


@pytest.mark.parametrize(
    "text",
    ["FOO", "PUSH", "PUSH1", "PUSH1 256", "PUSH ADD", "PUSH @nowhere", "a: a:", "PUSH 0x" + "11" * 33, "PUSH33 1", "1"],
)
def test_what_is_no_program_is_refused(text: str) -> None:
    with pytest.raises(AssemblyError):
        assemble(text)
