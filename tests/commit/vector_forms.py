"""How the vectors write down bytes and verdicts, and the vectors as they lie in their file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evmthread.commit.members import Json
from evmthread.errors import DecodingError, VerificationError

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "commitment.json").read_text())


def hexed(value: bytes) -> str:
    """0x-prefixed hex."""
    return "0x" + value.hex()


def verdict(action: Callable[[], object]) -> dict[str, Json]:
    """Which check refuses, null where none does; the clause, field or reason that it names, where it names one."""
    try:
        action()
    except (DecodingError, VerificationError) as error:
        named = [getattr(error, name) for name in ("clause", "field", "reason") if hasattr(error, name)]
        return {"check": type(error).__name__, "clause": named[0] if named else None, "message": str(error)}
    return {"check": None, "clause": None, "message": None}


def flipped(value: object) -> object:
    """A value with its lowest bit changed; of an array, that of the first item."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value ^ 1
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1)
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1]) if value else b"\x01"
    assert isinstance(value, tuple)
    return (flipped(value[0]), *value[1:])
