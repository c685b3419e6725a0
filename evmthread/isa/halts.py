"""How a call ends: its status and, for an exceptional halt, the reason (Yellow Paper, section 9.4.2).

Inside the machine a halt travels as the exception `ExceptionalHalt`; it never leaves the machine as one.
"""

from enum import Enum


class Status(Enum):
    """The three ways in which a call ends."""

    SUCCESS = "success"
    REVERT = "revert"
    HALT = "halt"


# Plain names: reading a member through its class costs ten times as much, and every call that ends does.
SUCCESS, REVERT, HALT = Status.SUCCESS, Status.REVERT, Status.HALT


class HaltReason(Enum):
    """Why a call halted exceptionally; it consumed all its gas."""

    OUT_OF_GAS = "out of gas"
    STACK_UNDERFLOW = "stack underflow"
    STACK_OVERFLOW = "stack overflow"
    INVALID_JUMP = "invalid jump destination"
    INVALID_OPCODE = "invalid opcode"
    WRITE_PROTECTION = "write protection"
    RETURN_DATA_OUT_OF_BOUNDS = "return data out of bounds"
    CONTRACT_COLLISION = "contract address collision"
    CODE_TOO_LARGE = "max code size exceeded"
    CODE_PREFIX = "invalid code: must not begin with 0xef"
    INIT_CODE_TOO_LARGE = "max initcode size exceeded"
    PRECOMPILE_FAILURE = "precompile failed"
    CALL_DEPTH = "max call depth exceeded"
    INSUFFICIENT_BALANCE = "insufficient balance for transfer"
    NONCE_OVERFLOW = "nonce uint64 overflow"


class ExceptionalHalt(Exception):  # noqa: N818 - the Yellow Paper's term
    """Raised by an instruction that can't go on; the machine turns it into the call's result."""

    def __init__(self, reason: HaltReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class OutOfGas(ExceptionalHalt):
    """The commonest halt."""

    def __init__(self) -> None:
        super().__init__(HaltReason.OUT_OF_GAS)
