"""Trace lines in the form of EIP-3155, written while a machine runs."""

from typing import TextIO

from evmthread.isa.frame import Frame
from evmthread.isa.message import Message
from evmthread.machine.eip3155 import end_line, step_line
from evmthread.machine.tracing import Step, Steps


class TraceLines(Steps):
    """Writes a line for each instruction, and one at the end of the outermost call."""

    def __init__(
        self, stream: TextIO, *, with_stack: bool = True, with_return_data: bool = False, with_memory: bool = False
    ) -> None:
        super().__init__(with_memory=with_memory)
        self._stream = stream
        self._with_stack = with_stack
        self._with_return_data = with_return_data
        self._last: Step | None = None

    def transaction_start(self, message: Message) -> None:
        self._last = None

    def step(self, frame: Frame, step: Step) -> None:
        self._last = step
        line = step_line(step, with_stack=self._with_stack, with_return_data=self._with_return_data)
        self._stream.write(line + "\n")

    def transaction_end(self, frame: Frame) -> None:
        self._stream.write(end_line(frame, self._last) + "\n")
        self._stream.flush()
