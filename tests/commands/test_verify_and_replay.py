"""`evmthread verify` and `evmthread replay`: exit codes and the one line of reason, also from other processes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.cli import main
from evmthread.commit import Agreement, SignatureSet, TypedData
from tests.channel.games import MorpionMatch, finished_game
from tests.store.files import flipped, item_of, join, split, with_item, write

PROGRAM = [sys.executable, "-m", "evmthread"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def game(folder: Path) -> bytes:
    return write(finished_game(), folder / "game.thread")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_game_that_holds(capsys: pytest.CaptureFixture[str], game: bytes, folder: Path) -> None:
    assert game
    code, out, err = run(capsys, "verify", str(folder / "game.thread"))
    assert (code, err) == (0, "")
    assert out.startswith("verified: 10 commitments, up to nonce 9, final; thread 0x")
    code, out, err = run(capsys, "replay", str(folder / "game.thread"))
    assert (code, err) == (0, "")
    assert out.startswith("replayed: 10 commitments, every field equal, ")


def test_json_of_a_game_that_holds(capsys: pytest.CaptureFixture[str], game: bytes, folder: Path) -> None:
    assert game
    _, out, _ = run(capsys, "verify", str(folder / "game.thread"), "--json")
    verified = json.loads(out)
    assert (verified["ok"], verified["commitments"], verified["commitment"]["status"]) == (True, 10, 2)
    _, out, _ = run(capsys, "replay", str(folder / "game.thread"), "--json")
    replayed = json.loads(out)
    assert (replayed["ok"], replayed["commitments"]) == (True, 10)
    assert replayed["stateRoot"] == verified["commitment"]["stateRoot"]
    assert replayed["gasUsed"] == verified["commitment"]["gasUsed"]


@pytest.mark.parametrize("command", ["verify", "replay"])
def test_a_refuted_file(capsys: pytest.CaptureFixture[str], game: bytes, folder: Path, command: str) -> None:
    records = split(game)
    # The agreed record of nonce 3: its commitment's field 10, gasUsed.
    records[6] = with_item(records[6], flipped(item_of(records[6]), (0, 0, 10), 0))
    path = folder / "flipped.thread"
    path.write_bytes(join(game, records))
    code, out, err = run(capsys, command, str(path))
    assert (code, out) == (1, "")
    assert err.startswith(f"evmthread {command}: refuted: nonce 3: signature 0: expected 0x")
    assert err.count("\n") == 1
    code, out, _ = run(capsys, command, str(path), "--json")
    report = json.loads(out)
    assert (code, report["ok"], report["verdict"], report["nonce"]) == (1, False, "refuted", 3)
    assert report["check"] == "WrongSignature"


def test_a_lying_pair_is_refuted_by_replay_with_both_values(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    match = MorpionMatch().begin()
    agreement, batch = match.line[-1]
    lie = replace(agreement.commitment, storage_root=b"\5" * 32)
    signatures = {i: signer.sign(TypedData(LOCAL_DOMAIN, lie)) for i, signer in enumerate(match.signers)}
    match.line[-1] = (Agreement(LOCAL_DOMAIN, match.terms, lie, SignatureSet.of(signatures)), batch)
    path = folder / "lie.thread"
    write(match, path)
    assert run(capsys, "verify", str(path))[0] == 0
    code, _, err = run(capsys, "replay", str(path))
    assert code == 1
    truth = agreement.commitment.storage_root.hex()
    assert err == f"evmthread replay: refuted: nonce 2: storageRoot: executed 0x{truth}, committed 0x{'05' * 32}\n"


@pytest.mark.parametrize("command", ["verify", "replay"])
def test_unreadable_files(capsys: pytest.CaptureFixture[str], game: bytes, folder: Path, command: str) -> None:
    cases = {
        "empty": (b"", "unfinished"),
        "text": (b"hello, this is no thread\n", "no thread file"),
        "cut": (game[:-1], "unfinished after 10 agreed commitments"),
        "other": (game[:11] + b"\x02" + game[12:], "of version 2; this program reads version 1"),
        "more": (game + b"\0", "bytes after the seal"),
        "deep": (game[:12] + b"\0\0\1\2\1\1" + b"\xc1" * 256, "RLP"),
    }
    for name, (data, reason) in cases.items():
        path = folder / name
        path.write_bytes(data)
        code, out, err = run(capsys, command, str(path))
        assert (code, out) == (2, ""), name
        assert err.startswith(f"evmthread {command}: unreadable: ")
        assert reason in err
        assert err.count("\n") == 1
        assert json.loads(run(capsys, command, str(path), "--json")[1])["verdict"] == "unreadable"
    for path in (folder, folder / "nothing", Path("a\0b")):
        assert run(capsys, command, str(path))[0] == 2


@pytest.mark.parametrize("command", ["verify", "replay"])
def test_a_file_from_another_process(game: bytes, folder: Path, command: str) -> None:
    records = split(game)
    signature = item_of(records[5])
    assert isinstance(signature, list)
    path = folder / f"{command}.thread"
    path.write_bytes(
        join(game, [*records[:5], with_item(records[5], flipped(signature, (0, 2, 1), 100)), *records[6:]])
    )
    for file, code in ((folder / "game.thread", 0), (path, 1), (folder / "absent", 2)):
        done = subprocess.run([*PROGRAM, command, str(file)], capture_output=True, text=True)
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert len((done.stdout + done.stderr).splitlines()) == 1


def test_the_verify_command_loads_no_evm(game: bytes, folder: Path) -> None:
    assert game
    program = (
        "import sys; from evmthread.cli import main; code = main(['verify', sys.argv[1]]);"
        "sys.exit(code or any(name.startswith(('evmthread.isa', 'evmthread.machine', 'evmthread.execution',"
        " 'evmthread.state', 'evmthread.channel')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program, str(folder / "game.thread")]).returncode == 0


def test_what_this_version_cannot_execute_is_unreadable_to_replay(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    from evmthread.store.threadfile import Seal, ThreadHead, encode_head, encode_seal
    from tests.channel.games import ruleset, terms_of

    rules = ruleset(base_number=1, base_hash=b"\1" * 32)
    head = ThreadHead(LOCAL_DOMAIN, terms_of(b"\0", rules), rules, b"\0")
    path = folder / "based.thread"
    path.write_bytes(encode_head(head) + encode_seal(Seal(0, bytes(32))))
    assert run(capsys, "verify", str(path))[0] == 0
    code, _, err = run(capsys, "replay", str(path))
    assert code == 2
    assert "a base state (baseNumber 1) is not supported" in err


def test_help_for_newcomers() -> None:
    for arguments in ([], ["play"], ["verify"], ["replay"]):
        done = subprocess.run([*PROGRAM, *arguments, "--help"], capture_output=True, text=True)
        assert done.returncode == 0
        assert done.stdout.startswith("usage: evmthread")


def test_output_into_a_closed_pipe_is_no_traceback() -> None:
    done = subprocess.run(
        f"{sys.executable} -m evmthread play morpion --random 1 | head -n 1", shell=True, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
