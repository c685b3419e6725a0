"""MODEXP: modular powers of integers of any length (EIP-198), at three prices (EIP-198, EIP-2565, EIP-7883).

The input is three lengths, a word each, then base, exponent and modulus of these lengths; what is missing reads as
zero. A length is any 256-bit number: prices are computed from the lengths and never touch what isn't there.
"""

from evmthread.precompiles.libraries import PowerModulo, power_modulo
from evmthread.precompiles.precompile import Precompile, PrecompileFailure

# EIP-7823: from Osaka on no length may be above this.
LENGTH_BOUND = 1024
# Before, only gas bounds a length. What is longer than this costs more than 2^30 gas at any price (a long exponent
# under EIP-198 is the cheapest), and is refused here so that a machine which meters nothing isn't made to allocate it.
_LENGTH_LIMIT = 1 << 32


def _lengths(data: bytes) -> tuple[int, int, int]:
    """The lengths of base, exponent and modulus."""
    if len(data) < 96:
        data = data.ljust(96, b"\0")
    from_bytes = int.from_bytes
    return from_bytes(data[:32], "big"), from_bytes(data[32:64], "big"), from_bytes(data[64:96], "big")


def reads_of_lengths(data: bytes) -> int:
    """How many bytes matter: the three lengths and what they say; the lengths alone for an empty modulus."""
    lengths = _lengths(data)
    return 96 + sum(lengths) if lengths[2] else 96


def _number(data: bytes, start: int, length: int) -> int:
    """The big-endian number of `length` bytes at `start`, bytes after the end being zero."""
    present = data[start : start + length]
    return int.from_bytes(present, "big") << (8 * (length - len(present)))


def _iterations(data: bytes, base_length: int, exponent_length: int, *, per_byte: int) -> int:
    """How many squarings the exponent is priced at, from its length and its first 32 bytes; at least 1.

    `per_byte` is what each byte after the 32nd counts: 8 in EIP-198 and EIP-2565, 16 in EIP-7883.
    """
    head = _number(data, 96 + base_length, min(exponent_length, 32))
    count = max(head.bit_length() - 1, 0)
    if exponent_length > 32:
        count += per_byte * (exponent_length - 32)
    return max(count, 1)


def price_byzantium(data: bytes) -> int:
    """The gas of EIP-198."""
    base_length, exponent_length, modulus_length = _lengths(data)
    longest = max(base_length, modulus_length)
    if longest <= 64:
        complexity = longest * longest
    elif longest <= 1024:
        complexity = longest * longest // 4 + 96 * longest - 3072
    else:
        complexity = longest * longest // 16 + 480 * longest - 199680
    return complexity * _iterations(data, base_length, exponent_length, per_byte=8) // 20


def price_berlin(data: bytes) -> int:
    """The gas of EIP-2565."""
    base_length, exponent_length, modulus_length = _lengths(data)
    words = (max(base_length, modulus_length) + 7) >> 3
    return max(200, words * words * _iterations(data, base_length, exponent_length, per_byte=8) // 3)


def price_osaka(data: bytes) -> int:
    """The gas of EIP-7883."""
    base_length, exponent_length, modulus_length = _lengths(data)
    longest = max(base_length, modulus_length)
    words = (longest + 7) >> 3
    complexity = 2 * words * words if longest > 32 else 16
    return max(500, complexity * _iterations(data, base_length, exponent_length, per_byte=16))


def modexp(data: bytes, power: PowerModulo | None = None) -> bytes:
    """base ** exponent % modulus, as long as the modulus; zeros when the modulus is zero.

    `power` is the three-argument power to use instead of the best there is.
    """
    base_length, exponent_length, modulus_length = _lengths(data)
    if modulus_length == 0:
        return b""
    if max(base_length, exponent_length, modulus_length) > _LENGTH_LIMIT:
        raise PrecompileFailure(f"lengths {base_length}, {exponent_length}, {modulus_length}: more than can be held")
    exponent_start = 96 + base_length
    modulus = _number(data, exponent_start + exponent_length, modulus_length)
    if modulus <= 1:
        return bytes(modulus_length)
    base = _number(data, 96, base_length)
    exponent = _number(data, exponent_start, exponent_length)
    return int((power or power_modulo())(base, exponent, modulus)).to_bytes(modulus_length, "big")


def modexp_bounded(data: bytes, power: PowerModulo | None = None) -> bytes:
    """modexp with EIP-7823: raises PrecompileFailure for a length above 1024."""
    lengths = _lengths(data)
    if max(lengths) > LENGTH_BOUND:
        raise PrecompileFailure(f"length {max(lengths)} where at most {LENGTH_BOUND} is allowed")
    return modexp(data, power)


MODEXP_BYZANTIUM = Precompile("MODEXP", price_byzantium, modexp, reads_of_lengths)
MODEXP_BERLIN = Precompile("MODEXP", price_berlin, modexp, reads_of_lengths)
MODEXP_OSAKA = Precompile("MODEXP", price_osaka, modexp_bounded, reads_of_lengths)
