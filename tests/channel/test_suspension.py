"""Calls that stop and wait inside a thread: asked, answered, aborted, read from a file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evmthread.channel.errors import DivergentField, InvalidBatch, LocalProtocolError
from evmthread.channel.party import SignedInput, agree_on
from evmthread.channel.replay import replay
from evmthread.channel.thread import Thread
from evmthread.commit import DIALECT, EMPTY_TRIE_ROOT, InputKind, Suspension
from evmthread.commit.commitment import MAX_SUSPENSION_BYTES, Status, check_suspension_fits
from evmthread.commit.refusals import IllFormedBatch, IllFormedCommitment, Refusal
from evmthread.errors import InvalidInput
from evmthread.primitives.types import ZERO_ADDRESS, ZERO_HASH
from evmthread.store.replaying import replay_file
from evmthread.store.threadfile import ThreadFileWriter, ThreadHead
from evmthread.store.verification import verify_file
from tests.assembler import assemble
from tests.channel.games import Match, ruleset
from tests.channel.traps import ANSWER, QUESTION, TrapsMatch, asked
from tests.contracts.test_thread_library import TRAPS


def test_a_question_suspends_and_its_answer_ends_the_call(transcript: bool) -> None:
    match = TrapsMatch(transcript=transcript)
    before = match.tip.commitment
    suspended = match.ask("askAndStore", match.other, QUESTION)
    assert (suspended.status, suspended.awaiting) == (Status.SUSPENDED, match.other)
    assert suspended.machine_hash != ZERO_HASH
    for field in ("state_root", "storage_root", "gas_used", "balances", "fee"):
        assert getattr(suspended, field) == getattr(before, field), field
    assert suspended.receipts_root == EMPTY_TRIE_ROOT
    opened = match.thread.open_call
    assert opened is not None
    assert (opened.suspension.question, opened.suspension.steps, opened.suspension.answers) == (QUESTION, 0, ())
    if transcript:
        assert suspended.machine_hash == opened.suspension.hash_struct()
    assert match.read("begun") == 0
    assert match.thread.account_nonce(match.terms.owners[0]) == 0

    ended = match.answered()
    assert (ended.status, ended.awaiting, ended.machine_hash) == (Status.REST, ZERO_ADDRESS, ZERO_HASH)
    assert match.thread.open_call is None
    assert (match.read("begun"), match.read("ended"), match.read("stored")) == (1, 1, ANSWER)
    assert match.thread.account_nonce(match.terms.owners[0]) == 1
    assert ended.gas_used > before.gas_used
    match.replayed()


def test_the_outcome_is_that_of_the_call_without_a_stop(transcript: bool) -> None:
    """C26: the same root as the run that never stops, where code at the trap address answers at once."""
    match = asked(transcript=transcript)
    ended = match.answered()
    plain = Match(TRAPS.runtime_code, rules=ruleset(create=True, storage_slots=1000, trap=bytes(20), empty_calls=True))
    plain.agree()
    call = TRAPS.function("askAndStore").encode(match.other, QUESTION)
    plain.call(0, call)
    assert plain.tip.commitment.status == Status.REST
    assert plain.thread.storage(0) == match.thread.storage(0) == 1
    assert ended.receipts_root != plain.tip.commitment.receipts_root  # there the answer was empty


CASES: list[tuple[str, Callable[[TrapsMatch], tuple[object, ...]]]] = [
    ("askAndStore", lambda match: (match.other, QUESTION)),
    ("nested", lambda match: (3, match.other, QUESTION)),
    ("viaConstructor", lambda match: (match.other, QUESTION)),
    ("viaDelegate", lambda match: (match.thread.address, match.other, QUESTION)),
    ("viaStatic", lambda match: (match.other, QUESTION)),
    ("staticThenWrite", lambda match: (match.other, QUESTION)),
    ("withMemory", lambda match: (500, match.other)),
    ("withTransient", lambda match: (77, match.other)),
    ("caught", lambda match: (match.other, QUESTION)),
    ("withGas", lambda match: (200_000, match.other, QUESTION)),
    ("surroundings", lambda match: (match.other,)),
    ("askThenRevert", lambda match: (match.other, QUESTION)),
]


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=[name for name, _ in CASES])
def test_traps_everywhere(name: str, arguments: Callable[[TrapsMatch], tuple[object, ...]], transcript: bool) -> None:
    match = TrapsMatch(transcript=transcript)
    suspended = match.ask(name, *arguments(match), gas=5_000_000)
    assert suspended.status == Status.SUSPENDED
    ended = match.answered()
    assert ended.status == Status.REST
    match.replayed()
    if name == "nested":
        assert [match.read("trail", depth) for depth in range(5)] == [1, 2, 3, 4, 0]
    if name == "caught":
        assert (match.read("begun"), match.read("ended"), match.read("stored")) == (1, 1, b"")
    if name == "viaDelegate":
        assert match.read("stored") == ANSWER


def test_several_questions_one_after_the_other(transcript: bool) -> None:
    match = TrapsMatch(transcript=transcript)
    match.ask("loopOfAsks", 3, match.other, gas=2_000_000)
    for number in range(3):
        opened = match.thread.open_call
        assert opened is not None
        assert opened.suspension.question == number.to_bytes(32, "big")
        assert len(opened.suspension.answers) == number
        match.answered(bytes([number]) * 32)
    assert match.tip.commitment.status == Status.REST
    assert match.read("begun") == 3
    match.replayed()


def test_two_owners_are_asked_in_turn() -> None:
    match = TrapsMatch()
    match.ask("relay", match.other, match.terms.owners[0], QUESTION)
    match.answered(b"first")
    opened = match.thread.open_call
    assert opened is not None
    assert (opened.suspension.awaiting, opened.suspension.question) == (match.terms.owners[0], b"first")
    match.answered(b"second", by=0)
    assert match.read("stored") == b"second"
    match.replayed()


@pytest.mark.parametrize("name", ["withValue", "malformed", "stranger", "delegated"])
def test_asking_wrongly_fails_the_call_and_suspends_nothing(name: str) -> None:
    match = TrapsMatch()
    if name == "malformed":
        for how in range(7):
            assert match.ask("malformed", how, match.other, QUESTION).status == Status.REST
    elif name == "stranger":
        assert match.ask("askAndStore", b"\x99" * 20, QUESTION).status == Status.REST
        assert match.read("stored") == b""
    elif name == "withValue":
        assert match.ask("withValue", match.other, QUESTION, value=5).status == Status.REST
        assert match.thread.account_balance(match.rules.trap) == 0
    else:
        assert match.ask("delegated", match.other, QUESTION).status == Status.REST
    match.replayed()


def test_an_abort_leaves_the_state_before_and_counts_the_nonce() -> None:
    for by in (0, 1):
        match = asked()
        before = match.tip.commitment
        dropped = match.agree(match.parties[by].abort()).commitment
        assert dropped.status == Status.REST
        assert (dropped.storage_root, dropped.gas_used) == (before.storage_root, before.gas_used)
        assert dropped.receipts_root == EMPTY_TRIE_ROOT
        assert match.thread.account_nonce(match.terms.owners[0]) == 1
        assert match.read("begun") == 0
        match.ask("askAndStore", b"\x99" * 20, QUESTION)
        match.replayed()


def test_play_goes_on_in_the_batch_of_the_answer() -> None:
    match = asked()
    answer = match.parties[1].answer(ANSWER)
    more = match.input(1, TRAPS.function("plainBreakpoint").encode())
    match.agree(answer, more)
    assert match.thread.account_nonce(match.other) == 1
    match.replayed()


def test_a_call_suspends_after_others_of_its_batch(transcript: bool) -> None:
    match = TrapsMatch(transcript=transcript)
    first = match.input(1, TRAPS.function("raw").encode(b""), gas=200_000)
    second = match.input(0, TRAPS.function("askAndStore").encode(match.other, QUESTION))
    suspended = match.agree(first, second).commitment
    assert suspended.status == Status.SUSPENDED
    assert suspended.gas_used > 0
    assert match.thread.account_nonce(match.other) == 1
    match.answered()
    assert match.read("stored") == ANSWER
    match.replayed()


def test_nothing_follows_a_call_that_suspends() -> None:
    match = TrapsMatch()
    asks = match.input(0, TRAPS.function("askAndStore").encode(match.other, QUESTION))
    more = match.input(1, TRAPS.function("plainBreakpoint").encode())
    with pytest.raises(InvalidBatch, match="last input") as caught:
        match.thread.prepare(match.batch([asks, more]))
    assert caught.value.ends_batch
    assert match.thread.open_call is None


def test_while_suspended_only_an_answer_or_an_abort_goes_on() -> None:
    match = asked()
    opened = match.thread.open_call
    assert opened is not None
    calls = match.input(1, TRAPS.function("plainBreakpoint").encode())
    hashed = opened.machine_hash
    wrong = [
        (calls, "an answer or abort"),
        (match.input(1, bytes(32) + ANSWER, kind=InputKind.ANSWER, nonce=0), "machineHash"),
        (match.input(0, hashed + ANSWER, kind=InputKind.ANSWER, nonce=0), "awaited"),
        (match.input(0, bytes(32), kind=InputKind.ABORT, nonce=0), "machineHash"),
    ]
    for each, clause in wrong:
        with pytest.raises(Refusal, match=clause):
            match.thread.prepare(match.batch([each]))
        assert match.thread.open_call is opened
    match.answered()


def test_an_abort_is_the_machine_hash_alone_and_suspends_nothing() -> None:
    match = asked()
    opened = match.thread.open_call
    assert opened is not None
    more = match.input(0, opened.machine_hash + b"x", kind=InputKind.ABORT, nonce=0)
    with pytest.raises(IllFormedBatch, match="an abort's data is machineHash"):
        match.thread.prepare(match.batch([more]))
    abort = match.parties[0].abort()
    with pytest.raises(InvalidBatch, match="an abort suspends nothing"):
        match.thread.prepare(match.batch([abort]), steps=5)
    assert match.thread.open_call is opened
    # Of a batch that goes on it is the last input that stops.
    plain = match.input(1, TRAPS.function("plainBreakpoint").encode())
    match.agree(abort, plain, steps=5)
    assert match.thread.open_call is not None
    assert match.thread.open_call.suspension.steps == 5
    match.replayed()


def test_answers_by_strangers_are_not_made() -> None:
    match = asked()
    with pytest.raises(LocalProtocolError, match="waits for"):
        match.parties[0].answer(ANSWER)
    resting = TrapsMatch()
    for attempt in (resting.parties[0].answer, resting.parties[0].abort):
        with pytest.raises(LocalProtocolError, match="no call is open"):
            attempt()


def test_a_third_party_can_neither_answer_nor_abort() -> None:
    match = Match(TRAPS.runtime_code, parties=3, rules=ruleset(create=True, storage_slots=1000))
    match.agree()
    match.call(0, TRAPS.function("askAndStore").encode(match.terms.owners[1], QUESTION))
    with pytest.raises(LocalProtocolError, match="only"):
        match.parties[2].abort()
    opened = match.thread.open_call
    assert opened is not None
    abort = match.input(2, opened.machine_hash, kind=InputKind.ABORT, nonce=0)
    with pytest.raises(InvalidBatch, match="abort by"):
        match.thread.prepare(match.batch([abort]))


def test_an_empty_batch_while_suspended_changes_nothing() -> None:
    match = asked()
    before = match.tip.commitment
    after = match.agree().commitment
    assert (after.status, after.awaiting, after.machine_hash) == (before.status, before.awaiting, before.machine_hash)
    match.answered()
    match.replayed()


def test_a_suspended_thread_can_be_closed() -> None:
    match = asked()
    before = match.tip.commitment
    final = match.agree(final=True).commitment
    assert (final.status, final.machine_hash, final.awaiting) == (Status.FINAL, ZERO_HASH, ZERO_ADDRESS)
    assert final.state_root == before.state_root
    match.replayed()


def test_the_genesis_batch_does_not_suspend() -> None:
    match = Match(TRAPS.runtime_code, rules=ruleset(create=True, storage_slots=1000))
    asks = match.input(0, TRAPS.function("askAndStore").encode(match.terms.owners[1], QUESTION), parent=ZERO_HASH)
    for steps in (0, 70):
        with pytest.raises(InvalidBatch, match="genesis"):
            match.thread.prepare(match.batch([asks]), steps=steps)


def test_a_read_asks_nobody() -> None:
    match = TrapsMatch()
    assert match.read("inThread") is False
    result = match.thread.call(TRAPS.function("askAndStore").encode(match.other, QUESTION))
    assert result.success
    assert match.thread.open_call is None


def test_a_question_that_is_too_long_is_no_input() -> None:
    match = TrapsMatch()
    asks = match.input(0, TRAPS.function("askAndStore").encode(match.other, bytes(40_000)), gas=5_000_000)
    with pytest.raises(InvalidBatch, match="32768 bytes"):
        match.thread.prepare(match.batch([asks]))


def test_a_suspension_of_just_as_many_bytes_as_there_may_be() -> None:
    match = TrapsMatch()
    parts = Suspension(bytes(32), (), 0, match.other, bytes(30_000))
    most = 30_000 + MAX_SUSPENSION_BYTES - len(parts.to_rlp())
    for size in (most, most + 1):
        asks = match.input(0, TRAPS.function("askAndStore").encode(match.other, bytes(size)), gas=5_000_000)
        if size > most:
            with pytest.raises(InvalidBatch, match=str(MAX_SUSPENSION_BYTES + 1)):
                match.thread.prepare(match.batch([asks]))
        else:
            match.thread.prepare(match.batch([asks]))
            assert match.thread.open_call is not None
            assert len(match.thread.open_call.suspension.to_rlp()) == MAX_SUSPENSION_BYTES


def test_without_a_trap_address_nothing_is_asked() -> None:
    match = TrapsMatch(trap=ZERO_ADDRESS, empty_calls=True)
    assert match.ask("askAndStore", match.other, QUESTION).status == Status.REST
    assert match.read("stored") == b""


# Peers that lie -------------------------------------------------------------------------------------------------------
def proposal_of(match: TrapsMatch, *inputs: SignedInput, steps: int = 0) -> tuple[object, int, int]:
    leader = match.thread.next_nonce % 2
    signed = match.batch(inputs)
    return match.parties[leader].propose(inputs, signed.batch.environment, steps=steps), leader, 1 - leader


@pytest.mark.parametrize(
    "changes",
    [{"answers": (b"x",)}, {"question": b"another?"}, {"awaiting": b"\x99" * 20}, {"input": b"\1" * 32}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_suspension_that_differs_is_refused(changes: dict[str, object]) -> None:
    match = TrapsMatch()
    asks = match.input(0, TRAPS.function("askAndStore").encode(match.other, QUESTION))
    proposal, leader, other = proposal_of(match, asks)
    lie = replace(proposal, suspension=replace(proposal.suspension, **changes))  # type: ignore[type-var, attr-defined]
    with pytest.raises(DivergentField, match=rf"suspension\.{next(iter(changes))}"):
        match.parties[other].review(lie)  # type: ignore[arg-type]
    assert match.parties[other].thread.open_call is None
    for wrong in (replace(proposal, suspension=None), replace(lie, suspension=replace(lie.suspension, steps=9))):  # type: ignore[type-var, attr-defined]
        with pytest.raises(Refusal):
            match.parties[other].review(wrong)  # type: ignore[arg-type]
    acceptance = match.parties[other].review(proposal)  # type: ignore[arg-type]
    assert match.parties[leader].agree({other: acceptance.signature}).commitment.status == Status.SUSPENDED


# Files ----------------------------------------------------------------------------------------------------------------
def test_a_file_of_a_suspended_thread(tmp_path: Path, transcript: bool) -> None:
    match = asked(transcript=transcript)
    path = tmp_path / "asked.thread"
    head = ThreadHead(match.thread.domain, match.terms, match.rules, match.code)

    def save() -> None:
        with ThreadFileWriter.create(path, head) as writer:
            for item in match.whole_line:
                writer.append(*item)
            writer.seal()

    save()
    report = verify_file(path)
    assert report.tip is not None
    assert report.tip.commitment.status == Status.SUSPENDED
    thread, count = replay_file(path)
    assert count == 2
    assert thread.open_call is not None
    assert thread.open_call.suspension.question == QUESTION
    # Somebody else goes on from the file, with the answer.
    answer = match.parties[1].answer(ANSWER)
    batch = match.batch([answer])
    assert thread.execute(batch) == match.thread.execute(batch)
    match.agree(answer)
    save()
    assert replay_file(path)[1] == 3


def test_a_file_wants_the_suspension_with_its_commitment(tmp_path: Path) -> None:
    match = asked()
    head = ThreadHead(match.thread.domain, match.terms, match.rules, match.code)
    suspension = match.suspensions[1]
    assert suspension is not None
    with ThreadFileWriter.create(tmp_path / "file", head) as writer:
        with pytest.raises(InvalidInput, match="Suspension"):
            writer.append(*match.line[0], suspension)
        writer.append(*match.line[0])
        for wrong in (None, replace(suspension, question=b"other"), replace(suspension, awaiting=b"\x99" * 20)):
            with pytest.raises(InvalidInput):
                writer.append(*match.line[1], wrong)
        writer.append(*match.line[1], suspension)


# The dialect ----------------------------------------------------------------------------------------------------------
def dialect(program: str, **options: object) -> Match:
    code = assemble_dialect(program)
    match = Match(code, rules=ruleset(**({"dialect": DIALECT} | options)))
    match.agree()
    return match


def assemble_dialect(program: str) -> bytes:
    """BREAKPOINT and TRAP by their bytes."""
    parts = program.replace("BREAKPOINT", "|b0|").replace("TRAP", "|b1|").split("|")
    return b"".join(bytes.fromhex(part) if part in ("b0", "b1") else assemble(part) for part in parts if part.strip())


def test_the_dialects_trap_pushes_the_first_word_of_the_answer(transcript: bool) -> None:
    other = Match(b"\0").terms.owners[1]
    match = dialect(
        f"PUSH1 4 PUSH1 0 PUSH20 0x{other.hex()} TRAP PUSH1 1 SSTORE RETURNDATASIZE PUSH1 2 SSTORE",
        transcript=transcript,
    )
    match.call(0)
    assert match.tip.commitment.status == Status.SUSPENDED
    opened = match.thread.open_call
    assert opened is not None
    assert opened.suspension.question == bytes(4)
    match.agree(match.parties[1].answer(b"\x01" * 33))
    assert match.thread.storage(1) == int.from_bytes(b"\x01" * 32, "big")
    assert match.thread.storage(2) == 33
    list(replay(match.open(), match.whole_line))


def test_the_dialects_trap_of_a_stranger_fails() -> None:
    match = dialect("PUSH1 0 PUSH1 0 PUSH20 0x" + "99" * 20 + " TRAP ISZERO PUSH1 1 SSTORE")
    match.call(0)
    assert match.tip.commitment.status == Status.REST
    assert match.thread.storage(1) == 1


def test_the_dialects_breakpoint_ends_the_batch() -> None:
    match = dialect("BREAKPOINT PUSH1 1 PUSH1 1 SSTORE")
    with pytest.raises(InvalidBatch, match="BREAKPOINT"):
        match.thread.prepare(match.batch([match.input(0), match.input(1)]))
    match.call(0)
    reverts = dialect("BREAKPOINT PUSH1 0 PUSH1 0 REVERT")
    reverts.agree(reverts.input(0), reverts.input(1))  # what is rolled back breaks nothing


def test_without_the_dialect_its_opcodes_are_invalid() -> None:
    for opcode in ("b0", "b1"):
        match = Match(bytes.fromhex("5f5f5f" + opcode))
        match.agree()
        match.call(0, gas=100_000)
        assert match.tip.commitment.gas_used == 100_000


def test_the_dialect_needs_byzantium() -> None:
    with pytest.raises(Refusal, match="Byzantium"):
        dialect("STOP", fork="SpuriousDragon")


def test_everybody_has_the_same_machine_whoever_ran_it_how(transcript: bool) -> None:
    match = TrapsMatch(transcript=transcript)
    asks = match.input(0, TRAPS.function("nested").encode(2, match.other, QUESTION), gas=3_000_000)
    signed = match.batch([asks])
    commitments = {party.thread.execute(signed) for party in match.parties}
    again = match.open()
    list(replay(again, match.whole_line))
    commitments.add(again.execute(signed))
    assert len(commitments) == 1
    assert {agree_on(match.parties, [asks], signed.batch.environment).commitment} == commitments


def test_a_suspension_belongs_to_its_commitment() -> None:
    match = asked()
    suspension = match.suspensions[1]
    assert isinstance(suspension, Suspension)
    check_suspension_fits(match.tip.commitment, suspension, transcript=True)
    with pytest.raises(IllFormedCommitment):
        check_suspension_fits(match.line[0][0].commitment, suspension, transcript=True)


# A machine doesn't hang on what its thread did, and undid, before -----------------------------------------------------
ASKS_OR = "CALLDATASIZE PUSH @other JUMPI {asks} STOP other: JUMPDEST {other} STOP"
ASKS = (
    "PUSH20 0x{who} PUSH1 0 MSTORE PUSH1 64 PUSH1 32 MSTORE PUSH1 0 PUSH1 64 MSTORE"
    " PUSH1 0 PUSH1 0 PUSH1 96 PUSH1 0 PUSH1 0 PUSH20 0xa963741a01a90fb9e275394aa45e9d15b0f0edfd GAS CALL POP"
)


def asks_or(other: str, *, transcript: bool) -> Match:
    """A contract that asks party 1, or does something else where it is called with data."""
    asks = ASKS.format(who=Match(b"\0").terms.owners[1].hex())
    rules = ruleset(transcript=transcript, create=True, storage_slots=1000, empty_calls=True)
    match = Match(assemble(ASKS_OR.format(asks=asks, other=other)), rules=rules)
    match.agree()
    return match


def prepares_and_discards(match: Match, thread: Thread) -> None:
    thread.execute(match.batch([match.input(1, b"x", nonce=nonce) for nonce in (0, 1)]))


def fails_to_prepare(match: Match, thread: Thread) -> None:
    with pytest.raises(InvalidBatch):
        thread.prepare(match.batch([match.input(1, b"x", nonce=nonce) for nonce in (0, 1, 5)]))


def reads(match: Match, thread: Thread) -> None:
    assert thread.call(b"x").success


@pytest.mark.parametrize("before", [prepares_and_discards, fails_to_prepare, reads])
@pytest.mark.parametrize("other", ["PUSH1 5 PUSH1 1 SSTORE", "PUSH1 0 PUSH1 0 PUSH1 0 CREATE"])
def test_what_was_undone_before_leaves_no_trace_in_a_machine(
    other: str, before: Callable[[Match, Thread], None]
) -> None:
    match = asks_or(other, transcript=False)
    before(match, match.parties[1].thread)
    signed = match.batch([match.input(0)])
    first, second = [party.thread.execute(signed) for party in match.parties]
    assert first.status == Status.SUSPENDED
    assert first == second


def test_an_answer_after_a_batch_that_was_discarded(transcript: bool) -> None:
    match = asks_or("PUSH1 5 PUSH1 1 SSTORE", transcript=transcript)
    match.call(0)
    answer = match.parties[1].answer()
    more = [match.input(1, b"x", nonce=nonce) for nonce in (0, 1)]
    match.thread.execute(match.batch([answer, *more]))
    first, second = [party.thread.execute(match.batch([answer])) for party in match.parties]
    assert first == second
    assert match.thread.storage(1) == 0
    assert match.thread.open_call is not None


def test_a_machine_of_a_great_many_logs_goes_on() -> None:
    """More items of RLP than a message may have: 66,000 logs cost 25 million gas."""
    many = "PUSH3 66000 next: PUSH0 PUSH0 LOG0 PUSH1 1 SWAP1 SUB DUP1 PUSH @next JUMPI "
    asks = "PUSH0 PUSH0 CALLER DATA 0xb1 STOP"
    match = Match(assemble(many + asks), rules=ruleset(fork="Cancun", dialect=DIALECT))
    match.agree()
    assert match.call(0, gas=30_000_000).commitment.status == Status.SUSPENDED
    answer = match.parties[0].answer()
    assert match.agree(answer).commitment.status == Status.REST


@pytest.mark.parametrize("change", [lambda kept: kept[:-1], lambda kept: b"", lambda kept: b"\x01\xc0"])
def test_a_machine_that_was_kept_wrong_refuses_the_answer(change: Callable[[bytes], bytes]) -> None:
    match = asked()
    kept = match.thread.whole_step()
    assert kept is not None
    assert kept.open_call is not None
    wrong = replace(kept.open_call, snapshot=change(kept.open_call.snapshot))
    thread = match.open()
    thread.restore(match.tip, (), [replace(kept, open_call=wrong)])
    answer = match.parties[1].answer(ANSWER)
    with pytest.raises(InvalidBatch, match="whose machine can be read"):
        thread.prepare(match.batch([answer]))
    thread.prepare(match.batch([match.parties[1].abort()]))
