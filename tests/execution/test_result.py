from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.execution.result import CallResult
from evmthread.isa.halts import HaltReason, Status
from evmthread.isa.instructions.creates import create_address
from evmthread.isa.message import CallKind
from tests.conftest import Engine
from tests.isa.instructions.test_creates import creation
from tests.sandbox import CONTRACT, OTHER, SENDER, THIRD, push, return_bytes, run, world_of


def call(to: bytes, gas: str = "GAS") -> str:
    return f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(to)} {gas} CALL POP"


def log(number: int) -> str:
    return f"PUSH {number} PUSH 0 PUSH 0 LOG1"


def topics(result: CallResult) -> list[int]:
    return [int.from_bytes(entry.topics[0], "big") for entry in result.logs]


def test_a_tree_of_calls(engine: Engine) -> None:
    program = f"{log(1)} {call(OTHER)} {creation('PUSH 3 PUSH 0 RETURN')} {log(5)}"
    result = run(engine, program, others={OTHER: f"{log(2)} {call(THIRD)} {log(4)}", THIRD: f"{log(3)} STOP"})
    first, second = result.children
    (third,) = first.children
    assert [child.message.kind for child in (first, second, third)] == [CallKind.CALL, CallKind.CREATE, CallKind.CALL]
    assert [topics(node) for node in (result, first, third, second)] == [[1, 2, 3, 4, 5], [2, 3, 4], [3], []]
    assert [node.log_index for node in (result, first, third, second)] == [0, 1, 2, 4]
    assert (second.created, result.created, second.output) == (create_address(CONTRACT, 1), None, bytes(3))
    assert result.code[first.caller_pc] == 0xF1
    assert result.code[second.caller_pc] == 0xF0
    assert first.gas_used == first.message.gas - first.gas_left
    assert third.gas_used == 3 * 3 + 375 + 375
    assert first.gas_used > third.gas_used
    assert repr(third) == f"CallResult(success, gas_used={third.gas_used}, output=0x)"
    code = engine.world().create(b"\x60\x41\x60\x00\xf3")  # PUSH1 65 PUSH1 0 RETURN
    assert repr(code).endswith(f"output=0x{'00' * 64}... and 1 bytes more)")


def test_logs_inside_a_failed_call_never_stood(engine: Engine) -> None:
    """Not even when others took their indexes."""
    inner = f"{call(THIRD)} {log(2)} PUSH 0 PUSH 0 REVERT"
    result = run(engine, f"{call(OTHER)} {log(8)} {log(9)}", others={OTHER: inner, THIRD: f"{log(3)} {log(4)} STOP"})
    (failed,) = result.children
    (below,) = failed.children
    assert (failed.success, below.success) == (False, True)
    assert (topics(result), topics(failed), topics(below)) == ([8, 9], [], [])
    assert (failed.refund, below.refund) == (0, 0)


def test_logs_of_a_failed_transaction(engine: Engine) -> None:
    result = run(engine, f"{log(1)} {call(OTHER)} INVALID", others={OTHER: f"{log(3)} STOP"})
    assert (result.logs, result.children[0].logs) == ((), ())


@settings(max_examples=30)
@given(
    shape=st.recursive(st.booleans(), lambda kids: st.tuples(st.booleans(), st.lists(kids, max_size=3)), max_leaves=8)
)
def test_logs_of_any_tree(engine: Engine, shape: object) -> None:
    """Contracts that log, call in turn, log again, and then succeed or fail."""
    contracts: dict[bytes, str] = {}
    expected: dict[bytes, list[int]] = {}

    def build(node: object) -> tuple[bytes, list[int]]:
        fine, kids = node if isinstance(node, tuple) else (node, [])
        own = len(contracts)
        account = (0xBEEF << 64 | own).to_bytes(20, "big") if own else CONTRACT
        contracts[account] = ""
        text, logs = log(own), [own]
        for kid in kids:
            child, emitted = build(kid)
            text += f" {call(child)} {log(1000 + own)}"
            logs += [*emitted, 1000 + own]
        contracts[account] = text + (" STOP" if fine else " PUSH 0 PUSH 0 REVERT")
        expected[account] = logs if fine else []
        return account, expected[account]

    build(shape)
    world = world_of(engine, contracts)  # type: ignore[arg-type]
    result = world.call(CONTRACT, gas=2**40)

    def check(node: CallResult, alive: bool) -> None:
        alive = alive and node.success
        assert topics(node) == (expected[node.message.address] if alive else [])
        for child in node.children:
            check(child, alive)

    check(result, alive=True)


def test_reasons(engine: Engine) -> None:
    error = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (5).to_bytes(32, "big") + b"no go".ljust(32, b"\0")
    panic = bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big")
    assert run(engine, "STOP").reason is None
    assert run(engine, "INVALID").reason == "invalid opcode"
    assert run(engine, "ADD").reason == HaltReason.STACK_UNDERFLOW.value
    assert "no go" in (run(engine, return_bytes(error, how="REVERT")).reason or "")
    assert "overflow" in (run(engine, return_bytes(panic, how="REVERT")).reason or "")
    assert "0xdeadbeef" in (run(engine, return_bytes(b"\xde\xad\xbe\xef", how="REVERT")).reason or "")
    assert run(engine, "PUSH 0 PUSH 0 REVERT").reason


def test_a_call_that_fails_before_its_first_instruction(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: "STOP"})
    result = world.call(CONTRACT, sender=OTHER, value=1, gas=777)
    assert (result.status, result.halt_reason) == (Status.HALT, HaltReason.INSUFFICIENT_BALANCE)
    assert (result.gas_left, result.gas_used, result.refund, result.children, result.logs) == (777, 0, 0, (), ())
    assert result.reason == "insufficient balance for transfer"
    world.set_code(create_address(SENDER, 0), b"\x00")
    taken = world.create(b"\x00", sender=SENDER, gas=777)
    assert (taken.halt_reason, taken.gas_left, taken.created) == (HaltReason.CONTRACT_COLLISION, 0, None)


def test_an_engine_keeps_at_most_so_many_calls(engine: Engine) -> None:
    world = world_of(engine, {CONTRACT: f"{call(OTHER)} " * 5, OTHER: "STOP"})
    world.with_limits(recorded_calls=3)
    result = world.call(CONTRACT)
    assert (len(result.children), result.unrecorded) == (3, 2)
