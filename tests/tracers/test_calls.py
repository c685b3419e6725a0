"""callTracer's JSON: what go-ethereum's form wants that anvil hasn't, and what no node can be asked."""

from typing import Any

import pytest

from evmthread.execution.result import CallResult
from evmthread.isa.forks import FRONTIER, fork_named
from evmthread.isa.frame import Frame
from evmthread.isa.message import Message
from evmthread.machine.breakpoints import AtOpcode
from evmthread.machine.hooks import Hook
from evmthread.machine.traps import Answer, Suspended
from evmthread.tracers.calls import CallTracer
from tests.assembler import assemble
from tests.conftest import Engine

A, B = b"\xaa" * 20, b"\xbb" * 20
OSAKA = fork_named("Osaka")
CALL_B = f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH20 0x{B.hex()} GAS CALL POP"
TWICE = "PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 CREATE2 POP PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 CREATE2"


def traced(engine: Engine, code: str, *others: Hook, inner: str = "", gas: int = 10**6, **options: Any) -> Any:
    hook = CallTracer(OSAKA, **options)
    world = engine.world(fork=OSAKA, hooks=[hook, *others])
    world.set_code(A, assemble(code))
    world.set_code(B, assemble(inner))
    return hook.result(world.call(A, gas=gas))


def test_a_call_without_a_transaction_has_its_own_gas(engine: Engine) -> None:
    tree = traced(engine, f"PUSH1 1 {CALL_B}", inner="PUSH1 1")
    assert list(tree) == ["from", "gas", "gasUsed", "to", "input", "calls", "value", "type"]
    assert (tree["gas"], tree["type"], tree["value"]) == (hex(10**6), "CALL", "0x0")
    (call,) = tree["calls"]
    assert (call["gasUsed"], call["from"], call["to"]) == ("0x3", "0x" + A.hex(), "0x" + B.hex())


@pytest.mark.parametrize(
    ("inner", "error"),
    [
        ("ADD", "stack underflow (0 <=> 2)"),
        ("JUMPDEST CALLER PUSH1 0 JUMP", "stack limit reached 1024 (1023)"),
        ("INVALID", "invalid opcode: INVALID"),
        ("PUSH1 9 JUMP", "invalid jump destination"),
        ("PUSH4 0xffffffff MLOAD", "out of gas"),
        ("PUSH1 1 PUSH1 0 PUSH1 0 RETURNDATACOPY", "return data out of bounds"),
    ],
)
def test_a_call_that_fails_says_why_in_gos_words(engine: Engine, inner: str, error: str) -> None:
    (call,) = traced(engine, CALL_B, inner=inner)["calls"]
    assert call["error"] == error
    assert "output" not in call


@pytest.mark.parametrize(
    ("gas", "error"),
    [(60_000, "contract creation code storage out of gas"), (32_050, "out of gas")],
)
def test_a_creation_that_can_not_pay_for_its_code(engine: Engine, gas: int, error: str) -> None:
    # Init code that returns 200 bytes of zeros: 40,000 gas.
    init = "PUSH5 0x60c85ff300 PUSH1 216 SHL PUSH1 0 MSTORE PUSH1 4 PUSH1 0 PUSH1 0 CREATE"
    (call,) = traced(engine, init, gas=gas)["calls"]
    assert (call["error"], call["type"]) == (error, "CREATE")
    assert "to" not in call


def test_a_creation_at_an_address_that_is_taken(engine: Engine) -> None:
    first, second = traced(engine, TWICE)["calls"]
    assert (first["gasUsed"], first["type"]) == ("0x0", "CREATE2")
    assert second["error"] == "contract address collision"
    assert second["gasUsed"] == second["gas"]
    # Two equal creations one after the other: the second has a 63/64 of what the first left.
    left = 10**6 - 12 - 32_000 - 2 - 12 - 32_000
    assert abs(int(second["gas"], 16) - (left - left // 64)) <= 1


def test_calls_beyond_the_depth_are_there(engine: Engine) -> None:
    itself = f"PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH1 0 PUSH20 0x{A.hex()} GAS CALL"
    hook = CallTracer(OSAKA)
    world = engine.world(fork=OSAKA, hooks=[hook])
    world.set_code(A, assemble(f"{itself} PUSH1 0 PUSH1 0 PUSH1 0 CREATE"))
    deepest: Any = hook.result(world.call(A, gas=10**14))
    for _ in range(1024):
        deepest = deepest["calls"][0]
    assert [(call["type"], call["error"]) for call in deepest["calls"]] == [
        ("CALL", "max call depth exceeded"),
        ("CREATE", "max call depth exceeded"),
    ]


def test_logs_of_what_failed_are_not_there_and_count_for_nothing(engine: Engine) -> None:
    log = "PUSH1 0 PUSH1 0 LOG0"
    tree = traced(engine, f"{log} {CALL_B} {log}", inner=f"{log} INVALID", with_log=True)
    assert [(each["position"], each["index"]) for each in tree["logs"]] == [("0x0", "0x0"), ("0x1", "0x1")]
    assert "logs" not in tree["calls"][0]
    tree = traced(engine, f"{log} {CALL_B} INVALID", inner=log, with_log=True)
    assert "logs" not in tree
    assert "logs" not in tree["calls"][0]
    only = traced(engine, f"{log} {CALL_B}", inner=log, with_log=True, only_top_call=True)
    assert ("calls" in only, len(only["logs"])) == (False, 1)


def test_what_a_hook_answers_is_a_call_too(engine: Engine) -> None:
    class Mock(Hook):
        def call(self, caller: Frame | None, message: Message) -> Answer | None:
            return Answer(b"\x07", gas_used=9) if message.address == B else None

    (call,) = traced(engine, CALL_B, Mock(), inner="INVALID")["calls"]
    assert (call["output"], call["gasUsed"]) == ("0x07", "0x9")


def test_a_call_refused_before_it_begins(engine: Engine) -> None:
    hook = CallTracer(OSAKA)
    world = engine.world(fork=OSAKA, hooks=[hook])
    tree = hook.result(world.call(A, value=1, gas=5))
    assert (tree["error"], tree["gasUsed"], tree["to"]) == ("insufficient balance for transfer", "0x0", "0x" + A.hex())


def test_a_tracer_goes_on_where_a_machine_was_suspended(engine: Engine) -> None:
    hook = CallTracer(OSAKA)
    world = engine.world(fork=OSAKA, hooks=[hook, AtOpcode("CALLER")])
    world.set_code(A, assemble(f"{CALL_B} CALLER"))
    world.set_code(B, assemble("CALLER"))
    computation = world.open_call(A)
    told = computation.run()
    stops = 0
    while isinstance(told, Suspended):
        stops += 1
        told = computation.resume()
    assert isinstance(told, CallResult)
    assert stops == 2
    assert [call["to"] for call in hook.result(told)["calls"]] == ["0x" + B.hex()]  # type: ignore[attr-defined]


def test_a_fork_without_the_later_opcodes_can_be_traced(engine: Engine) -> None:
    hook = CallTracer(FRONTIER)
    world = engine.world(fork=FRONTIER, hooks=[hook])
    assert hook.result(world.call(A))["type"] == "CALL"
