"""256-bit words as plain ints, and the few constants of their arithmetic."""

WORD_BITS = 256
WORD_BYTES = 32
WORD_MASK = (1 << 256) - 1
WORD_MODULUS = 1 << 256
SIGN_BIT = 1 << 255
ADDRESS_MASK = (1 << 160) - 1
