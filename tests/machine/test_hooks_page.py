"""docs/hooks.md: its programs run and print what it lets one expect, and it names every event."""

import re

import pytest

from evmthread.machine.hooks import EVENTS
from tests.test_architecture import ROOT

PAGE = (ROOT.parent / "docs" / "hooks.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = [
    f"0x{'00' * 20} failed at pc 4: revert",
    "DIV by zero at pc 4",
    "slot 7: 0 -> 42",
    "0 PUSH1 3\n2 PUSH1 3\n4 ADD 3\n5 STOP 0",
    (2500).to_bytes(32, "big").hex(),
    "4 2 steps opcode SSTORE",
]


@pytest.mark.parametrize(("program", "printed"), list(zip(PROGRAMS, PRINTED, strict=True)))
def test_a_program_of_the_page(program: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(program, {})
    assert capsys.readouterr().out.strip() == printed


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_on_the_page(event: str) -> None:
    assert f"`{event}" in PAGE
