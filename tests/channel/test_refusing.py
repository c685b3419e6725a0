"""Why a proposal isn't signed: each rule alone, at its boundary; and with which code its leader is told."""

from dataclasses import replace

import pytest

from evmthread.channel.desk import ChainHead, Desk, Mode
from evmthread.channel.errors import ClockDrift, DivergentField
from evmthread.channel.events import StopReason
from evmthread.channel.messages import Propose, RejectCode, Request
from evmthread.channel.party import SignedInput
from evmthread.channel.refusing import (
    Unsigned,
    check_may_sign,
    check_not_lapsed,
    check_not_passed_over,
    check_times,
    next_environment,
    rejection,
)
from evmthread.commit import DIALECT, Batch, SignedBatch
from evmthread.commit.refusals import BrokenParent, IllFormedBatch, NonceOrder, WrongThread
from tests.assembler import assemble
from tests.channel.endpoints import ADDS, ASKS, GAS, Table, word
from tests.channel.games import START
from tests.channel.test_ballot import standing
from tests.channel.test_wishes import request_of

BREAKS = assemble("DATA 0xb0 PUSH0 CALLDATALOAD PUSH0 SSTORE STOP")


def desk_of(table: Table, index: int = 0) -> Desk:
    return table.channel(index)._desk


def propose(desk: Desk, *inputs: SignedInput, nonce: int = 1, final: bool = False) -> Propose:
    """What these inputs lead to, prepared on the desk's thread."""
    block = next_environment(desk, empty=not inputs)
    signed = SignedBatch(
        Batch(block, tuple([each.input for each in inputs])), tuple([each.signature for each in inputs])
    )
    return Propose(desk.thread.prepare(signed, nonce=nonce, final=final), signed, None, b"")


# The signer law -------------------------------------------------------------------------------------------------------
def may_sign(desk: Desk, nonce: int = 1, *, final: bool = False, counts: bool = True) -> str:
    """Why not, or nothing."""
    try:
        check_may_sign(desk, nonce=nonce, final=final, counts=counts)
    except Unsigned as error:
        return f"{error.code.name}: {error.where}"
    return ""


def test_nothing_is_signed_twice_nor_out_of_its_time() -> None:
    desk = desk_of(Table(3))
    assert may_sign(desk) == ""
    desk.ballot.highest_signed = 4
    assert may_sign(desk, 4) == "STALE: nonce 4 was signed"
    assert may_sign(desk, 5) == ""
    assert may_sign(desk, desk.highest_now) == ""
    assert may_sign(desk, desk.highest_now + 1).startswith("UNWANTED: nonce ")
    desk.ballot.final = word(1)
    assert may_sign(desk, 5) == "FINAL: a final commitment was signed"
    assert may_sign(desk, 5, final=True).startswith("FINAL")


def test_nothing_is_signed_before_all_have_said_what_they_have() -> None:
    desk = desk_of(Table(3))
    desk.heard = {1}
    assert may_sign(desk) == "UNWANTED: not every party has said yet what it has"
    desk.heard = {1, 2}
    desk.wants_floor = True
    assert may_sign(desk) != ""
    desk.wants_floor = False
    desk.hears_until = desk.now + 1
    assert may_sign(desk) != ""
    desk.hears_until = desk.now
    assert may_sign(desk) == ""
    desk.stop(StopReason.REFUSED, "")
    assert may_sign(desk) != ""


def test_a_final_one_needs_all_to_be_ready_and_nothing_else() -> None:
    desk = desk_of(Table(3, on_chain=True, rules={"open_proposals": 1}))
    desk.head = ChainHead(6, START, Mode.LIVE, 5, Mode.LIVE)
    assert may_sign(desk, final=True) == "UNWANTED: not everyone is ready to close"
    desk.ready_to_close = desk.thread.parent
    assert may_sign(desk) == "UNWANTED: closing"
    desk.close_answers = dict.fromkeys(range(3), desk.thread.parent)
    assert may_sign(desk, final=True) == ""
    for mode in (Mode.NONE, Mode.FUNDING):
        desk.head = ChainHead(6, START, Mode.LIVE, 5, mode)
        assert may_sign(desk, final=True) == "UNWANTED: the chain doesn't say that the thread is live"
    for mode in (Mode.CHALLENGED, Mode.SETTLED):
        desk.head = ChainHead(6, START, mode, 5, mode)
        assert may_sign(desk, final=True) == ""


def test_above_the_genesis_the_chain_must_say_live() -> None:
    desk = desk_of(Table(3, on_chain=True))
    assert may_sign(desk, 1) == "UNWANTED: the chain doesn't say that the thread is live"
    desk.ballot.highest_signed = -1
    assert may_sign(desk, 0) == ""
    desk.head = ChainHead(6, START, Mode.LIVE, 5, Mode.LIVE)
    assert may_sign(desk, 1) == ""


def test_so_many_signatures_stand_and_no_more() -> None:
    desk = desk_of(Table(3, rules={"open_proposals": 2}))
    desk.ballot.add(standing(1, signed=True))
    assert may_sign(desk, 5) == ""
    desk.ballot.add(standing(2, signed=True))
    assert may_sign(desk, 5) == "TOO_MANY: 2 signatures above the latest agreement"
    assert may_sign(desk, 5, counts=False) == ""
    desk.ballot.highest_signed = -1
    assert may_sign(desk, 0).startswith("TOO_MANY")


def test_who_can_not_be_followed_any_more_is_not_signed_for() -> None:
    """Enough parties have signed a final one: nothing else can be agreed, and what is signed would bar the end."""
    desk = desk_of(Table(3, threshold=2))
    desk.ballot.note_bound(1)
    assert may_sign(desk) == ""
    desk.ballot.note_bound(2)
    assert may_sign(desk).startswith("UNWANTED")
    desk.ready_to_close = desk.thread.parent
    desk.close_answers = dict.fromkeys(range(3), desk.thread.parent)
    assert may_sign(desk, final=True) == ""


def test_each_reason_has_its_code() -> None:
    assert str(Unsigned(RejectCode.FINAL, "ended")) == "ended"
    for error, code in (
        (Unsigned(RejectCode.FINAL, "ended"), RejectCode.FINAL),
        (DivergentField("fee", 1, 2), RejectCode.DIVERGENT),
        (ClockDrift(1, 2, 3), RejectCode.CLOCK),
        (BrokenParent(bytes(32)), RejectCode.STALE),
        (NonceOrder(1), RejectCode.STALE),
        (WrongThread(bytes(32), word(1)), RejectCode.INVALID),
    ):
        got = rejection(error)
        assert got == (code, "ended" if code == RejectCode.FINAL else str(error))


# Times ----------------------------------------------------------------------------------------------------------------
def test_a_batch_is_not_ahead_of_the_chain() -> None:
    table = Table(3)
    desk = desk_of(table)
    signed = request_of(table, 1).signed
    drift = table.rules.clock_drift

    def at(number: int, timestamp: int, *inputs: SignedInput) -> SignedBatch:
        block = replace(desk.thread.environment(), number=number, timestamp=timestamp)
        batch = Batch(block, tuple([each.input for each in inputs]))
        return SignedBatch(batch, tuple([each.signature for each in inputs]))

    now = int(desk.now)
    check_times(desk, at(99, now, signed), nonce=1)
    desk.head = ChainHead(7, now - drift, Mode.LIVE, 5, Mode.LIVE)
    check_times(desk, at(7, now, signed), nonce=1)
    for batch, nonce in ((at(8, now, signed), 1), (at(7, now + 1, signed), 1), (at(8, now), 0), (at(7, now + 1), 0)):
        with pytest.raises(IllFormedBatch) as error:
            check_times(desk, batch, nonce=nonce)
        assert error.value.nonce == nonce
    check_times(desk, at(8, now + 1), nonce=1)
    with pytest.raises(ClockDrift):
        check_times(desk, at(7, now - drift - 1, signed), nonce=1)


def test_what_we_propose_is_at_our_time_and_not_ahead_of_the_chain() -> None:
    table = Table(3)
    desk, drift = desk_of(table), table.rules.clock_drift
    before = desk.thread.environment()
    desk.now += 500
    now = int(desk.now)
    assert next_environment(desk, empty=True) == before
    assert next_environment(desk, empty=False) == replace(before, timestamp=now)
    desk.head = ChainHead(7, now - drift - 3, Mode.LIVE, 5, Mode.LIVE)
    assert next_environment(desk, empty=False) == replace(before, number=7, timestamp=now - 3)
    desk.head = ChainHead(0, now, Mode.LIVE, 0, Mode.LIVE)
    assert next_environment(desk, empty=False) == replace(before, timestamp=now)
    desk.now = before.timestamp - 10
    assert next_environment(desk, empty=False) == before, "never back"
    desk.head = None
    desk.thread._environment = replace(before, number=5)
    assert next_environment(desk, empty=False).number == 5, "nor without a chain"
    fresh = desk_of(Table(2, begin=False))
    fresh.head = ChainHead(9, START, Mode.FUNDING, 8, Mode.FUNDING)
    assert next_environment(fresh, empty=True).number == 9, "the genesis repeats nothing"


# Who was passed over --------------------------------------------------------------------------------------------------
def waiting(
    code: bytes = ADDS, *, rest: bytes = b"", gas: int = GAS, **rules: object
) -> tuple[Table, Desk, SignedInput]:
    """Party 0 asked for something that all have had for a base timer; its desk, and its input."""
    table = Table(3, code=code, automatic=False, rules=rules)
    table.ask(0, 10, gas=gas)
    table.pump()
    desk = desk_of(table)
    (own,) = desk.pool.own
    assert own.sent is not None
    desk.now = own.sent + desk.options.base_timer
    return table, desk, SignedInput(own.input, own.signature)


def passed_over(desk: Desk, proposal: Propose) -> str:
    try:
        check_not_passed_over(desk, proposal)
    except Unsigned as error:
        return error.where if error.code == RejectCode.PASSED_OVER else f"not {error.code.name}"
    return ""


LEFT_OUT = "a request that all have had for a while is left out"


def test_what_all_have_had_for_long_is_in_the_batch() -> None:
    table, desk, ours = waiting()
    other = request_of(table, 1).signed
    assert passed_over(desk, propose(desk, ours)) == ""
    assert passed_over(desk, propose(desk, ours, other)) == ""
    desk.pool.add(other, desk.now - desk.options.base_timer)
    assert passed_over(desk, propose(desk, other)) == LEFT_OUT
    assert passed_over(desk, propose(desk)) == LEFT_OUT
    assert passed_over(desk, propose(desk, final=True)) == "", "the end isn't held up"
    desk.now -= 0.5
    assert passed_over(desk, propose(desk, other)) == "", "not for so long"


def test_what_came_later_does_not_go_before() -> None:
    table, desk, ours = waiting()
    other = request_of(table, 1).signed
    unknown = f"0x{other.input.actor.hex()} goes before an older request"
    assert passed_over(desk, propose(desk, other, ours)) == unknown
    assert passed_over(desk, propose(desk, other)) == unknown
    desk.pool.add(other, desk.now)
    assert passed_over(desk, propose(desk, other, ours)) == "", "made within a base timer of each other"


def test_a_batch_that_is_full_may_leave_it_out() -> None:
    table, desk, _ = waiting(batch_inputs=1)
    other = request_of(table, 1).signed
    desk.pool.add(other, START)
    assert passed_over(desk, propose(desk, other)) == ""


def measured(**rules: object) -> tuple[Desk, Propose, SignedInput]:
    """A batch with another's input alone, prepared; and ours, which could follow."""
    table, desk, ours = waiting(**rules)
    other = request_of(table, 1, gas=60_000).signed
    desk.pool.add(other, START)
    return desk, propose(desk, other), ours


def test_so_may_one_that_has_no_gas_left_for_it() -> None:
    desk, _, ours = measured()
    prepared = desk.thread.prepared
    assert prepared is not None
    room = prepared.outcome.gas_used + ours.input.gas
    for limit, answer in ((room, LEFT_OUT), (room - 1, "")):
        desk, proposal, _ = measured(batch_gas=limit)
        assert passed_over(desk, proposal) == answer


def test_so_may_one_that_has_no_bytes_left_for_it() -> None:
    _, proposal, ours = measured()
    both = len(proposal.batch.to_rlp()) + len(ours.input.to_rlp()) + len(ours.signature) + 16
    for limit, answer in ((both, LEFT_OUT), (both - 1, "")):
        desk, proposal, _ = measured(batch_bytes=limit)
        assert passed_over(desk, proposal) == answer


def test_so_may_one_that_ends_with_a_question_or_a_breakpoint() -> None:
    table, desk, _ = waiting(ASKS, dialect=DIALECT)
    asks = request_of(table, 1, data=word(1) + bytes(12) + table.terms.owners[1]).signed
    desk.pool.add(asks, START)
    proposal = propose(desk, asks)
    assert proposal.commitment.awaiting == table.terms.owners[1]
    assert passed_over(desk, proposal) == ""
    table, desk, _ = waiting(BREAKS, dialect=DIALECT)
    breaks = request_of(table, 1).signed
    desk.pool.add(breaks, START)
    assert passed_over(desk, propose(desk, breaks)) == ""


def test_an_empty_batch_may_free_signatures() -> None:
    _, desk, _ = waiting(open_proposals=3)
    empty = propose(desk)
    desk.ballot.add(standing(4, signed=True))
    desk.ballot.refuse(5)
    assert passed_over(desk, empty) == LEFT_OUT
    desk.ballot.refuse(6)
    assert passed_over(desk, empty) == ""


def test_where_the_chain_is_not_known_no_number_is_signed() -> None:
    for on_chain in (True, False):
        table = Table(3, on_chain=on_chain)
        desk = desk_of(table)
        signed = request_of(table, 1).signed
        for number in (0, 1):
            block = replace(desk.thread.environment(), number=number, timestamp=int(desk.now))
            batch = SignedBatch(Batch(block, (signed.input,)), (signed.signature,))
            if on_chain and number:
                with pytest.raises(Unsigned, match="no block of the chain is known"):
                    check_times(desk, batch, nonce=1)
            else:
                check_times(desk, batch, nonce=1)


def test_what_was_meant_for_the_genesis_does_not_come_later() -> None:
    table = Table(3)
    desk = desk_of(table)
    model = propose(desk, request_of(table, 1).signed)

    def lapsed(*inputs: Request, nonce: int = 1) -> bool:
        signed = [each.signed for each in inputs]
        batch = Batch(model.batch.batch.environment, tuple([each.input for each in signed]))
        whole = SignedBatch(batch, tuple([each.signature for each in signed]))
        try:
            check_not_lapsed(desk, replace(model, commitment=replace(model.commitment, nonce=nonce), batch=whole))
        except Unsigned as error:
            return error.code == RejectCode.UNWANTED
        return False

    ours, others = request_of(table, 0, parent=bytes(32)), request_of(table, 1, parent=bytes(32))
    bound = request_of(table, 0)
    assert lapsed(ours)
    assert lapsed(others, ours)
    assert not lapsed(ours, nonce=0)
    assert not lapsed(others, bound)
    assert not lapsed()
    desk.is_party = False
    assert not lapsed(ours)
