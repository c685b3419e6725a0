"""Call data, code and return data (Yellow Paper, appendix H.2, 30s; EIP-211)."""

from evmthread.isa.frame import Frame, copy_data, from_bytes
from evmthread.isa.halts import ExceptionalHalt, HaltReason
from evmthread.isa.instruction import framed
from evmthread.isa.instructions.memory import COPY_WORD_PRICE


@framed(0x35, "CALLDATALOAD", steady=True)
def calldataload(frame: Frame, offset: int) -> int:
    word = frame.data[offset : offset + 32]
    if len(word) == 32:
        return from_bytes(word)
    return from_bytes(word.ljust(32, b"\0"))


@framed(0x36, "CALLDATASIZE", steady=True)
def calldatasize(frame: Frame) -> int:
    return len(frame.data)


@framed(0x37, "CALLDATACOPY")
def calldatacopy(frame: Frame, destination: int, source: int, size: int) -> None:
    memory = frame.memory
    end = destination + size if size else 0
    if end > len(memory) << 5:
        frame.grow(end)
    frame.charge(COPY_WORD_PRICE * ((size + 31) >> 5))
    copy_data(memory, destination, frame.data, source, size)


@framed(0x38, "CODESIZE", steady=True)
def codesize(frame: Frame) -> int:
    return len(frame.code)


@framed(0x39, "CODECOPY")
def codecopy(frame: Frame, destination: int, source: int, size: int) -> None:
    memory = frame.memory
    end = destination + size if size else 0
    if end > len(memory) << 5:
        frame.grow(end)
    frame.charge(COPY_WORD_PRICE * ((size + 31) >> 5))
    copy_data(memory, destination, frame.code, source, size)


@framed(0x3D, "RETURNDATASIZE", steady=True)
def returndatasize(frame: Frame) -> int:
    return len(frame.return_data)


@framed(0x3E, "RETURNDATACOPY")
def returndatacopy(frame: Frame, destination: int, source: int, size: int) -> None:
    if source + size > len(frame.return_data):
        raise ExceptionalHalt(HaltReason.RETURN_DATA_OUT_OF_BOUNDS)
    memory = frame.memory
    end = destination + size if size else 0
    if end > len(memory) << 5:
        frame.grow(end)
    frame.charge(COPY_WORD_PRICE * ((size + 31) >> 5))
    copy_data(memory, destination, frame.return_data, source, size)
