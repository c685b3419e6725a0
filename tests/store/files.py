"""Thread files in memory, as their records, to be put together otherwise."""

from pathlib import Path

from evmthread.channel.local import LOCAL_DOMAIN
from evmthread.primitives import rlp
from evmthread.store.threadfile import ThreadFileWriter, ThreadHead
from tests.channel.games import Match

START_BYTES = 12


def write(match: Match, path: Path) -> bytes:
    """The match's file; returns its bytes."""
    head = ThreadHead(LOCAL_DOMAIN, match.terms, match.rules, match.code)
    with ThreadFileWriter.create(path, head) as writer:
        for agreement, batch in match.line:
            writer.append(agreement, batch)
        writer.seal()
    return path.read_bytes()


def split(data: bytes) -> list[bytes]:
    """The framed records after the file's first bytes."""
    records, position = [], START_BYTES
    while position < len(data):
        end = position + 4 + int.from_bytes(data[position : position + 4], "big")
        records.append(data[position:end])
        position = end
    return records


def join(data: bytes, records: list[bytes]) -> bytes:
    """A file of these records."""
    return data[:START_BYTES] + b"".join(records)


def item_of(record: bytes) -> rlp.Decoded:
    """The RLP item in a framed record."""
    return rlp.decode(record[6:])


def with_item(record: bytes, item: rlp.Decoded) -> bytes:
    """The framed record with another item."""
    body = record[4:6] + rlp.encode(item)
    return len(body).to_bytes(4, "big") + body


def leaves(item: rlp.Decoded, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """The paths of all byte strings in an item."""
    if isinstance(item, bytes):
        return [path]
    return [found for index, child in enumerate(item) for found in leaves(child, (*path, index))]


def flipped(item: rlp.Decoded, path: tuple[int, ...], bit: int) -> rlp.Decoded:
    """The item with one bit of one byte string flipped (counted from its end); an empty one becomes 1."""
    if not path:
        assert isinstance(item, bytes)
        if not item:
            return b"\x01"
        number = int.from_bytes(item, "big") ^ 1 << bit % (8 * len(item))
        return number.to_bytes(len(item), "big")
    assert isinstance(item, list)
    index, *rest = path
    return [flipped(child, tuple(rest), bit) if place == index else child for place, child in enumerate(item)]
