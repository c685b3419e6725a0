"""An exception between any two lines of some files, as a signal's handler raises it."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interrupt(BaseException):
    """What no `except Exception` catches."""


def interrupted(run: Callable[[], object], line: int, files: tuple[str, ...]) -> bool:
    """Runs, but is interrupted before the line of this number, of those that run in files with such ends.

    False where so many lines don't run.
    """
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(files):
            return None
        if event == "line":
            left -= 1
            if not left:
                raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    except Interrupt:
        return True
    finally:
        sys.settrace(before)
    return False
