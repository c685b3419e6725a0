"""State and receipt roots from the definition, with the trie and rlp packages: shares no code with evmthread."""

from collections.abc import Mapping, Sequence

import rlp  # type: ignore[import-untyped]
from eth_hash.auto import keccak
from trie import HexaryTrie  # type: ignore[attr-defined]

Accounts = Mapping[bytes, tuple[int, int, Mapping[int, int], bytes]]
"""Address -> (nonce, balance, storage, code)."""


def storage_root(slots: Mapping[int, int]) -> bytes:
    """The root of an account's storage."""
    tree = HexaryTrie({})
    for key, value in slots.items():
        if value:
            tree[keccak(key.to_bytes(32, "big"))] = rlp.encode(value)
    return bytes(tree.root_hash)


def state_root(accounts: Accounts) -> bytes:
    """The root of the accounts."""
    tree = HexaryTrie({})
    for address, (nonce, balance, slots, code) in accounts.items():
        tree[keccak(address)] = rlp.encode([nonce, balance, storage_root(slots), keccak(code)])
    return bytes(tree.root_hash)


def bloom(logs: Sequence[tuple[bytes, Sequence[bytes], bytes]]) -> bytes:
    """Yellow Paper, section 4.4.1, bit by bit."""
    bits = bytearray(256)
    for address, topics, _ in logs:
        for entry in (address, *topics):
            digest = keccak(entry)
            for pair in range(3):
                number = (digest[2 * pair] << 8 | digest[2 * pair + 1]) % 2048
                bits[255 - number // 8] |= 1 << (number % 8)
    return bytes(bits)


def receipts_root(receipts: Sequence[tuple[int, int, Sequence[tuple[bytes, Sequence[bytes], bytes]]]]) -> bytes:
    """The root of receipts given as (status, cumulative gas, logs)."""
    tree = HexaryTrie({})
    for index, (status, gas, logs) in enumerate(receipts):
        fields = [status, gas, bloom(logs), [[address, list(topics), data] for address, topics, data in logs]]
        tree[rlp.encode(index)] = rlp.encode(fields)
    return bytes(tree.root_hash)
