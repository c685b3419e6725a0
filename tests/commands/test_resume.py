"""`evmthread resume`: another process goes on with a game that a file holds, and loses nothing that was signed."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.cli import main
from evmthread.commands import morpion_game
from evmthread.commands.morpion_file import resume_game
from evmthread.commands.play import DEFAULT_STAKE
from evmthread.commit import Agreement, Commitment, LocalSigner, SignatureSet, TypedData
from evmthread.commit.commitment import Status
from evmthread.commit.signing import SigningRefused
from evmthread.errors import InvalidInput
from evmthread.store.replaying import replay_file
from evmthread.store.threadfile import Seal, ThreadFileReader, encode_agreed, encode_head, encode_seal
from evmthread.store.verification import verify_file
from tests.channel.games import Match, MorpionMatch, ruleset
from tests.commands.draws import DRAW, DrawMatch, key_file, keys_of, save, tree
from tests.store.files import join, split

PROGRAM = [sys.executable, "-m", "evmthread"]
KEYS = {"x": b"\x11" * 32, "o": b"\x22" * 32}


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """The arguments that give both keys."""
    for name, key in KEYS.items():
        key_file(tmp_path / "keys" / f"{name}.key", key)
    return ["--keys", str(tmp_path / "keys")]


@pytest.fixture
def asked(capsys: pytest.CaptureFixture[str], tmp_path: Path, keys: list[str]) -> Path:
    """A file that ends with X's offer of a draw open."""
    path = tmp_path / "g"
    each = [f"--{name}-key={tmp_path / 'keys' / name}.key" for name in KEYS]
    assert main(["play", "morpion-draw", "--moves", "4,0,draw", "--out", str(path), *each]) == 0
    capsys.readouterr()
    return path


def resume(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """(exit code, output, errors)."""
    code = main(["resume", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def records(path: Path) -> list[bytes]:
    """The framed records without the seal."""
    return split(path.read_bytes())[:-1]


# Going on -------------------------------------------------------------------------------------------------------------
def test_two_processes_and_a_third_that_checks(tmp_path: Path) -> None:
    path, keys = tmp_path / "g", tmp_path / "keys"

    def program(*arguments: object) -> str:
        done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    program("play", "morpion-draw", "--moves", "4,0,draw", "--save-keys", keys, "--out", path)
    before = records(path)
    assert "verified: 6 commitments, up to nonce 5, suspended; " in program("verify", path)
    assert "replayed: 6 commitments, every field equal, suspended, " in program("replay", path)
    out = program("resume", path, "--answer", "yes", "--keys", keys)
    assert re.findall(r"nonce (\d+): (.*?); ([\d,]+) gas; signed by X and O\n", out)[0][:2] == (
        "6",
        "O accepts the draw",
    )
    assert f"balances: X {DEFAULT_STAKE} wei, O {DEFAULT_STAKE} wei\n" in out
    assert program("verify", path).startswith("verified: 10 commitments, up to nonce 9, final; ")
    assert program("replay", path).startswith("replayed: 10 commitments, every field equal, 1,")
    assert records(path)[: len(before)] == before
    assert sorted(os.listdir(tmp_path)) == ["g", "keys"]


def test_no_and_moves_and_the_next_offer(capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str]) -> None:
    before = records(asked)
    code, out, err = resume(capsys, asked, "--answer", "no", "--moves", "8,draw", *keys)
    assert (code, err) == (0, "")
    assert out.startswith("thread 0x")
    assert f"X is 0x{LocalSigner(KEYS['x']).address.hex()}\nO is 0x{LocalSigner(KEYS['o']).address.hex()}\n" in out
    assert "executed again up to nonce 5, every field equal\n    suspended: O is asked acceptDraw(move=2)\n" in out
    assert re.findall(r"nonce (\d+): (.*?);", out) == [
        ("6", "O refuses the draw"),
        ("7", "X plays 8"),
        ("8", "O offers a draw"),
    ]
    assert "the game is not over: X is asked for a draw by O, and answers yes or no\n" in out
    assert out.endswith(f"written to {asked}\n")
    assert records(asked)[: len(before)] == before
    thread, count = replay_file(asked)
    assert count == 9
    assert thread.open_call is not None
    # And a third time, in which the whole game is replayed with two suspensions in it.
    assert resume(capsys, asked, "--answer", "yes", *keys)[0] == 0
    assert replay_file(asked)[1] == 13


def test_an_abort(capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str]) -> None:
    before = replay_file(asked)[0]
    code, out, _ = resume(capsys, asked, "--answer", "ABORT", *keys)
    assert code == 0
    assert "nonce 6: X drops the offer of a draw; 0 gas; signed by X and O" in out
    assert "the game is not over: X is to move" in out
    after = replay_file(asked)[0]
    assert before.agreement is not None
    assert after.agreement is not None
    assert after.agreement.commitment.status == Status.REST
    assert after.agreement.commitment.storage_root == before.agreement.commitment.storage_root
    # Who is asked can drop it, too.
    assert resume(capsys, asked, "--moves", "draw,Oabort,8", *keys)[0] == 0
    assert replay_file(asked)[1] == 10


def test_a_new_file_leaves_the_old_one(
    capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], tmp_path: Path
) -> None:
    old, new = asked.read_bytes(), tmp_path / "new"
    code, out, _ = resume(capsys, asked, "--answer", "yes", "--out", new, *keys)
    assert code == 0
    assert out.endswith(f"written to {new}\n")
    assert asked.read_bytes() == old
    assert records(new)[: len(records(asked))] == records(asked)
    assert verify_file(new).count == replay_file(new)[1] == 10
    # Naming the file itself, or one that isn't there, is all one; a third one is left alone.
    assert resume(capsys, asked, "--answer", "no", "--out", tmp_path / "." / "g", *keys)[0] == 0
    assert verify_file(asked).count == 7


def test_a_link_keeps_being_one(
    capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link"
    link.symlink_to(asked)
    assert resume(capsys, link, "--answer", "no", *keys)[0] == 0
    assert link.is_symlink()
    assert verify_file(asked).count == 7


def test_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked: Path, keys: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("8\nno\n8\nq\n"))
    code, out, err = resume(capsys, asked, *keys)
    assert code == 0
    assert err == "X plays 8: O is asked for a draw first: yes, no or abort\n"
    assert re.findall(r"nonce (\d+): (.*?);", out) == [("6", "O refuses the draw"), ("7", "X plays 8")]
    assert "the game is not over: O is to move" in out
    assert replay_file(asked)[1] == 8


def test_nothing_typed_changes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked: Path, keys: list[str]
) -> None:
    old = asked.read_bytes()
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert resume(capsys, asked, *keys)[0] == 0
    assert asked.read_bytes() == old


@pytest.mark.parametrize("answer", [[], ["--answer", "no"]])
def test_random_to_the_end(capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], answer: list[str]) -> None:
    code, out, _ = resume(capsys, asked, *answer, "--random", "3", "--json", *keys)
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert events[0]["event"] == "resume"
    assert (events[0]["nonce"], events[0]["awaited"], events[0]["board"]) == (5, "O", [2, 0, 0, 0, 1, 0, 0, 0, 0])
    assert events[1]["event"] in ("answer", "abort")
    assert [event["event"] for event in events[-2:]] == ["close", "balances"]
    assert replay_file(asked)[1] == events[-2]["nonce"] + 1


@pytest.mark.parametrize("game", ["morpion", "morpion-draw"])
def test_days_later(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: list[str], game: str
) -> None:
    """The clock of the turn runs on while the file lies there; an answer still counts."""
    path = tmp_path / "late"
    each = [f"--{name}-key={tmp_path / 'keys' / name}.key" for name in KEYS]
    draws = game == "morpion-draw"
    moves = "4,0,draw" if draws else "4,0"
    assert main(["play", game, "--moves", moves, "--out", str(path), *each]) == 0
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3 * 24 * 3600)
    capsys.readouterr()
    _, _, err = resume(capsys, path, "--moves", "no,8" if draws else "8", *keys)
    assert "evmthread resume: X plays 8: TurnExpired(deadline=" in err
    code, out, _ = resume(capsys, path, "--moves", "claim", *keys)
    assert code == 0
    assert "O claims the win on time; " in out
    assert "O wins\n" in out
    assert replay_file(path)[1] == (10 if draws else 8)


def test_a_plain_game_goes_on_too(capsys: pytest.CaptureFixture[str], tmp_path: Path, keys: list[str]) -> None:
    path = tmp_path / "plain"
    each = [f"--{name}-key={tmp_path / 'keys' / name}.key" for name in KEYS]
    assert main(["play", "morpion", "--moves", "0,1,4", "--out", str(path), *each]) == 0
    capsys.readouterr()
    code, out, err = resume(capsys, path, "--moves", "2,8", *each)
    assert (code, err) == (0, "")
    assert "X wins\n" in out
    assert replay_file(path)[1] == 10


def test_a_thread_whose_machine_hash_is_that_of_a_machine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    match = DrawMatch(transcript=False).offered()
    path = tmp_path / "g"
    save(match, path)
    keys = keys_of(match, tmp_path / "keys")
    assert resume(capsys, path, "--answer", "yes", *keys)[0] == 0
    assert replay_file(path)[1] == 6


def test_the_players_can_be_the_other_way_round(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """X may have the higher address: seats are by the contract's players, parties by their addresses."""
    for x, o in ((b"\x11", b"\x22"), (b"\x22", b"\x11")):
        each = []
        for name, key in (("x", x), ("o", o)):
            each += [f"--{name}-key", key_file(tmp_path / f"{x.hex()}{name}.key", key * 32)]
        path = tmp_path / x.hex()
        assert main(["play", "morpion-draw", "--moves", "4,draw", "--out", str(path), *each]) == 0
        assert resume(capsys, path, "--answer", "no", "--moves", "0", *each)[0] == 0
        assert replay_file(path)[1] == 7


def test_what_the_file_holds_is_never_signed_again(asked: Path, tmp_path: Path) -> None:
    game = resume_game(
        asked, {1: LocalSigner(KEYS["x"]), 2: LocalSigner(KEYS["o"])}, clock=lambda: 0, out=tmp_path / "new"
    )
    tip = game.thread.agreement
    assert tip is not None
    for party in game.parties:
        for nonce in (3, 5):
            with pytest.raises(SigningRefused):
                party._signer.sign(TypedData(LOCAL_DOMAIN, replace(tip.commitment, nonce=nonce)))
    game.remove_file()


# What is refused ------------------------------------------------------------------------------------------------------
def refused(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> str:
    """The line of reason; nothing in the folder has changed."""
    before = tree(folder)
    code, out, err = resume(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert tree(folder) == before
    last = err.splitlines()[-1]
    assert last.startswith("evmthread resume: ")
    return last


def test_wrong_keys(capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], tmp_path: Path) -> None:
    x, o = (str(tmp_path / "keys" / f"{name}.key") for name in "xo")
    eve = key_file(tmp_path / "eve.key", b"\x33" * 32)
    addresses = {name: LocalSigner(key).address.hex() for name, key in (*KEYS.items(), ("eve", b"\x33" * 32))}
    for arguments, reason in (
        (["--x-key", x, "--o-key", eve], f"O's key is that of 0x{addresses['eve']}; the file's is 0x{addresses['o']}"),
        (["--x-key", o, "--o-key", x], f"X's key is that of 0x{addresses['o']}; the file's is 0x{addresses['x']}"),
        (["--x-key", x, "--o-key", x], f"O's key is that of 0x{addresses['x']}; the file's is 0x{addresses['o']}"),
        (["--keys", keys[1], "--o-key", eve], f"O's key is that of 0x{addresses['eve']}"),
        (["--x-key", x], "O's key is wanted, as both sign: --o-key FILE, or --keys DIR"),
        ([], "X's key is wanted"),
        (["--keys", str(tmp_path)], f"key file {tmp_path / 'x.key'}: No such file"),
    ):
        assert reason in refused(capsys, tmp_path, asked, "--answer", "yes", *arguments)


def at_rest() -> Match:
    match = DrawMatch()
    match.do(0, "play", 4)
    return match


def closed() -> Match:
    match = DrawMatch()
    match.agree(final=True)
    return match


def closed_while_suspended() -> Match:
    match = DrawMatch().offered()
    match.agree(final=True)
    return match


def stopped_after_steps() -> Match:
    match = DrawMatch()
    match.agree(match.input(0, DRAW.function("play").encode(4)), steps=20)
    return match


def other_contract() -> Match:
    match = Match(b"\x5f\x5f\x00", rules=ruleset())
    match.agree()
    return match


NO_GAMES: list[tuple[Callable[[], Match], str]] = [
    (at_rest, "no call is open in it, so nothing is asked that could be answered"),
    (closed, "the thread is closed since nonce 3: nothing follows"),
    (closed_while_suspended, "the thread is closed since nonce 4: nothing follows"),
    (stopped_after_steps, "the call that is open offers no draw"),
    (other_contract, "is neither Morpion nor MorpionDraw"),
    (lambda: DrawMatch(begun=False), "the game hasn't begun"),
    (lambda: DrawMatch(parties=3).offered(), "a thread of 3 parties, where a game has two"),
    (MorpionMatch, "the game hasn't begun"),
]


@pytest.mark.parametrize(("make", "reason"), NO_GAMES, ids=[str(index) for index in range(len(NO_GAMES))])
def test_files_that_nobody_can_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, make: Callable[[], Match], reason: str
) -> None:
    match = make()
    save(match, tmp_path / "g")
    arguments = keys_of(match, tmp_path / "keys")
    assert reason in refused(capsys, tmp_path, tmp_path / "g", "--answer", "yes", *arguments)


def test_a_thread_that_a_chain_stands_behind(
    capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], tmp_path: Path
) -> None:
    """Signatures that are worth something want a log that outlives the process."""
    with ThreadFileReader(asked) as reader:
        head = replace(reader.head, domain=replace(reader.head.domain, chain_id=1))
    for name, seal in (("empty", Seal(0, bytes(32))), ("local", Seal(0, bytes(32)))):
        data = encode_head(head if name == "empty" else replace(head, domain=LOCAL_DOMAIN)) + encode_seal(seal)
        (tmp_path / name).write_bytes(data)
    said = refused(capsys, tmp_path, tmp_path / "empty", "--answer", "yes", *keys)
    assert "a thread of chain 1; only games without a chain go on here" in said
    assert "the game hasn't begun" in refused(capsys, tmp_path, tmp_path / "local", "--answer", "yes", *keys)


def test_files_that_are_none(capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello, this is no thread\n")
    (tmp_path / "cut").write_bytes(asked.read_bytes()[:-1])
    (tmp_path / "more").write_bytes(asked.read_bytes() + b"\0")
    for name, reason in (
        ("absent", "No such file"),
        ("keys", "Is a directory"),
        ("text", "no thread file"),
        ("cut", "unfinished after 6 agreed commitments"),
        ("more", "bytes after the seal"),
    ):
        assert reason in refused(capsys, tmp_path, tmp_path / name, "--answer", "yes", *keys)


def test_another_open_call_leaves_no_file(tmp_path: Path) -> None:
    match = stopped_after_steps()
    save(match, tmp_path / "g")
    with pytest.raises(InvalidInput, match="offers no draw"):
        resume_game(tmp_path / "g", dict(zip((1, 2), match.signers, strict=True)), clock=lambda: 0, out=tmp_path / "h")
    assert os.listdir(tmp_path) == ["g"]


def test_places_where_the_new_file_cannot_be(
    capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], tmp_path: Path
) -> None:
    (tmp_path / "other").write_text("of somebody else")
    (tmp_path / "busy.unfinished").write_text("of another run")
    for place, reason in (
        ("other", "is there already"),
        ("keys", "is there already"),
        ("busy", "an unfinished file that another run left"),
        ("no/g", "No such file"),
    ):
        said = refused(capsys, tmp_path, asked, "--answer", "yes", "--out", tmp_path / place, *keys)
        assert reason in said
    (tmp_path / "g.unfinished").write_text("of a run that was killed")
    assert "g.unfinished: is there already" in refused(capsys, tmp_path, asked, "--answer", "yes", *keys)


@pytest.mark.parametrize("arguments", [["--answer", "maybe"], ["--answer"], ["--moves", "1", "--random", "2"]])
def test_answers_that_argparse_refuses(
    capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["resume", str(asked), *keys, *arguments])
    assert caught.value.code == 2
    assert "usage: evmthread resume" in capsys.readouterr().err


REFUSED_FIRST = [
    (["--moves", "Xyes"], "X accepts the draw: it is O who is asked"),
    (["--moves", "8"], "X plays 8: O is asked for a draw first"),
    (["--moves", "draw"], "O is asked for a draw first"),
    (["--moves", "maybe"], "no move: 'maybe'"),
    (["--answer", "no", "--moves", "4,,"], "no move: ''"),
]


@pytest.mark.parametrize(("arguments", "reason"), REFUSED_FIRST, ids=[reason for _, reason in REFUSED_FIRST])
def test_a_first_step_that_is_refused_leaves_all_as_it_was(
    capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], arguments: list[str], reason: str
) -> None:
    before = tree(asked.parent)
    code, _, err = resume(capsys, asked, *arguments, *keys)
    assert code == 2
    assert reason in err.splitlines()[-1]
    assert tree(asked.parent) == before


@pytest.mark.parametrize("out", [None, "new"])
def test_what_was_agreed_before_a_refused_move_is_kept(
    capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str], tmp_path: Path, out: str | None
) -> None:
    old = asked.read_bytes()
    to = [] if out is None else ["--out", tmp_path / out]
    target = asked if out is None else tmp_path / out
    code, _, err = resume(capsys, asked, "--answer", "no", "--moves", "4", *keys, *to)
    assert code == 2
    assert err.splitlines() == [
        f"evmthread resume: {target} holds what was agreed before the error",
        "evmthread resume: X plays 4: CellTaken(cell=4)",
    ]
    assert replay_file(target)[1] == 7
    assert out is None or asked.read_bytes() == old
    assert not list(tmp_path.glob("*.unfinished"))


# Files that lie -------------------------------------------------------------------------------------------------------
def lying(match: Match, path: Path, **changes: object) -> None:
    """The match's file with another Suspension at its end, which no signature covers anew."""
    save(match, path)
    data = path.read_bytes()
    with ThreadFileReader(path) as reader:
        last = list(reader.agreed())[-1]
    assert last.suspension is not None
    lie = replace(last, suspension=replace(last.suspension, **changes))  # type: ignore[arg-type]
    path.write_bytes(join(data, [*split(data)[:-2], encode_agreed(lie), split(data)[-1]]))


TAMPERED = [
    {"question": DRAW.function("acceptDraw").encode(7)},
    {"question": b""},
    {"answers": (bytes(32),)},
    {"steps": 9},
    {"input": bytes(32)},
]


@pytest.mark.parametrize("changes", TAMPERED, ids=lambda changes: next(iter(changes)))
@pytest.mark.parametrize("transcript", [True, False], ids=["transcript", "machine"])
def test_a_tampered_suspension(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, changes: dict[str, object], transcript: bool
) -> None:
    match = DrawMatch(transcript=transcript).offered()
    lying(match, tmp_path / "g", **changes)
    keys = keys_of(match, tmp_path / "keys")
    said = refused(capsys, tmp_path, tmp_path / "g", "--answer", "yes", *keys)
    if transcript:
        assert said.startswith("evmthread resume: nonce 3: not well-formed: machineHash of the Suspension: ")
        assert main(["verify", str(tmp_path / "g")]) == 1
    else:
        assert said.startswith("evmthread resume: nonce 3: ")
        assert ": executed 0x" in said or ": executed (" in said
        assert main(["verify", str(tmp_path / "g")]) == 0
        assert "what is asked is not verified" in capsys.readouterr().out
    assert main(["replay", str(tmp_path / "g")]) == 1


def test_another_who_is_awaited(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    match = DrawMatch().offered()
    lying(match, tmp_path / "g", awaiting=match.terms.owners[0])
    keys = keys_of(match, tmp_path / "keys")
    assert "the Suspension's awaiting" in refused(capsys, tmp_path, tmp_path / "g", "--answer", "yes", *keys)


def test_a_lie_that_both_signed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Signatures and hashes hold; only executing shows that nobody was asked that."""
    match = DrawMatch().offered()
    suspension = match.suspensions[-1]
    assert suspension is not None
    suspension = replace(suspension, question=DRAW.function("acceptDraw").encode(1))
    lie: Commitment = replace(match.tip.commitment, machine_hash=suspension.hash_struct())
    signatures = {index: each.sign(TypedData(LOCAL_DOMAIN, lie)) for index, each in enumerate(match.signers)}
    match.line[-1] = (Agreement(LOCAL_DOMAIN, match.terms, lie, SignatureSet.of(signatures)), match.line[-1][1])
    match.suspensions[-1] = suspension
    save(match, tmp_path / "g")
    keys = keys_of(match, tmp_path / "keys")
    assert main(["verify", str(tmp_path / "g")]) == 0
    capsys.readouterr()
    said = refused(capsys, tmp_path, tmp_path / "g", "--answer", "yes", *keys)
    assert "nonce 3: machineHash: executed 0x" in said


# Breaking off ---------------------------------------------------------------------------------------------------------
def test_killed_in_the_second_half(capsys: pytest.CaptureFixture[str], asked: Path, keys: list[str]) -> None:
    old = asked.read_bytes()
    with subprocess.Popen(
        [*PROGRAM, "resume", str(asked), "--json", *keys],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as game:
        assert game.stdin is not None
        assert game.stdout is not None
        game.stdin.write("no\n")
        game.stdin.flush()
        while json.loads(game.stdout.readline())["event"] != "answer":
            pass
        game.send_signal(signal.SIGKILL)
    assert asked.read_bytes() == old
    unfinished = asked.with_name("g.unfinished")
    assert main(["verify", str(unfinished)]) == 2
    assert "unfinished after 7 agreed commitments" in capsys.readouterr().err
    # Nobody answers a second time, perhaps otherwise, before somebody has looked at what was signed.
    code, _, err = resume(capsys, asked, "--answer", "yes", *keys)
    assert code == 2
    assert f"{unfinished}: is there already: an unfinished file that another run left" in err
    assert asked.read_bytes() == old


@pytest.mark.parametrize(("moves", "kept"), [("no", 7), (None, None)])
def test_interrupted(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    asked: Path,
    keys: list[str],
    moves: str | None,
    kept: int | None,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    old = asked.read_bytes()
    monkeypatch.setattr(morpion_game.MorpionGame, "play" if moves else "answer", interrupted)
    code, _, err = resume(capsys, asked, "--moves", "no,8", *keys)
    assert code == 130
    assert asked.read_bytes() == old
    unfinished = asked.with_name("g.unfinished")
    assert f"interrupted; {asked} is as it was" in err
    assert unfinished.exists() == (kept is not None)
    if kept:
        assert f"what was agreed on top of it is in {unfinished}" in err
        assert main(["verify", str(unfinished)]) == 2
        assert f"unfinished after {kept} agreed commitments" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked: Path, keys: list[str]
) -> None:
    from evmthread.errors import BackendError
    from evmthread.store.threadfile import ThreadFileWriter

    def full(*_: object) -> None:
        raise BackendError("g: No space left on device")

    old = asked.read_bytes()
    monkeypatch.setattr(ThreadFileWriter, "seal", full)
    code, _, err = resume(capsys, asked, "--answer", "no", *keys)
    assert code == 2
    assert f"{asked} is as it was; what was agreed on top of it is in {asked}.unfinished" in err
    assert err.splitlines()[-1] == "evmthread resume: g: No space left on device"
    assert asked.read_bytes() == old
    monkeypatch.setattr(ThreadFileWriter, "append", full)
    asked.with_name("g.unfinished").unlink()
    assert resume(capsys, asked, "--answer", "no", *keys)[0] == 2
    assert sorted(tree(asked.parent)) == ["g", "keys/o.key", "keys/x.key"]


# What it says of itself -----------------------------------------------------------------------------------------------
def test_the_readmes_commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^evmthread ((?:play morpion-draw|resume).*?)(?:  .*)?$", readme, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["play", "resume"]
    for command in commands:
        assert main(command.split()) == 0
    capsys.readouterr()
    (path,) = tmp_path.glob("*.thread")
    assert replay_file(path)[1] == 10
