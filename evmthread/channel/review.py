"""What has to hold before a party signs what another proposes: what can be told beforehand, and after executing it.

Signs nothing and keeps nothing.
"""

from evmthread.channel.errors import ClockDrift, DivergentField, NonceTooFar, RemoteProtocolError
from evmthread.channel.suspension import OpenCall
from evmthread.channel.thread import Thread
from evmthread.commit.agreement import Agreement
from evmthread.commit.batch import SignedBatch
from evmthread.commit.commitment import (
    MAX_NONCE_STEP,
    SUSPENDED,
    Commitment,
    Suspension,
    check_successor,
    check_well_formed,
)
from evmthread.commit.refusals import (
    BrokenParent,
    IllFormedCommitment,
    MalformedSignature,
    NonceOrder,
    Refusal,
    WrongSignature,
    WrongThread,
)
from evmthread.errors import EvmthreadError


def leader_of(nonce: int, parties: int) -> int:
    """Who proposes this nonce: party nonce mod n."""
    return nonce % parties


FLOOR_STEP = 1 << 32
SECONDS_FACTOR = 1024


def highest_nonce(begun: float, now: float) -> int:
    """The highest nonce that an honest party signs at a time, in a thread whose genesis has the timestamp `begun`.

    It rises faster than anybody plays, and lies far above: a restored store that signs nothing at or below it signs
    nothing twice, and nobody can be driven up to where no nonce is left.
    """
    return FLOOR_STEP + SECONDS_FACTOR * max(0, int(now) - int(begun))


def check_nonce_step(latest: Agreement | None, nonce: int) -> None:
    """Nothing, or NonceTooFar: at most 2^40 above the parent's (signer law, rule 1)."""
    if latest is not None and nonce > latest.commitment.nonce + MAX_NONCE_STEP:
        raise NonceTooFar(latest.commitment.nonce, nonce)


def check_proposed(thread: Thread, commitment: Commitment) -> None:
    """Nothing, or a Refusal: a commitment that could follow this thread's latest agreement, without executing it."""
    nonce, latest = commitment.nonce, thread.agreement
    if commitment.thread_id != thread.thread_id:
        raise WrongThread(thread.thread_id, commitment.thread_id, nonce)
    check_well_formed(thread.terms, commitment)
    if latest is None and nonce:
        raise BrokenParent(commitment.parent, nonce)
    if latest is not None:
        if nonce <= latest.commitment.nonce:
            raise NonceOrder(latest.commitment.nonce, nonce)
        if commitment.parent != latest.digest:
            raise BrokenParent(commitment.parent, nonce)
        check_successor(latest.commitment, commitment)
    check_nonce_step(latest, nonce)


def check_leader_signature(
    thread: Thread, leader: int, key: bytes, digest: bytes, signature: bytes, nonce: int
) -> None:
    """Nothing, or MalformedSignature or WrongSignature: the leader's key signed this digest."""
    try:
        got = thread.recoveries.signer(digest, signature)
    except MalformedSignature as error:
        raise MalformedSignature(error.reason, leader, nonce) from None
    if got != key:
        raise WrongSignature(leader, key, got, nonce)


def check_batch_of(thread: Thread, commitment: Commitment, signed: SignedBatch, suspension: Suspension | None) -> None:
    """Nothing, or RemoteProtocolError: batch and Suspension are those that are committed to, with actors' signatures.

    Whoever signed the commitment isn't to blame for anything else that comes with it.
    """
    if signed.batch.hash_struct() != commitment.batch_hash:
        raise RemoteProtocolError(f"nonce {commitment.nonce}: another batch than the one that is committed to")
    try:
        check_suspension_of(thread, commitment, suspension)
        thread.check_input_signatures(signed, nonce=commitment.nonce)
    except Refusal as error:
        raise RemoteProtocolError(str(error)) from None


def check_suspension_of(thread: Thread, commitment: Commitment, suspension: Suspension | None) -> None:
    """Nothing, or IllFormedCommitment: there is a Suspension where the commitment says so, and it is the one meant.

    Where machineHash is a machine's, only executing can tell whether it is (`tells_steps`).
    """
    if (commitment.status == SUSPENDED) != (suspension is not None):
        clause = "a Suspension exactly when status is 1"
        raise IllFormedCommitment(clause, suspension is not None, nonce=commitment.nonce)
    if suspension is not None and thread.ruleset.transcript and suspension.hash_struct() != commitment.machine_hash:
        raise IllFormedCommitment("machineHash of the Suspension", commitment.machine_hash, nonce=commitment.nonce)


def tells_steps(thread: Thread, commitment: Commitment, signed: SignedBatch) -> bool:
    """Whether who signed a commitment signed all that its execution hangs on, where a call is suspended, too.

    A machine's hash doesn't tell after how many instructions the machine is found: who sends that may lie.
    """
    return commitment.status != SUSPENDED or thread.ruleset.transcript or not signed.batch.inputs


def check_clock(thread: Thread, signed: SignedBatch, now: float, *, nonce: int) -> None:
    """Nothing, or ClockDrift: a batch's timestamp is near a party's clock, by clockDrift; an empty one's may be old."""
    if not signed.batch.inputs and nonce:
        return
    drift, timestamp = thread.ruleset.clock_drift, signed.batch.environment.timestamp
    if abs(timestamp - now) > drift:
        raise ClockDrift(timestamp, int(now), drift, nonce)


def execute_proposed(
    thread: Thread, commitment: Commitment, signed: SignedBatch, suspension: Suspension | None, *, final: bool
) -> None:
    """Executes a batch and compares every field; what it did is prepared then.

    Raises a Refusal: DivergentField names the first field that differs. Nothing is prepared then.
    """
    steps = steps_to_run(suspension, signed)
    executed = thread.prepare(signed, nonce=commitment.nonce, final=final, steps=steps)
    try:
        check_fields(executed, commitment)
        check_suspension(thread.open_call, suspension, commitment.nonce)
        thread.stand_for(commitment)
    except BaseException:
        thread.discard()
        raise


def check_fields(executed: Commitment, committed: Commitment) -> None:
    """Nothing, or DivergentField naming the first field of `committed` that isn't what execution gave."""
    if executed == committed:
        return
    for member in Commitment.STRUCT.members:
        expected, got = getattr(executed, member.attribute), getattr(committed, member.attribute)
        if expected != got:
            raise DivergentField(member.name, expected, got, committed.nonce)


def as_signed(error: DivergentField) -> EvmthreadError:
    """The error, or another one where the field isn't the commitment's: nobody signed what came beside that."""
    return RemoteProtocolError(str(error)) if error.field.startswith("suspension") else error


def steps_to_run(suspension: Suspension | None, signed: SignedBatch) -> int:
    """After how many instructions the last input of a batch is to be suspended; 0 where a TRAP does it, or nothing."""
    return suspension.steps if suspension is not None and signed.batch.inputs else 0


def check_suspension(opened: OpenCall | None, suspension: Suspension | None, nonce: int) -> None:
    """Nothing, or DivergentField: the open call stands where it is said to stand."""
    executed = None if opened is None else opened.suspension
    if executed == suspension:
        return
    if executed is None or suspension is None:
        raise DivergentField("suspension", executed is not None, suspension is not None, nonce)
    for member in Suspension.STRUCT.members:
        expected, got = getattr(executed, member.attribute), getattr(suspension, member.attribute)
        if expected != got:
            raise DivergentField(f"suspension.{member.name}", expected, got, nonce)
