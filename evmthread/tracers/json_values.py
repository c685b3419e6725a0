"""How go-ethereum writes values in JSON: quantities without leading zeros, words and bytes with them."""

import json
from collections.abc import Callable


def hex_bytes(value: bytes) -> str:
    """Bytes of any length, addresses and hashes."""
    return "0x" + value.hex()


def hex_word(value: int) -> str:
    """A storage key or value: 32 bytes."""
    return f"{value:#066x}"


def write_json(value: object, write: Callable[[str], object]) -> None:
    """Writes JSON of objects and lists, nested as deep as calls are, on one line: json.dumps would need recursion."""
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Text):
            write(item)
        elif isinstance(item, dict) and item:
            parts: list[object] = []
            for key, inside in item.items():
                parts += [_Text(f"{',' if parts else '{'}{json.dumps(key)}:"), inside]
            waiting += [_Text("}"), *reversed(parts)]
        elif isinstance(item, list) and item:
            parts = []
            for inside in item:
                parts += [_Text("," if parts else "["), inside]
            waiting += [_Text("]"), *reversed(parts)]
        else:
            write(json.dumps(item))


class _Text(str):
    """What is written as it is."""

    __slots__ = ()
