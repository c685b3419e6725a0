"""`evmthread run`: bytecode in, output out, in the manner of go-ethereum's `evm run`."""

import io
import json
from pathlib import Path

import pytest

from evmthread.cli import main
from evmthread.primitives.keccak import keccak256
from evmthread.state.lmdb import LmdbState
from evmthread.state.sqlite import SqliteState
from evmthread.state.stored import StoredState
from evmthread.state.view import Account, AccountChange, StateChanges
from tests.assembler import assemble
from tests.rpc.node import HOLDER, Chain, Node, small_state

Captured = pytest.CaptureFixture[str]


def code(text: str) -> str:
    return assemble(text).hex()


RETURN_TOP = "PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN"


def output_of(capsys: Captured, *arguments: str) -> str:
    assert main(["run", *arguments]) == 0
    return capsys.readouterr().out


def test_the_output_is_hex(capsys: Captured) -> None:
    assert output_of(capsys, "--code", code(f"PUSH1 1 PUSH1 2 ADD {RETURN_TOP}")) == "0x" + "3".zfill(64) + "\n"


def test_input_value_price_sender_and_receiver(capsys: Captured) -> None:
    for name, flags, expected in (
        ("PUSH1 0 CALLDATALOAD", ["--input", "0x" + "2a".zfill(64)], 42),
        ("CALLVALUE", ["--value", "7"], 7),
        ("GASPRICE", ["--price", "0x9"], 9),
        ("CALLER", [], int.from_bytes(b"sender", "big")),
        ("ADDRESS", [], int.from_bytes(b"receiver", "big")),
        ("ORIGIN", ["--sender", "0x" + "11" * 20], int("11" * 20, 16)),
        ("SELFBALANCE", ["--value", "7"], 7),
        ("GAS", ["--gas", "100"], 98),
    ):
        assert int(output_of(capsys, "--code", code(f"{name} {RETURN_TOP}"), *flags), 16) == expected, name


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("PUSH1 0 PUSH1 0 REVERT", "execution reverted"),
        ("PUSH1 9 JUMP", "invalid jump destination"),
        ("ADD", "stack underflow"),
        ("INVALID", "invalid opcode: INVALID"),
    ],
)
def test_failures_have_a_second_line(program: str, error: str, capsys: Captured) -> None:
    assert output_of(capsys, "--code", code(program)) == f"0x\n error: {error}\n"


def test_opcodes_belong_to_a_fork(capsys: Captured) -> None:
    push0 = "5f" + code(RETURN_TOP)
    assert output_of(capsys, "--code", push0, "--fork", "Shanghai").startswith("0x0000")
    assert "opcode 0x5f not defined" in output_of(capsys, "--code", push0, "--fork", "London")


def test_creation_runs_code_and_input(capsys: Captured) -> None:
    init = code("PUSH1 1 PUSH1 11 PUSH1 0 CODECOPY PUSH1 1 PUSH1 0 RETURN")
    assert len(init) // 2 == 12
    init = init.replace("600b", "600c")
    assert output_of(capsys, "--create", "--code", init, "--input", "5b") == "0x5b\n"


def test_code_from_a_file_or_standard_input(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "0x" + code(f"PUSH1 5 {RETURN_TOP}") + "\n"
    (tmp_path / "code").write_text(program)
    from_file = output_of(capsys, "--codefile", str(tmp_path / "code"))
    monkeypatch.setattr("sys.stdin", io.StringIO(program))
    assert output_of(capsys, "--code-file", "-") == from_file == "0x" + "5".zfill(64) + "\n"


def test_accounts_from_a_file(capsys: Captured, tmp_path: Path) -> None:
    receiver = "00" * 12 + b"receiver".hex()
    accounts = {
        receiver: {"balance": "0x5", "code": "0x" + code(f"PUSH1 1 SLOAD {RETURN_TOP}"), "storage": {"0x1": "0x2a"}}
    }
    path = tmp_path / "genesis.json"
    for content in ({"alloc": accounts}, {"pre": accounts}, accounts):
        path.write_text(json.dumps(content))
        assert int(output_of(capsys, "--prestate", str(path)), 16) == 42
    state = json.loads(output_of(capsys, "--prestate", str(path), "--dump").rpartition("0x00")[0])
    assert state["accounts"]["0x" + receiver]["storage"] == {"0x" + "1".zfill(64): "2a"}


@pytest.mark.parametrize("kind", [SqliteState, LmdbState])
def test_accounts_from_a_state(capsys: Captured, tmp_path: Path, kind: type[StoredState]) -> None:
    receiver, sender = bytes(12) + b"receiver", b"\x11" * 20
    program = assemble(f"PUSH1 1 SLOAD CALLER BALANCE ADD PUSH1 9 PUSH1 1 SSTORE {RETURN_TOP}")
    with kind(tmp_path / "state") as state:
        holder = AccountChange(None, Account(1, 0, keccak256(program)), {1: (0, 40)})
        caller = AccountChange(None, Account(0, 5))
        state.apply(StateChanges({receiver: holder, sender: caller}, {keccak256(program): program}))
        root = state.root
    url = f"{'sqlite' if kind is SqliteState else 'lmdb'}:{tmp_path / 'state'}"
    flags = ["--state", url, "--sender", sender.hex()]
    for value, balance in (("0", 5), ("2", 3)):
        assert int(output_of(capsys, *flags, "--value", value), 16) == 40 + balance
    assert int(output_of(capsys, *flags, "--code", code(f"PUSH1 1 SLOAD {RETURN_TOP}")), 16) == 40
    with kind(tmp_path / "state") as state:
        assert state.root == root  # nothing was written
    assert main(["run", *flags, "--dump"]) == 2
    assert "in memory" in capsys.readouterr().err


def test_accounts_from_a_chain(capsys: Captured) -> None:
    chain = Chain(small_state())
    with Node(chain.request) as node:
        flags = ["--state", f"{node.url}@latest", "--receiver", HOLDER.hex()]
        assert int(output_of(capsys, *flags, "--code", code(f"PUSH1 5 SLOAD {RETURN_TOP}")), 16) == 42


def test_traces(capsys: Captured) -> None:
    program = code("PUSH1 1 POP")
    assert main(["run", "--code", program, "--trace", "--gas", "100"]) == 0
    output, errors = capsys.readouterr()
    assert output == "0x\n"
    *steps, end = map(json.loads, errors.splitlines())
    assert [(step["opName"], step["gas"], step["gasCost"]) for step in steps] == [
        *[("PUSH1", "0x64", "0x3"), ("POP", "0x61", "0x2"), ("STOP", "0x5f", "0x0")],
    ]
    assert end == {"output": "", "gasUsed": "0x5"}
    assert main(["run", "--code", program, "--json", "--gas", "100"]) == 0
    assert capsys.readouterr() == (errors, "")


def test_gas_and_time(capsys: Captured) -> None:
    assert main(["run", "--code", code("PUSH1 1"), "--statdump"]) == 0
    assert "EVM gas used:    3\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--code", "0x0"],
        ["--code", "zz"],
        ["--code", "00", "--input", "1"],
        ["--code", "00", "--gas", "x"],
        ["--code", "00", "--gas", "-5"],
        ["--code", "00", "--value", "0x1" + "00" * 32],
        ["--code", "00", "--sender", "0x11"],
        ["--code", "00", "--fork", "Atlantis"],
        ["--codefile", "none"],
        ["--prestate", "none"],
        ["--state", "none"],
        ["--state", "sqlite:none"],
        ["--state", "http://127.0.0.1:1@latest"],
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(arguments: list[str], capsys: Captured) -> None:
    assert main(["run", *arguments]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("evmthread: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        *(("run", "--code", "00", option, value) for option in ("--sender", "--receiver") for value in ("0x11", "zz")),
        *(("trace", "--code", "00", option, "0x11") for option in ("--sender", "--to", "--coinbase")),
        *(("compile", "--code", "00", option, "zz") for option in ("--code", "--input", "--head")),
    ],
    ids=" ".join,
)
def test_the_option_that_is_wrong_is_named(wrong: tuple[str, ...], capsys: Captured) -> None:
    assert main(wrong) == 2
    assert capsys.readouterr().err.startswith(f"evmthread: {wrong[3]}: ")
