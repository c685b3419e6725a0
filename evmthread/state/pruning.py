"""Which trie nodes of a store are needed by the states that are kept."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from evmthread.merkle.nodes import EMPTY_ROOT, Branch, Extension, Leaf, Node, Stub, decode_node
from evmthread.primitives.keccak import keccak256
from evmthread.state.store import CorruptState, Store

_REPORT_EVERY = 4096
_STORAGE_ROOT = slice(-65, -33)  # an account's RLP ends with storage root and code hash
Progress: TypeAlias = Callable[[str, int], None]
"""Told now and then what is being done, and how many items are done."""


def unheard(_what: str, _count: int) -> None:
    """Nobody wants to know how far it is."""


def live_nodes(store: Store, roots: Iterable[bytes], progress: Progress = unheard) -> set[bytes]:
    """The hashes of all nodes of the states with these roots, in memory. Raises CorruptState for a lost one."""
    live: set[bytes] = set()
    pending = [(root, True) for root in roots if root != EMPTY_ROOT]
    while pending:
        digest, holds_accounts = pending.pop()
        if digest in live:
            continue
        data = store.get("node", digest)
        if data is None or keccak256(data) != digest:
            raise CorruptState(store.place, f"trie node 0x{digest.hex()} is lost or has another hash")
        live.add(digest)
        if not len(live) % _REPORT_EVERY:
            progress("nodes kept", len(live))
        inlined: list[Node] = [decode_node(data)]
        while inlined:
            node = inlined.pop()
            if type(node) is Stub:
                pending.append((node.digest, holds_accounts))
            elif type(node) is Branch:
                inlined += node.children
            elif type(node) is Extension:
                inlined.append(node.child)
            elif type(node) is Leaf and holds_accounts and node.value[_STORAGE_ROOT] != EMPTY_ROOT:
                pending.append((node.value[_STORAGE_ROOT], False))
    return live
