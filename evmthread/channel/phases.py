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


_OPENING, _READY, _PENDING = Phase.OPENING, Phase.READY, Phase.PENDING
_CLOSING, _DISPUTED, _CLOSED, _STOPPED = Phase.CLOSING, Phase.DISPUTED, Phase.CLOSED, Phase.STOPPED

# Where each thing may lead. Of a message that isn't in a phase's row nothing comes; a decision is NotNow.
TABLE: Mapping[Phase, Mapping[What, frozenset[Phase]]] = {
    _OPENING: {
        What.HELLO: frozenset({_OPENING}),
        What.REQUEST: frozenset({_OPENING}),
        What.PROPOSE: frozenset({_OPENING, _READY, _STOPPED}),
        What.ACCEPT: frozenset({_OPENING, _READY, _STOPPED}),
        What.REJECT: frozenset({_OPENING, _READY, _CLOSED, _STOPPED}),
        What.AGREED: frozenset({_OPENING, _READY, _CLOSED, _STOPPED}),
        What.ASK: frozenset({_OPENING}),
        What.LEAD: frozenset({_OPENING}),
        What.DECIDE: frozenset({_OPENING, _READY}),
        What.TOLD: frozenset({_OPENING, _READY, _PENDING, _DISPUTED, _STOPPED}),
    },
    _READY: {
        What.HELLO: frozenset({_READY, _PENDING, _CLOSING}),
        What.REQUEST: frozenset({_READY, _PENDING, _STOPPED}),
        What.PROPOSE: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.ACCEPT: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.REJECT: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.AGREED: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.FETCH: frozenset({_READY}),
        What.CLOSE: frozenset({_READY, _PENDING}),
        What.CLOSE_READY: frozenset({_READY, _CLOSING}),
        What.ASK: frozenset({_READY, _PENDING}),
        What.LEAD: frozenset({_READY, _PENDING}),
        What.DECIDE: frozenset({_READY, _PENDING}),
        What.END: frozenset({_READY, _PENDING, _CLOSING}),
        What.TOLD: frozenset({_READY, _PENDING, _CLOSING, _DISPUTED, _CLOSED, _STOPPED}),
    },
    _PENDING: {
        What.HELLO: frozenset({_PENDING}),
        What.REQUEST: frozenset({_PENDING, _STOPPED}),
        What.PROPOSE: frozenset({_READY, _PENDING, _CLOSING, _STOPPED}),
        What.ACCEPT: frozenset({_READY, _PENDING, _CLOSING, _STOPPED}),
        What.REJECT: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.AGREED: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.FETCH: frozenset({_PENDING}),
        What.CLOSE: frozenset({_PENDING}),
        What.CLOSE_READY: frozenset({_PENDING, _CLOSING}),
        What.ASK: frozenset({_PENDING}),
        What.LEAD: frozenset({_PENDING}),
        What.DECIDE: frozenset({_READY, _PENDING, _CLOSING}),
        What.END: frozenset({_PENDING}),
        What.TOLD: frozenset({_READY, _PENDING, _CLOSING, _DISPUTED, _CLOSED, _STOPPED}),
    },
    _CLOSING: {
        What.HELLO: frozenset({_CLOSING}),
        What.PROPOSE: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.ACCEPT: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.REJECT: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.AGREED: frozenset({_READY, _PENDING, _CLOSING, _CLOSED, _STOPPED}),
        What.FETCH: frozenset({_CLOSING}),
        What.CLOSE: frozenset({_CLOSING}),
        What.CLOSE_READY: frozenset({_CLOSING}),
        What.ASK: frozenset({_CLOSING}),
        What.END: frozenset({_CLOSING}),
        What.TOLD: frozenset({_READY, _PENDING, _CLOSING, _DISPUTED, _CLOSED, _STOPPED}),
    },
    _DISPUTED: {
        What.HELLO: frozenset({_DISPUTED}),
        What.PROPOSE: frozenset({_DISPUTED, _CLOSED, _STOPPED}),
        What.ACCEPT: frozenset({_DISPUTED, _CLOSED, _STOPPED}),
        What.REJECT: frozenset({_DISPUTED, _CLOSED, _STOPPED}),
        What.AGREED: frozenset({_DISPUTED, _CLOSED, _STOPPED}),
        What.FETCH: frozenset({_DISPUTED}),
        What.CLOSE: frozenset({_DISPUTED}),
        What.CLOSE_READY: frozenset({_DISPUTED}),
        What.END: frozenset({_DISPUTED}),
        What.TOLD: frozenset({_OPENING, _READY, _PENDING, _CLOSING, _DISPUTED, _CLOSED, _STOPPED}),
    },
    _CLOSED: {
        What.HELLO: frozenset({_CLOSED}),
        What.PROPOSE: frozenset({_CLOSED}),
        What.AGREED: frozenset({_CLOSED}),
        What.FETCH: frozenset({_CLOSED}),
        What.TOLD: frozenset({_CLOSED}),
    },
    _STOPPED: {
        What.HELLO: frozenset({_STOPPED}),
        What.AGREED: frozenset({_STOPPED, _CLOSED}),
        What.FETCH: frozenset({_STOPPED}),
        What.TOLD: frozenset({_STOPPED, _CLOSED}),
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
