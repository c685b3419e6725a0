"""Calls that stop after a number of steps, and in whose block and state."""

import pytest

from evmthread.channel.calls import ThreadCalls
from evmthread.channel.errors import InvalidBatch
from evmthread.channel.suspension import rerun
from evmthread.commit import DIALECT
from evmthread.commit.commitment import Status
from evmthread.execution.snapshot import machine_hash
from evmthread.machine.breakpoints import AtOpcode, AtPc, AtSlot, AtStep, AtTopic
from tests.assembler import assemble
from tests.channel.games import Match, ruleset
from tests.channel.traps import ANSWER, QUESTION, TrapsMatch, asked
from tests.contracts.test_thread_library import TRAPS


def test_a_machine_is_committed_every_k_steps(transcript: bool) -> None:
    match = TrapsMatch(transcript=transcript)
    call = match.input(0, TRAPS.function("raw").encode(b"\x01"), gas=200_000)
    match.agree(call, steps=70)
    hashes = [match.tip.commitment.machine_hash]
    for steps in (140, 210, 280):
        opened = match.thread.open_call
        assert opened is not None
        assert (opened.suspension.steps, opened.suspension.awaiting) == (steps - 70, match.terms.owners[0])
        match.answered(b"", by=0, steps=steps)
        hashes.append(match.tip.commitment.machine_hash)
    assert len(set(hashes)) == 4
    match.answered(b"", by=0)
    assert match.tip.commitment.status == Status.REST
    straight = TrapsMatch(transcript=transcript)
    straight.call(0, TRAPS.function("raw").encode(b"\x01"), gas=200_000)
    for field in ("state_root", "storage_root", "gas_used", "receipts_root"):
        assert getattr(match.tip.commitment, field) == getattr(straight.tip.commitment, field)
    match.replayed()


def test_a_breakpoint_becomes_a_number_of_steps() -> None:
    match = TrapsMatch()
    call = match.input(0, TRAPS.function("askAndStore").encode(match.other, QUESTION))
    thread = match.thread
    first = thread.steps_until(call.input, AtSlot(0, reads=False))
    assert first is not None
    assert thread.steps_until(call.input, AtPc(10**6)) is None
    assert thread.steps_until(call.input, AtTopic(bytes(32))) is None
    match.agree(call, steps=first)
    assert match.tip.commitment.status == Status.SUSPENDED
    again = thread.steps_until(match.parties[0].answer().input, AtSlot(0, reads=False))
    assert again is None or again > first, "not where it stands"
    # From there to the next log, then to the question, then to the end.
    further = thread.steps_until(match.parties[0].answer().input, AtOpcode("LOG2"))
    assert further is not None
    assert further > first
    match.answered(b"", by=0, steps=further)
    assert thread.steps_until(match.parties[0].answer().input, AtOpcode("CREATE")) is None
    match.answered(b"", by=0)
    assert thread.open_call is not None
    assert thread.open_call.suspension.question == QUESTION
    match.answered()
    assert match.read("stored") == ANSWER
    match.replayed()


def test_a_breakpoint_is_found_behind_the_questions_that_were_answered() -> None:
    match = TrapsMatch()
    match.ask("loopOfAsks", 3, match.other, gas=2_000_000)
    match.answered(b"\1" * 32)
    answer = match.parties[1].answer(b"\2" * 32)
    straight = match.thread.steps_until(answer.input, AtStep(1000))
    assert straight is not None
    assert match.thread.steps_until(answer.input, AtStep(10**6)) is None, "it asks before"
    match.agree(answer, steps=straight)
    assert match.thread.open_call is not None
    assert match.thread.open_call.suspension.steps == straight


def test_a_call_stops_in_the_state_that_the_inputs_before_it_left_and_in_its_own_block() -> None:
    """It asks with what slot 0 holds; its caller's first word goes there."""
    code = assemble(
        "PUSH0 CALLDATALOAD DUP1 PUSH @set JUMPI "
        "PUSH0 SLOAD PUSH0 MSTORE TIMESTAMP PUSH 32 MSTORE PUSH1 32 CALLDATALOAD PUSH1 64 PUSH1 0 DUP3 DATA 0xb1 STOP "
        "set: PUSH0 SSTORE"
    )
    match = Match(code, rules=ruleset(dialect=DIALECT))
    match.agree()
    other = bytes(12) + match.terms.owners[1]
    stores = match.input(0, (6).to_bytes(32, "big") + other)
    asks = match.input(0, bytes(32) + other, nonce=1)
    match.agree(stores, asks)
    opened = match.thread.open_call
    assert opened is not None
    began = opened.environment
    assert opened.suspension.question == (6).to_bytes(32, "big") + began.timestamp.to_bytes(32, "big")
    answer = match.parties[1].answer(bytes(32))
    later = match.environment(began.timestamp + 60)
    match.thread.prepare(match.batch([answer], later), steps=18)
    opened = match.thread.open_call
    assert opened is not None
    assert opened.environment == began


def test_what_follows_an_answer_sees_its_own_block_again() -> None:
    """It asks, and keeps what time it is then in slot 7; with a first word, it keeps the time in that slot."""
    code = assemble(
        "PUSH0 CALLDATALOAD DUP1 PUSH @set JUMPI "
        "PUSH1 32 CALLDATALOAD PUSH0 PUSH0 DUP3 DATA 0xb1 TIMESTAMP PUSH1 7 SSTORE STOP "
        "set: TIMESTAMP SWAP1 SSTORE"
    )
    match = Match(code, rules=ruleset(dialect=DIALECT))
    match.agree()
    match.call(0, bytes(32 + 12) + match.terms.owners[1])
    opened = match.thread.open_call
    assert opened is not None
    began = opened.environment.timestamp
    follows = match.input(1, (8).to_bytes(32, "big"))
    match.agree(match.parties[1].answer(), follows, environment=match.environment(began + 60))
    assert (match.thread.storage(7), match.thread.storage(8)) == (began, began + 60)


def test_steps_and_questions_in_one_call(transcript: bool) -> None:
    match = TrapsMatch(transcript=transcript)
    match.ask("askAndStore", match.other, QUESTION)
    match.answered(ANSWER, steps=750)
    opened = match.thread.open_call
    assert opened is not None
    assert (opened.suspension.steps, opened.suspension.answers) == (750, (ANSWER,))
    match.answered(b"", by=0)
    assert match.read("stored") == ANSWER
    match.replayed()


def test_more_steps_than_there_are_is_no_batch() -> None:
    match = TrapsMatch()
    call = match.input(0, TRAPS.function("raw").encode(b"\x01"), gas=200_000)
    with pytest.raises(InvalidBatch, match="after 1000000 instructions"):
        match.thread.prepare(match.batch([call]), steps=1_000_000)
    with pytest.raises(InvalidBatch, match="empty batch"):
        match.thread.prepare(match.batch([]), steps=1)


def test_a_call_stops_where_its_leader_says_and_nowhere_before() -> None:
    """Neither at a question before that, nor before the question whose answer is there already."""
    match = TrapsMatch()
    asks = match.input(0, TRAPS.function("askAndStore").encode(match.other, QUESTION))
    with pytest.raises(InvalidBatch, match="after 100000 instructions"):
        match.thread.prepare(match.batch([asks]), steps=100_000)
    match.agree(asks)
    with pytest.raises(InvalidBatch, match="after 5 instructions"):
        match.thread.prepare(match.batch([match.parties[1].answer(ANSWER)]), steps=5)


@pytest.mark.parametrize("answers", [(), (ANSWER,)])
def test_a_call_that_asks_nobody_is_not_open(answers: tuple[bytes, ...]) -> None:
    match = TrapsMatch()
    thread, call = match.thread, match.input(0, TRAPS.function("begun").encode())
    calls = ThreadCalls(thread._rules, 3, 9)
    with pytest.raises(InvalidBatch, match="at a question") as caught:
        rerun(
            *(thread._rules, thread.state, thread._world.cache, call.input, match.environment(), calls),
            answers=answers,
            steps=0,
        )
    assert (caught.value.index, caught.value.nonce) == (3, 9)


def test_what_is_committed_of_a_call_that_is_open(transcript: bool) -> None:
    match = asked(transcript=transcript)
    opened = match.thread.open_call
    assert opened is not None
    wanted = opened.suspension.hash_struct() if transcript else machine_hash(opened.snapshot)
    assert match.tip.commitment.machine_hash == opened.machine_hash == wanted


@pytest.mark.parametrize("steps", [1, 30, 70])
def test_a_call_that_goes_on_does_not_go_back(steps: int) -> None:
    match = TrapsMatch()
    match.agree(match.input(0, TRAPS.function("raw").encode(b"\x01"), gas=200_000), steps=70)
    with pytest.raises(InvalidBatch, match="more than 70 instructions"):
        match.thread.prepare(match.batch([match.parties[0].answer()]), steps=steps)
    match.answered(b"", by=0, steps=71)
    match.replayed()


def test_going_on_after_steps_takes_no_answer() -> None:
    match = TrapsMatch()
    match.agree(match.input(0, TRAPS.function("raw").encode(b"\x01"), gas=200_000), steps=10)
    with pytest.raises(InvalidBatch, match=r"^nonce 2: input 0: an empty answer"):
        match.thread.prepare(match.batch([match.parties[0].answer(b"no")]))
