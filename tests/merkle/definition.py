"""The root of a trie straight from its definition (Yellow Paper, appendix D), to compare with: slow, without state."""

import rlp
from eth_hash.auto import keccak


def _compact(nibbles: bytes, *, leaf: bool) -> bytes:
    flag = 2 * leaf + len(nibbles) % 2
    padded = bytes([flag, *nibbles]) if len(nibbles) % 2 else bytes([flag, 0, *nibbles])
    return bytes(16 * high + low for high, low in zip(padded[::2], padded[1::2], strict=True))


def _structure(entries: list[tuple[bytes, bytes]], depth: int) -> object:
    if len(entries) == 1:
        return [_compact(entries[0][0][depth:], leaf=True), entries[0][1]]
    first, last = entries[0][0], entries[-1][0]
    shared = depth
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    if shared > depth:
        return [_compact(first[depth:shared], leaf=False), _reference(entries, shared)]
    children = [
        _reference([entry for entry in entries if entry[0][depth : depth + 1] == bytes([nibble])], depth + 1)
        for nibble in range(16)
    ]
    return [*children, entries[0][1] if len(first) == depth else b""]


def _reference(entries: list[tuple[bytes, bytes]], depth: int) -> object:
    if not entries:
        return b""
    structure = _structure(entries, depth)
    encoded = rlp.encode(structure)
    return structure if len(encoded) < 32 else keccak(encoded)


def defined_root(mapping: dict[bytes, bytes]) -> bytes:
    """The root of the trie of these keys and values."""
    if not mapping:
        return keccak(rlp.encode(b""))
    entries = sorted(
        (bytes(nibble for byte in key for nibble in (byte >> 4, byte & 15)), value) for key, value in mapping.items()
    )
    return keccak(rlp.encode(_structure(entries, 0)))
