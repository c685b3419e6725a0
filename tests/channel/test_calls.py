"""The watch over an input's calls: none goes unseen, and no more of them are kept than fit a small memory."""

import pytest

from evmthread.channel.errors import InvalidBatch, MissingAccount
from evmthread.channel.rules import recorded_bytes
from evmthread.commit import TRAP_ADDRESS, Status
from evmthread.execution.result import CallResult
from tests.channel.test_inputs import ABSENT, CREATE, calling, opened, refused

DATA_BYTES = 2**16
# Calls an owner with 64 KiB of data until less than 50,000 gas are left: some 118 gas for each call.
MANY_CALLS = f"""
    loop: PUSH 0 PUSH 0 PUSH {DATA_BYTES} PUSH 0 PUSH 0 CALLER GAS CALL POP
    GAS PUSH 50000 LT PUSH @loop JUMPI
"""


def data_kept(result: CallResult) -> int:
    return len(result.message.data) + sum(data_kept(child) for child in result.children)


def test_long_call_data_does_not_pile_up() -> None:
    match = opened(MANY_CALLS)
    match.thread.prepare(match.batch([match.input(0, gas=1_000_000)]))
    prepared = match.thread.prepared
    assert prepared is not None
    result = prepared.outcome.inputs[0].result
    assert result.success
    assert result.unrecorded > 5000
    assert data_kept(result) <= recorded_bytes(match.rules.batch_inputs)


def test_a_call_that_is_not_recorded_is_checked() -> None:
    match = opened(MANY_CALLS + calling("CALL", ABSENT, 4))
    refused(match, match.input(0, gas=1_000_000), kind=MissingAccount)


def test_a_creation_that_is_not_recorded_is_checked() -> None:
    match = opened(MANY_CALLS + CREATE)
    assert "nothing is created" in str(refused(match, match.input(0, gas=1_000_000)))


# The contract calls itself without data; there it creates, and then ends as it is told.
CALLS_ITSELF = (
    "CALLDATASIZE PUSH @outer JUMPI {inner} outer: PUSH 0 PUSH 0 PUSH 0 PUSH 0 PUSH 0 ADDRESS GAS CALL POP {end}"
)


@pytest.mark.parametrize(
    ("inner", "end", "stands"),
    [
        (f"{CREATE} STOP", "STOP", True),
        (f"{CREATE} PUSH 0 PUSH 0 REVERT", "STOP", False),
        (f"{CREATE} INVALID", "STOP", False),
        (f"{CREATE} STOP", "PUSH 0 PUSH 0 REVERT", False),
        (f"{CREATE} PUSH 0 PUSH 0 REVERT", CREATE, True),
    ],
)
def test_a_creation_counts_where_it_and_all_calls_above_it_succeed(inner: str, end: str, stands: bool) -> None:
    match = opened(CALLS_ITSELF.format(inner=inner, end=end))
    if stands:
        assert isinstance(refused(match, match.input(0, b"\1", gas=1_000_000)), InvalidBatch)
    else:
        match.call(0, b"\1", gas=1_000_000)


@pytest.mark.parametrize(("fork", "status"), [("SpuriousDragon", Status.REST), ("Byzantium", Status.SUSPENDED)])
def test_a_question_is_one_where_there_is_a_trap(fork: str, status: Status) -> None:
    """Older forks can't read an answer: what calls the address there asks nobody."""
    call = f"PUSH 0 PUSH 0 PUSH 96 PUSH 0 PUSH 0 PUSH 0x{TRAP_ADDRESS.hex()} GAS CALL POP"
    asks = f"CALLER PUSH 0 MSTORE PUSH 64 PUSH 32 MSTORE {call}"
    match = opened(asks, fork=fork)
    assert match.call(0).commitment.status == status


def test_reading_is_not_watched() -> None:
    match = opened(calling("CALL", ABSENT, 4) + " " + CREATE)
    assert match.thread.call(b"").success
    refused(match, match.input(0), kind=MissingAccount)
    assert match.thread.call(b"").success
