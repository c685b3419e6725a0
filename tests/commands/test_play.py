"""`evmthread play morpion`: what it shows, what it writes, and how it refuses bad input."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evmthread.cli import main
from evmthread.commands import morpion_game
from evmthread.commands.morpion_moves import parse_move
from evmthread.commit import LocalSigner
from evmthread.errors import BackendError, InvalidInput
from evmthread.store.replaying import replay_file
from evmthread.store.verification import verify_file

KEYS = {"x": b"\x11" * 32, "o": b"\x22" * 32}
X_WINS = "0,1,4,2,8"
DRAW = "0,4,8,1,7,6,2,5,3"


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """Key files and the arguments that name them."""
    arguments = []
    for name, key in KEYS.items():
        path = tmp_path / f"{name}.key"
        path.write_text(key.hex())
        path.chmod(0o600)
        arguments += [f"--{name}-key", str(path)]
    return arguments


def play(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(exit code, output, errors)."""
    code = main(["play", "morpion", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_game_that_x_wins(capsys: pytest.CaptureFixture[str], keys: list[str]) -> None:
    code, out, err = play(capsys, "--moves", X_WINS, "--stake", "500", *keys)
    assert (code, err) == (0, "")
    x, o = ("0x" + LocalSigner(KEYS[name]).address.hex() for name in "xo")
    assert f"X is {x} and stakes 500 wei" in out
    assert f"O is {o} and stakes 500 wei" in out
    moves = re.findall(
        r"nonce (\d+): ([XO]) plays (\d); ([\d,]+) gas; signed by X and O\n    storage root 0x(\w{64})", out
    )
    assert [move[:3] for move in moves] == [
        ("3", "X", "0"),
        ("4", "O", "1"),
        ("5", "X", "4"),
        ("6", "O", "2"),
        ("7", "X", "8"),
    ]
    assert all(30_000 < int(move[3].replace(",", "")) < 60_000 for move in moves)
    assert len({move[4] for move in moves}) == 5
    assert "X wins\nthe contract holds 1000 wei and owes X 1000 wei, O 0 wei\n" in out
    assert "nonce 8: X withdraws" in out
    assert "nonce 9: the thread is closed; 0 gas; signed by X and O" in out
    assert out.endswith("balances: X 1000 wei, O 0 wei\n")
    assert "\033" not in out


def test_a_draw_gives_the_stakes_back(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = play(capsys, "--moves", DRAW, "--stake", "7")
    assert code == 0
    assert "draw\nthe contract holds 14 wei and owes X 7 wei, O 7 wei" in out
    assert out.endswith("balances: X 7 wei, O 7 wei\n")
    assert re.search(r"X: a new key for 0x\w{40}, forgotten at the end", err)


def test_a_game_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = play(capsys, "--moves", X_WINS, "--stake", "0")
    assert code == 0
    assert "withdraws" not in out
    assert "the thread is closed" in out


def test_the_file_holds_and_replays(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "game.thread"
    code, out, _ = play(capsys, "--moves", X_WINS, "--out", str(path))
    assert code == 0
    assert out.endswith(f"written to {path}\n")
    assert verify_file(path).count == replay_file(path)[1] == 10
    assert os.listdir(tmp_path) == ["game.thread"]


def test_random_games_are_legal_and_the_seed_decides(capsys: pytest.CaptureFixture[str]) -> None:
    def cells(seed: str) -> list[str]:
        code, out, _ = play(capsys, "--random", seed)
        assert code == 0
        assert "wins" in out or "draw" in out
        return re.findall(r"plays (\d)", out)

    games = {seed: cells(seed) for seed in ("1", "2", "word")}
    assert cells("1") == games["1"]
    assert len({tuple(game) for game in games.values()}) == 3


def test_json_has_one_object_a_step(capsys: pytest.CaptureFixture[str], keys: list[str], tmp_path: Path) -> None:
    code, out, _ = play(capsys, "--moves", X_WINS, "--json", "--out", str(tmp_path / "g"), *keys)
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == [
        *("create", "join", "join", *["move"] * 5, "result", "withdraw", "close", "balances")
    ]
    move = events[3]
    assert {key: move[key] for key in ("player", "cell", "nonce", "signedBy")} == {
        "player": "X",
        "cell": 0,
        "nonce": 3,
        "signedBy": ["X", "O"],
    }
    result = events[8]
    assert (result["winner"], result["outcome"], result["board"]) == ("X", "won", [1, 2, 2, 0, 1, 0, 0, 0, 1])
    assert events[-1] == {"event": "balances", "X": str(2 * 10**15), "O": "0"}
    tip = verify_file(tmp_path / "g").tip
    assert tip is not None
    assert events[-2]["digest"] == "0x" + tip.digest.hex()


def test_moves_that_end_before_the_game_leave_it_open(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "g"
    code, out, _ = play(capsys, "--moves", "0,1,4", "--out", str(path))
    assert code == 0
    assert "the game is not over: O is to move" in out
    tip = verify_file(path).tip
    assert tip is not None
    assert (tip.commitment.nonce, tip.commitment.status) == (5, 0)


def test_typed_moves(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("0\n\n0\nnonsense\n9\nX1\n 1 \n4\n2\no 8\n8\n5\n"))
    code, out, err = play(capsys, "--out", str(tmp_path / "g"))
    assert code == 0
    assert re.findall(r"([XO]) plays (\d);", out) == [*zip("XOXOX", "01428", strict=True)]
    assert [line for line in err.splitlines() if "new key" not in line] == [
        "O plays 0: CellTaken(cell=0)",
        "no move: 'nonsense'; a move is a cell from 0 to 8",
        "O plays 9: NoSuchCell(cell=9)",
        "X plays 1: NotYourTurn()",
        "O plays 8: NotYourTurn()",
    ]
    assert verify_file(tmp_path / "g").count == 10


@pytest.mark.parametrize("stop", ["q\n", ""])
def test_typed_moves_can_stop(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("4\n" + stop))
    code, out, _ = play(capsys, "--out", str(tmp_path / "g"))
    assert code == 0
    assert "the game is not over: O is to move" in out
    assert verify_file(tmp_path / "g").count == 4


def test_keys_are_kept_where_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    code, _, err = play(capsys, "--moves", X_WINS, "--save-keys", str(folder), "--out", str(tmp_path / "g"))
    assert code == 0
    assert f"kept in {folder / 'x.key'}" in err
    arguments = ["--x-key", str(folder / "x.key"), "--o-key", str(folder / "o.key")]
    report = verify_file(tmp_path / "g")
    assert play(capsys, "--moves", X_WINS, *arguments, "--out", str(tmp_path / "h"))[0] == 0
    again = verify_file(tmp_path / "h")
    assert again.head.terms.keys == report.head.terms.keys
    assert again.thread_id != report.thread_id  # another salt: an id never returns


BAD = [
    (["--moves", "0,0"], "O plays 0: CellTaken(cell=0)"),
    (["--moves", "9"], "X plays 9: NoSuchCell(cell=9)"),
    (["--moves", "O4"], "O plays 4: NotYourTurn()"),
    (["--moves", "0,X1"], "X plays 1: NotYourTurn()"),
    (["--moves", X_WINS + ",7"], "GameOver()"),
    (["--moves", "a"], "no move: 'a'"),
    (["--moves", "0,,1"], "no move: ''"),
    (["--moves", ""], "no move: ''"),
    (["--moves", "-1"], "no move: '-1'"),
    (["--moves", "256"], "no move: '256'"),
    (["--moves", "4\x1b[31m"], "no move"),
    (["--moves", "\u0664"], "no move"),
    (["--moves", X_WINS, "--stake", "-1"], "stake: '-1'"),
    (["--moves", X_WINS, "--stake", "1e18"], "stake: '1e18'"),
    (["--moves", X_WINS, "--stake", str(2**111)], "sum(deposits) < 2^112"),
    (["--moves", X_WINS, "--stake", "9" * 50], "stake"),
    (["--moves", X_WINS, "--x-key", "/nonexistent/key"], "key file /nonexistent/key: No such file"),
]


@pytest.mark.parametrize(("arguments", "reason"), BAD, ids=[str(index) for index in range(len(BAD))])
def test_bad_input_is_one_line_and_leaves_no_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], reason: str
) -> None:
    code, _, err = play(capsys, *arguments, "--out", str(tmp_path / "g"))
    last = err.splitlines()[-1]
    assert code == 2
    assert last.startswith("evmthread play: ")
    assert reason in last
    assert "\033" not in err
    assert not list(tmp_path.iterdir())


def test_bad_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path, keys: list[str]) -> None:
    odd = tmp_path / "odd.key"
    odd.write_text("abc")
    odd.chmod(0o600)
    for arguments, reason in (
        (["--x-key", str(odd)], "odd number of hex digits"),
        (["--x-key", keys[1], "--o-key", keys[1]], "both players have the same key"),
    ):
        code, _, err = play(capsys, "--moves", X_WINS, *arguments)
        assert code == 2
        assert reason in err.splitlines()[-1]


def test_bad_places_for_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "busy.unfinished").write_text("of another run")
    for place, reason in (
        (tmp_path, "is a directory"),
        (tmp_path / "no" / "g", "No such file"),
        (tmp_path / "busy", "is there already"),
    ):
        code, _, err = play(capsys, "--moves", X_WINS, "--out", str(place))
        assert code == 2
        assert reason in err.splitlines()[-1]
    assert (tmp_path / "busy.unfinished").read_text() == "of another run"


@pytest.mark.parametrize(
    "arguments",
    [
        ["play"],
        ["play", "chess"],
        ["play", "morpion", "--moves", "1", "--random", "2"],
        ["play", "morpion", "--nonsense"],
        ["verify"],
        [],
        ["nonsense"],
    ],
)
def test_arguments_that_argparse_refuses(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: evmthread" in capsys.readouterr().err


def test_a_game_that_breaks_off_stays_readable_as_unfinished(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(morpion_game.MorpionGame, "withdraw", interrupted)
    code, _, err = play(capsys, "--moves", X_WINS, "--out", str(tmp_path / "g"))
    assert code == 130
    assert f"the unfinished game is in {tmp_path / 'g'}.unfinished" in err
    assert main(["verify", str(tmp_path / "g.unfinished")]) == 2
    assert "unfinished after 8 agreed commitments" in capsys.readouterr().err


def test_a_game_that_is_killed_leaves_its_agreed_commitments(tmp_path: Path) -> None:
    path = tmp_path / "g"
    command = [sys.executable, "-m", "evmthread", "play", "morpion", "--out", str(path), "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as game:
        assert game.stdin is not None
        assert game.stdout is not None
        game.stdin.write("4\n0\n")
        game.stdin.flush()
        while "0x" in (line := game.stdout.readline()) and json.loads(line)["nonce"] < 4:
            pass
        game.send_signal(signal.SIGKILL)
    assert not path.exists()
    done = subprocess.run(
        [sys.executable, "-m", "evmthread", "verify", f"{path}.unfinished"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "unfinished after 5 agreed commitments" in done.stderr


def test_parse_move() -> None:
    assert parse_move(" 4 ") == (None, 4)
    assert parse_move("x0") == (1, 0)
    assert parse_move("O 8") == (2, 8)
    for text in ("", "X", "44444", "4 4", "+4", "4.0"):
        with pytest.raises(InvalidInput):
            parse_move(text)


def test_a_full_disk_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from evmthread.store.threadfile import ThreadFileWriter

    def full(*_: object) -> None:
        raise BackendError("g: No space left on device")

    monkeypatch.setattr(ThreadFileWriter, "append", full)
    code, _, err = play(capsys, "--moves", X_WINS, "--out", str(tmp_path / "g"))
    assert (code, err.splitlines()[-1]) == (2, "evmthread play: g: No space left on device")
