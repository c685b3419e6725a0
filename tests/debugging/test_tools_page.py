"""docs/tools.md shows what the tools print: every sample is made again and compared."""

import io
import re
import shlex
from pathlib import Path

import pytest

from evmthread.cli import main
from evmthread.commands.debug import PROMPT
from tests.channel.games import finished_game
from tests.commands.draws import DrawMatch, save

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")
CONSOLES = re.findall(r"```console\n\$ (.*)\n((?s:.*?))```", PAGE)
SNIPPETS = re.findall(r"```python\n((?s:.*?))```(?:\n\n```text\n((?s:.*?))```)?", PAGE)

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the games of the page."""
    made = tmp_path_factory.mktemp("page")
    save(finished_game(), made / "game.thread")
    save(DrawMatch().offered(), made / "draw.thread")
    return made


@pytest.mark.parametrize(("command", "printed"), CONSOLES)
def test_samples(command: str, printed: str, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    typed = [line.removeprefix(PROMPT) for line in printed.splitlines() if line.startswith(PROMPT)]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in typed)))
    name, *words = shlex.split(command)
    assert name == "evmthread"
    assert main(words) == 0
    assert capsys.readouterr().out == printed


def test_there_are_samples_of_each_tool() -> None:
    assert {command.split()[1] for command, _ in CONSOLES} == {"debug", "profile", "coverage"}
    assert len(SNIPPETS) == 2


@pytest.mark.parametrize(("snippet", "printed"), SNIPPETS)
def test_snippets_run(snippet: str, printed: str, capsys: Captured) -> None:
    exec(compile(snippet, "docs/tools.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_the_excerpt_of_the_tracefile(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert main(["coverage", "game.thread", "--out", "lcov.info"]) == 0
    lines = iter((folder / "lcov.info").read_text().splitlines())
    excerpt = re.findall(r"An excerpt:\n\n```text\n((?s:.*?))```", PAGE)[0].splitlines()
    assert len(excerpt) > 8
    assert all(line in lines for line in excerpt)  # in this order
