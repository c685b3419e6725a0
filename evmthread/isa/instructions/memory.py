"""Memory (Yellow Paper, appendix H.2, 50s; EIP-5656)."""

from evmthread.isa.frame import Frame, copy_memory, load_unaligned, store_byte, store_unaligned
from evmthread.isa.instruction import framed

COPY_WORD_PRICE = 3  # G_copy, Yellow Paper appendix G


@framed(0x51, "MLOAD")
def mload(frame: Frame, offset: int) -> int:
    memory = frame.memory
    if offset + 32 > len(memory) << 5:
        frame.grow(offset + 32)
    if offset & 31:
        return load_unaligned(memory, offset)
    return memory[offset >> 5]


@framed(0x52, "MSTORE")
def mstore(frame: Frame, offset: int, value: int) -> None:
    memory = frame.memory
    if offset + 32 > len(memory) << 5:
        frame.grow(offset + 32)
    if offset & 31:
        return store_unaligned(memory, offset, value)
    memory[offset >> 5] = value
    return None


@framed(0x53, "MSTORE8")
def mstore8(frame: Frame, offset: int, value: int) -> None:
    frame.grow(offset + 1)
    store_byte(frame.memory, offset, value & 0xFF)


@framed(0x59, "MSIZE", steady=True)
def msize(frame: Frame) -> int:
    return len(frame.memory) << 5


@framed(0x5E, "MCOPY")
def mcopy(frame: Frame, destination: int, source: int, size: int) -> None:
    memory = frame.memory
    end = (destination if destination > source else source) + size if size else 0  # noqa: FURB136 - it is lifted
    if end > len(memory) << 5:
        frame.grow(end)
    frame.charge(COPY_WORD_PRICE * ((size + 31) >> 5))
    copy_memory(memory, destination, source, size)
