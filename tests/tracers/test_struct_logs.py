"""The opcode logger's JSON: go-ethereum's fields in its order, and its storage."""

import json
from typing import Any

import pytest

from evmthread.tracers.json_values import hex_word, write_json
from evmthread.tracers.struct_logs import StructLogs
from tests.assembler import assemble
from tests.conftest import Engine

A, B = b"\xaa" * 20, b"\xbb" * 20
CALL_B = f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH20 0x{B.hex()} GAS CALL POP"


def traced(engine: Engine, code: str, *, inner: str = "", gas: int = 10**6, **options: Any) -> Any:
    hook = StructLogs(**options)
    world = engine.world(hooks=[hook])
    world.set_code(A, assemble(code))
    world.set_code(B, assemble(inner))
    world.set_storage(A, 5, 50)
    world.settle()
    return hook.result(world.call(A, gas=gas))


def test_a_step_has_gos_fields_in_gos_order(engine: Engine) -> None:
    trace = traced(engine, "PUSH1 0 PUSH1 5 SSTORE PUSH1 1 PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN", with_memory=True)
    assert list(trace) == ["gas", "failed", "returnValue", "structLogs"]
    assert trace["returnValue"] == hex_word(1)
    assert trace["structLogs"][2] == {
        "pc": 4,
        "op": "SSTORE",
        "gas": 999_994,
        "gasCost": 5_000,
        "depth": 1,
        "stack": ["0x0", "0x5"],
        "storage": {hex_word(5): hex_word(0)},
    }
    last = trace["structLogs"][-1]
    assert list(last) == ["pc", "op", "gas", "gasCost", "depth", "stack", "memory", "refund"]
    assert (last["memory"], last["refund"]) == ([hex_word(1)], 4_800)


def test_the_storage_of_an_account_adds_up_across_calls(engine: Engine) -> None:
    itself = CALL_B.replace("CALL ", "DELEGATECALL ").replace("PUSH1 0 ", "", 1)
    trace = traced(engine, f"PUSH1 5 SLOAD {itself} PUSH1 9 SLOAD", inner="PUSH1 1 PUSH1 7 SSTORE")
    shown = [log["storage"] for log in trace["structLogs"] if "storage" in log]
    assert [sorted(int(key, 16) for key in each) for each in shown] == [[5], [5, 7], [5, 7, 9]]
    assert shown[-1][hex_word(5)] == hex_word(50)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ADD", "stack underflow (0 <=> 2)"),
        ("PUSH4 0xffffffff MLOAD", "out of gas"),
        ("PUSH1 9 JUMP", None),
        ("INVALID", None),
    ],
)
def test_a_step_tells_of_what_go_finds_before_it_runs_one(engine: Engine, code: str, error: str | None) -> None:
    trace = traced(engine, code)
    assert trace["failed"]
    assert trace["returnValue"] == "0x"
    assert trace["structLogs"][-1].get("error") == error


def test_what_a_revert_says_is_the_return_value(engine: Engine) -> None:
    trace = traced(engine, "PUSH1 1 PUSH1 0 MSTORE PUSH1 32 PUSH1 0 REVERT")
    assert (trace["failed"], trace["returnValue"]) == (True, hex_word(1))


def test_an_opcode_that_is_none_is_named_as_go_names_it(engine: Engine) -> None:
    hook = StructLogs()
    trace: Any = hook.result(engine.world(hooks=[hook]).call(A, code=b"\x0c"))
    assert (trace["structLogs"][0]["op"], trace["structLogs"][0]["gasCost"]) == ("opcode 0xc not defined", 0)


def test_what_is_not_wanted_is_left_out(engine: Engine) -> None:
    code = f"PUSH1 5 SLOAD {CALL_B} PUSH1 1"
    inner = "PUSH1 2 PUSH1 0 RETURN"
    plain = traced(engine, code, inner=inner)["structLogs"]
    bare = traced(engine, code, inner=inner, with_stack=False, with_storage=False, limit=3)["structLogs"]
    assert len(bare) == 3 < len(plain)
    assert not any("stack" in log or "storage" in log or "returnData" in log for log in bare)
    assert traced(engine, code, inner=inner, with_return_data=True)["structLogs"][-1]["returnData"] == "0x0000"


def test_storage_that_could_not_be_paid_for_is_not_read(engine: Engine) -> None:
    last = traced(engine, "PUSH1 6 SLOAD", gas=50)["structLogs"][-1]
    assert (last["error"], last.get("storage")) == ("out of gas", None)


@pytest.mark.parametrize("value", [{}, [], {"a": [1, {"b": "\u00e9\n"}, [], None, True]}, [[[]], {"": {}}], 2**70])
def test_json_is_written_as_json_writes_it(value: object) -> None:
    written: list[str] = []
    write_json(value, written.append)
    assert "".join(written) == json.dumps(value, separators=(",", ":"))


def test_json_as_deep_as_calls_is_written() -> None:
    value: object = {}
    for _ in range(5000):
        value = {"calls": [value]}
    written: list[str] = []
    write_json(value, written.append)
    assert "".join(written) == '{"calls":[' * 5000 + "{}" + "]}" * 5000
