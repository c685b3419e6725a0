"""The hook that writes EIP-3155 lines, as the commands' options say that offer --trace."""

import argparse
from typing import TextIO

from evmthread.tracers.lines import TraceLines


def lines_to(stream: TextIO, arguments: argparse.Namespace) -> TraceLines:
    """Trace lines on a stream; `arguments` says what is in them: memory, returndata, nostack."""
    return TraceLines(
        stream,
        with_stack=not arguments.nostack,
        with_return_data=arguments.returndata,
        with_memory=arguments.memory,
    )
