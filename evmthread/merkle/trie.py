"""An incremental Merkle-Patricia trie (Yellow Paper, appendix D).

Cost follows what changed: a write copies the nodes on its path, a root hashes only nodes that have no hash yet, a copy
is one reference. Keys are taken as they are; who wants a secure trie hashes them first (accounts.py does). It must not
know what its values mean, nor where a node store keeps its nodes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, Self

from evmthread.errors import DecodingError, InvalidInput
from evmthread.merkle.nodes import (
    EMPTY,
    EMPTY_ROOT,
    HASH_PREFIX,
    HASH_REFERENCE_SIZE,
    Branch,
    CorruptNodeError,
    Extension,
    Leaf,
    MissingNodeError,
    Node,
    Stub,
    decode_node,
    encode_node,
    key_nibbles,
    nibbles_key,
    nodes_beyond,
    seal,
)
from evmthread.primitives.keccak import keccak256
from evmthread.primitives.rlp import encode_int

__all__ = [
    "EMPTY_ROOT",
    "CorruptNodeError",
    "MissingNodeError",
    "NodeSink",
    "NodeStore",
    "Trie",
    "index_key",
    "ordered_root",
    "ordered_trie",
]


class NodeStore(Protocol):
    """Where nodes are read from; a dict of hash to RLP is one."""

    def get(self, digest: bytes, /) -> bytes | None:
        """The RLP of the node with this hash, or None when the store doesn't hold it."""


class NodeSink(Protocol):
    """Where new nodes go; a dict is one, and a database takes all of a commit in one transaction."""

    def update(self, nodes: Mapping[bytes, bytes], /) -> None:
        """Keep these nodes (hash to RLP)."""


class Trie:
    """A map from bytes to non-empty bytes with a root hash.

    Nodes are shared between copies and never change, so a copy costs nothing and stays as it was. Values are plain
    bytes; an empty value is the same as none.
    """

    __slots__ = ("_root", "_saved", "_store")

    def __init__(self) -> None:
        self._root: Node = EMPTY
        self._saved: Node = EMPTY  # what the last commit handed out, or what the trie was opened from
        self._store: NodeStore | None = None

    @classmethod
    def open(cls, root: bytes, store: NodeStore) -> Self:
        """The trie with this root, its nodes read from `store` when they are first needed, and then kept.

        Reading happens in every other method and raises there: MissingNodeError, CorruptNodeError. What was read is
        let go by opening the trie again.
        """
        if len(root) != 32:
            raise InvalidInput(f"a root is 32 bytes, not {len(root)}")
        trie = cls()
        trie._store = store
        if root != EMPTY_ROOT:
            trie._root = trie._saved = Stub(HASH_PREFIX + root)
        return trie

    def copy(self) -> Self:
        """The same trie, to be changed apart from this one, in constant time."""
        other = type(self)()
        other._root, other._saved, other._store = self._root, self._saved, self._store
        return other

    @property
    def is_committed(self) -> bool:
        """Whether nothing changed since the last commit, or since the trie was opened."""
        return self._root is self._saved

    def root(self) -> bytes:
        """The root hash (32 bytes)."""
        ref = seal(self._root)
        return ref[1:] if len(ref) == HASH_REFERENCE_SIZE else keccak256(ref)

    def commit(self, sink: NodeSink) -> bytes:
        """The root hash, after handing `sink` the nodes that are new since the trie was opened or last committed.

        A store that then serves these nodes can open the trie again. Nodes of older versions are never taken back:
        another version may share them. When the sink's transaction is undone later, go on from a copy made before.
        """
        root = self.root()
        nodes = {node.ref[1:]: encode_node(node) for node in nodes_beyond(self._root, self._saved)}
        if self._root is not self._saved and self._root is not EMPTY and len(self._root.ref) != HASH_REFERENCE_SIZE:
            nodes[root] = encode_node(self._root)  # a short root is hashed all the same
        if nodes:
            sink.update(nodes)
        self._saved = self._root
        return root

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        nibbles = key_nibbles(key)
        _, node, position = self._descend(nibbles)
        if type(node) is Branch:
            return node.value or None
        if type(node) is Leaf and nibbles[position:] == node.path:
            return node.value
        return None

    def set(self, key: bytes, value: bytes) -> None:
        """Give a key its value; an empty one deletes the key."""
        if type(value) is not bytes:
            value = _plain(value)
        if not value:
            self.delete(key)
            return
        nibbles = key_nibbles(key)
        trail, node, position = self._descend(nibbles)
        new: Node
        if type(node) is Leaf:
            path = nibbles[position:]
            if path != node.path:
                new = _split(node, path, value)
            elif node.value == value:
                return
            else:
                new = Leaf(path, value)
        elif type(node) is Branch:
            if node.value == value:
                return
            new = Branch(node.children[:], value)
        elif type(node) is Extension:
            new = _split(node, nibbles[position:], value)
        else:
            new = Leaf(nibbles[position:], value)
        for parent, place in reversed(trail):
            if type(parent) is Branch:
                children = parent.children[:]
                children[place] = new
                new = Branch(children, parent.value)
            else:
                new = Extension(parent.path, new)
        self._root = new

    def delete(self, key: bytes) -> None:
        """Take a key away, if it is there."""
        nibbles = key_nibbles(key)
        trail, node, position = self._descend(nibbles)
        new: Node
        if type(node) is Leaf and nibbles[position:] == node.path:
            new = EMPTY
        elif type(node) is Branch and node.value:
            new = self._merged(node.children[:], b"")
        else:
            return
        for parent, place in reversed(trail):
            if type(parent) is Branch:
                children = parent.children[:]
                children[place] = new
                new = self._merged(children, parent.value) if new is EMPTY else Branch(children, parent.value)
            else:
                new = _prefixed(parent.path, new)
        self._root = new

    def update(self, mapping: Mapping[bytes, bytes]) -> None:
        """Set many keys (empty values delete); all or none, should a node be missing."""
        before = self._root
        try:
            for key, value in mapping.items():
                self.set(key, value)
        except BaseException:
            self._root = before
            raise

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values as they are at the call, in the order of keys."""
        return self._walk(self._top())

    def witness(self, key: bytes) -> list[bytes]:
        """The RLP of the nodes from the root towards a key, without those that are inlined in their parent.

        That is a Merkle proof of the key's value, or of its absence (proofs.py); of an empty trie it is empty.
        """
        seal(self._root)
        trail, last, _ = self._descend(key_nibbles(key))
        nodes: list[Node] = [parent for parent, _ in trail]
        if last is not EMPTY:
            nodes.append(last)
        return [encode_node(node) for node in nodes if node is nodes[0] or len(node.ref) == HASH_REFERENCE_SIZE]

    def _descend(self, nibbles: bytes) -> tuple[list[tuple["Branch | Extension", int]], Node, int]:
        # As far towards a key as nodes agree with it: the nodes passed, each with the child taken; the node where it
        # ends (a branch only if the key ends there, a leaf or extension of any path, or nothing); the nibbles used.
        trail: list[tuple[Branch | Extension, int]] = []
        node = self._top()
        position = 0
        size = len(nibbles)
        while True:
            if type(node) is Branch:
                if position == size:
                    return trail, node, position
                index = nibbles[position]
                position += 1
                trail.append((node, index))
                child = node.children[index]
                if type(child) is Stub:
                    child = node.children[index] = self._load(child)
                node = child
            elif type(node) is Extension and nibbles.startswith(node.path, position):
                position += len(node.path)
                trail.append((node, 0))
                node = self._below(node)
            else:
                return trail, node, position

    def _walk(self, top: Node) -> Iterator[tuple[bytes, bytes]]:
        # Without keeping what it loads: a walk over a large store holds one path at a time.
        pending: list[tuple[bytes, Node]] = [(b"", top)]
        while pending:
            nibbles, node = pending.pop()
            if type(node) is Stub:
                node = self._load(node)
            if type(node) is Leaf:
                yield _whole_key(nibbles + node.path), node.value
            elif type(node) is Extension:
                pending.append((nibbles + node.path, node.child))
            elif type(node) is Branch:
                if node.value:
                    yield _whole_key(nibbles), node.value
                pending += [
                    (nibbles + bytes((index,)), node.children[index])
                    for index in range(15, -1, -1)
                    if node.children[index] is not EMPTY
                ]

    def _top(self) -> Node:
        # the root node, never a stub
        node = self._root
        if type(node) is Stub:
            loaded = self._load(node, is_root=True)
            if self._saved is node:
                self._saved = loaded
            self._root = loaded
            return loaded
        return node

    def _below(self, extension: Extension) -> Node:
        child = extension.child
        if type(child) is Stub:
            loaded = self._load(child)
            if type(loaded) is not Branch:
                raise CorruptNodeError(child.digest, "an extension leads to it, and it is no branch")
            extension.child = child = loaded
        return child

    def _load(self, stub: Stub, *, is_root: bool = False) -> Node:
        digest = stub.digest
        data = None if self._store is None else self._store.get(digest)
        if data is None:
            raise MissingNodeError(digest)
        if keccak256(data) != digest:
            raise CorruptNodeError(digest, f"the store gave {len(data)} bytes with another hash")
        if len(data) < 32 and not is_root:
            raise CorruptNodeError(digest, f"{len(data)} bytes should have been inlined")
        try:
            return decode_node(data, data if len(data) < 32 else stub.ref)
        except DecodingError as error:
            raise CorruptNodeError(digest, str(error)) from error

    def _merged(self, children: list[Node], value: bytes) -> Node:
        # a branch that lost an entry: itself, or what takes its place when one entry is left
        places = [index for index, child in enumerate(children) if child is not EMPTY]
        if len(places) + (value != b"") > 1:
            return Branch(children, value)
        if value:
            return Leaf(b"", value)
        place = places[0]
        child = children[place]
        return _prefixed(bytes((place,)), self._load(child) if type(child) is Stub else child)


def _plain(value: object) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise InvalidInput(f"a value is bytes, not {type(value).__name__}")


def _whole_key(nibbles: bytes) -> bytes:
    if len(nibbles) & 1:
        raise DecodingError(f"a value after {len(nibbles)} nibbles, which is no key of whole bytes")
    return nibbles_key(nibbles)


def _prefixed(path: bytes, node: Node) -> Node:
    # what stands for `node` below a stretch of nibbles: leaves and extensions take them in
    if type(node) is Leaf:
        return Leaf(path + node.path, node.value)
    if type(node) is Extension:
        return Extension(path + node.path, node.child)
    return Extension(path, node)


def _split(node: Leaf | Extension, path: bytes, value: bytes) -> Node:
    # `node` and a leaf for `value` below a new branch where their paths part
    old_path = node.path
    shared = 0
    for mine, other in zip(path, old_path, strict=False):
        if mine != other:
            break
        shared += 1
    children: list[Node] = [EMPTY] * 16
    branch_value = b""
    if type(node) is Extension:
        rest = old_path[shared + 1 :]
        children[old_path[shared]] = Extension(rest, node.child) if rest else node.child
    elif shared == len(old_path):
        branch_value = node.value
    else:
        children[old_path[shared]] = Leaf(old_path[shared + 1 :], node.value)
    if shared == len(path):
        branch_value = value
    else:
        children[path[shared]] = Leaf(path[shared + 1 :], value)
    branch = Branch(children, branch_value)
    return Extension(path[:shared], branch) if shared else branch


def index_key(index: int) -> bytes:
    """The key of the item with this index in an ordered trie: rlp(index)."""
    return encode_int(index)


def ordered_trie(values: Sequence[bytes]) -> Trie:
    """The trie of a list, as blocks have for transactions, receipts and withdrawals (Yellow Paper, section 4.3).

    Raises InvalidInput for an empty value, which a trie can't hold.
    """
    trie = Trie()
    for index, value in enumerate(values):
        if not value:
            raise InvalidInput(f"item {index} of an ordered trie is empty")
        trie.set(index_key(index), value)
    return trie


def ordered_root(values: Sequence[bytes]) -> bytes:
    """The root of ordered_trie(values). Raises InvalidInput as it does."""
    return ordered_trie(values).root()
