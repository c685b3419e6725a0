"""Forks whose instructions tell observers: each watched instruction's function is wrapped, and nothing else changes.

Both engines run such a fork as they run any other: what can't be lifted is called. So watching SLOAD costs something at
SLOADs, and compiled code that is watched by nobody is the same text as ever.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from evmthread.errors import Missing
from evmthread.isa.forks import Fork
from evmthread.isa.frame import Frame, read_memory
from evmthread.isa.instruction import Instruction, Shape
from evmthread.isa.instructions.accounts import address_of
from evmthread.machine.hooks import Observers, too_late
from evmthread.machine.journaled import JournaledHost

Words = tuple[int, ...]


@lru_cache(maxsize=256)
def watched_fork(fork: Fork, opcodes: frozenset[int]) -> Fork:
    """The fork with these instructions wrapped. The same object for the same arguments, so that code stays cached."""
    if not opcodes:
        return fork
    table = list(fork.table)
    for opcode in opcodes:
        record = table[opcode]
        if record is not None and record.shape is not Shape.STACK:
            table[opcode] = _watched(record)
    return replace(fork, table=tuple(table))


def _watched(record: Instruction) -> Instruction:
    function, pure = cast("Callable[..., object]", record.function), record.shape is Shape.PURE
    before, after = _BEFORE.get(record.name, _nothing), _AFTER.get(record.name, _say_nothing)

    def framed(frame: Frame, *words: int) -> object:
        observers = _observers(frame)
        observers.begin(frame, record, words)
        result = function(*words) if pure else function(frame, *words)
        try:
            after(observers, frame, words, result, None)
            observers.finish(frame, record, words, result)
        except Missing as missing:
            raise too_late(missing) from missing
        return result

    def hosted(frame: Frame, world: JournaledHost, *words: int) -> object:
        observers = _observers(frame)
        observers.begin(frame, record, words)
        known = before(frame, words)
        result = function(frame, world, *words)
        try:
            after(observers, frame, words, result, known)
            observers.finish(frame, record, words, result)
        except Missing as missing:
            raise too_late(missing) from missing
        return result

    wrapper: Callable[..., object] = framed if record.shape in (Shape.PURE, Shape.FRAMED) else hosted
    wrapper.__name__ = f"watched_{record.opcode:02x}"
    shape = Shape.FRAMED if pure else record.shape
    return replace(record, shape=shape, function=wrapper, steady=False, shows_pc=True)


def _observers(frame: Frame) -> Observers:
    return cast("Observers", cast("JournaledHost", frame.host).observers)


def _nothing(frame: Frame, words: Words) -> object:  # noqa: ARG001 - the form of all of them
    return None


def _value_before(frame: Frame, words: Words) -> object:
    value = frame.slots.get(words[0])
    return value if value is not None else frame.host.peek_slot(frame.address, words[0])


def _balances_before(frame: Frame, words: Words) -> object:
    beneficiary = address_of(words[0])
    return frame.host.balance(frame.address), frame.host.balance(beneficiary)


def _say_nothing(observers: Observers, frame: Frame, words: Words, result: object, known: Any) -> None:
    pass


def _say_log(observers: Observers, frame: Frame, words: Words, result: object, known: Any) -> None:  # noqa: ARG001
    observers.tell("log", frame, cast("JournaledHost", frame.host).logs[-1])


def _say_read(observers: Observers, frame: Frame, words: Words, result: object, known: Any) -> None:  # noqa: ARG001
    observers.tell("storage_read", frame, words[0], result)


def _say_written(observers: Observers, frame: Frame, words: Words, result: object, known: Any) -> None:  # noqa: ARG001
    observers.tell("storage_write", frame, words[0], known, words[1])


def _say_preimage(observers: Observers, frame: Frame, words: Words, result: object, known: Any) -> None:  # noqa: ARG001
    observers.tell("keccak", frame, read_memory(frame.memory, words[0], words[1]), result)


def _say_destroyed(observers: Observers, frame: Frame, words: Words, result: object, known: Any) -> None:  # noqa: ARG001
    beneficiary, (balance, received) = address_of(words[0]), known
    observers.tell("self_destruct", frame, beneficiary, balance)
    for address, old in {beneficiary: received, frame.address: balance}.items():
        new = frame.host.balance(address)
        if new != old:
            observers.tell("balance_change", address, old, new)


_BEFORE: dict[str, Callable[[Frame, Words], object]] = {"SSTORE": _value_before, "SELFDESTRUCT": _balances_before}
_AFTER: dict[str, Callable[[Observers, Frame, Words, object, Any], None]] = {
    **dict.fromkeys(("LOG0", "LOG1", "LOG2", "LOG3", "LOG4"), _say_log),
    "SLOAD": _say_read,
    "SSTORE": _say_written,
    "KECCAK256": _say_preimage,
    "SELFDESTRUCT": _say_destroyed,
}
