"""A thread that is moved by kept steps, and what is read of it and of a call beside it."""

from dataclasses import replace

import pytest

from evmthread.channel.errors import DivergentField, LocalProtocolError
from evmthread.channel.saved import SavedStep
from evmthread.channel.thread import Thread
from evmthread.commit import DIALECT, Agreement, Input, InputKind, Status
from evmthread.commit.refusals import IllFormedBatch
from evmthread.machine.breakpoints import AtOpcode
from evmthread.state.memory import MemoryState
from tests.assembler import assemble
from tests.channel.endpoints import ASKS
from tests.channel.games import START, Match, ruleset

STORE = assemble("PUSH 32 CALLDATALOAD PUSH 0 CALLDATALOAD SSTORE STOP")
READ = assemble("PUSH 0 SLOAD PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN")
# Stores from time START + 10 on, and nothing before.
LATE = assemble(f"PUSH {START + 10} TIMESTAMP LT PUSH @no JUMPI PUSH 1 PUSH 0 SSTORE no: STOP")
# Stores once slot 0 holds something; the first word goes there.
SECOND = assemble("PUSH 0 SLOAD ISZERO PUSH @go JUMPI PUSH 9 PUSH 7 SSTORE go: PUSH 0 CALLDATALOAD PUSH 0 SSTORE STOP")


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


class Kept:
    """A line of agreements with the step that led to each; `thread` stands at its end."""

    def __init__(self, match: Match) -> None:
        self.match = match
        self.thread = match.open()
        self.steps: list[SavedStep] = []
        self.agreements: list[Agreement] = []
        for agreement, batch in match.line:
            self.thread.prepare(batch)
            self.steps.append(self.thread.prepared_step(turn_since=3))
            self.thread.adopt(agreement)
            self.agreements.append(agreement)


def played() -> Kept:
    match = Match(STORE)
    match.agree()
    for number in (5, 6, 0):
        match.call(0, words(1, number))
    match.call(1, words(number + 2, 7), value=3)
    return Kept(match)


# Steps ----------------------------------------------------------------------------------------------------------------
def test_a_step_says_where_a_batch_led() -> None:
    kept = played()
    step = kept.steps[-1]
    assert step.environment == kept.thread.latest_environment
    assert (step.slots, step.open_call, step.turn_since) == (1, None, 3)
    with pytest.raises(LocalProtocolError, match="nothing is prepared"):
        kept.thread.prepared_step()


def test_steps_lead_from_nothing_on_and_back() -> None:
    kept = played()
    thread = kept.match.open()
    thread.advance(kept.agreements[1], kept.steps[:2])
    assert thread.agreement is kept.agreements[1]
    assert (thread.storage(1), thread.latest_environment) == (5, kept.steps[1].environment)
    thread.restore(kept.agreements[-1], [step.changes for step in kept.steps[2:-1]], kept.steps[-1:])
    assert (thread.storage(1), thread.storage(2), thread.parent) == (0, 7, kept.thread.parent)
    thread.revert(kept.agreements[2], kept.steps[2], kept.steps[3:])
    assert (thread.storage(1), thread.storage(2), thread.parent) == (6, 0, kept.agreements[2].digest)
    for agreement, batch in kept.match.line[3:]:
        thread.prepare(batch)
        thread.adopt(agreement)
    assert thread.parent == kept.thread.parent


def test_steps_that_lead_elsewhere_change_nothing() -> None:
    kept = played()
    thread = kept.match.open()
    with pytest.raises(DivergentField, match="stateRoot") as caught:
        thread.advance(kept.agreements[2], kept.steps[:2])
    assert caught.value.field == "stateRoot"
    with pytest.raises(LocalProtocolError, match="steps that lead"):
        thread.advance(kept.agreements[2], [])
    assert thread.agreement is None
    assert thread.storage(1) == 0
    thread.advance(kept.agreements[2], kept.steps[:3])
    with pytest.raises(DivergentField, match="stateRoot"):
        thread.revert(kept.agreements[1], kept.steps[1], kept.steps[3:4])
    assert (thread.agreement, thread.storage(1)) == (kept.agreements[2], 6)


@pytest.mark.parametrize("how", ["advance", "revert"])
def test_what_is_prepared_is_discarded_before_a_thread_moves(how: str) -> None:
    kept = played()
    thread = kept.match.open()
    thread.advance(kept.agreements[2], kept.steps[:3])
    thread.prepare(kept.match.line[3][1])
    if how == "advance":
        thread.advance(kept.agreements[3], kept.steps[3:4])
        assert thread.storage(1) == 0
    else:
        thread.revert(kept.agreements[1], kept.steps[1], kept.steps[2:3])
        assert thread.storage(1) == 5
    assert thread.prepared is None


def test_the_whole_state_is_a_step_from_nothing() -> None:
    kept = played()
    with pytest.raises(LocalProtocolError, match="with nothing prepared"):
        kept.match.open().whole_step()
    whole = kept.thread.whole_step()
    assert whole is not None
    root = whole.changes.accounts[kept.thread.address]
    assert set(whole.changes.accounts) == {kept.thread.address, *kept.match.terms.owners}
    assert (root.before, root.slots) == (None, {2: (0, 7)})
    assert set(whole.changes.codes.values()) == {STORE}
    assert (whole.slots, whole.environment, whole.open_call) == (1, kept.thread.latest_environment, None)
    thread = kept.match.open()
    thread.advance(kept.agreements[-1], [whole])
    assert thread.parent == kept.thread.parent
    thread.prepare(kept.match.batch([kept.match.input(0, words(3, 4))]))
    with pytest.raises(LocalProtocolError, match="with nothing prepared"):
        thread.whole_step()


@pytest.mark.parametrize("lists", ["accounts", "slots"])
def test_a_state_that_can_not_be_listed_has_no_whole_step(lists: str) -> None:
    kept = played()
    full = MemoryState()

    class Narrow:
        """Lists only one of the two."""

        def __getattr__(self, name: str) -> object:
            if name in {"accounts", "slots"} - {lists}:
                raise AttributeError(name)
            return getattr(full, name)

    match = kept.match
    thread = Thread.open(kept.thread.domain, match.terms, match.rules, code=STORE, state=Narrow())  # type: ignore[arg-type]
    for agreement, batch in match.line:
        thread.prepare(batch)
        thread.adopt(agreement)
    assert thread.whole_step() is None


def test_an_open_call_goes_with_its_step() -> None:
    match = Match(ASKS, rules=ruleset(dialect=DIALECT))
    match.agree()
    match.call(0, words(5) + bytes(12) + match.terms.owners[1], gas=200_000)
    kept = Kept(match)
    assert kept.thread.agreed_call is not None
    for step in (kept.steps[-1], replace(kept.steps[-1], open_call=None)):
        thread = match.open()
        if step.open_call is None:
            with pytest.raises(DivergentField, match="machineHash"):
                thread.advance(kept.agreements[-1], [*kept.steps[:-1], step])
            continue
        thread.advance(kept.agreements[-1], [*kept.steps[:-1], step])
        assert thread.agreed_call == kept.thread.agreed_call


# Reading --------------------------------------------------------------------------------------------------------------
def test_which_call_is_open_before_and_after_an_agreement() -> None:
    match = Match(ASKS, rules=ruleset(dialect=DIALECT))
    assert match.thread.latest_environment is None
    match.agree()
    thread = match.thread
    assert thread.latest_environment == match.line[-1][1].batch.environment
    asks = match.input(0, words(5) + bytes(12) + match.terms.owners[1], gas=200_000)
    thread.prepare(match.batch([asks]))
    assert thread.open_call is not None
    assert thread.agreed_call is None
    thread.discard()
    assert thread.open_call is None
    match.agree(asks)
    assert thread.open_call is thread.agreed_call is not None
    thread.prepare(match.batch([match.parties[1].answer(words(1))]))
    assert thread.open_call is None
    assert thread.agreed_call is not None


def test_a_state_that_nobody_gave_is_there_to_read() -> None:
    match = Match(STORE)
    match.agree()
    account = match.thread.state.account(match.terms.owners[0])
    assert account is not None
    assert account.balance == match.terms.deposits[0]


def test_whom_a_read_calls_and_as_whom() -> None:
    match = Match(assemble("CALLER PUSH 0 MSTORE PUSH 32 PUSH 0 RETURN"))
    match.agree()
    thread, (first, second) = match.thread, match.terms.owners
    assert thread.call(b"").output[12:] == first
    assert thread.call(b"", sender=second).output[12:] == second
    assert thread.call(b"", to=second).output == b""


def test_a_read_costs_the_same_whatever_ran_before() -> None:
    match = Match(READ)
    match.agree()
    before = match.thread.call(b"").gas_left
    match.thread.prepare(match.batch([match.input(0)]))
    assert match.thread.call(b"").gas_left == before, "its slot is cold again"


def test_where_a_call_stops_depends_on_what_is_prepared_and_on_its_block() -> None:
    match = Match(SECOND)
    match.agree()
    thread, stop = match.thread, AtOpcode("SSTORE")
    call = match.input(0, words(1)).input
    alone = thread.steps_until(call, stop)
    thread.prepare(match.batch([match.input(0, words(1))]))
    after = thread.steps_until(match.input(0, words(1)).input, stop)
    assert alone is not None
    assert after is not None
    assert alone != after
    late = Match(LATE)
    late.agree()
    call = late.input(0).input
    assert late.thread.steps_until(call, stop) is None
    assert late.thread.steps_until(call, stop, environment=late.environment(START + 10)) is not None


def test_where_an_answer_stops_wants_an_open_call() -> None:
    match = Match(STORE)
    match.agree()
    answer: Input = replace(match.input(0, bytes(32)).input, kind=InputKind.ANSWER)
    with pytest.raises(LocalProtocolError, match="no call is open"):
        match.thread.steps_until(answer, AtOpcode("SSTORE"))
    asks = Match(ASKS, rules=ruleset(dialect=DIALECT))
    asks.agree()
    call = asks.input(0, words(5) + bytes(12) + asks.terms.owners[1], gas=200_000)
    assert asks.thread.steps_until(call.input, AtOpcode("SSTORE")) is None, "it asks before"
    asks.agree(call)
    assert asks.thread.steps_until(asks.parties[1].answer(words(1)).input, AtOpcode("SSTORE")) is not None


def test_time_does_not_run_back() -> None:
    match = Match(STORE)
    match.agree(environment=match.environment(START + 10))
    with pytest.raises(IllFormedBatch):
        match.thread.prepare(match.batch([match.input(0)], match.environment(START + 9)))


def test_only_what_is_prepared_is_stood_for() -> None:
    match = Match(STORE)
    match.agree()
    thread = match.thread
    with pytest.raises(LocalProtocolError, match="nothing is prepared"):
        thread.stand_for(match.tip.commitment)
    commitment = thread.prepare(match.batch([match.input(0, words(1, 5))]))

    class Agrees:
        """It says that it is the same, and may say something else later."""

        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, _other: object) -> bool:
            return True

    for wrong in (replace(commitment, nonce=2), match.tip.commitment, Agrees()):
        with pytest.raises(LocalProtocolError, match="nothing is prepared that led"):
            thread.stand_for(wrong)  # type: ignore[arg-type]
    same = replace(commitment)
    thread.stand_for(same)
    assert thread.prepared is not None
    assert thread.prepared.commitment is same
    assert thread.storage(1) == 5


def test_an_end_drops_the_call_that_is_open_and_anything_else_keeps_it() -> None:
    match = Match(ASKS, rules=ruleset(dialect=DIALECT))
    match.agree()
    match.call(0, words(5) + bytes(12) + match.terms.owners[1], gas=200_000)
    for final, status in ((False, Status.SUSPENDED), (True, Status.FINAL)):
        commitment = match.thread.execute(match.batch([]), final=final)
        assert commitment.status == status
        assert commitment.awaiting == (bytes(20) if final else match.terms.owners[1])
        assert (commitment.machine_hash == bytes(32)) == final
