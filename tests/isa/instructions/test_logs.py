import pytest

from evmthread.isa.halts import HaltReason
from evmthread.primitives.types import Log
from tests.conftest import Engine
from tests.sandbox import CONTRACT, OTHER, halts, push, run


@pytest.mark.parametrize("count", range(5))
def test_topics_data_and_price(engine: Engine, count: int) -> None:
    topics = " ".join(f"PUSH {topic}" for topic in range(count, 0, -1))
    result = run(engine, f"PUSH -1 PUSH 0 MSTORE {topics} PUSH 5 PUSH 30 LOG{count}")
    assert result.logs == (
        Log(CONTRACT, tuple(topic.to_bytes(32, "big") for topic in range(1, count + 1)), b"\xff\xff\0\0\0"),
    )
    assert result.gas_used == 6 + 3 + 3 + 3 * (count + 2) + 375 + 375 * count + 8 * 5 + 3


def test_logs_of_failed_calls_are_gone_and_order_is_the_order_of_emission(engine: Engine) -> None:
    call = f"PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 {push(OTHER)} GAS CALL POP"
    log = "PUSH {0} PUSH 0 PUSH 0 LOG1"
    program = f"{log.format(1)} {call} {log.format(3)}"

    def emitted(inner: str) -> list[tuple[bytes, int]]:
        logs = run(engine, program, others={OTHER: inner}).logs
        return [(entry.address, int.from_bytes(entry.topics[0], "big")) for entry in logs]

    assert emitted(log.format(2)) == [(CONTRACT, 1), (OTHER, 2), (CONTRACT, 3)]
    assert emitted(f"{log.format(2)} PUSH 0 PUSH 0 REVERT") == [(CONTRACT, 1), (CONTRACT, 3)]
    assert emitted(f"{log.format(2)} INVALID") == [(CONTRACT, 1), (CONTRACT, 3)]


def test_static_calls_log_nothing(engine: Engine) -> None:
    for count in range(5):
        program = "PUSH 0 " * (count + 2) + f"LOG{count}"
        assert halts(run(engine, program, static=True), HaltReason.WRITE_PROTECTION)


def test_too_much_data(engine: Engine) -> None:
    assert halts(run(engine, "PUSH -1 PUSH 0 LOG0"), HaltReason.OUT_OF_GAS)
    assert run(engine, "PUSH 0 PUSH -1 LOG0").gas_used == 6 + 375
