"""`evmthread trace`: calls and transactions in, steps, call trees and touched state out."""

import json
from pathlib import Path
from typing import Any

import pytest

from evmthread.cli import main
from evmthread.commit import LocalSigner
from evmthread.execution.transaction import Transaction
from evmthread.execution.world import World
from evmthread.isa.forks import fork_named
from evmthread.primitives.keccak import keccak256
from evmthread.state.sqlite import SqliteState
from evmthread.state.view import Account, AccountChange, StateChanges
from evmthread.tracers import CALLS, OPTIONS, trace
from tests.anvil import running_anvil
from tests.assembler import assemble

Captured = pytest.CaptureFixture[str]
A, B = b"\xaa" * 20, b"\xbb" * 20
KEY = keccak256(b"evmthread trace command")
SENDER = LocalSigner(KEY).address


def traced(capsys: Captured, *arguments: str) -> Any:
    assert main(["trace", *arguments]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    return json.loads(output)


def test_steps_are_the_lines_that_run_writes(capsys: Captured) -> None:
    program = assemble("PUSH1 7 PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN").hex()
    assert main(["trace", "--code", program, "--gas", "121000"]) == 0
    traced_lines = capsys.readouterr().out
    assert main(["run", "--code", program, "--gas", "100000", "--json"]) == 0
    assert traced_lines == capsys.readouterr().out


@pytest.mark.parametrize("tracer", OPTIONS)
def test_a_call_as_the_library_traces_it(capsys: Captured, tracer: str) -> None:
    program = assemble("PUSH1 1 PUSH1 2 SSTORE PUSH1 0 PUSH1 0 LOG0")
    arguments = ["--code", program.hex(), "--to", A.hex(), "--sender", B.hex(), "--input", "0x0102", "--value", "3"]
    made = traced(capsys, "--tracer", tracer, "--gas", "100000", *arguments)
    world = World(fork=fork_named("Osaka"))
    world.set_balance(B, 3)
    world.set_code(A, program)
    transaction = Transaction(gas_limit=100_000, to=A, data=b"\1\2", value=3)
    assert made == trace(world, transaction, sender=B, tracer=tracer, simulated=True)


def test_the_tracers_options_are_gos(capsys: Captured) -> None:
    program = assemble("PUSH1 0 PUSH1 0 LOG0").hex()
    assert "logs" not in traced(capsys, "--tracer", "callTracer", "--code", program)
    assert "logs" in traced(capsys, "--tracer", "callTracer", "--code", program, "--config", '{"withLog": true}')
    short = traced(capsys, "--tracer", "structLog", "--code", program, "--config", '{"limit": 1, "disableStack": true}')
    assert [list(log) for log in short["structLogs"]] == [["pc", "op", "gas", "gasCost", "depth"]]


def test_a_creation(capsys: Captured) -> None:
    init = assemble("CALLVALUE PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN").hex()
    tree = traced(capsys, "--tracer", "callTracer", "--create", "--code", init, "--value", "9")
    assert (tree["type"], int(tree["output"], 16)) == ("CREATE", 9)


@pytest.mark.parametrize(
    ("flag", "value", "opcode"),
    [
        ("--number", "12", "NUMBER"),
        ("--timestamp", "0xc", "TIMESTAMP"),
        ("--gas-limit", "1_2", "GASLIMIT"),
        ("--prev-randao", "12", "PREVRANDAO"),
        ("--chain-id", "12", "CHAINID"),
        ("--blob-base-fee", "12", "BLOBBASEFEE"),
        ("--coinbase", "0x" + "00" * 19 + "0c", "COINBASE"),
        ("--price", "12", "GASPRICE"),
    ],
)
def test_what_the_block_says(capsys: Captured, flag: str, value: str, opcode: str) -> None:
    program = assemble(f"{opcode} PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN").hex()
    assert int(traced(capsys, "--tracer", "callTracer", "--code", program, flag, value)["output"], 16) == 12


def test_a_base_fee_needs_a_price(capsys: Captured) -> None:
    program = assemble("BASEFEE PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN").hex()
    flags = ["--tracer", "callTracer", "--code", program, "--base-fee", "12"]
    assert int(traced(capsys, *flags)["output"], 16) == 0
    assert int(traced(capsys, *flags, "--price", "12")["output"], 16) == 12
    assert main(["trace", *flags, "--price", "11"]) == 2


def test_a_transaction_on_a_state(capsys: Captured, tmp_path: Path) -> None:
    program = assemble("PUSH1 1 SLOAD PUSH1 5 PUSH1 1 SSTORE PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN")
    with SqliteState(tmp_path / "state") as state:
        holder = AccountChange(None, Account(1, 0, keccak256(program)), {1: (0, 40)})
        sender = AccountChange(None, Account(0, 10**20))
        state.apply(StateChanges({A: holder, SENDER: sender}, {keccak256(program): program}))
    signed = Transaction(chain_id=7, gas_price=3, gas_limit=10**6, to=A).signed(KEY)
    (tmp_path / "signed").write_text(signed.encode().hex())
    flags = ["--state", f"sqlite:{tmp_path / 'state'}", "--tracer", "prestateTracer", "--config", '{"diffMode": true}']
    made = traced(capsys, *flags, "--transaction", signed.encode().hex())
    assert traced(capsys, *flags, "--transactionfile", str(tmp_path / "signed")) == made
    assert made["post"]["0x" + A.hex()]["storage"] == {"0x" + "1".zfill(64): "0x" + "5".zfill(64)}
    assert made["pre"]["0x" + SENDER.hex()] == {"balance": hex(10**20)}
    assert main(["trace", *flags, "--chain-id", "8", "--transaction", signed.encode().hex()]) == 2
    assert "chain" in capsys.readouterr().err
    call = traced(capsys, *flags[:2], "--tracer", "callTracer", "--to", A.hex())
    assert int(call["output"], 16) == 40


def test_a_call_on_a_chains_state(capsys: Captured) -> None:
    with running_anvil() as node:
        program = assemble("PUSH1 1 SLOAD NUMBER ADD PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN")
        node.put(A, code=program, storage={1: 30})
        block = node.mine()
        call = {"to": "0x" + A.hex(), "from": "0x" + B.hex(), "gas": hex(10**6)}
        theirs = node.ask("debug_traceCall", call, hex(block), {"tracer": "callTracer"})
        flags = ["--state", f"{node.url}@{block}", "--to", A.hex(), "--sender", B.hex(), "--gas", str(10**6)]
        ours = traced(capsys, "--tracer", CALLS, *flags)
    assert int(ours["output"], 16) == 30 + block
    assert {**ours, "gas": theirs["gas"]} == theirs


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--code", "zz"],
        ["--code", "00", "--gas", "100"],
        ["--code", "00", "--number", "x"],
        ["--code", "00", "--coinbase", "0x11"],
        ["--code", "00", "--tracer", "callTracer", "--config", "[]"],
        ["--code", "00", "--tracer", "callTracer", "--config", '{"withLog": "yes"}'],
        ["--code", "00", "--tracer", "callTracer", "--config", '{"diffMode": true}'],
        ["--code", "00", "--tracer", "callTracer", "--config", "{"],
        ["--code", "00", "--config", "{}"],
        ["--transaction", "0x02"],
        ["--transaction", "c0"],
        ["--state", "none"],
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(arguments: list[str], capsys: Captured) -> None:
    assert main(["trace", *arguments]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("evmthread: ")
    assert errors.count("\n") == 1
