"""The commands' view of the region compiler: its text, and its picture."""

import ast
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import picture
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


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter() if element.tag.endswith("text")]


def bars(root: ET.Element) -> list[tuple[str, float, float, float]]:
    """Colour, left and right edge, and top of each range."""
    found = []
    for element in root.iter():
        if element.tag.endswith("rect") and len(element):
            left, width, top = (float(element.get(name, "")) for name in ("x", "width", "y"))
            found.append((element.get("fill", ""), left, left + width, top))
    return found


def test_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "regions.svg"
    assert main(["compile", "--code", LOOP, "--svg", str(file)]) == 0
    assert capsys.readouterr().out == ""
    root = ET.parse(file).getroot()
    titles = [element.text or "" for element in root.iter() if element.tag.endswith("title")]
    # Once in, five times round, once out; the loop is a region of its own.
    assert titles == [
        "0 to 1, region 0, visits: 1",
        "2 to 15, region 2, visits: 5",
        "16 to 20, region 2, visits: 1",
    ]
    assert [text for text in texts(root) if "⟳" in text] == ["2 ⟳"]


def test_rows_colours_and_where_things_lie() -> None:
    boxes = [
        Box(0, ((0, 10, 8), (40, 60, 1)), (10, 99), False, 8),
        Box(10, ((10, 40, 64),), (10, 0, 1, 2, 3, 4, 5), True, 64),
        Box(99, ((99, 100, 0),), (), False, 0),
        Box(50, ((40, 60, 1),), (), False, 0),
    ]
    root = ET.fromstring(draw_regions(100, boxes))
    found = bars(root)
    grey = "#e1e5ea"
    # Light is one visit, red the most, on a logarithmic scale: half way between them lie 8 of 64.
    assert [colour for colour, *_ in found] == ["#d86a4f", "#fdd49e", "#b30000", grey, grey]
    unit = (found[0][2] - found[0][1]) / 10
    for (_, left, right, _), (start, end) in zip(
        found, ((0, 10), (40, 60), (10, 40), (99, 100), (40, 60)), strict=True
    ):
        assert left == pytest.approx(found[0][1] + start * unit, abs=0.2)
        assert right - left == pytest.approx((end - start) * unit, abs=0.2)
    tops = [top for *_, top in found]
    assert tops[0] == tops[1] < tops[2] < tops[3] == tops[4]
    shown = texts(root)
    assert "4 regions in 100 bytes of code, 2 of them visited" in shown
    assert {"0", "10 ⟳", "2 others", "8", "64", "10 99", "0 1 2 3 4 and 1 more"} <= set(shown)


def test_pictures_without_visits_or_code() -> None:
    nothing_run = draw_regions(9, [Box(0, ((0, 9, 0),), (), False, 0)])
    assert [colour for colour, *_ in bars(ET.fromstring(nothing_run))] == ["#e1e5ea"]
    assert bars(ET.fromstring(draw_regions(0, []))) == []


def test_morpions_picture(tmp_path: Path) -> None:
    assert picture.main([str(tmp_path / "regions.svg")]) == 0
    shown = texts(ET.parse(tmp_path / "regions.svg").getroot())
    # Two join, nine play, two withdraw.
    assert shown[shown.index("leads to") :][1:3] == ["0", "13"]
    assert "9" in shown
