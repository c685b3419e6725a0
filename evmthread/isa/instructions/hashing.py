"""KECCAK256 (Yellow Paper, appendix H.2, 20s)."""

from functools import lru_cache

from evmthread.isa.frame import Frame, from_bytes, read_memory
from evmthread.isa.instruction import framed
from evmthread.primitives.keccak import keccak256

KECCAK_WORD_PRICE = 6  # G_keccak256word, Yellow Paper appendix G
MEMO_ENTRIES = 16_384  # about 5 MB when full


@lru_cache(maxsize=MEMO_ENTRIES)
def hash_of_words(first: int, second: int) -> int:
    """The hash of two words: of a mapping's key and slot, which contracts ask for again and again."""
    return from_bytes(keccak256(((first << 256) | second).to_bytes(64, "big")))


@lru_cache(maxsize=MEMO_ENTRIES)
def hash_of_word(word: int) -> int:
    """The hash of one word: of a dynamic array's slot."""
    return from_bytes(keccak256(word.to_bytes(32, "big")))


def hash_of_memory(memory: list[int], offset: int, size: int) -> int:
    """The hash of a range that memory holds."""
    if not offset & 31:
        if size == 64:
            return hash_of_words(memory[offset >> 5], memory[(offset >> 5) + 1])
        if size == 32:
            return hash_of_word(memory[offset >> 5])
    return from_bytes(keccak256(read_memory(memory, offset, size)))


@framed(0x20, "KECCAK256")
def keccak256_(frame: Frame, offset: int, size: int) -> int:
    memory = frame.memory
    end = offset + size if size else 0
    if end > len(memory) << 5:
        frame.grow(end)
    frame.charge(KECCAK_WORD_PRICE * ((size + 31) >> 5))
    return hash_of_memory(memory, offset, size)
