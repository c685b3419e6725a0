"""Plain models of the pure instructions, in the words of the Yellow Paper and not in those of the source.

Signed numbers are signed, bytes are bytes, bits are text.
"""

from collections.abc import Callable
from fractions import Fraction

MODULUS = 2**256


def signed(word: int) -> int:
    return int.from_bytes(word.to_bytes(32, "big"), "big", signed=True)


def unsigned(number: int) -> int:
    return number % MODULUS


def bits(word: int) -> str:
    return format(word, "0256b")


def _sdiv(a: int, b: int) -> int:
    if b == 0:
        return 0
    return unsigned(int(Fraction(signed(a), signed(b))))  # int() of a fraction rounds towards zero


def _smod(a: int, b: int) -> int:
    if b == 0:
        return 0
    quotient = int(Fraction(signed(a), signed(b)))
    return unsigned(signed(a) - quotient * signed(b))


def _exp(base: int, exponent: int) -> int:
    result = 1
    for bit in bits(exponent):
        result = result * result % MODULUS
        if bit == "1":
            result = result * base % MODULUS
    return result


def _signextend(index: int, value: int) -> int:
    if index >= 32:
        return value
    low = value.to_bytes(32, "big")[31 - index :]
    fill = b"\xff" if low[0] & 0x80 else b"\x00"
    return int.from_bytes(low.rjust(32, fill), "big")


def _byte(index: int, value: int) -> int:
    return value.to_bytes(32, "big")[index] if index < 32 else 0


def _shl(shift: int, value: int) -> int:
    return int((bits(value) + "0" * min(shift, 256))[-256:], 2)


def _shr(shift: int, value: int) -> int:
    return int(("0" * min(shift, 256) + bits(value))[:256], 2)


def _sar(shift: int, value: int) -> int:
    text = bits(value)
    return int((text[0] * min(shift, 256) + text)[:256], 2)


def _clz(value: int) -> int:
    return (bits(value) + "1").index("1")


MODELS: dict[str, Callable[..., int]] = {
    "ADD": lambda a, b: unsigned(a + b),
    "MUL": lambda a, b: unsigned(a * b),
    "SUB": lambda a, b: unsigned(a - b),
    "DIV": lambda a, b: int(Fraction(a, b)) if b else 0,
    "SDIV": _sdiv,
    "MOD": lambda a, b: a - b * int(Fraction(a, b)) if b else 0,
    "SMOD": _smod,
    "ADDMOD": lambda a, b, n: (a + b) % n if n else 0,
    "MULMOD": lambda a, b, n: (a * b) % n if n else 0,
    "EXP": _exp,
    "SIGNEXTEND": _signextend,
    "LT": lambda a, b: int(a < b),
    "GT": lambda a, b: int(a > b),
    "SLT": lambda a, b: int(signed(a) < signed(b)),
    "SGT": lambda a, b: int(signed(a) > signed(b)),
    "EQ": lambda a, b: int(bits(a) == bits(b)),
    "ISZERO": lambda a: int("1" not in bits(a)),
    "AND": lambda a, b: int("".join(str(min(int(x), int(y))) for x, y in zip(bits(a), bits(b), strict=True)), 2),
    "OR": lambda a, b: int("".join(str(max(int(x), int(y))) for x, y in zip(bits(a), bits(b), strict=True)), 2),
    "XOR": lambda a, b: int("".join(str(int(x != y)) for x, y in zip(bits(a), bits(b), strict=True)), 2),
    "NOT": lambda a: MODULUS - 1 - a,
    "BYTE": _byte,
    "SHL": _shl,
    "SHR": _shr,
    "SAR": _sar,
    "CLZ": _clz,
}
