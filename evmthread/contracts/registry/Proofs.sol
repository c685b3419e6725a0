// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRegistry} from "./IRegistry.sol";
import {Rlp} from "./Rlp.sol";

/// @title Proofs: what a Merkle-Patricia trie with a known root holds under a key, or that it holds nothing
/// @dev Proofs in the shape of EIP-1186: the nodes on the way from the root to the key, nothing missing and nothing more;
/// what is inlined in its parent isn't listed again (Yellow Paper, appendix D). The same verdicts as evmthread.merkle.
library Proofs {
    struct Account {
        uint256 nonce;
        uint256 balance;
        bytes32 storageRoot;
        bytes32 codeHash;
    }

    enum Kind {
        BRANCH,
        EXTENSION,
        LEAF
    }

    /// A node as far as one key is concerned. `path` is its compact path with its head (of a branch nothing); `content`
    /// is the child on the way as RLP, or, where the way ends, the value.
    struct Node {
        Kind kind;
        bytes32 path; // nibbles from the high end
        uint256 length; // of path, in nibbles
        uint256 start; // where `content` begins in the node
        uint256 end;
    }

    bytes32 internal constant EMPTY_ROOT = keccak256(hex"80");
    uint256 private constant NIBBLES = 64; // of a key
    uint256 private constant HASHED_BYTES = 32; // from this size on a node is known by its hash
    uint256 private constant HASH_HEAD = 0xa0; // of a string of 32 bytes
    uint256 private constant EMPTY_STRING = 0x80;

    /// The account under a state root. Reverts with NoSuchAccount where it is proven that there is none.
    function account(bytes32 stateRoot, address place, bytes[] calldata proof) internal pure returns (Account memory found) {
        bytes calldata leaf = valueAt(stateRoot, keccak256(abi.encodePacked(place)), proof);
        if (leaf.length == 0) revert IRegistry.NoSuchAccount(place);
        uint256 last = proof.length - 1;
        bytes calldata items = Rlp.list(leaf, last);
        uint256 next;
        (found.nonce, next) = Rlp.number(items, 0, 8, last);
        (found.balance, next) = Rlp.number(items, next, 32, last);
        (found.storageRoot, next) = Rlp.word(items, next, last);
        (found.codeHash, next) = Rlp.word(items, next, last);
        require(next == items.length, IRegistry.InvalidProof(last));
    }

    /// The value of a slot under a storage root, zero where it is proven that there is none.
    function slot(bytes32 storageRoot, bytes32 key, bytes[] calldata proof) internal pure returns (uint256 value) {
        bytes calldata leaf = valueAt(storageRoot, keccak256(abi.encodePacked(key)), proof);
        if (leaf.length == 0) return 0;
        uint256 next;
        (value, next) = Rlp.number(leaf, 0, 32, proof.length - 1);
        require(value != 0 && next == leaf.length, IRegistry.InvalidProof(proof.length - 1));
    }

    /// The value under a hashed key; nothing where it is proven that there is none. Reverts with InvalidProof otherwise.
    function valueAt(bytes32 root, bytes32 key, bytes[] calldata proof) internal pure returns (bytes calldata value) {
        uint256 depth = 0;
        uint256 used = 0;
        value = msg.data[:0];
        if (root != EMPTY_ROOT) {
            bytes calldata data = _hashed(proof, used++, root);
            Node memory node = _read(data, _nibble(key, depth), 0);
            while (true) {
                if (node.kind == Kind.BRANCH) {
                    if (depth++ == NIBBLES) {
                        value = data[node.start:node.end];
                        break;
                    }
                } else {
                    bool matches = _begins(key, depth, node);
                    depth += node.length;
                    if (node.kind == Kind.LEAF) {
                        if (matches && depth == NIBBLES) value = data[node.start:node.end];
                        break;
                    }
                    if (!matches) break;
                }
                Kind above = node.kind;
                data = data[node.start:node.end];
                if (data.length == 1) break; // nothing hangs here
                if (data.length == HASHED_BYTES + 1) data = _hashed(proof, used++, bytes32(data[1:]));
                node = _read(data, _nibble(key, depth), used - 1);
                // An extension that leads to anything but a branch would be one with it.
                require(above != Kind.EXTENSION || node.kind == Kind.BRANCH, IRegistry.InvalidProof(used - 1));
            }
        }
        require(used == proof.length, IRegistry.InvalidProof(used));
    }

    /// The next node of the proof, which has this hash.
    function _hashed(bytes[] calldata proof, uint256 place, bytes32 hash) private pure returns (bytes calldata data) {
        require(place < proof.length, IRegistry.InvalidProof(place));
        data = proof[place];
        require(keccak256(data) == hash, IRegistry.InvalidProof(place));
        require(place == 0 || data.length >= HASHED_BYTES, IRegistry.InvalidProof(place));
    }

    /// The nibble of a key at a depth; 16, the place of a branch's own value, where the key has ended.
    function _nibble(bytes32 key, uint256 depth) private pure returns (uint256) {
        return depth < NIBBLES ? uint8(key[depth >> 1]) >> (depth & 1 == 0 ? 4 : 0) & 15 : 16;
    }

    /// Whether the key goes on with a node's path.
    function _begins(bytes32 key, uint256 depth, Node memory node) private pure returns (bool) {
        if (depth + node.length > NIBBLES) return false;
        if (node.length == 0) return true;
        uint256 unwanted = 4 * (NIBBLES - node.length);
        return (uint256(key) << (4 * depth)) >> unwanted == uint256(node.path) >> unwanted;
    }

    /// A node of canonical RLP, with the child, or the branch's own value (16), at `index`. Refuses whatever no trie has.
    function _read(bytes calldata data, uint256 index, uint256 place) private pure returns (Node memory node) {
        bytes calldata items = Rlp.list(data, place);
        uint256 offset = data.length - items.length;
        (bool isList, uint256 start, uint256 next) = Rlp.item(items, 0, place);
        (, uint256 second, uint256 end) = Rlp.item(items, next, place);
        if (end != items.length) {
            _readBranch(node, items, index, place);
        } else {
            require(!isList, IRegistry.InvalidProof(place));
            _readPath(node, items[start:next], place);
            if (node.kind == Kind.LEAF) {
                node.start = second;
                node.end = end;
                (bytes calldata value,) = Rlp.text(items, next, place);
                require(value.length != 0, IRegistry.InvalidProof(place));
            } else {
                node.start = next;
                node.end = end;
                require(node.length != 0 && end - next > 1, IRegistry.InvalidProof(place));
                Kind below = _checkChild(items[next:end], place);
                require(below == Kind.BRANCH, IRegistry.InvalidProof(place));
            }
        }
        node.start += offset;
        node.end += offset;
    }

    /// Seventeen items, at least two of them not empty: sixteen children and the value of the key that ends here.
    function _readBranch(Node memory node, bytes calldata items, uint256 index, uint256 place) private pure {
        node.kind = Kind.BRANCH;
        uint256 next = 0;
        uint256 entries = 0;
        for (uint256 i = 0; i < 16;) {
            // Almost all children are hashes or empty. Where `next` runs beyond the items, it stays there, and the value
            // below isn't found. No overflow: each step adds at most a length of calldata.
            uint256 head = Rlp.byteAt(items, next);
            uint256 end;
            unchecked {
                if (head == HASH_HEAD) {
                    end = next + (HASHED_BYTES + 1);
                    ++entries;
                } else if (head == EMPTY_STRING) {
                    end = next + 1;
                } else {
                    (,, end) = Rlp.item(items, next, place);
                    _checkChild(items[next:end], place);
                    ++entries;
                }
                if (i == index) (node.start, node.end) = (next, end);
                next = end;
                ++i;
            }
        }
        (bytes calldata value, uint256 last) = Rlp.text(items, next, place);
        require(last == items.length, IRegistry.InvalidProof(place));
        if (value.length != 0) ++entries;
        if (index == 16) (node.start, node.end) = (last - value.length, last);
        require(entries > 1, IRegistry.InvalidProof(place));
    }

    /// The compact path of a leaf or an extension (Yellow Paper, appendix C).
    function _readPath(Node memory node, bytes calldata compact, uint256 place) private pure {
        require(compact.length != 0, IRegistry.InvalidProof(place));
        uint256 head = uint8(compact[0]);
        bool isOdd = head & 0x10 != 0;
        require(head < 0x40 && (isOdd || head & 0x0f == 0), IRegistry.InvalidProof(place));
        node.kind = head & 0x20 != 0 ? Kind.LEAF : Kind.EXTENSION;
        node.length = 2 * (compact.length - 1) + (isOdd ? 1 : 0);
        node.path = bytes32(compact[1:]);
        if (isOdd) node.path = bytes32(((head & 0x0f) << 252) | (uint256(node.path) >> 4));
    }

    /// What hangs in a node: nothing, the hash of a node, or a whole node of less than 32 bytes. A hashed one counts as
    /// a branch until it is read.
    function _checkChild(bytes calldata child, uint256 place) private pure returns (Kind) {
        if (Rlp.byteAt(child, 0) >= 0xc0) {
            require(child.length < HASHED_BYTES, IRegistry.InvalidProof(place));
            return _read(child, 0, place).kind;
        }
        require(child.length == HASHED_BYTES + 1 || Rlp.byteAt(child, 0) == EMPTY_STRING, IRegistry.InvalidProof(place));
        return Kind.BRANCH;
    }
}
