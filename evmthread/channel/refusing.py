"""Why a proposal isn't signed, beyond what executing it shows; and how a refusal is told to its leader.

Changes nothing.
"""

from evmthread.channel.desk import Desk
from evmthread.channel.errors import ClockDrift, DivergentField
from evmthread.channel.messages import Propose, RejectCode
from evmthread.channel.pool import Own
from evmthread.channel.review import check_clock
from evmthread.commit.batch import Environment, Input, SignedBatch
from evmthread.commit.commitment import FINAL
from evmthread.commit.refusals import BrokenParent, IllFormedBatch, NonceOrder
from evmthread.errors import EvmthreadError
from evmthread.primitives.types import ZERO_HASH


class Unsigned(EvmthreadError):  # noqa: N818 - as all names in errors.py, it says what happened
    """We don't sign a proposal: the code and the words with which its leader is told."""

    def __init__(self, code: RejectCode, where: str) -> None:
        super().__init__(where)
        self.code = code
        self.where = where


def rejection(error: EvmthreadError) -> tuple[RejectCode, str]:
    """The code and the words of a refusal."""
    if isinstance(error, Unsigned):
        return error.code, error.where
    if isinstance(error, DivergentField):
        return RejectCode.DIVERGENT, str(error)
    if isinstance(error, ClockDrift):
        return RejectCode.CLOCK, str(error)
    if isinstance(error, BrokenParent | NonceOrder):
        return RejectCode.STALE, str(error)
    return RejectCode.INVALID, str(error)


def check_may_sign(desk: Desk, *, nonce: int, final: bool, counts: bool) -> None:
    """Nothing, or Unsigned: the signer law lets us sign a commitment of this kind now (rules 1 to 5)."""
    ballot = desk.ballot
    if ballot.final is not None:
        raise Unsigned(RejectCode.FINAL, "a final commitment was signed")
    if nonce <= ballot.highest_signed:
        raise Unsigned(RejectCode.STALE, f"nonce {ballot.highest_signed} was signed")
    if nonce > desk.highest_now:
        raise Unsigned(RejectCode.UNWANTED, f"nonce {desk.highest_now} is the highest that is signed now")
    if not desk.may_sign:
        raise Unsigned(RejectCode.UNWANTED, "not every party has said yet what it has")
    if nonce and not desk.may_sign_above_genesis(final=final):
        raise Unsigned(RejectCode.UNWANTED, "the chain doesn't say that the thread is live")
    if final:
        if not desk.all_ready:
            raise Unsigned(RejectCode.UNWANTED, "not everyone is ready to close")
        return
    if desk.ready_to_close is not None:
        raise Unsigned(RejectCode.UNWANTED, "closing")
    if ballot.can_only_end:  # what can't be agreed would only keep us from the end
        raise Unsigned(RejectCode.UNWANTED, "too many have signed a final commitment")
    if counts and ballot.open_proposals >= desk.thread.ruleset.open_proposals:
        raise Unsigned(RejectCode.TOO_MANY, f"{ballot.open_proposals} signatures above the latest agreement")


def check_times(desk: Desk, signed: SignedBatch, *, nonce: int) -> None:
    """Nothing, a Refusal or Unsigned: the batch's time is near our clock, and not ahead of the chain we know."""
    check_clock(desk.thread, signed, desk.now, nonce=nonce)
    environment, head = signed.batch.environment, desk.head
    if not signed.batch.inputs and nonce:
        return
    if head is None:
        if desk.options.on_chain and environment.number:  # it never falls again
            raise Unsigned(RejectCode.UNWANTED, "no block of the chain is known yet")
        return
    if environment.number > head.number:
        raise IllFormedBatch(f"number at most the chain's, {head.number}", environment.number, nonce=nonce)
    if environment.timestamp > (latest := head.timestamp + desk.thread.ruleset.clock_drift):
        raise IllFormedBatch(f"timestamp at most the chain's, {latest}", environment.timestamp, nonce=nonce)


def check_not_lapsed(desk: Desk, propose: Propose) -> None:
    """Nothing, or Unsigned: no input of ours that was meant for the genesis comes later.

    Only before the genesis we sign inputs that any state may take; after it our user was told that they lapsed.
    """
    if not propose.commitment.nonce or not desk.is_party:
        return
    if any(each.actor == desk.owner and each.parent == ZERO_HASH for each in propose.batch.batch.inputs):
        raise Unsigned(RejectCode.UNWANTED, f"0x{desk.owner.hex()} wanted this in the genesis alone")


def check_not_passed_over(desk: Desk, propose: Propose) -> None:
    """Nothing, or Unsigned: the prepared batch doesn't pass over a request of ours (signer law, rule 6).

    That is one that others have had for a base timer. The batch may leave it out where it is full or had to end.
    """
    due = desk.pool.oldest_due(desk.now, desk.options.base_timer) if desk.is_party else None
    if due is None or propose.commitment.status == FINAL:
        return
    inputs = propose.batch.batch.inputs
    before = inputs[: inputs.index(due.input)] if due.input in inputs else inputs
    for each in before:
        if not desk.pool.goes_before(each, due, desk.options.base_timer):
            raise Unsigned(RejectCode.PASSED_OVER, f"0x{each.actor.hex()} goes before an older request")
    if due.input not in inputs and not _had_to_end(desk, inputs, due):
        raise Unsigned(RejectCode.PASSED_OVER, "a request that all have had for a while is left out")


def _had_to_end(desk: Desk, inputs: tuple[Input, ...], due: Own) -> bool:
    ruleset, prepared = desk.thread.ruleset, desk.thread.prepared
    assert prepared is not None
    if not inputs:  # it frees signatures: for the end that we asked for, or when so many stand that no other is given
        if desk.end_asked_on == desk.thread.parent:
            return True
        return desk.ballot.open_proposals + len(desk.ballot.refused) >= ruleset.open_proposals
    outcome = prepared.outcome
    if outcome.open_call is not None or (outcome.inputs and outcome.inputs[-1].breaks):
        return True
    size = len(prepared.signed.to_rlp()) + len(due.input.to_rlp()) + len(due.signature) + 16
    return (
        len(inputs) >= ruleset.batch_inputs
        or outcome.gas_used + due.input.gas > ruleset.batch_gas
        or size > ruleset.batch_bytes
    )


def next_environment(desk: Desk, *, empty: bool) -> Environment:
    """The environment of the batch that we propose: our clock and the chain that we know; an empty one's parent's."""
    thread, head = desk.thread, desk.head
    if empty and thread.parent != ZERO_HASH:
        return thread.environment()
    latest = thread.latest_environment
    timestamp, number = int(desk.now), 0 if latest is None else latest.number
    if head is not None:
        number = max(number, head.number)
        timestamp = min(timestamp, head.timestamp + thread.ruleset.clock_drift)
    timestamp = max(timestamp, 0 if latest is None else latest.timestamp)
    return thread.environment(number=number, timestamp=timestamp)
