"""Snapshots that nobody wrote: their items are changed, and put together again in good form."""

from copy import deepcopy
from random import Random
from typing import Any

from evmthread.primitives import rlp

PENDING, MACHINE = 5, 6  # items of a snapshot
UNDO = 13  # item of pending
ROWS = {0: 166, 1: 84, 2: 84, 3: 20, 5: 20, 6: 84, 7: 84, 8: 20, 9: 20, 10: 20, 11: 20}  # sizes, by item of pending
STACK, MEMORY, REFUND = 14, 15, 19  # items of a frame
NUMBERS = (0, 1, 2, 5, 31, 32, 33, 95, 96, 1000, 2**32, 2**63, 2**64 - 1, 2**255, 2**256 - 1)
EDGES = (0, 1, 5, 2**256 - 1)
KEYS = (0, 1, 2, 3, 7, 9)
REFUNDS = (0, 1, -1, 2**71 - 1, -(2**71))


def undo_entries(data: bytes) -> list[bytes]:
    """The entries of an undo log."""
    entries, start = [], 0
    while start < len(data):
        kind = data[start]
        if kind in (1, 2):
            size = 25 + 64 * int.from_bytes(data[start + 21 : start + 25], "big")
        else:
            size = {0: 94, 8: 86, 9: 86}.get(kind, 22)
        entries.append(data[start : start + size])
        start += size
    return entries


def items_of(snapshot: bytes) -> Any:
    """The items of a snapshot, to be changed."""
    return rlp.decode(snapshot[1:])


def snapshot_of(items: Any) -> bytes:
    """The bytes of items."""
    return b"\x01" + rlp.encode(items)


def forged(random: Random, snapshot: bytes, places: tuple[bytes, ...]) -> bytes:
    """A snapshot with one to three changes; `places` are the addresses that it may name."""
    items = deepcopy(items_of(snapshot))
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        random.choice(
            (_change_undo, _change_undo, _change_rows, _change_rows, _change_frame, _change_frame, _change_head)
        )(random, items, places)
    return snapshot_of(items)


def _change_undo(random: Random, items: Any, places: tuple[bytes, ...]) -> None:
    entries = undo_entries(items[PENDING][UNDO])
    if not entries:
        return
    at = random.randrange(len(entries))
    entry = bytearray(entries[at])
    other = random.randrange(len(entries))
    flags = (3, 4, 5, 6, 7, 10)
    match random.randrange(5):
        case 0:
            del entries[at]
        case 1:
            entries.insert(other, entries[at])
        case 2:
            entries[at], entries[other] = entries[other], entries[at]
        case 3:
            kind = entry[0]
            entry[0] = random.choice(flags) if kind in flags else {1: 2, 2: 1, 8: 9, 9: 8}.get(kind, kind)
            entries[at] = bytes(entry)
        case _:
            entry[1:21] = random.choice(places)
            entries[at] = bytes(entry)
    items[PENDING][UNDO] = b"".join(entries)


def _change_rows(random: Random, items: Any, places: tuple[bytes, ...]) -> None:
    item, size = random.choice(list(ROWS.items()))
    data = items[PENDING][item]
    rows = {data[start : start + size] for start in range(0, len(data), size)}
    if rows and random.randrange(3):
        rows.remove(random.choice(sorted(rows)))
    if random.randrange(3):
        row = random.choice(places)
        if size == ROWS[1]:
            row += random.choice(KEYS).to_bytes(32, "big") + random.choice(EDGES).to_bytes(32, "big")
        elif size == ROWS[0]:
            now = bytes(8) + random.choice(EDGES).to_bytes(32, "big") + bytes(32)
            row += b"\x01" + now + bytes(73)
        rows.add(row)
    items[PENDING][item] = b"".join(sorted(rows))


def _change_frame(random: Random, items: Any, places: tuple[bytes, ...]) -> None:
    frames, _, pending = items[MACHINE]
    frame = random.choice(frames)
    match random.randrange(12):
        case 0:
            frames.append(deepcopy(random.choice(frames)))
        case 1 if len(frames) > 1:
            frames.pop()
        case 2:
            empty_code = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
            items[MACHINE][2] = [bytes((random.choice((0, 2, 4, 6, 12, 13)),)), *frame[1:4], empty_code, *frame[5:12]]
        case _ if not pending or random.randrange(3):
            _change_item(random, frame, places)
        case _:
            _change_item(random, pending, places)


def _change_item(random: Random, frame: list[Any], places: tuple[bytes, ...]) -> None:
    at = random.randrange(len(frame))
    if at == 0:
        frame[at] = bytes((random.randrange(14),))
    elif at in (1, 2, 3):
        frame[at] = random.choice(places)
    elif at in (STACK, MEMORY):
        words = len(frame[at]) // 32
        more = random.randbytes(32) * random.choice((1, 3, max(1024 - words, 0)))
        frame[at] = random.choice((frame[at][: 32 * random.randrange(words + 1)], frame[at] + more))
    elif at in (5, 16):
        frame[at] = random.randbytes(random.choice((0, 1, 32, 33)))
    elif at == REFUND:
        frame[at] = random.choice(REFUNDS).to_bytes(9, "big", signed=True)
    elif at != 4:
        number = int.from_bytes(frame[at], "big")
        frame[at] = rlp.integer_bytes(random.choice((*NUMBERS, number + 1, max(number - 1, 0))))


def _change_head(random: Random, items: Any, places: tuple[bytes, ...]) -> None:
    part = random.choice([each for each in items[1:5] if each])
    at = random.randrange(len(part))
    if part is items[4] and at > 1:
        part[at] = random.choice(REFUNDS).to_bytes(9, "big", signed=True)
    elif part is items[1] and at == 2:
        part[at] = random.choice(places)
    elif part is not items[2] or at == 1:
        part[at] = rlp.integer_bytes(random.choice(NUMBERS))
