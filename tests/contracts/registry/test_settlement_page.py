"""docs/settlement.md says what is: its tests exist, its gas is the table's, its limits are the code's."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from evmthread.channel.returning import gas_to_return, slots_that_return
from evmthread.commit.terms import MAX_CODE_BYTES
from evmthread.contracts import load_artifact

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "settlement.md").read_text()
GAS = json.loads((DOCS / "registry-gas.json").read_bytes())


def test_every_test_that_is_named_exists() -> None:
    tests = Path(__file__).parents[2]
    folders = (Path(__file__).parent, tests / "acceptance")
    sources = [path.read_text() for folder in folders for path in folder.glob("test_*.py")]
    defined = {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 25
    assert named <= defined, named - defined


def test_each_scenario_with_money_in_it_has_its_tests() -> None:
    rows = dict(re.findall(r"^\| (C\d+(?:(?: to |, )C\d+)?) \|[^|]*\|([^|]*)\|$", PAGE, re.MULTILINE))
    covered: set[int] = set()
    for name, tests in rows.items():
        first, *last = map(int, re.findall(r"\d+", name))
        numbers = range(first, (last or [first])[0] + 1)
        covered.update(numbers)
        for number in numbers:
            assert re.search(rf"_c{number:02}_|_c{number:02}`", tests), number
    without = {12, 19, *range(21, 26)}
    assert covered == set(range(1, 33)) - without


def test_the_gas_is_the_tables() -> None:
    rows = re.findall(
        r"^\| (open|checkpoint|challenge|respond|resume|settle|exit|refund)([^|]*)\|(.*)\|$", PAGE, re.MULTILINE
    )
    assert len(rows) >= 10
    for first, rest, cells in rows:
        name = (first + rest).strip()
        told = [int(cell.replace(",", "")) for cell in cells.split("|")]
        assert told == [GAS[f"{parties} parties"][name] for parties in (2, 3, 5)], name
    for name in ("slot, one of 256, as a transaction", "claim", "materialize, Morpion", "materialize, an ERC-20"):
        assert f"{GAS['2 parties'][name]:,}" in PAGE, name


def test_the_limits_are_the_codes() -> None:
    assert gas_to_return(slots=0, code_bytes=0) == 350_000
    assert gas_to_return(slots=0, code_bytes=1) == 350_226
    assert gas_to_return(slots=1, code_bytes=0) == 385_000
    assert (slots_that_return(MAX_CODE_BYTES), slots_that_return(4000)) == (310, 443)


def test_the_compiler_is_the_artifacts() -> None:
    artifact = load_artifact("Registry")
    assert artifact.settings["optimizer"] == {"enabled": True, "runs": 10_000}
    assert (artifact.settings["viaIR"], artifact.settings["evmVersion"]) == (True, "cancun")
    assert artifact.compiler_version.startswith("0.8.37+")
    assert f"{len(artifact.runtime_code):,}\nbytes of code" in PAGE


def test_the_picture_names_every_mode_and_function() -> None:
    said = " ".join(ET.parse(DOCS / "thread-life.svg").getroot().itertext())
    for name in ("NONE", "FUNDING", "LIVE", "CHALLENGED", "SETTLED", "open", "refund", "exit", "checkpoint"):
        assert name in said
    for name in ("challenge", "respond", "resume", "settle"):
        assert name in said
