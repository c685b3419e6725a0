"""examples/traps: Yul and bytecode that ask, with the dialect's opcodes and with ordinary calls and logs."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.commit import TRAP_ADDRESS
from evmthread.commit.terms import BREAKPOINT_TOPIC
from evmthread.execution.computation import Computation
from evmthread.execution.result import CallResult
from evmthread.execution.world import World
from evmthread.isa.forks import CANCUN, with_dialect
from evmthread.isa.halts import HaltReason
from evmthread.machine.breakpoints import Traps
from evmthread.machine.traps import Question, Suspended
from tests.assembler import assemble
from tests.contracts.answering import answering_code, asked, question_data

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "traps"
CONTRACT, ALICE, BOB, STRANGER = (bytes([number]) * 20 for number in (0xC0, 0xA1, 0xB0, 0x57))
DIALECT = with_dialect(CANCUN)


def yul(name: str) -> bytes:
    return bytes.fromhex((FOLDER / f"{name}.hex").read_text())


def by_hand(name: str) -> bytes:
    return assemble((FOLDER / f"{name}.asm").read_text(), fork=DIALECT)


PLAIN = {"yul": yul("plain"), "asm": by_hand("plain")}


def call(code: bytes, data: bytes, answer: bytes | None = None) -> tuple[World, CallResult]:
    world = World()
    world.set_code(CONTRACT, code)
    if answer is not None:
        world.set_code(TRAP_ADDRESS, answering_code(answer, (ALICE, BOB)))
    return world, world.call(CONTRACT, data, sender=ALICE)


def stored(world: World) -> list[int]:
    return [world.storage(CONTRACT, slot) for slot in range(3)]


def test_the_dialect_by_hand_is_what_the_compiler_makes() -> None:
    assert by_hand("dialect") == yul("dialect")


def dialect_call(data: bytes) -> tuple[World, Computation]:
    world = World(fork=DIALECT, hooks=[Traps(who=(ALICE, BOB))])
    world.set_code(CONTRACT, yul("dialect"))
    return world, world.open_call(CONTRACT, data, sender=ALICE)


@settings(max_examples=30)
@given(st.binary(max_size=70), st.binary(max_size=70))
def test_the_dialect_suspends_and_goes_on_with_the_answer(question: bytes, answer: bytes) -> None:
    world, computation = dialect_call(bytes(12) + BOB + question)
    assert computation.run() == Suspended(Question(BOB, question))
    result = computation.resume(answer)
    assert isinstance(result, CallResult)
    assert (result.success, result.output) == (True, answer)
    assert stored(world) == [int.from_bytes(answer[:32].ljust(32, b"\0"), "big"), len(answer), 0]


def test_the_dialect_asks_nobody_who_is_no_owner() -> None:
    world, computation = dialect_call(bytes(12) + STRANGER + b"?")
    result = computation.run()
    assert isinstance(result, CallResult)
    assert (result.success, result.output) == (True, b"")
    assert stored(world) == [0, 0, 0]


def test_plain_ethereum_has_no_dialect() -> None:
    world, result = call(yul("dialect"), bytes(12) + BOB, b"answer")
    assert (result.halt_reason, asked(result)) == (HaltReason.INVALID_OPCODE, [])
    assert stored(world) == [0, 0, 0]


@pytest.mark.parametrize("how", PLAIN)
@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 100])
def test_on_chain_nobody_answers(how: str, length: int) -> None:
    question = bytes(range(1, 1 + length))
    world, result = call(PLAIN[how], bytes(12) + BOB + question)
    assert (result.success, result.output, result.logs) == (True, b"", ())
    assert asked(result) == [question_data(BOB, question)]
    assert stored(world) == [0, 0, 1]


@pytest.mark.parametrize("how", PLAIN)
def test_neither_does_who_is_nobody_nor_an_empty_answer(how: str) -> None:
    for who, answer in ((STRANGER, b"answer"), (BOB, b"")):
        world, result = call(PLAIN[how], bytes(12) + who + b"?", answer)
        assert (result.success, result.output, result.logs) == (True, b"", ())
        assert stored(world) == [0, 0, 1]


@settings(max_examples=30)
@given(st.sampled_from(sorted(PLAIN)), st.binary(max_size=70), st.binary(min_size=1, max_size=70))
def test_an_answer_is_stored_logged_and_returned(how: str, question: bytes, answer: bytes) -> None:
    world, result = call(PLAIN[how], bytes(12) + BOB + question, answer)
    assert (result.success, result.output) == (True, answer)
    assert asked(result) == [question_data(BOB, question)]
    assert stored(world) == [int.from_bytes(answer[:32].ljust(32, b"\0"), "big"), len(answer), 0]
    (log,) = result.logs
    assert (log.address, log.topics, log.data) == (CONTRACT, (BREAKPOINT_TOPIC,), b"")


@pytest.mark.parametrize("code", [*PLAIN.values(), yul("dialect")])
def test_calldata_without_an_address_is_refused(code: bytes) -> None:
    _, result = call(code, bytes(31), b"answer")
    assert (result.success, result.halt_reason, result.output) == (False, None, b"")
