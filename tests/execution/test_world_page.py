"""docs/world.md: its programs run and print what it lets one expect, and it names what a World can do."""

import re

import pytest

from evmthread.execution.world import World
from tests.test_architecture import ROOT

PAGE = (ROOT.parent / "docs" / "world.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PRINTED = [
    "True 22105 7 7",
    f"0 True 21000\n1 True 27200\n2 True 21000\n3 True 21000\n4 True 46000\nef0100{'c0' * 20}\nNonceTooHigh 5 9",
    "21032",
    "1 True 1750003600\n0 0",
    "0",
]


@pytest.mark.parametrize(("program", "printed"), list(zip(PROGRAMS, PRINTED, strict=True)))
def test_a_program_of_the_page(program: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(program, {})
    assert capsys.readouterr().out.strip() == printed


@pytest.mark.parametrize("method", [World.call, World.create, World.apply, World.mark, World.settle, World.isolated])
def test_what_is_used_most_is_on_the_page(method: object) -> None:
    assert f"{method.__name__}(" in PAGE  # type: ignore[attr-defined]
