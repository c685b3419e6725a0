"""KECCAK256 (Yellow Paper, appendix H.2, 20s)."""

from evmthread.isa.frame import Frame, read_memory
from evmthread.isa.instruction import framed
from evmthread.primitives.keccak import keccak256

KECCAK_WORD_PRICE = 6  # G_keccak256word, Yellow Paper appendix G


@framed(0x20, "KECCAK256")
def keccak256_(frame: Frame, offset: int, size: int) -> int:
    frame.grow_range(offset, size)
    frame.charge(KECCAK_WORD_PRICE * ((size + 31) >> 5))
    return int.from_bytes(keccak256(read_memory(frame.memory, offset, size)), "big")
