"""The command with streams that are closed or full: no traceback, and an exit code that says so."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ["--version", "--help", "run --code 00", "run --code 5b600056 --gas 1000 --json", "play morpion --random 1"]


def shell(command: str, folder: Path) -> tuple[int, str]:
    line = f'"{sys.executable}" -m evmthread {command}'
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_closed_streams(command: str, tmp_path: Path) -> None:
    assert shell(f"{command} >&- 2>&-", tmp_path)[0] == 0
    code, errors = shell(f"{command} <&- >&-", tmp_path)
    assert code == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "--help"])  # argparse ignores it
def test_a_full_disk(command: str, tmp_path: Path) -> None:
    code, errors = shell(f"{command} >/dev/full", tmp_path)
    assert code == 2
    assert "the output can't be written: No space left on device" in errors
    assert "Traceback" not in errors
    assert "ignored" not in errors


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_went_away(command: str, tmp_path: Path) -> None:
    code, errors = shell(f"{command} | true; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert code in (0, 2)  # whether it went before we wrote is its matter
    assert "Traceback" not in errors
    assert "ignored" not in errors
