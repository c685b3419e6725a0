"""Arithmetic (Yellow Paper, appendix H.2, 0s). All but EXP are pure: words in, word out.

The wording is measured: branches on the sign beat masking, since the region compiler drops the branches that a range
rules out.
"""

from evmthread.isa.frame import Frame
from evmthread.isa.instruction import framed, pure
from evmthread.precompiles.libraries import power_modulo_of_words
from evmthread.primitives.words import SIGN_BIT, WORD_BITS, WORD_MASK, WORD_MODULUS


@pure(0x01, "ADD")
def add(a: int, b: int) -> int:
    return (a + b) & WORD_MASK


@pure(0x02, "MUL")
def mul(a: int, b: int) -> int:
    return (a * b) & WORD_MASK


@pure(0x03, "SUB")
def sub(a: int, b: int) -> int:
    return (a - b) & WORD_MASK


@pure(0x04, "DIV")
def div(a: int, b: int) -> int:
    return a // b if b else 0


@pure(0x05, "SDIV")
def sdiv(a: int, b: int) -> int:
    if b == 0:
        return 0
    if a < SIGN_BIT:
        if b < SIGN_BIT:
            return a // b
        return -(a // (WORD_MODULUS - b)) & WORD_MASK
    if b < SIGN_BIT:
        return -((WORD_MODULUS - a) // b) & WORD_MASK
    return (WORD_MODULUS - a) // (WORD_MODULUS - b)


@pure(0x06, "MOD")
def mod(a: int, b: int) -> int:
    return a % b if b else 0


@pure(0x07, "SMOD")
def smod(a: int, b: int) -> int:
    if b == 0:
        return 0
    divisor = b if b < SIGN_BIT else WORD_MODULUS - b
    if a < SIGN_BIT:
        return a % divisor
    return -((WORD_MODULUS - a) % divisor) & WORD_MASK


@pure(0x08, "ADDMOD")
def addmod(a: int, b: int, modulus: int) -> int:
    return (a + b) % modulus if modulus else 0


@pure(0x09, "MULMOD")
def mulmod(a: int, b: int, modulus: int) -> int:
    return (a * b) % modulus if modulus else 0


def power(base: int, exponent: int) -> int:
    """The power as a word."""
    if (base - 1).bit_length() * exponent < WORD_BITS:
        result: int = base**exponent  # surely a word: quicker than with a modulus
        return result
    return int(power_modulo_of_words(exponent)(base, exponent, WORD_MODULUS))


@framed(0x0A, "EXP")
def exp(frame: Frame, base: int, exponent: int) -> int:
    frame.charge(frame.prices.exp_byte * ((exponent.bit_length() + 7) >> 3))
    return power(base, exponent)


@pure(0x0B, "SIGNEXTEND")
def signextend(byte_index: int, value: int) -> int:
    if byte_index > 30:
        return value
    sign = 1 << (byte_index << 3) + 7
    if value < sign:
        return value  # as nearly all that compilers let through here, it is extended already
    if value >= WORD_MODULUS - sign:
        return value
    if value & sign:
        return value | (WORD_MODULUS - sign)
    return value & (sign - 1)
