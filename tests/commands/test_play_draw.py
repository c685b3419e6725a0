"""`evmthread play morpion-draw`: offers that suspend the contract, and what becomes of them."""

import io
import json
import re
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from evmthread.cli import main
from evmthread.commands.board import O, X
from evmthread.commands.morpion_game import MorpionGame
from evmthread.commit import LocalSigner
from evmthread.commit.commitment import Status
from evmthread.store.replaying import replay_file
from evmthread.store.verification import verify_file
from tests.commands.draws import DRAW


def play(capsys: pytest.CaptureFixture[str], *arguments: str, game: str = "morpion-draw") -> tuple[int, str, str]:
    """(exit code, output, errors)."""
    code = main(["play", game, *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def events(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    """What --json prints."""
    code, out, _ = play(capsys, "--json", *arguments)
    assert code == 0
    return [json.loads(line) for line in out.splitlines()]


def test_a_game_that_ends_with_an_offer_open(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "g"
    code, out, _ = play(capsys, "--moves", "4,0,draw", "--out", str(path))
    assert code == 0
    report = verify_file(path)
    assert report.tip is not None
    hashed = report.tip.commitment.machine_hash.hex()
    assert re.search(
        r"nonce 5: X offers a draw; 0 gas; signed by X and O\n    storage root 0x\w{64}\n"
        rf"    suspended: O is asked acceptDraw\(move=2\)\n    machine hash 0x{hashed}\n",
        out,
    )
    assert "the game is not over: O is asked for a draw by X, and answers yes or no\n" in out
    assert out.endswith(f"written to {path}\n")
    assert (report.count, report.tip.commitment.status) == (6, Status.SUSPENDED)
    thread, count = replay_file(path)
    assert count == 6
    assert thread.open_call is not None
    assert thread.open_call.suspension.question == DRAW.function("acceptDraw").encode(2)


def test_yes_ends_the_game_with_the_stakes_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "g"
    code, out, _ = play(capsys, "--moves", "4,draw,yes", "--stake", "7", "--out", str(path))
    assert code == 0
    assert re.findall(r"nonce \d+: ([XO] (?:offers|accepts).*?);", out) == ["O offers a draw", "X accepts the draw"]
    assert "draw\nthe contract holds 14 wei and owes X 7 wei, O 7 wei\n" in out
    assert "balances: X 7 wei, O 7 wei" in out
    assert replay_file(path)[1] == 9
    assert play(capsys, "--moves", "4,draw,yes,0")[2].endswith("X plays 0: GameOver()\n")


def test_no_goes_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "g"
    code, out, _ = play(capsys, "--moves", "0,1,draw,no,4,2,Odraw,no,8", "--out", str(path))
    assert code == 0
    assert re.findall(r"nonce \d+: (.*?);", out)[3:13] == [
        *("X plays 0", "O plays 1", "X offers a draw", "O refuses the draw", "X plays 4", "O plays 2"),
        *("O offers a draw", "X refuses the draw", "X plays 8", "X withdraws"),
    ]
    assert "X wins\n" in out
    assert out.count("suspended: ") == 2
    assert replay_file(path)[1] == 14


@pytest.mark.parametrize(("word", "who"), [("abort", "X"), ("Xabort", "X"), ("Oabort", "O")])
def test_an_abort_undoes_the_offer(capsys: pytest.CaptureFixture[str], tmp_path: Path, word: str, who: str) -> None:
    path = tmp_path / "g"
    code, out, _ = play(capsys, "--moves", f"4,0,draw,{word},draw", "--out", str(path))
    assert code == 0
    assert f"nonce 6: {who} drops the offer of a draw; 0 gas; signed by X and O" in out
    roots = re.findall(r"storage root (\w+)", out)
    assert roots[4] == roots[5] == roots[6] == roots[7]
    # It never was, so that X can offer again; after a refusal X can't.
    assert "nonce 7: X offers a draw" in out
    assert replay_file(path)[1] == 8
    assert play(capsys, "--moves", "4,0,draw,no,draw")[2].endswith("X offers a draw: AlreadyOffered()\n")


REFUSED = [
    ("yes", "X accepts the draw: none is on offer"),
    ("4,Ono", "O refuses the draw: none is on offer"),
    ("abort", "X drops the offer of a draw: none is on offer"),
    ("4,draw,no,no", "O refuses the draw: none is on offer"),
    ("4,0,draw,Xyes", "X accepts the draw: it is O who is asked"),
    ("4,draw,Ono", "O refuses the draw: it is X who is asked"),
    ("4,0,draw,8", "X plays 8: O is asked for a draw first: yes, no or abort"),
    ("4,0,draw,draw", "X offers a draw: O is asked for a draw first: yes, no or abort"),
    ("4,0,draw,Odraw", "O offers a draw: O is asked for a draw first: yes, no or abort"),
    ("0,1,4,2,8,draw", "X offers a draw: GameOver()"),
    ("maybe", "no move: 'maybe'; a move is a cell from 0 to 8, draw, yes, no, abort or claim"),
    ("4,claim", "X claims the win on time: TurnNotExpired(deadline="),
    ("4,Oclaim", "O claims the win on time: OwnTurn()"),
    ("4,draw,claim", "X claims the win on time: X is asked for a draw first"),
    ("Zno", "no move: 'Zno'"),
    ("draw 4", "no move: 'draw 4'"),
]


@pytest.mark.parametrize(("moves", "reason"), REFUSED, ids=[moves for moves, _ in REFUSED])
def test_what_is_no_move_there(capsys: pytest.CaptureFixture[str], tmp_path: Path, moves: str, reason: str) -> None:
    code, _, err = play(capsys, "--moves", moves, "--out", str(tmp_path / "g"))
    assert code == 2
    assert err.splitlines()[-1].startswith(f"evmthread play: {reason}")
    assert not list(tmp_path.iterdir())


def test_the_plain_game_knows_no_draws(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("draw", "yes", "no", "abort"):
        code, _, err = play(capsys, "--moves", f"4,{word}", game="morpion")
        assert code == 2
        assert err == f"evmthread play: no move: '{word}'; a move is a cell from 0 to 8\n"


def test_typed_offers_and_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("4\ndraw\n0\nO yes\nNO\nx Draw\nyes\n"))
    code, out, err = play(capsys, "--out", str(tmp_path / "g"))
    assert code == 0
    said = err[err.index("X, which") :].replace("? ", "?\n").splitlines()
    assert said == [
        "X, which cell (0 to 8, draw to offer one, q to stop)?",
        "O, which cell (0 to 8, draw to offer one, q to stop)?",
        "X, O offers a draw: yes, no or abort (q to stop)?",
        "O plays 0: X is asked for a draw first: yes, no or abort",
        "X, O offers a draw: yes, no or abort (q to stop)?",
        "O accepts the draw: it is X who is asked",
        "X, O offers a draw: yes, no or abort (q to stop)?",
        "O, which cell (0 to 8, draw to offer one, q to stop)?",
        "O, X offers a draw: yes, no or abort (q to stop)?",
    ]
    assert "X refuses the draw" in out
    assert "O accepts the draw" in out
    assert replay_file(tmp_path / "g")[1] == 11


def test_random_games_offer_and_answer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    seen = set()
    for seed in ("1", "9"):
        told = events(capsys, "--random", seed, "--out", str(tmp_path / seed))
        names = [str(event["event"]) for event in told]
        for name, after in pairwise(names):
            if name == "offer":
                assert after in ("answer", "abort")
        seen |= {*names, *(event.get("answer") for event in told)}
        assert names[-2:] == ["close", "balances"]
        assert replay_file(tmp_path / seed)[1] == sum("nonce" in event for event in told)

        def line(told: list[dict[str, object]]) -> list[object]:
            return [(event["event"], event.get("cell"), event.get("player"), event.get("answer")) for event in told]

        assert line(events(capsys, "--random", seed)) == line(told)
    assert {"offer", "answer", "abort", "yes", "no", "move"} <= seen


def test_who_may_offer() -> None:
    signers = [LocalSigner.generate(), LocalSigner.generate()]
    options = {"stake": 0, "turn_seconds": 86_400, "clock": lambda: 1_760_000_000, "out": None}
    game = MorpionGame.open(*signers, **options, contract="MorpionDraw")  # type: ignore[arg-type]
    plain = MorpionGame.open(*signers, **options)  # type: ignore[arg-type]
    for each in (game, plain):
        each.create()
        each.join(X)
        each.join(O)

    def may() -> list[bool]:
        return [game.can_offer(X), game.can_offer(O)]

    assert not plain.can_offer(X)
    assert may() == [True, True]
    game.offer_draw(X)
    assert may() == [False, False]
    game.answer(O, yes=False)
    assert may() == [False, True]
    game.play(X, 4)
    assert may() == [True, True]


def test_json_of_offers_and_answers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told = events(capsys, "--moves", "4,draw,no,0,draw", "--out", str(tmp_path / "g"))
    tip = verify_file(tmp_path / "g").tip
    assert tip is not None
    move, offer, answer = told[3], told[4], told[5]
    assert {"awaited", "asked", "machineHash", "answer"} & set(move) == set()
    assert (offer["event"], offer["player"], offer["cell"]) == ("offer", "O", None)
    assert (offer["awaited"], offer["asked"], offer["gasUsed"]) == ("X", "acceptDraw(move=1)", 0)
    assert (answer["event"], answer["player"], answer["answer"]) == ("answer", "X", "no")
    assert "awaited" not in answer
    assert (told[-2]["event"], told[-2]["player"]) == ("offer", "X")
    result = told[-1]
    assert (result["event"], result["outcome"], result["awaited"]) == ("result", "open", "O")
    assert result["machineHash"] == told[-2]["machineHash"] == "0x" + tip.commitment.machine_hash.hex()
    assert result["asked"] == "acceptDraw(move=2)"


def test_a_game_that_is_killed_with_an_offer_open(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "g"
    command = [sys.executable, "-m", "evmthread", "play", "morpion-draw", "--out", str(path), "--json"]
    command += ["--save-keys", str(tmp_path / "keys")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as game:
        assert game.stdin is not None
        assert game.stdout is not None
        game.stdin.write("4\n0\ndraw\n")
        game.stdin.flush()
        while json.loads(game.stdout.readline())["event"] != "offer":
            pass
        game.send_signal(signal.SIGKILL)
    assert not path.exists()
    left = (tmp_path / "g.unfinished").read_bytes()
    keys = ["--keys", str(tmp_path / "keys")]
    for arguments in (["verify"], ["replay"], ["resume", "--answer", "yes", *keys]):
        code = main([arguments[0], f"{path}.unfinished", *arguments[1:]])
        assert code == 2
        assert "unfinished after 6 agreed commitments: no seal" in capsys.readouterr().err
    assert (tmp_path / "g.unfinished").read_bytes() == left
    assert sorted(each.name for each in tmp_path.iterdir()) == ["g.unfinished", "keys"]
