"""LOG0 to LOG4 (Yellow Paper, appendix H.2, a0s)."""

from collections.abc import Callable

from evmthread.isa.frame import Frame, read_memory
from evmthread.isa.halts import ExceptionalHalt, HaltReason
from evmthread.isa.host import Host
from evmthread.isa.instruction import host

LOG_TOPIC_PRICE = 375  # G_logtopic, Yellow Paper appendix G
LOG_BYTE_PRICE = 8  # G_logdata, Yellow Paper appendix G


def emit(frame: Frame, world: Host, offset: int, size: int, topics: tuple[bytes, ...]) -> None:
    """What every LOG does."""
    if frame.is_static:
        raise ExceptionalHalt(HaltReason.WRITE_PROTECTION)
    frame.grow_range(offset, size)
    frame.charge(LOG_BYTE_PRICE * size + LOG_TOPIC_PRICE * len(topics))
    world.emit(frame.address, topics, read_memory(frame.memory, offset, size))


@host(0xA0, "LOG0")
def log0(frame: Frame, world: Host, offset: int, size: int) -> None:
    emit(frame, world, offset, size, ())


@host(0xA1, "LOG1")
def log1(frame: Frame, world: Host, offset: int, size: int, topic: int) -> None:
    emit(frame, world, offset, size, (topic.to_bytes(32),))


@host(0xA2, "LOG2")
def log2(frame: Frame, world: Host, offset: int, size: int, first: int, second: int) -> None:
    emit(frame, world, offset, size, (first.to_bytes(32), second.to_bytes(32)))


@host(0xA3, "LOG3")
def log3(frame: Frame, world: Host, offset: int, size: int, first: int, second: int, third: int) -> None:
    emit(frame, world, offset, size, (first.to_bytes(32), second.to_bytes(32), third.to_bytes(32)))


@host(0xA4, "LOG4")
def log4(frame: Frame, world: Host, offset: int, size: int, first: int, second: int, third: int, fourth: int) -> None:
    topics = first.to_bytes(32), second.to_bytes(32), third.to_bytes(32), fourth.to_bytes(32)
    emit(frame, world, offset, size, topics)


LOGS: tuple[Callable[..., None], ...] = (log0, log1, log2, log3, log4)
