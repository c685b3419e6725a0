"""What `verify` and `replay` say of a thread that is suspended."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evmthread.cli import main
from evmthread.commands.open_question import read_question, shipped_contract
from evmthread.contracts import load_artifact
from evmthread.primitives.keccak import keccak256
from tests.channel.traps import TrapsMatch
from tests.commands.draws import DRAW, DrawMatch, save


def told(capsys: pytest.CaptureFixture[str], command: str, path: Path) -> tuple[list[str], dict[str, object]]:
    """The lines, and what --json has under `suspended`."""
    assert main([command, str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main([command, str(path), "--json"]) == 0
    suspended = json.loads(capsys.readouterr().out)["suspended"]
    assert isinstance(suspended, dict)
    return lines, suspended


@pytest.mark.parametrize("transcript", [True, False], ids=["transcript", "machine"])
def test_a_question_that_the_contract_explains(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, transcript: bool
) -> None:
    match = DrawMatch(transcript=transcript)
    match.do(0, "play", 4)
    match.do(1, "offerDraw")
    save(match, tmp_path / "g")
    tip, suspension = match.tip.commitment, match.suspensions[-1]
    assert suspension is not None
    for command in ("verify", "replay"):
        lines, suspended = told(capsys, command, tmp_path / "g")
        assert ", suspended" in lines[0]
        assert lines[1:4] == [
            f"    awaited: 0x{match.terms.owners[0].hex()}, party 0",
            "    asked: acceptDraw(move=1) of MorpionDraw",
            f"    machine hash 0x{tip.machine_hash.hex()}",
        ]
        unproven = command == "verify" and not transcript
        assert lines[4:] == (
            ["    what is asked is not verified: the machine hash is that of a machine, which `replay` runs"]
            if unproven
            else []
        )
        assert suspended == {
            "awaiting": "0x" + match.terms.owners[0].hex(),
            "party": 0,
            "contract": "MorpionDraw",
            "asked": "acceptDraw(move=1)",
            "checked": not unproven,
            "question": "0x" + DRAW.function("acceptDraw").encode(1).hex(),
            "answers": [],
            "steps": 0,
            "input": "0x" + suspension.input.hex(),
            "machineHash": "0x" + tip.machine_hash.hex(),
        }


def test_nothing_is_said_of_a_thread_at_rest(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    match = DrawMatch().offered()
    match.agree(match.parties[1].abort())
    save(match, tmp_path / "g")
    for command in ("verify", "replay"):
        assert main([command, str(tmp_path / "g")]) == 0
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        assert "suspended" not in out
        assert main([command, str(tmp_path / "g"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["suspended"] is None


@pytest.mark.parametrize(
    ("question", "shown"),
    [(b"a draw?", "0x" + b"a draw?".hex()), (b"", "0x"), (bytes(1000), "0x" + "00" * 64 + "... (1,000 bytes)")],
    ids=["short", "empty", "long"],
)
def test_a_question_that_nothing_explains(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, question: bytes, shown: str
) -> None:
    match = TrapsMatch()
    match.ask("askAndStore", match.other, question)
    save(match, tmp_path / "g")
    for command in ("verify", "replay"):
        lines, suspended = told(capsys, command, tmp_path / "g")
        assert lines[2] == f"    asked: {shown}"
        assert (suspended["contract"], suspended["asked"]) == (None, None)
        assert (suspended["question"], suspended["party"]) == ("0x" + question.hex(), 1)


def test_a_call_that_stopped_after_steps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    match = DrawMatch()
    match.agree(match.input(1, DRAW.function("offerDraw").encode()), steps=150)
    save(match, tmp_path / "g")
    for command in ("verify", "replay"):
        lines, suspended = told(capsys, command, tmp_path / "g")
        assert lines[1] == f"    awaited: 0x{match.terms.owners[1].hex()}, party 1"
        assert lines[2] == "    asked: nothing; the call stopped after 150 instructions, to go on"
        assert (suspended["steps"], suspended["asked"], suspended["contract"]) == (150, None, "MorpionDraw")


def test_earlier_answers_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    match = TrapsMatch()
    match.ask("loopOfAsks", 2, match.other, gas=2_000_000)
    match.answered(b"\7" * 32)
    save(match, tmp_path / "g")
    assert told(capsys, "verify", tmp_path / "g")[1]["answers"] == ["0x" + "07" * 32]


def test_only_an_exact_call_is_read() -> None:
    question = DRAW.function("acceptDraw").encode(3)
    assert str(read_question(DRAW, question)) == "acceptDraw(move=3)"
    assert str(read_question(DRAW, DRAW.function("offerDraw").encode())) == "offerDraw()"
    dirty = question[:4] + b"\1" + question[5:]
    for wrong in (b"", question[:-1], question + b"\0", dirty, b"\0\0\0\0", question[:4]):
        assert read_question(DRAW, wrong) is None
    assert read_question(None, question) is None


def test_shipped_contracts_are_known_by_their_code() -> None:
    for name in ("Morpion", "MorpionDraw"):
        found = shipped_contract(keccak256(load_artifact(name).runtime_code))
        assert found is not None
        assert found.name == name
    assert shipped_contract(bytes(32)) is None


def test_verifying_a_suspended_thread_loads_no_evm(tmp_path: Path) -> None:
    save(DrawMatch().offered(), tmp_path / "g")
    program = (
        "import sys; from evmthread.cli import main; code = main(['verify', sys.argv[1]]);"
        "sys.exit(code or any(name.startswith(('evmthread.isa', 'evmthread.machine', 'evmthread.execution',"
        " 'evmthread.state', 'evmthread.channel')) for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "g")], capture_output=True, text=True)
    assert done.returncode == 0
    assert "asked: acceptDraw(move=0) of MorpionDraw" in done.stdout
