"""Bitwise logic and shifts (Yellow Paper, appendix H.2, 10s; EIP-145; EIP-7939)."""

from evmthread.isa.instruction import pure
from evmthread.primitives.words import SIGN_BIT, WORD_BITS, WORD_MASK, WORD_MODULUS


@pure(0x16, "AND")
def and_(a: int, b: int) -> int:
    return a & b


@pure(0x17, "OR")
def or_(a: int, b: int) -> int:
    return a | b


@pure(0x18, "XOR")
def xor(a: int, b: int) -> int:
    return a ^ b


@pure(0x19, "NOT")
def not_(a: int) -> int:
    return a ^ WORD_MASK


@pure(0x1A, "BYTE")
def byte(index: int, value: int) -> int:
    return (value >> (248 - (index << 3))) & 0xFF if index < 32 else 0


@pure(0x1B, "SHL")
def shl(shift: int, value: int) -> int:
    return (value << shift) & WORD_MASK if shift < WORD_BITS else 0


@pure(0x1C, "SHR")
def shr(shift: int, value: int) -> int:
    return value >> shift if shift < WORD_BITS else 0


@pure(0x1D, "SAR")
def sar(shift: int, value: int) -> int:
    if value < SIGN_BIT:
        return value >> shift if shift < WORD_BITS else 0
    if shift < WORD_BITS:
        return ((value - WORD_MODULUS) >> shift) & WORD_MASK
    return WORD_MASK


@pure(0x1E, "CLZ")
def clz(value: int) -> int:
    return WORD_BITS - value.bit_length()
