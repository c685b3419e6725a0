"""Numbers and bytes in a node's JSON, read strictly. It must not know what they stand for."""

import re
from collections.abc import Mapping

from evmthread.rpc import BadAnswer

_QUANTITY = re.compile(r"0x(0|[1-9a-f][0-9a-f]{0,63})")
_DATA = re.compile(r"0x([0-9a-fA-F]{2})*")


def quantity(value: object, what: str) -> int:
    """The number of a JSON-RPC quantity. Raises BadAnswer."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise BadAnswer(f"{what}: {str(value)[:80]!r} is no quantity")
    return int(value, 16)


def data(value: object, what: str, size: int | None = None) -> bytes:
    """The bytes of JSON-RPC data, of this length if one is given. Raises BadAnswer."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise BadAnswer(f"{what}: {str(value)[:80]!r} is no data")
    raw = bytes.fromhex(value[2:])
    if size is not None and len(raw) != size:
        raise BadAnswer(f"{what}: {len(raw)} bytes where {size} are wanted")
    return raw


def record(value: object, what: str) -> Mapping[str, object]:
    """A JSON object. Raises BadAnswer."""
    if not isinstance(value, Mapping):
        raise BadAnswer(f"{what}: {str(value)[:80]!r} is no object")
    return value


def items(value: object, what: str) -> list[object]:
    """A JSON list. Raises BadAnswer."""
    if not isinstance(value, list):
        raise BadAnswer(f"{what}: {str(value)[:80]!r} is no list")
    return value


def text(value: bytes | int) -> str:
    """A value as JSON-RPC wants it: data, or a quantity."""
    return hex(value) if isinstance(value, int) else "0x" + value.hex()
