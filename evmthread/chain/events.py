"""What the registry logs about a thread, as values; and the two words that it keeps of a thread, proven.

`follow_event` says what an event makes of these words: so a sequence of events can be checked against proven words.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

from evmthread.chain.blocks import Block, PlacedLog, proven
from evmthread.chain.errors import NodeLies
from evmthread.channel.desk import Mode
from evmthread.commit.eip712 import word
from evmthread.commit.terms import Terms
from evmthread.contracts import Artifact, load_artifact
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.types import ZERO_HASH, Log
from evmthread.rpc import Provider

NO_DIGEST_BELOW = 1 << 16
"""A smaller "digest" is the bitmap of the deposits that are in, where nothing is recorded (IRegistry.sol)."""


@lru_cache(maxsize=1)
def registry_artifact() -> Artifact:
    """The registry as it is shipped."""
    return load_artifact("Registry")


# What is kept of a thread ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ThreadState:
    """All that the registry keeps of a thread (IRegistry.Thread). `held` is in wei, `deadline` in seconds."""

    digest: bytes = ZERO_HASH
    nonce: int = 0
    deadline: int = 0
    held: int = 0
    mode: Mode = Mode.NONE

    @property
    def record(self) -> bytes | None:
        """The digest recorded or settled; None while nothing is."""
        return self.digest if int.from_bytes(self.digest, "big") >= NO_DIGEST_BELOW else None


def read_thread(provider: Provider, block: Block, registry: bytes, thread_id: bytes) -> ThreadState:
    """What the registry keeps of a thread in this block, proven. Raises as chain.blocks.proven does."""
    variables = {variable.label: variable for variable in registry_artifact().storage}
    digests, states = variables["_digests"], variables["_states"]
    places = [int.from_bytes(keccak256(thread_id + word(each.slot)), "big") for each in (digests, states)]
    _, (digest, packed) = proven(provider, block, registry, places)
    parts = {"nonce": 64, "deadline": 64, "held": 112, "mode": 8}  # State of Registry.sol, packed from the low end
    values, shift = [], 0
    for bits in parts.values():
        values.append(packed >> shift & ((1 << bits) - 1))
        shift += bits
    nonce, deadline, held, mode = values
    if mode > max(Mode):
        raise NodeLies(f"a thread in mode {mode}: 0x{registry.hex()} is no registry")
    return ThreadState(word(digest), nonce, deadline, held, Mode(mode))


# Events ---------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Announced:
    """THREAD: somebody opened it, with the first deposit."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class Deposited:
    """The deposit of a party is in; `mode` is LIVE when it was the last."""

    index: int
    mode: Mode


@dataclass(frozen=True, slots=True)
class Refunded:
    """All deposits went back; the thread is over."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """This commitment is the record now."""

    nonce: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Challenged:
    """The clock runs until `deadline`; nonce and digest are the record's, zero where there is none."""

    deadline: int
    nonce: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Resumed:
    """All called the challenge off that had this deadline."""

    deadline: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The thread came to this commitment; `rest` wei stay held for others than owners."""

    nonce: int
    digest: bytes
    rest: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A third account was paid."""

    account: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Materialized:
    """The thread's contract is on chain, with `balance` wei."""

    thread_address: bytes
    balance: int


Event: TypeAlias = Announced | Deposited | Refunded | Recorded | Challenged | Resumed | Settled | Claimed | Materialized


@dataclass(frozen=True, slots=True)
class Placed:
    """An event of a thread and where it stands."""

    event: Event
    where: PlacedLog

    @property
    def key(self) -> tuple[bytes, int]:
        """What no other event has: the block's hash and the log's index in it."""
        return self.where.block_hash, self.where.index


def terms_of(values: object) -> Terms:
    """Terms from the tuple that the ABI makes of them. Raises InvalidInput."""
    assert isinstance(values, tuple)
    return Terms(*values)


def read_event(log: Log) -> Event | None:
    """The event of a registry's log; None for OWED and WITHDRAWN, which are of no thread, and for unknown ones.

    Raises NodeLies for a log that no registry writes.
    """
    try:
        decoded = registry_artifact().decode_event(log)
        if decoded is None or decoded.name not in _READERS:
            return None
        kind, values = _READERS[decoded.name], decoded.values[1:]  # the first is the thread's id
        if kind is Announced:
            return Announced(terms_of(values[0]))
        if kind is Deposited:
            index, mode = values
            return Deposited(index, Mode(mode))  # type: ignore[arg-type] # decoded as integers
    except ValueError as error:  # of which DecodingError and InvalidInput are kinds
        raise NodeLies(f"a registry's log that can't be read: {error}") from error
    return kind(*(bytes(each) if isinstance(each, bytes) else each for each in values))  # type: ignore[arg-type]


_READERS: "dict[str, type[Event]]" = {
    "THREAD": Announced,
    "DEPOSITED": Deposited,
    "REFUNDED": Refunded,
    "RECORDED": Recorded,
    "CHALLENGED": Challenged,
    "RESUMED": Resumed,
    "SETTLED": Settled,
    "CLAIMED": Claimed,
    "MATERIALIZED": Materialized,
}


def follow_event(terms: Terms, state: ThreadState, event: Event) -> ThreadState:
    """What the registry keeps after an event, from what it kept before.

    Raises NodeLies for an event that can't follow on what was kept: no event can be told twice, or out of its turn.
    """
    mode, bits = state.mode, int.from_bytes(state.digest, "big")
    recorded = state.record or ZERO_HASH
    match event:
        case Announced(announced):
            free = sum(1 << index for index, deposit in enumerate(terms.deposits) if not deposit)
            possible = mode is Mode.NONE and announced == terms
            after = replace(state, digest=word(free), mode=Mode.FUNDING)
        case Deposited(index, reached):
            possible = mode is Mode.FUNDING and index < len(terms.deposits)
            deposit = terms.deposits[index] if possible else 0
            possible = possible and not (deposit and bits >> index & 1)
            after = replace(state, digest=word(bits | 1 << index), held=state.held + deposit, mode=reached)
        case Refunded():
            possible = mode is Mode.FUNDING or (mode is Mode.CHALLENGED and state.record is None)
            after = ThreadState(mode=Mode.SETTLED)
        case Recorded(nonce, digest):
            possible = mode in (Mode.LIVE, Mode.CHALLENGED) and (state.record is None or nonce > state.nonce)
            after = replace(state, nonce=nonce, digest=digest)
        case Challenged(deadline, nonce, digest):
            possible = mode is Mode.LIVE and (nonce, digest) == (state.nonce, recorded)
            after = replace(state, deadline=deadline, mode=Mode.CHALLENGED)
        case Resumed(deadline):
            possible = mode is Mode.CHALLENGED and deadline == state.deadline
            after = replace(state, deadline=0, mode=Mode.LIVE)
        case Settled(nonce, digest, rest):
            possible = mode in (Mode.LIVE, Mode.CHALLENGED) and nonce >= state.nonce
            after = ThreadState(digest, nonce, 0, rest, Mode.SETTLED)
        case Claimed(_, amount) | Materialized(_, amount):
            possible = mode is Mode.SETTLED and amount <= state.held
            after = replace(state, held=state.held - amount)
    if not possible:
        raise NodeLies(f"{event} can't follow on {state}")
    return after
