"""BLAKE2F: the compression function of BLAKE2b with any number of rounds (EIP-152, RFC 7693 section 3.2)."""

from collections.abc import Callable
from struct import pack, unpack_from

from evmthread.precompiles import libraries
from evmthread.precompiles.precompile import Precompile, PrecompileFailure, first_kilobyte

INPUT_LENGTH = 213

_MASK = (1 << 64) - 1

# RFC 7693, section 2.6
_INITIAL = (
    0x6A09E667F3BCC908,
    0xBB67AE8584CAA73B,
    0x3C6EF372FE94F82B,
    0xA54FF53A5F1D36F1,
    0x510E527FADE682D1,
    0x9B05688C2B3E6C1F,
    0x1F83D9ABFB41BD6B,
    0x5BE0CD19137E2179,
)

# RFC 7693, section 2.7
_SCHEDULE = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)

# The columns, then the diagonals (RFC 7693, section 3.2).
_MIXED = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)


def price_of_rounds(data: bytes) -> int:
    """One gas a round; nothing for an input of a wrong length, which fails."""
    return int.from_bytes(data[:4], "big") if len(data) == INPUT_LENGTH else 0


def compress(data: bytes) -> bytes:
    """The compression function in plain Python, on an input of the right form."""
    (rounds,) = unpack_from(">I", data, 0)
    state = unpack_from("<8Q", data, 4)
    message = unpack_from("<16Q", data, 68)
    offset_low, offset_high = unpack_from("<2Q", data, 196)
    mask = _MASK
    v = [*state, *_INITIAL]
    v[12] ^= offset_low
    v[13] ^= offset_high
    if data[212]:
        v[14] ^= mask
    steps = [
        [(a, b, c, d, message[row[2 * i]], message[row[2 * i + 1]]) for i, (a, b, c, d) in enumerate(_MIXED)]
        for row in _SCHEDULE
    ]
    for number in range(rounds):
        for a, b, c, d, x, y in steps[number % 10]:
            va = (v[a] + v[b] + x) & mask
            vd = v[d] ^ va
            vd = (vd >> 32) | (vd << 32) & mask
            vc = (v[c] + vd) & mask
            vb = v[b] ^ vc
            vb = (vb >> 24) | (vb << 40) & mask
            v[a] = va = (va + vb + y) & mask
            vd ^= va
            v[d] = vd = (vd >> 16) | (vd << 48) & mask
            v[c] = vc = (vc + vd) & mask
            vb ^= vc
            v[b] = (vb >> 63) | (vb << 1) & mask
    return pack("<8Q", *(state[i] ^ v[i] ^ v[i + 8] for i in range(8)))


def _compression() -> Callable[[bytes], bytes]:
    library = libraries.blake2b()
    return compress if library is None else library.decode_and_compress


def blake2f(data: bytes, compression: Callable[[bytes], bytes] | None = None) -> bytes:
    """The 64-byte state after compression, by `compression` or the best there is.

    Raises PrecompileFailure unless the input is 213 bytes with a last one of 0 or 1.
    """
    if len(data) != INPUT_LENGTH:
        raise PrecompileFailure(f"{len(data)} bytes where {INPUT_LENGTH} are wanted")
    if data[212] > 1:
        raise PrecompileFailure(f"final block flag {data[212]}")
    return (compression or _compression())(data)


BLAKE2F = Precompile("BLAKE2F", price_of_rounds, blake2f, first_kilobyte)
