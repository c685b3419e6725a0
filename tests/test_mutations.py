"""The tool for mutation testing finds what no test needs, and nothing else; it changes no file."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1] / ".ci" / "mutations.py"

CODE = """\
def broken(values: list[int], limit: int) -> str | None:
    for value in values:
        if value < 0:
            return "negative"
    if len(values) > limit or not values:
        return "too many or none"
    return None


def check(values: list[int], limit: int) -> None:
    if found := broken(values, limit):
        raise ValueError(found)


def both(values: list[int], limit: int) -> None:
    check(values, limit)
    check(values[1:], limit)
"""
TESTS = """\
import pytest
from evmthread.thing.rule import both, broken, check

def test_it():
    assert broken([1], 1) is None
    assert broken([-1], 1) == "negative"
    assert broken([1, 1], 1) == broken([], 1) == "too many or none"
    check([1], 1)
    with pytest.raises(ValueError):
        check([], 1)
    both([1, 1], 2)
"""


@pytest.mark.slow
def test_survivors_are_the_checks_that_no_test_needs(tmp_path: Path) -> None:
    for name, text in {
        "evmthread/__init__.py": "",
        "evmthread/thing/__init__.py": "",
        "evmthread/thing/rule.py": CODE,
        "tests/thing/test_rule.py": TESTS,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    tool = tmp_path / ".ci" / "mutations.py"
    tool.parent.mkdir()
    shutil.copy(TOOL, tool)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-B", str(tool), "evmthread/thing", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    listed = run("--list").stdout.splitlines()
    assert listed[-1] == "17 mutants"
    assert "evmthread/thing/rule.py:3: the other boundary of Lt 0: value < 0" in listed
    done = run()
    assert done.returncode == 1, done.stdout + done.stderr
    found = {
        line.removeprefix("survived: evmthread/thing/rule.py:") for line in done.stdout.splitlines() if ": " in line
    }
    assert {line for line in found if line[0].isdigit()} == {
        "3: the other boundary of Lt 0: value < 0",
        "16: not called: check(values, limit)",
        "17: not called: check(values[1:], limit)",
    }
    assert "14 of 17 mutants killed (0 by their time), 3 survived" in done.stdout
    assert (tmp_path / "evmthread/thing/rule.py").read_text() == CODE
    sampled = run("--sample", "2", "--seed", "5")
    assert "of 2 mutants killed" in sampled.stdout

    (tmp_path / "tests/thing/test_rule.py").write_text(TESTS.replace("is None", "is not None"))
    assert "fail without any change" in run().stderr
