"""Hypothesis strategies for words that favour the edges, where arithmetic breaks."""

from hypothesis import strategies as st

from evmthread.primitives.words import SIGN_BIT, WORD_MASK

EDGES = sorted(
    {
        *range(36),
        *(255, 256, 257, 1023, 1024),
        *(
            bit
            for power in (8, 16, 31, 32, 64, 127, 128, 160, 248, 255)
            for bit in (2**power - 1, 2**power, 2**power + 1)
        ),
        *(WORD_MASK - low for low in range(36)),
        *(SIGN_BIT - 2, SIGN_BIT + 2),
    }
)

words = st.one_of(
    st.sampled_from(EDGES),
    st.integers(0, WORD_MASK),
    st.integers(0, 255).map(lambda bits: (1 << bits) - 1),
    st.integers(0, 300),
)
