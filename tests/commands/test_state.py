"""`evmthread state`: what is said of states in files, exit codes, and errors of one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evmthread.cli import main
from evmthread.state.lmdb import LmdbState
from evmthread.state.sqlite import SqliteState
from evmthread.state.transfer import check_export
from tests.rpc.node import Chain, Node, small_state
from tests.state.applier import Stream
from tests.state.changes import memory_of
from tests.state.test_transfer import resealed

Captured = pytest.CaptureFixture[str]
APPLIES = 4


def roots() -> list[str]:
    """Of the states that are kept in `url`."""
    stream = Stream(1)
    found = ["0x" + memory_of({}).roots().root().hex()]
    for _ in range(APPLIES):
        stream.step()
        found.append("0x" + memory_of(stream.told).roots().root().hex())
    return found


@pytest.fixture(params=[SqliteState, LmdbState])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    stream = Stream(1)
    with request.param(tmp_path / "state", history=True, durable=False) as state:
        for _ in range(APPLIES):
            state.apply(stream.step())
    return f"{'sqlite' if request.param is SqliteState else 'lmdb'}:{tmp_path / 'state'}"


def run(capsys: Captured, *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["state", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_kept_states_and_their_roots(capsys: Captured, url: str) -> None:
    lines = [f"{nonce} {root}\n" for nonce, root in enumerate(roots())]
    assert run(capsys, "list", url) == (0, "".join(lines), "")
    assert run(capsys, "root", url) == (0, roots()[-1] + "\n", "")
    assert run(capsys, "root", url, "--nonce", "2") == (0, roots()[2] + "\n", "")
    code, out, _ = run(capsys, "list", url, "--json")
    assert (code, [json.loads(line)["root"] for line in out.splitlines()]) == (0, roots())


def test_there_and_back(capsys: Captured, url: str, tmp_path: Path) -> None:
    scheme = url.partition(":")[0]
    for nonce in (2, APPLIES):
        chosen = ("--nonce", str(nonce)) if nonce != APPLIES else ()
        file, other = tmp_path / f"file{nonce}", f"{scheme}:{tmp_path / f'other{nonce}'}"
        code, out, err = run(capsys, "export", url, file, *chosen)
        assert (code, err) == (0, "")
        assert out == f"exported: nonce {nonce}, root {roots()[nonce]}, {file.stat().st_size:,} bytes\n"
        assert check_export(file).nonce == nonce
        assert run(capsys, "import", other, file) == (0, f"imported: nonce {nonce}, root {roots()[nonce]}\n", "")
        assert run(capsys, "verify", other) == (0, f"verified: nonce {nonce}, root {roots()[nonce]}\n", "")
        assert run(capsys, "list", other) == (0, f"{nonce} {roots()[nonce]}\n", "")


def test_pruning(capsys: Captured, url: str) -> None:
    code, out, err = run(capsys, "prune", url, "--keep-from", "3")
    assert (code, err) == (0, "")
    assert out.endswith("nodes are gone, 2 states are kept\n")
    assert [line.split()[0] for line in run(capsys, "list", url)[1].splitlines()] == ["3", "4"]
    assert run(capsys, "prune", url, "--keep-from", "-1")[1] == "pruned: 0 nodes are gone, 2 states are kept\n"
    assert run(capsys, "prune", url)[1].endswith("1 states are kept\n")
    assert run(capsys, "verify", url)[0] == 0
    code, out, err = run(capsys, "root", url, "--nonce", "2")
    assert (code, out, err) == (2, "", "evmthread: the state of nonce 2 is not kept\n")


def test_damaged_files(capsys: Captured, url: str, tmp_path: Path) -> None:
    file, other = tmp_path / "file", f"sqlite:{tmp_path / 'other'}"
    run(capsys, "export", url, file)
    whole = file.read_bytes()
    root = bytes.fromhex(roots()[-1][2:])
    for data, expected, message in (
        (whole[:-1], 2, "evmthread: the file is cut off"),
        (whole + b"\0", 2, "evmthread: the file is damaged: its checksum"),
        (b"", 2, "evmthread: this is no exported state"),
        (resealed(whole.replace(root, b"\x11" * 32)), 1, "evmthread state import: refuted: the file says its root is"),
    ):
        file.write_bytes(data)
        before = sorted(tmp_path.iterdir())
        code, out, err = run(capsys, "import", other, file)
        assert (code, out, err.count("\n")) == (expected, "", 1), message
        assert err.startswith(message)
        assert sorted(tmp_path.iterdir()) == before
    kind = SqliteState if url.startswith("sqlite") else LmdbState
    with kind(tmp_path / "state") as state:
        key, node = next((key, node) for key, node in state.store.scan("slot"))
        state.store.write([("slot", key, node[:-1] + bytes((node[-1] ^ 1,)))])
    code, out, err = run(capsys, "verify", url)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"evmthread state verify: refuted: {tmp_path / 'state'} is damaged: the checksum of a row")
    code, out, err = run(capsys, "export", url, tmp_path / "again")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert not (tmp_path / "again").exists()
    with kind(tmp_path / "state") as state:
        state.store.write([("node", state.root, bytes(40))])
    for action in ("prune", "verify"):
        code, out, err = run(capsys, action, url)
        assert (code, out, err.count("\n")) == (1 if action == "verify" else 2, "", 1)
    assert len(run(capsys, "list", url)[1].splitlines()) == APPLIES + 1  # pruning began with looking


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "sqlite:nothing"],
        ["list", "lmdb:nothing"],
        ["list", "nothing"],
        ["list", "memory:"],
        ["list", "http://127.0.0.1:1@latest"],
        ["root", "http://127.0.0.1:1@latest"],
        ["root", "http://127.0.0.1:1@latest", "--nonce", "1"],
        ["prune", "sqlite:nothing"],
        ["export", "sqlite:nothing", "file"],
        ["import", "sqlite:nothing", "file"],
        ["import", "memory:", "file"],
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("evmthread: ")
    assert os.listdir(tmp_path) == []


def test_the_root_of_a_chain(capsys: Captured) -> None:
    chain = Chain(small_state())
    with Node(chain.request) as node:
        root = "0x" + chain.state.roots().root().hex()
        assert run(capsys, "root", f"{node.url}@latest") == (0, root + "\n", "")
        code, out, _ = run(capsys, "root", f"{node.url}@latest", "--json")
        assert (code, json.loads(out)) == (0, {"block": 3, "root": root})


def test_progress(capsys: Captured, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evmthread.commands.counting.REPORT", 0.0)
    run(capsys, "export", url, tmp_path / "file")
    for action, what, more in (
        ("export", "slots written", tmp_path / "again"),
        ("import", "slots imported", tmp_path / "file"),
        ("verify", "accounts verified", "--progress"),
    ):
        place = f"sqlite:{tmp_path / 'other'}" if action == "import" else url
        code, _, err = run(capsys, action, place, more, *([] if more == "--progress" else ["--progress"]))
        assert code == 0
        assert err.splitlines()[-1].endswith(f" {what}")
        assert "\x1b" not in err


def test_help() -> None:
    for arguments in ([], ["export"]):
        command = [sys.executable, "-m", "evmthread", "state", *arguments, "--help"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stdout.startswith("usage: evmthread state")) == (0, True)
