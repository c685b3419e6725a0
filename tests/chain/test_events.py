"""What an event makes of the registry's words, and which events can't follow on what was there."""

from dataclasses import replace

import pytest

from evmthread.chain.errors import NodeLies
from evmthread.chain.events import (
    Announced,
    Challenged,
    Claimed,
    Deposited,
    Event,
    Materialized,
    Recorded,
    Refunded,
    Resumed,
    Settled,
    ThreadState,
    follow_event,
    read_event,
    registry_artifact,
)
from evmthread.channel.desk import Mode
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_HASH, Log
from tests.commit.commit_samples import terms_of

TERMS = terms_of(2)
A, B = keccak256(b"a"), keccak256(b"b")
NEW = ThreadState()
HALF = ThreadState((1).to_bytes(32, "big"), held=TERMS.deposits[0], mode=Mode.FUNDING)
LIVE = ThreadState((3).to_bytes(32, "big"), held=sum(TERMS.deposits), mode=Mode.LIVE)
KEPT = replace(LIVE, digest=A, nonce=5)
RUNNING = replace(KEPT, deadline=99, mode=Mode.CHALLENGED)
OVER = ThreadState(A, 5, 0, 100, Mode.SETTLED)


@pytest.mark.parametrize(
    ("before", "event", "after"),
    [
        (NEW, Announced(TERMS), ThreadState(mode=Mode.FUNDING)),
        (HALF, Deposited(1, Mode.LIVE), LIVE),
        (HALF, Refunded(), ThreadState(mode=Mode.SETTLED)),
        (LIVE, Recorded(0, A), replace(LIVE, digest=A)),
        (KEPT, Recorded(6, B), replace(KEPT, digest=B, nonce=6)),
        (RUNNING, Recorded(6, B), replace(RUNNING, digest=B, nonce=6)),
        (LIVE, Challenged(99, 0, ZERO_HASH), replace(LIVE, deadline=99, mode=Mode.CHALLENGED)),
        (KEPT, Challenged(99, 5, A), RUNNING),
        (RUNNING, Resumed(99), KEPT),
        (RUNNING, Settled(5, A, 100), OVER),
        (LIVE, Settled(7, B, 0), ThreadState(B, 7, 0, 0, Mode.SETTLED)),
        (OVER, Claimed(b"\x01" * 20, 40), replace(OVER, held=60)),
        (OVER, Materialized(b"\x01" * 20, 100), replace(OVER, held=0)),
    ],
)
def test_an_event_that_can_follow_does_once(before: ThreadState, event: Event, after: ThreadState) -> None:
    assert follow_event(TERMS, before, event) == after
    if not isinstance(event, Claimed):
        with pytest.raises(NodeLies):
            follow_event(TERMS, after, event)  # told twice


@pytest.mark.parametrize(
    ("before", "event"),
    [
        (NEW, Announced(replace(TERMS, salt=TERMS.salt + 1))),
        (HALF, Announced(TERMS)),
        (NEW, Deposited(0, Mode.FUNDING)),
        (HALF, Deposited(0, Mode.FUNDING)),
        (HALF, Deposited(2, Mode.LIVE)),
        (LIVE, Deposited(1, Mode.LIVE)),
        (LIVE, Refunded()),
        (RUNNING, Refunded()),
        (HALF, Recorded(1, A)),
        (KEPT, Recorded(5, B)),
        (KEPT, Recorded(4, B)),
        (OVER, Recorded(6, B)),
        (KEPT, Challenged(99, 5, B)),
        (KEPT, Challenged(99, 4, A)),
        (RUNNING, Challenged(120, 5, A)),
        (KEPT, Resumed(99)),
        (RUNNING, Resumed(98)),
        (RUNNING, Settled(4, A, 0)),
        (HALF, Settled(5, A, 0)),
        (OVER, Settled(5, A, 0)),
        (RUNNING, Claimed(b"\x01" * 20, 1)),
        (OVER, Claimed(b"\x01" * 20, 101)),
        (OVER, Materialized(b"\x01" * 20, 101)),
    ],
)
def test_an_event_that_can_not_follow(before: ThreadState, event: Event) -> None:
    with pytest.raises(NodeLies, match="can't follow"):
        follow_event(TERMS, before, event)


def test_logs_of_no_thread_and_logs_that_no_registry_writes() -> None:
    artifact = registry_artifact()
    owed = Log(b"\x01" * 20, (artifact.event("OWED").topic, bytes(32)), bytes(32))
    assert read_event(owed) is None
    assert read_event(Log(b"\x01" * 20, (A,), b"")) is None
    assert read_event(Log(b"\x01" * 20, (), b"")) is None
    topic = artifact.event("RECORDED").topic
    good = Log(b"\x01" * 20, (topic, A), (7).to_bytes(32, "big") + B)
    assert read_event(good) == Recorded(7, B)
    for wrong in (good._replace(data=good.data[:-1]), good._replace(topics=(topic,)), good._replace(data=b"\xff" * 64)):
        with pytest.raises(NodeLies):
            read_event(wrong)


def test_a_mode_that_there_is_not() -> None:
    topic = registry_artifact().event("DEPOSITED").topic
    with pytest.raises(NodeLies):
        read_event(Log(b"\x01" * 20, (topic, A), bytes(32) + (9).to_bytes(32, "big")))


def test_zero_deposits_are_in_from_the_start() -> None:
    free = replace(TERMS, deposits=(0, TERMS.deposits[1]))
    state = follow_event(free, NEW, Announced(free))
    assert state.digest == (1).to_bytes(32, "big")
    assert follow_event(free, state, Deposited(1, Mode.LIVE)).mode is Mode.LIVE
    assert follow_event(free, state, Deposited(0, Mode.FUNDING)).held == 0
