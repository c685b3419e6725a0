"""Parameters of a message call or a contract creation: plain immutable data (Yellow Paper, section 8).

Named tuples, not dataclasses: one is made for every call, and a frozen dataclass costs five times as much to make.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import NamedTuple


class CallKind(Enum):
    """The instruction that makes the call; a transaction's own call counts as CALL or CREATE."""

    CALL = "CALL"
    CALLCODE = "CALLCODE"
    DELEGATECALL = "DELEGATECALL"
    STATICCALL = "STATICCALL"
    CREATE = "CREATE"
    CREATE2 = "CREATE2"
    TRAP = "TRAP"  # the thread dialect's: asks somebody, runs no code

    @property
    def creates(self) -> bool:
        """Whether this is a contract creation."""
        return self is CallKind.CREATE or self is CallKind.CREATE2


# Plain names: reading a member through its class costs ten times as much, and every call does.
CALL = CallKind.CALL
CALLCODE = CallKind.CALLCODE
DELEGATECALL = CallKind.DELEGATECALL
STATICCALL = CallKind.STATICCALL
CREATE = CallKind.CREATE
CREATE2 = CallKind.CREATE2
TRAP = CallKind.TRAP


class Message(NamedTuple):
    """One call or creation.

    `address` is the account whose storage and balance are worked on; `code_address` the one whose code runs (before any
    delegation). `transfer` is the wei that moves; it differs from `value` in a DELEGATECALL. For a creation `code` is
    the init code. `return_offset` and `return_size` name the caller's memory that takes the output.
    """

    kind: CallKind
    sender: bytes
    address: bytes
    code_address: bytes
    code: bytes
    data: bytes
    value: int
    transfer: int
    gas: int
    is_static: bool
    depth: int
    return_offset: int = 0
    return_size: int = 0
    start_pc: int = 0


# Makes a Message of a tuple of all its fields; a third of what the class itself takes.
MESSAGE_OF: Callable[[tuple[object, ...]], Message] = partial(tuple.__new__, Message)
