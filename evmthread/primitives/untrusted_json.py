"""JSON from others: nested as deep as they like, it ends in a typed error and never in a crash.

Libraries raise Python's recursion limit for the whole process (py_ecc does when it is imported), so far that nested
JSON overflows the C stack; here the limit is put back for as long as the text is read.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evmthread.errors import DecodingError

MAX_RECURSION = 3_000  # frames of Python and levels of JSON together; a level takes some hundred bytes of stack


@contextmanager
def _shallow() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(min(limit, MAX_RECURSION))
        yield
    finally:
        sys.setrecursionlimit(limit)


def parse_json(text: bytes | bytearray | str) -> Any:
    """The JSON value of a text. Raises DecodingError."""
    try:
        with _shallow():
            return json.loads(text)
    except RecursionError:
        raise DecodingError("JSON nested too deep") from None
    except ValueError as error:
        raise DecodingError(f"not JSON: {str(error)[:200]}") from None
