"""The commands' view of the region compiler: its text, and its picture."""

import ast
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from evmthread.cli import main
from evmthread.commands.region_picture import Box, draw_regions
from tests.assembler import assemble

LOOP = assemble("PUSH 5 loop: PUSH 1 SWAP1 SUB DUP1 PUSH 0 MSTORE DUP1 PUSH @loop JUMPI PUSH 32 PUSH 0 RETURN").hex()
CALLING = assemble("PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 7 GAS CALL PUSH 3 ADD PUSH 9 SSTORE").hex()


def test_prints_python_with_instructions_as_comments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "--code", LOOP]) == 0
    text = capsys.readouterr().out
    ast.parse(text)
    assert "# region at 2, a loop" in text
    assert "while True:" in text
    for comment in ("# 0: PUSH1 0x05", "# 3: PUSH1 0x01", "# 5: SWAP1", "# 6: SUB", "RETURN"):
        assert comment in text
    assert text.count("def region(frame):") == 2


def test_what_follows_a_call_is_a_region_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "--code", CALLING, "--fork", "London"]) == 0
    text = capsys.readouterr().out
    ast.parse(text)
    assert "SSTORE" in text


def test_one_region(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "--code", LOOP, "--head", "0x2"]) == 0
    assert capsys.readouterr().out.count("def region(frame):") == 1


def test_code_of_one_place_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "--code", ""]) == 0
    assert "region at 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--code", "6g"], "hex"),
        (["--code", "60", "--head", "9"], "the code has 1 bytes"),
        (["--code", "60", "--head", "x"], "x"),
        (["--code", "60", "--fork", "Nowhere"], "Nowhere"),
        (["--code", "60", "--svg", "/nowhere/there/picture.svg"], "picture.svg"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "regions.svg"
    assert main(["compile", "--code", LOOP, "--svg", str(file)]) == 0
    assert capsys.readouterr().out == ""
    root = ET.parse(file).getroot()
    titles = [element.text or "" for element in root.iter() if element.tag.endswith("title")]
    assert any("visits of 2" in title and not title.endswith(", 0 visits of 2") for title in titles)


def test_boxes_and_arrows() -> None:
    text = draw_regions(100, [Box(0, ((0, 10), (40, 60)), (10, 99), False, 0), Box(10, ((10, 40),), (10, 0), True, 50)])
    root = ET.fromstring(text)
    kinds = [element.tag.split("}")[1] for element in root.iter()]
    assert kinds.count("rect") == 1 + 3
    # One tip, one way there, one way back; not to itself, and not to where no region is.
    assert kinds.count("path") == 1 + 2
    fills = [element.get("fill") for element in root.iter() if element.tag.endswith("rect")]
    assert fills[1:] == ["#c6dbef", "#c6dbef", "#cb181d"]
    assert draw_regions(0, [])
