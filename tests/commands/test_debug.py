"""`evmthread debug`: a session from a pipe, on a game and on plain calls; what is wrong is said in one line."""

import io
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evmthread.cli import main
from evmthread.commands.debug import PROMPT
from evmthread.debugging.timeline import Condition, Timeline
from tests.assembler import assemble
from tests.channel.games import finished_game
from tests.commands.draws import DrawMatch, save
from tests.debugging.contracts import CONTRACTS, artifact

Captured = pytest.CaptureFixture[str]
LOOP = assemble("JUMPDEST PUSH1 0 JUMP").hex()


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("games") / "game.thread"
    save(finished_game(), path)
    return str(path)


@pytest.fixture
def session(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command with lines on its standard input; gives its answers to each, the first one's at the start."""

    def run(arguments: list[str], *lines: str) -> list[str]:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(line + "\n" for line in lines)))
        assert main(["debug", *arguments]) == 0
        output, errors = capsys.readouterr()
        assert errors == ""
        first, *answers = output.split(PROMPT)
        assert [answer.split("\n")[0] for answer in answers] == list(lines)
        return [first, *(answer.partition("\n")[2].rstrip("\n") for answer in answers)]

    return run


def test_a_move_of_morpion(session: Any, game: str) -> None:
    start, line, stopped, where, back, end, last, _ = session(
        [game, "--nonce", "4"], "break slot 3 write", "c", "where", "back", "goto end", "back", "quit"
    )
    assert start.startswith("#0  Morpion.play(uint8)")
    assert line == "breakpoint 1: slot 3 write"
    assert stopped.startswith("stopped: breakpoint 1, write of slot 0x3")
    assert where.splitlines()[0].split()[1] == "Morpion.play"
    assert "Morpion.sol:" in back
    assert "ended: success" in end
    assert "emit BREAKPOINT" in last


def test_the_creation_of_the_contract(session: Any, game: str) -> None:
    start, line = session([game, "--nonce", "0"], "step")
    assert start.startswith("#0  Morpion constructor")
    assert "playerX_ == address(0)" in line


def test_an_answer_and_a_question(session: Any, tmp_path: Path) -> None:
    match = DrawMatch().offered()
    match.agree(match.parties[1].answer((1).to_bytes(32, "big")))
    path = str(tmp_path / "draw")
    save(match, Path(path))
    _, asked, _, ended = session([path, "--nonce", "3"], "c", "answer 0x", "c")
    assert f"asks 0x{match.terms.owners[1].hex()}" in asked
    assert "ended: success" in ended
    start, ended = session([path, "--nonce", "4"], "c")
    assert "Thread.ask" in start or "Thread.sol" in start or "MorpionDraw.offerDraw" in start
    assert "ended: success" in ended


def test_plain_calls(session: Any, tmp_path: Path) -> None:
    code = assemble("PUSH1 0 CALLDATALOAD PUSH1 0 SSTORE").hex()
    *_, storage, back, start = session(["--code", code, "--input", "2a" * 32], "goto 4", "storage 0", "bi 2", "goto 0")
    assert storage == "0x0 = 0x" + "2a" * 32
    assert "#2 " in back
    assert "PUSH1 0x00" in start


def test_a_creation_with_an_artifact_of_ones_own(session: Any) -> None:
    covered = artifact("Covered")
    code = (covered.creation_code + covered.encode_constructor(7)).hex()
    flags = ["--create", "--code", code, "--artifact", str(CONTRACTS / "Covered.json")]
    _, line, end = session(flags, "step", "c")
    assert "owner = msg.sender;" in line
    assert "created 0x" in end


def test_a_state_is_not_written_to(session: Any, tmp_path: Path) -> None:
    receiver = "0x" + "00" * 12 + b"receiver".hex()
    state = tmp_path / "state.json"
    code = "0x" + assemble("PUSH1 1 PUSH1 0 SSTORE").hex()
    state.write_text('{"%s": {"balance": "0x0", "code": "%s"}}' % (receiver, code))  # noqa: UP031
    answers = session(["--prestate", str(state)], "c", "back 2", "c")
    assert answers[1] == answers[3]


def test_inputs_are_listed(capsys: Captured, game: str) -> None:
    assert main(["debug", game]) == 2
    output, errors = capsys.readouterr()
    lines = output.splitlines()
    assert len(lines) == 9
    assert lines[3].startswith("--nonce 3 --input 0  call by 0x")
    assert lines[3].endswith(": play(cell=0)")
    assert lines[0].startswith("--nonce 0 --input 0  create by 0x")
    assert errors == "evmthread debug: which input? Name it with --nonce and --input\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "nothing to run"),
        (["GAME", "--nonce", "99"], "no commitment with nonce 99: the last is 9"),
        (["GAME", "--nonce", "3", "--input", "1"], "nonce 3 has 1 inputs"),
        (["GAME", "--nonce", "3", "--input", "0x"], "no place of an input"),
        (["GAME", "--nonce", "3", "--code", "00"], "either a thread file, or a call"),
        (["nothing.thread"], "No such file"),
        (["nothing.thread", "--nonce", "1"], "No such file"),
        (["--nonce", "1", "--code", "00"], "--nonce is of a thread file"),
        (["--codefile", "-"], "standard input is for the debugger's commands"),
        (["--code", "00", "--artifact", "nothing.json"], "--artifact: nothing.json: No such file"),
        (["--code", "00", "--artifact", __file__], "--artifact: "),
        (["--code", "00", "--gas", "x"], "--gas"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], error: str, game: str, capsys: Captured) -> None:
    assert main(["debug", *[game if each == "GAME" else each for each in arguments]]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("evmthread: ")
    assert error in errors
    assert errors.count("\n") == 1


def test_a_file_that_is_refuted(game: str, tmp_path: Path, capsys: Captured) -> None:
    data = bytearray(Path(game).read_bytes())
    at = data.index(bytes.fromhex("53a04b05"))
    data[at + 35] ^= 1
    (tmp_path / "bad").write_bytes(data)
    assert main(["debug", str(tmp_path / "bad"), "--nonce", "8"]) == 1
    assert "evmthread debug: refuted: " in capsys.readouterr().err


def test_interrupts_stop_a_run_and_no_more(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Timeline.run

    def interrupted(self: Timeline, condition: Condition) -> str | None:
        def meets(moment: Any, line: Any) -> str | None:
            if moment.step == 20:
                signal.raise_signal(signal.SIGINT)
            return condition(moment, line)

        return run(self, meets)

    monkeypatch.setattr(Timeline, "run", interrupted)
    _, stopped, after, _ = session(["--code", LOOP], "c", "si", "quit")
    assert stopped.startswith("stopped: interrupted\n#21 ")
    assert after.startswith("#22 ")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_terminal_repeats_the_last_line_and_survives_an_interrupt(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["si", "", KeyboardInterrupt(), "si", EOFError()])

    def ask(prompt: str) -> str:
        assert prompt == PROMPT
        line: object = next(typed)
        if isinstance(line, BaseException):
            raise line
        return str(line)

    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert main(["debug", "--code", LOOP]) == 0
    output = capsys.readouterr().out
    assert [line.split()[0] for line in output.splitlines() if line.startswith("#")] == ["#0", "#1", "#2", "#3"]
    assert "(quit leaves)" in output


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evmthread", "debug", "--code", "00"]
    done = subprocess.run(
        command, input=b"here\n\xff\xfe\n", capture_output=True, check=False, env={"PYTHONIOENCODING": "utf-8:strict"}
    )
    assert done.returncode == 2
    assert b"evmthread: standard input: " in done.stderr
