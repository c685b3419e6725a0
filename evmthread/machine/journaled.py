"""What the machine asks of its host beyond what instructions ask: to begin, keep and undo the effects of a call."""

from collections.abc import Callable
from typing import Protocol

from evmthread.isa.frame import Frame
from evmthread.isa.host import Host
from evmthread.isa.message import Message
from evmthread.primitives.types import Log

Codeless = Callable[[Frame, Message, int], int | Message]


def always_framed(_frame: Frame, message: Message, _pc: int) -> Message:
    """No call is made without a frame."""
    return message


class JournaledHost(Host, Protocol):
    """A Host whose effects can be rolled back to a mark. Marks nest; rolling back costs what changed since."""

    logs: list[Log]
    observers: object  # of the machine that runs, where it has any
    codeless: Codeless  # of the machine that runs, where it makes such calls without a frame

    def mark(self) -> tuple[int, int, int]:
        """A point to roll back to."""

    def undo_call(self, mark: tuple[int, int, int]) -> None:
        """Undoes what a call has done that began at the mark and failed."""

    def open_storage(self, address: bytes) -> tuple[dict[int, int], dict[int, int]]:
        """The account's warm slots, and its slots' values at the start of the transaction."""

    def touch(self, address: bytes) -> None:
        """A call reaches the account: where there was none an empty one comes into being (EIP-161 may delete it)."""

    def create_account(self, address: bytes, nonce: int) -> None:
        """A contract comes into being here: no code, no storage, this nonce, the balance that was there."""

    def set_code(self, address: bytes, code: bytes) -> None:
        """Gives the account its code."""
