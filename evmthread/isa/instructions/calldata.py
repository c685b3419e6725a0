"""Call data, code and return data (Yellow Paper, appendix H.2, 30s; EIP-211)."""

from evmthread.isa.frame import Frame, write_memory
from evmthread.isa.halts import ExceptionalHalt, HaltReason, OutOfGas
from evmthread.isa.instruction import framed
from evmthread.isa.instructions.memory import COPY_WORD_PRICE


def copy_to_memory(frame: Frame, data: bytes, destination: int, source: int, size: int) -> None:
    """Copies a range of `data` to memory, zeros beyond its end; charges growth and words."""
    # Hot path: most copies are of a few words.
    if not size:
        return
    memory = frame.memory
    if destination + size > len(memory) << 5:
        frame.grow(destination + size)
    gas = frame.gas - COPY_WORD_PRICE * ((size + 31) >> 5)
    if gas < 0:
        raise OutOfGas
    frame.gas = gas
    if type(data) is not bytes:  # a long range of another call's memory
        data.copy(memory, destination, source, size)  # type: ignore[attr-defined]
        return
    part = data[source : source + size]
    write_memory(memory, destination, part if len(part) == size else part.ljust(size, b"\0"))


@framed(0x35, "CALLDATALOAD", steady=True)
def calldataload(frame: Frame, offset: int) -> int:
    word = frame.data[offset : offset + 32]
    if len(word) == 32:
        return int.from_bytes(word, "big")
    return int.from_bytes(word.ljust(32, b"\0"), "big")


@framed(0x36, "CALLDATASIZE", steady=True)
def calldatasize(frame: Frame) -> int:
    return len(frame.data)


@framed(0x37, "CALLDATACOPY")
def calldatacopy(frame: Frame, destination: int, source: int, size: int) -> None:
    copy_to_memory(frame, frame.data, destination, source, size)


@framed(0x38, "CODESIZE", steady=True)
def codesize(frame: Frame) -> int:
    return len(frame.code)


@framed(0x39, "CODECOPY")
def codecopy(frame: Frame, destination: int, source: int, size: int) -> None:
    copy_to_memory(frame, frame.code, destination, source, size)


@framed(0x3D, "RETURNDATASIZE", steady=True)
def returndatasize(frame: Frame) -> int:
    return len(frame.return_data)


@framed(0x3E, "RETURNDATACOPY")
def returndatacopy(frame: Frame, destination: int, source: int, size: int) -> None:
    if source + size > len(frame.return_data):
        raise ExceptionalHalt(HaltReason.RETURN_DATA_OUT_OF_BOUNDS)
    copy_to_memory(frame, frame.return_data, destination, source, size)
