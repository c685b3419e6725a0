"""Writes EIP-3155 lines while a machine runs, for the commands that offer --trace."""

import argparse
from collections.abc import Callable
from typing import TextIO

from evmthread.isa.frame import Frame
from evmthread.machine.eip3155 import end_line, step_line
from evmthread.machine.machine import Machine
from evmthread.machine.tracing import Step, run_traced


def traced_to(stream: TextIO, arguments: argparse.Namespace) -> Callable[[Machine], Frame]:
    """A function that runs a machine and writes a line for each instruction, and one at the end.

    `arguments` says what is in the lines: memory, returndata, nostack.
    """
    with_stack, with_return_data, with_memory = not arguments.nostack, arguments.returndata, arguments.memory

    def drive(machine: Machine) -> Frame:
        write = stream.write
        last: Step | None = None

        def observe(step: Step) -> None:
            nonlocal last
            last = step
            write(step_line(step, with_stack=with_stack, with_return_data=with_return_data) + "\n")

        frame = run_traced(machine, observe, with_memory=with_memory)
        write(end_line(frame, last) + "\n")
        stream.flush()
        return frame

    return drive
