"""Comparison (Yellow Paper, appendix H.2, 10s): each pushes 1 or 0."""

from evmthread.isa.instruction import pure
from evmthread.primitives.words import SIGN_BIT


@pure(0x10, "LT")
def lt(a: int, b: int) -> int:
    return 1 if a < b else 0


@pure(0x11, "GT")
def gt(a: int, b: int) -> int:
    return 1 if a > b else 0


@pure(0x12, "SLT")
def slt(a: int, b: int) -> int:
    return 1 if (a ^ SIGN_BIT) < (b ^ SIGN_BIT) else 0


@pure(0x13, "SGT")
def sgt(a: int, b: int) -> int:
    return 1 if (a ^ SIGN_BIT) > (b ^ SIGN_BIT) else 0


@pure(0x14, "EQ")
def eq(a: int, b: int) -> int:
    return 1 if a == b else 0


@pure(0x15, "ISZERO")
def iszero(a: int) -> int:
    return 1 if a == 0 else 0
