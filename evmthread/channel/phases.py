"""In which phase a channel is, what may happen in each, and where that leads: the table first, then its one guard.

The phase follows from what a channel holds (Channel.phase); nothing sets it. docs/channel.md draws this table.
"""

from collections.abc import Mapping
from enum import Enum

from evmthread.channel.errors import NotNow
from evmthread.channel.messages import MessageType


class _ByIdentity(Enum):
    """Hot: looked up in the table below at every event, and Enum hashes names."""

    __hash__ = object.__hash__


class Phase(_ByIdentity):
    """Where a channel is."""

    OPENING = "opening"  # the genesis isn't agreed
    READY = "ready"  # none of our signatures stands above the latest agreement
    PENDING = "pending"  # one does
    CLOSING = "closing"  # we said that we are ready to close; nothing but the final commitment is signed
    DISPUTED = "disputed"  # the chain showed a challenge or a settlement
    CLOSED = "closed"  # the final commitment is agreed
    STOPPED = "stopped"  # our store is stale, or refused us: we only read


class What(_ByIdentity):
    """What can happen to a channel: the nine messages, our user's decisions, and what the outside tells."""

    HELLO = MessageType.HELLO
    REQUEST = MessageType.REQUEST
    PROPOSE = MessageType.PROPOSE
    ACCEPT = MessageType.ACCEPT
    REJECT = MessageType.REJECT
    AGREED = MessageType.AGREED
    FETCH = MessageType.FETCH
    CLOSE = MessageType.CLOSE
    CLOSE_READY = MessageType.CLOSE_READY
    ASK = "ask for an input"
    LEAD = "propose"
    DECIDE = "decide on a proposal"
    END = "close"
    TOLD = "be told of time, chain, disk or signature"


# Hot: as a member of its class, which is an Enum's, each is looked up in five times the time.
OPENING, READY, PENDING, CLOSING, DISPUTED, CLOSED, STOPPED = Phase
TOLD = What.TOLD

# Where each thing may lead. Of a message that isn't in a phase's row nothing comes; a decision is NotNow.
TABLE: Mapping[Phase, Mapping[What, frozenset[Phase]]] = {
    OPENING: {
        What.HELLO: frozenset({OPENING}),
        What.REQUEST: frozenset({OPENING}),
        What.PROPOSE: frozenset({OPENING, READY, STOPPED}),
        What.ACCEPT: frozenset({OPENING, READY, STOPPED}),
        What.REJECT: frozenset({OPENING, READY, CLOSED, STOPPED}),
        What.AGREED: frozenset({OPENING, READY, CLOSED, STOPPED}),
        What.ASK: frozenset({OPENING}),
        What.LEAD: frozenset({OPENING}),
        What.DECIDE: frozenset({OPENING, READY}),
        What.TOLD: frozenset({OPENING, READY, PENDING, DISPUTED, STOPPED}),
    },
    READY: {
        What.HELLO: frozenset({READY, PENDING, CLOSING}),
        What.REQUEST: frozenset({READY, PENDING, STOPPED}),
        What.PROPOSE: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.ACCEPT: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.REJECT: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.AGREED: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.FETCH: frozenset({READY}),
        What.CLOSE: frozenset({READY, PENDING}),
        What.CLOSE_READY: frozenset({READY, CLOSING}),
        What.ASK: frozenset({READY, PENDING}),
        What.LEAD: frozenset({READY, PENDING}),
        What.DECIDE: frozenset({READY, PENDING, CLOSING}),
        What.END: frozenset({READY, PENDING, CLOSING}),
        What.TOLD: frozenset({READY, PENDING, CLOSING, DISPUTED, CLOSED, STOPPED}),
    },
    PENDING: {
        What.HELLO: frozenset({PENDING}),
        What.REQUEST: frozenset({PENDING, STOPPED}),
        What.PROPOSE: frozenset({READY, PENDING, CLOSING, STOPPED}),
        What.ACCEPT: frozenset({READY, PENDING, CLOSING, STOPPED}),
        What.REJECT: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.AGREED: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.FETCH: frozenset({PENDING}),
        What.CLOSE: frozenset({PENDING}),
        What.CLOSE_READY: frozenset({PENDING, CLOSING}),
        What.ASK: frozenset({PENDING}),
        What.LEAD: frozenset({PENDING}),
        What.DECIDE: frozenset({READY, PENDING, CLOSING}),
        What.END: frozenset({PENDING}),
        What.TOLD: frozenset({READY, PENDING, CLOSING, DISPUTED, CLOSED, STOPPED}),
    },
    CLOSING: {
        What.HELLO: frozenset({CLOSING}),
        What.PROPOSE: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.ACCEPT: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.REJECT: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.AGREED: frozenset({READY, PENDING, CLOSING, CLOSED, STOPPED}),
        What.FETCH: frozenset({CLOSING}),
        What.CLOSE: frozenset({CLOSING}),
        What.CLOSE_READY: frozenset({CLOSING}),
        What.ASK: frozenset({CLOSING}),
        What.END: frozenset({CLOSING}),
        What.TOLD: frozenset({READY, PENDING, CLOSING, DISPUTED, CLOSED, STOPPED}),
    },
    DISPUTED: {
        What.HELLO: frozenset({DISPUTED}),
        What.PROPOSE: frozenset({DISPUTED, CLOSED, STOPPED}),
        What.ACCEPT: frozenset({DISPUTED, CLOSED, STOPPED}),
        What.REJECT: frozenset({DISPUTED, CLOSED, STOPPED}),
        What.AGREED: frozenset({DISPUTED, CLOSED, STOPPED}),
        What.FETCH: frozenset({DISPUTED}),
        What.CLOSE: frozenset({DISPUTED}),
        What.CLOSE_READY: frozenset({DISPUTED}),
        What.END: frozenset({DISPUTED}),
        What.TOLD: frozenset({OPENING, READY, PENDING, CLOSING, DISPUTED, CLOSED, STOPPED}),
    },
    CLOSED: {
        What.HELLO: frozenset({CLOSED}),
        What.PROPOSE: frozenset({CLOSED}),
        What.AGREED: frozenset({CLOSED}),
        What.FETCH: frozenset({CLOSED}),
        What.TOLD: frozenset({CLOSED}),
    },
    STOPPED: {
        What.HELLO: frozenset({STOPPED}),
        What.AGREED: frozenset({STOPPED, CLOSED}),
        What.FETCH: frozenset({STOPPED}),
        What.TOLD: frozenset({STOPPED, CLOSED}),
    },
}


def allows(phase: Phase, what: What) -> bool:
    """Whether this can happen in this phase."""
    return what in TABLE[phase]


def check_decision(phase: Phase, what: What) -> None:
    """Nothing, or NotNow."""
    if not allows(phase, what):
        raise NotNow(phase.value, str(what.value))


def check_led(phase: Phase, what: What, after: Phase) -> None:
    """The guard's other half: what happened led where the table says. Anything else is a bug of ours."""
    assert after in TABLE[phase][what], f"{phase} --{what}--> {after}"
