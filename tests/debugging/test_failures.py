"""Failures of real contracts in the words of their sources."""

from typing import Any

import pytest

from evmthread.contracts import Artifact, load_artifact
from evmthread.debugging.failures import Failure, failure_of
from evmthread.debugging.known_code import KnownCode
from evmthread.execution.result import CallResult
from evmthread.execution.world import World
from evmthread.isa.halts import HaltReason
from evmthread.primitives.types import Address
from tests.conftest import Engine
from tests.debugging.contracts import artifact, called, deployed, line_of

FAILING, CALLER = artifact("Failing"), artifact("Caller")
MORPION = load_artifact("Morpion")
KNOWN = KnownCode([FAILING, CALLER])
NOBODY = Address(bytes(20))


def why(result: CallResult, known: KnownCode = KNOWN) -> Failure:
    failure = failure_of(result, known)
    assert failure is not None
    return failure


@pytest.mark.parametrize(
    ("name", "arguments", "reason", "line"),
    [
        ("asserts", [2], "Panic(0x01): assertion failed", "assert(number == 1)"),
        ("overflows", [2**256 - 1], "Panic(0x11): arithmetic overflow or underflow", "number + 1"),
        ("divides", [0], "Panic(0x12): division or modulo by zero", "1 / number"),
        ("converts", [2], "Panic(0x21): conversion to an enum out of range", "Colour(number)"),
        ("spoils", [], "Panic(0x22): badly encoded byte array in storage", "return text"),
        ("pops", [], "Panic(0x31): pop of an empty array", "numbers.pop()"),
        ("indexes", [2], "Panic(0x32): array index out of bounds", "pair[number]"),
        ("allocates", [2**64], "Panic(0x41): out of memory", "new uint256[](number)"),
        ("jumps", [], "Panic(0x51): call of an uninitialised function pointer", "nowhere();"),
        ("refuses", [7], f"Refused(who={NOBODY}, amount=7)", "revert Refused(msg.sender, amount)"),
        ("isSilent", [], "Silent()", "revert Silent()"),
        ("requires", [2], "Error(message='not one')", "require(number == 1"),
        ("saysNothing", [], "reverted without a reason", "require(false)"),
        ("saysBytes", [], "reverted with unknown data 0xab", "revert(0, 1)"),
    ],
)
def test_reasons(engine: Engine, name: str, arguments: list[object], reason: str, line: str) -> None:
    world = engine.world()
    result = called(world, FAILING, deployed(world, FAILING, False), name, *arguments)
    failure = why(result)
    assert failure.reason == reason
    assert str(failure) == f"{reason} in Failing.{name} (tests/contracts/Failing.sol:{line_of(FAILING, line)})"


def test_success_is_no_failure() -> None:
    world = World()
    assert failure_of(called(world, FAILING, deployed(world, FAILING, False), "asserts", 1), KNOWN) is None


@pytest.fixture
def pair() -> tuple[World, bytes, bytes]:
    world = World()
    return world, deployed(world, CALLER), deployed(world, FAILING, False)


def test_a_failure_is_told_where_it_began(pair: tuple[World, bytes, bytes]) -> None:
    world, caller, failing = pair
    failure = why(called(world, CALLER, caller, "handsOn", failing, 9))
    assert failure.title == "Failing.refuses(uint256)"
    assert failure.reason == f"Refused(who={Address(caller)}, amount=9)"
    assert (failure.origin.message.depth, failure.origin.message.address) == (1, failing)
    assert failure.place is not None
    assert failure.place.line == line_of(FAILING, "revert Refused(msg.sender, amount)")


def test_a_failure_that_is_answered_by_another_is_the_other(pair: tuple[World, bytes, bytes]) -> None:
    world, caller, failing = pair
    failure = why(called(world, CALLER, caller, "answersItself", failing))
    assert (
        str(failure) == f"Own() in Caller.answersItself (tests/contracts/Failing.sol:{line_of(CALLER, 'revert Own()')})"
    )


def test_a_constructor_that_fails(pair: tuple[World, bytes, bytes]) -> None:
    world, caller, _ = pair
    failure = why(called(world, CALLER, caller, "creates"))
    assert failure.title == "Failing constructor"
    assert failure.reason == f"Refused(who={Address(caller)}, amount=7)"
    assert failure.place is not None
    assert failure.place.line == line_of(FAILING, "if (fails)")


def test_out_of_gas_is_told_with_its_line(engine: Engine) -> None:
    world = engine.world()
    failure = why(called(world, FAILING, deployed(world, FAILING, False), "spoils", gas=3000))
    assert failure.origin.halt_reason is HaltReason.OUT_OF_GAS
    line = line_of(FAILING, "sstore(text.slot, 1)")
    assert str(failure) == f"out of gas in Failing.spoils (tests/contracts/Failing.sol:{line})"


@pytest.mark.parametrize("known", [KnownCode(), KnownCode([CALLER])])
def test_without_the_artifact_there_is_no_line(known: KnownCode) -> None:
    world = World()
    address = deployed(world, FAILING, False)
    failure = why(called(world, FAILING, address, "refuses", 7), known)
    selector = FAILING.function("refuses").selector.hex()
    assert str(failure) == f"{failure.reason} in 0x{address.hex()}.0x{selector}"
    assert failure.reason.startswith("reverted with unknown data 0x")


def test_errors_of_any_known_contract_are_read() -> None:
    world = World()
    unknown = Artifact(**{name: getattr(FAILING, name) for name in FAILING.__slots__} | {"errors": ()})
    address = deployed(world, FAILING, False)
    result = called(world, FAILING, address, "isSilent")
    assert why(result, KnownCode([unknown])).reason.startswith("reverted with unknown data")
    assert why(result, KnownCode([unknown, FAILING])).reason == "Silent()"


CROSS, NOUGHT = b"\x11" * 20, b"\x22" * 20


@pytest.fixture(scope="module")
def game() -> tuple[World, bytes]:
    """Morpion, which is optimized, with both players in."""
    world = World()
    for player in (CROSS, NOUGHT):
        world.set_balance(player, 100)
    arguments = MORPION.encode_constructor(CROSS, NOUGHT, 5, 60)
    address = world.create(MORPION.creation_code + arguments).created
    assert address is not None
    for player in (CROSS, NOUGHT):
        assert world.call(address, MORPION.function("join").encode(), sender=player, value=5).success
    return world, address


@pytest.mark.parametrize(
    ("name", "arguments", "sender", "reason", "lines"),
    [
        ("play", [9], CROSS, "NoSuchCell(cell=9)", ["revert NoSuchCell(cell)"]),
        ("play", [3], NOUGHT, "NotYourTurn()", ["revert NotYourTurn()"]),
        ("join", [], CROSS, "GameAlreadyStarted()", ["function join()", 1]),
        ("unjoin", [], CROSS, "GameAlreadyStarted()", ["function unjoin()", 1]),  # the same code as in join
        ("withdraw", [], CROSS, "GameNotOver()", ["revert GameNotOver()"]),
    ],
)
def test_lines_of_optimized_code_are_right(
    game: tuple[World, bytes], name: str, arguments: list[object], sender: bytes, reason: str, lines: list[Any]
) -> None:
    world, address = game
    with world.isolated():
        result = world.call(address, MORPION.function(name).encode(*arguments), sender=sender)
    failure = why(result, KnownCode([MORPION]))
    assert failure.reason == reason
    assert failure.place is not None
    text, *below = lines
    assert failure.place.line == line_of(MORPION, text) + sum(below)


@pytest.mark.parametrize(
    ("name", "number", "reason", "text"),
    [
        ("first", 1, "Bad(number=1)", "if (number == 1)"),
        ("first", 2, "Panic(0x01): assertion failed", "assert(number != 2)"),
        ("second", 9, "Bad(number=9)", None),  # it may be the internal function's as well
        ("second", 3, "Panic(0x01): assertion failed", "assert(number != 3)"),
    ],
)
def test_a_line_that_the_optimizer_leaves_open_is_not_told(
    name: str, number: int, reason: str, text: str | None
) -> None:
    world, merged = World(), artifact("Merged")
    failure = why(called(world, merged, deployed(world, merged), name, number), KnownCode([merged]))
    assert failure.reason == reason
    assert (None if failure.place is None else failure.place.line) == (None if text is None else line_of(merged, text))
