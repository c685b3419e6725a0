"""RLP (Yellow Paper, appendix B), strict.

Own code because rooting a trie and verifying an agreement spend most of their time here: four to ten times faster than
pyrlp on the same items, and tests/primitives/test_rlp.py holds it equal to pyrlp.
"""

from collections.abc import Sequence
from typing import TypeAlias

from evmthread.errors import DecodingError

Item: TypeAlias = "bytes | Sequence[Item]"
Decoded: TypeAlias = "bytes | list[Decoded]"

EMPTY_STRING = b"\x80"
EMPTY_LIST = b"\xc0"
MAX_ITEMS = 2**18  # of one decoded item: about 25 MB of Python objects

# What nearly all strings, lists and many integers begin with, or are: made once.
_STRING_HEADS = tuple([bytes((0x80 + size,)) for size in range(56)])
_LIST_HEADS = tuple([bytes((0xC0 + size,)) for size in range(56)])
_SMALL_INTEGERS = (EMPTY_STRING, *[bytes((value,)) for value in range(1, 0x80)])
_HEADS_OF_TWO = (0xB8, 0xF8)
"""How a string, or a list, of 56 to 255 bytes begins; a byte with its length follows."""
_BYTES = tuple([bytes((value,)) for value in range(0x80)])


def encode_bytes(value: bytes) -> bytes:
    """The RLP of one byte string."""
    size = len(value)
    if size == 1 and value[0] < 0x80:
        return value
    if size < 56:
        return _STRING_HEADS[size] + value
    length = size.to_bytes((size.bit_length() + 7) >> 3, "big")
    return bytes((0xB7 + len(length),)) + length + value


def encode_int(value: int) -> bytes:
    """The RLP of a non-negative integer: its minimal big-endian bytes, zero as the empty string."""
    if 0 <= value < 0x80:
        return _SMALL_INTEGERS[value]
    size = (value.bit_length() + 7) >> 3
    if size < 56:
        return _STRING_HEADS[size] + value.to_bytes(size, "big")
    return encode_bytes(value.to_bytes(size, "big"))


def encode_list(encoded_items: Sequence[bytes]) -> bytes:
    """The RLP of a list whose items are already encoded."""
    payload = b"".join(encoded_items)
    size = len(payload)
    if size < 56:
        return _LIST_HEADS[size] + payload
    length = size.to_bytes((size.bit_length() + 7) >> 3, "big")
    return bytes((0xF7 + len(length),)) + length + payload


def encode(item: Item) -> bytes:
    """The RLP of nested byte strings."""
    if isinstance(item, bytes):
        return encode_bytes(item)
    return encode_list([encode(child) for child in item])


def integer_bytes(value: int) -> bytes:
    """An integer as an RLP item: minimal big-endian bytes."""
    return value.to_bytes((value.bit_length() + 7) >> 3, "big")


def bytes_integer(value: bytes, *, bits: int = 256) -> int:
    """The integer of an RLP item. Raises DecodingError for leading zeros and for more than `bits` bits."""
    if value[:1] == b"\x00":
        raise DecodingError("integer with a leading zero")
    number = int.from_bytes(value, "big")
    if number >> bits:
        raise DecodingError(f"integer of more than {bits} bits")
    return number


def _payload(data: bytes, position: int, end: int) -> tuple[bool, int, int]:
    """(is a list, payload start, payload end) of the item at `position`; all lengths minimal and inside `end`."""
    if position >= end:
        raise DecodingError("RLP ends too early")
    first = data[position]
    if first < 0x80:
        return False, position, position + 1
    is_list = first >= 0xC0
    size = first - (0xC0 if is_list else 0x80)
    start = position + 1
    if size > 55:
        width = size - 55
        if start + width > end or data[start] == 0:
            raise DecodingError("RLP length is truncated or has a leading zero")
        size = int.from_bytes(data[start : start + width], "big")
        if size < 56:
            raise DecodingError("RLP length is not minimal")
        start += width
    if start + size > end:
        raise DecodingError("RLP item is longer than its bytes")
    if not is_list and size == 1 and data[start] < 0x80:
        raise DecodingError("RLP single byte is not minimal")
    return is_list, start, start + size


def decode(data: bytes, *, max_depth: int = 64, max_items: int = MAX_ITEMS) -> Decoded:
    """Nested byte strings of canonical RLP.

    Raises DecodingError for non-minimal lengths, trailing or missing bytes, lists nested deeper than `max_depth`, and
    more than `max_items` strings and lists in all: an item takes one byte on the wire and a hundred in memory.
    """
    data = bytes(data)
    is_list, start, end = _payload(data, 0, len(data))
    if end != len(data):
        raise DecodingError(f"{len(data) - end} bytes after the RLP item")
    if not is_list:
        return data[start:end]
    items, _ = _decode_list(data, start, end, max_depth, max_items)
    return items


def encoded_items(encoded: bytes) -> list[bytes]:
    """The items of a list, each as its bytes: of a list that `decode` has read, which says whether it is one."""
    _, position, end = _payload(encoded, 0, len(encoded))
    items = []
    while position < end:
        _, _, stop = _payload(encoded, position, end)
        items.append(encoded[position:stop])
        position = stop
    return items


def _decode_list(data: bytes, position: int, end: int, depth: int, allowed: int) -> tuple[list[Decoded], int]:
    """The items of a list's payload, and how many more are allowed after them."""
    if depth <= 0:
        raise DecodingError("RLP nested too deep")
    items: list[Decoded] = []
    while position < end:
        first = data[position]
        allowed -= 1
        if allowed < 0:
            raise DecodingError("RLP has too many items")
        # Nearly all items are a byte, or have a head of one or two bytes; _payload reads what hasn't, or is wrong.
        if first < 0x80:
            items.append(_BYTES[first])
            position += 1
        elif first < 0xB8 and first != 0x81 and (stop := position + first - 0x7F) <= end:
            items.append(data[position + 1 : stop])
            position = stop
        elif 0xC0 <= first < 0xF8 and (stop := position + first - 0xBF) <= end:
            children, allowed = _decode_list(data, position + 1, stop, depth - 1, allowed)
            items.append(children)
            position = stop
        elif (
            first in _HEADS_OF_TWO
            and position + 1 < end
            and (size := data[position + 1]) > 55
            and (stop := position + 2 + size) <= end
        ):
            if first == 0xB8:
                items.append(data[position + 2 : stop])
            else:
                children, allowed = _decode_list(data, position + 2, stop, depth - 1, allowed)
                items.append(children)
            position = stop
        else:
            is_list, start, position = _payload(data, position, end)
            if is_list:
                children, allowed = _decode_list(data, start, position, depth - 1, allowed)
                items.append(children)
            else:
                items.append(data[start:position])
    return items, allowed
