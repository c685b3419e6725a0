"""The nodes of a Merkle-Patricia trie and their bytes (Yellow Paper, appendices C and D).

What a node is, how it is encoded, referenced and read back. It must not know keys, values or stores: trie.py walks,
proofs.py verifies. Nodes never change once they hang in a trie, so versions of a trie share them. Two exceptions keep a
node's meaning: its reference is filled in when it is first hashed, and a stub in it may give way to what it stands for.
"""

from binascii import hexlify, unhexlify
from typing import TypeAlias, final

from evmthread.errors import BackendError, DecodingError
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.rlp import Decoded, decode, encode, encode_bytes

# Nibbles are bytes from 0 to 15: indexing them gives a child's place at once, and C code turns them into hex and back.
_HEX_DIGITS = b"0123456789abcdef"
_TO_NIBBLES = bytes(int(chr(digit), 16) if digit in _HEX_DIGITS else 0xFF for digit in range(256))
_TO_HEX = _HEX_DIGITS + bytes(240)

# A reference is what a parent holds of its child, as RLP: a node shorter than 32 bytes itself, else its 32-byte hash.
NO_REFERENCE = b""  # not hashed yet
HASH_PREFIX = b"\xa0"  # the RLP head of a 32-byte string
HASH_REFERENCE_SIZE = 33
EMPTY_REFERENCE = b"\x80"  # the RLP of the empty string

# In a branch of sixteen hashes, the commonest node of a large trie, every 33rd byte begins an item, the value the last.
_FULL_BRANCH_HEADS = HASH_PREFIX * 16 + EMPTY_REFERENCE

EMPTY_ROOT = keccak256(EMPTY_REFERENCE)


class MissingNodeError(BackendError):
    """The node store doesn't hold a node that the trie needs; `digest` is its hash."""

    def __init__(self, digest: bytes) -> None:
        super().__init__(f"no trie node with hash 0x{digest.hex()} in the store")
        self.digest = digest


class CorruptNodeError(BackendError):
    """The node store gave bytes for the hash `digest` that have another hash or are no node that can stand there."""

    def __init__(self, digest: bytes, reason: str) -> None:
        super().__init__(f"trie node 0x{digest.hex()}: {reason}")
        self.digest = digest


# Plain classes, not dataclasses: thousands are made for one root, and a plain __init__ is the fastest.
@final
class Empty:
    """Nothing: the child that isn't there, and the whole of an empty trie."""

    __slots__ = ("ref",)

    def __init__(self) -> None:
        self.ref = EMPTY_REFERENCE


@final
class Leaf:
    """The end of a key (`path`, its last nibbles) and its value, which is never empty."""

    __slots__ = ("path", "ref", "value")

    def __init__(self, path: bytes, value: bytes, ref: bytes = NO_REFERENCE) -> None:
        self.path = path
        self.value = value
        self.ref = ref


@final
class Extension:
    """A stretch of nibbles (at least one) that all keys below share; its child is a branch."""

    __slots__ = ("child", "path", "ref")

    def __init__(self, path: bytes, child: "Node", ref: bytes = NO_REFERENCE) -> None:
        self.path = path
        self.child = child
        self.ref = ref


@final
class Branch:
    """Sixteen children by the next nibble, and the value of the key that ends here (empty when none does)."""

    __slots__ = ("children", "ref", "value")

    def __init__(self, children: "list[Node]", value: bytes, ref: bytes = NO_REFERENCE) -> None:
        self.children = children
        self.value = value
        self.ref = ref


@final
class Stub:
    """A node that is still in its store, known by its hash alone."""

    __slots__ = ("ref",)

    def __init__(self, ref: bytes) -> None:
        self.ref = ref

    @property
    def digest(self) -> bytes:
        """The 32-byte hash of the node."""
        return self.ref[1:]


Node: TypeAlias = "Empty | Leaf | Extension | Branch | Stub"

EMPTY = Empty()


def key_nibbles(key: bytes) -> bytes:
    """The nibbles of a key, high ones first, one in each byte."""
    return hexlify(key).translate(_TO_NIBBLES)


def nibbles_key(nibbles: bytes) -> bytes:
    """The key of an even number of nibbles."""
    return unhexlify(nibbles.translate(_TO_HEX))


def _compact_path(path: bytes, even: bytes, odd: bytes) -> bytes:
    # hex-prefix encoding (appendix C): `even` and `odd` are the hex digits that go before
    digits = path.translate(_TO_HEX)
    return unhexlify((odd if len(path) & 1 else even) + digits)


def encode_node(node: Node) -> bytes:
    """The RLP of a node whose children all have their references."""
    if type(node) is Branch:
        value = node.value
        payload = b"".join([child.ref for child in node.children])
        payload += encode_bytes(value) if value else EMPTY_REFERENCE
    elif type(node) is Leaf:
        payload = encode_bytes(_compact_path(node.path, b"20", b"3")) + encode_bytes(node.value)
    elif type(node) is Extension:
        payload = encode_bytes(_compact_path(node.path, b"00", b"1")) + node.child.ref
    else:
        raise TypeError(f"{type(node).__name__} has no encoding")
    size = len(payload)
    if size < 56:
        return bytes((0xC0 + size,)) + payload
    if size < 256:
        return bytes((0xF8, size)) + payload
    if size < 65536:
        return b"\xf9" + size.to_bytes(2, "big") + payload
    length = size.to_bytes((size.bit_length() + 7) >> 3, "big")
    return bytes((0xF7 + len(length),)) + length + payload


def seal(root: Node) -> bytes:
    """The reference of a node, after filling in those of all nodes below it that have none yet.

    Hashes exactly those. Walks with a list, so that a trie of long keys can't exhaust Python's stack.
    """
    if root.ref:
        return root.ref
    parents_first: list[Node] = []
    pending: list[Node] = [root]
    while pending:
        node = pending.pop()
        parents_first.append(node)
        if type(node) is Branch:
            pending += [child for child in node.children if not child.ref]
        elif type(node) is Extension and not node.child.ref:
            pending.append(node.child)
    for node in reversed(parents_first):
        encoded = encode_node(node)
        node.ref = encoded if len(encoded) < 32 else HASH_PREFIX + keccak256(encoded)
    return root.ref


def decode_node(data: bytes, ref: bytes = NO_REFERENCE) -> Node:
    """The node of canonical RLP, its hashed children as stubs; `ref` is its own reference where the caller has it.

    Raises DecodingError for everything that no trie contains: a wrong number of items, a wrong path prefix, an
    extension of nothing, an empty value, a branch of fewer than two entries, an inlined node of 32 bytes or more.
    """
    if len(data) == 532 and data[:3] == b"\xf9\x02\x11" and data[3::33] == _FULL_BRANCH_HEADS:
        return Branch([Stub(data[start : start + 33]) for start in range(3, 531, 33)], b"", ref)
    items = decode(data)
    if isinstance(items, bytes):
        raise DecodingError("trie node is no list")
    return _node(items, ref)


def _node(items: list[Decoded], ref: bytes) -> Node:
    if len(items) == 17:
        value = items.pop()
        if not isinstance(value, bytes):
            raise DecodingError("value of a branch is a list")
        children = [_child(item) for item in items]
        if 16 - children.count(EMPTY) + (value != b"") < 2:
            raise DecodingError("branch with fewer than two entries")
        return Branch(children, value, ref)
    if len(items) != 2:
        raise DecodingError(f"trie node of {len(items)} items")
    compact, content = items
    if not isinstance(compact, bytes) or not compact:
        raise DecodingError("path of a trie node is empty or a list")
    kind, *path = key_nibbles(compact)
    if kind > 3 or (not kind & 1 and path.pop(0)):
        raise DecodingError(f"path of a trie node begins with 0x{compact[0]:02x}")
    if kind >= 2:
        if not isinstance(content, bytes) or not content:
            raise DecodingError("value of a leaf is empty or a list")
        return Leaf(bytes(path), content, ref)
    child = _child(content)
    if not path or (type(child) is not Branch and type(child) is not Stub):
        raise DecodingError("extension without a path or without a branch below")
    return Extension(bytes(path), child, ref)


def _child(item: Decoded) -> Node:
    if isinstance(item, bytes):
        if len(item) == 32:
            return Stub(HASH_PREFIX + item)
        if item:
            raise DecodingError(f"reference of {len(item)} bytes")
        return EMPTY
    encoded = encode(item)
    if len(encoded) >= 32:
        raise DecodingError(f"inlined node of {len(encoded)} bytes")
    return _node(item, encoded)


def nodes_beyond(root: Node, known: Node) -> list[Node]:
    """The hashed nodes of the sealed tree `root` that `known` doesn't have in the same place.

    What `known` has not loaded counts as not there, and a node may be there in another place: never too few, rarely
    too many.
    """
    found: list[Node] = []
    pending = [(root, known)]
    while pending:
        node, old = pending.pop()
        if node is old or node.ref == old.ref or len(node.ref) != HASH_REFERENCE_SIZE or type(node) is Stub:
            continue  # an inlined node has no room for a hash below it
        found.append(node)
        if type(node) is Branch:
            if type(old) is Branch:
                pending += zip(node.children, old.children, strict=True)
            else:
                pending += [
                    (child, _subtree(old, bytes((index,))))
                    for index, child in enumerate(node.children)
                    if child is not EMPTY
                ]
        elif type(node) is Extension:
            pending.append((node.child, _subtree(old, node.path)))
    return found


def _subtree(node: Node, path: bytes) -> Node:
    # what hangs below `path`, as far as it is loaded
    while path:
        if type(node) is Branch:
            node = node.children[path[0]]
            path = path[1:]
        elif type(node) is Extension and path.startswith(node.path):
            path = path[len(node.path) :]
            node = node.child
        elif type(node) is Extension and node.path.startswith(path):
            return Extension(node.path[len(path) :], node.child)
        else:
            return EMPTY
    return node
