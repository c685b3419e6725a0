// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRegistry} from "./IRegistry.sol";

/// @title StorageRoot: the root of a contract's storage, made from all its slots
/// @dev Builds the Merkle-Patricia trie (Yellow Paper, appendices C and D) from the leaves up. As the slots come in the
/// order of the trie, a node covers a range of them.
library StorageRoot {
    bytes32 private constant EMPTY_ROOT = keccak256(hex"80");
    uint256 private constant NIBBLES = 64; // of a hashed key
    uint256 private constant MAX_ITEMS_BYTES = 16 * 33 + 1; // of a branch: hashes, and no value
    uint256 private constant LEAF = 0x20; // flag of a compact path
    uint256 private constant ODD = 0x10; // flag of a compact path

    /// The root of exactly these slots. Reverts with MisplacedSlot unless the keys' hashes strictly ascend and no value
    /// is zero.
    function rootOf(bytes32[] calldata keys, bytes32[] calldata values) internal pure returns (bytes32) {
        if (keys.length == 0) return EMPTY_ROOT;
        bytes32[] memory hashes = new bytes32[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            hashes[i] = keccak256(abi.encodePacked(keys[i]));
            if (values[i] == 0 || (i != 0 && hashes[i - 1] >= hashes[i])) revert IRegistry.MisplacedSlot(i);
        }
        return keccak256(_node(hashes, values, 0, keys.length, 0));
    }

    /// The node over the slots `from` to before `to`, whose hashes have their first `depth` nibbles in common.
    function _node(bytes32[] memory hashes, bytes32[] calldata values, uint256 from, uint256 to, uint256 depth)
        private
        pure
        returns (bytes memory)
    {
        if (to - from == 1) {
            bytes memory value = _string(_minimal(values[from]));
            return _list(bytes.concat(_path(hashes[from], depth, NIBBLES, LEAF), _string(value)));
        }
        uint256 fork = depth;
        while (_nibble(hashes[from], fork) == _nibble(hashes[to - 1], fork)) ++fork;
        bytes memory branch = _branch(hashes, values, from, to, fork);
        return fork == depth ? branch : _list(bytes.concat(_path(hashes[from], depth, fork, 0), _held(branch)));
    }

    /// The branch over slots whose hashes differ first at `depth`.
    function _branch(bytes32[] memory hashes, bytes32[] calldata values, uint256 from, uint256 to, uint256 depth)
        private
        pure
        returns (bytes memory)
    {
        bytes memory items = new bytes(MAX_ITEMS_BYTES);
        uint256 size = 0;
        for (uint256 nibble = 0; nibble < 16; ++nibble) {
            uint256 next = from;
            while (next < to && _nibble(hashes[next], depth) == nibble) ++next;
            if (next == from) {
                items[size++] = 0x80;
                continue;
            }
            uint256 free = _freeMemory();
            bytes memory child = _held(_node(hashes, values, from, next, depth + 1));
            // Assembly, because Solidity has no way to copy into the middle of bytes: a child has 33 bytes at most.
            assembly ("memory-safe") {
                mcopy(add(add(items, 32), size), add(child, 32), mload(child))
            }
            size += child.length;
            _freeFrom(free);
            from = next;
        }
        items[size++] = 0x80;
        // Assembly, because Solidity has no way to cut bytes short.
        assembly ("memory-safe") {
            mstore(items, size)
        }
        return _list(items);
    }

    /// Where memory that is not in use begins.
    function _freeMemory() private pure returns (uint256 place) {
        // Assembly, as Solidity doesn't tell.
        assembly ("memory-safe") {
            place := mload(0x40)
        }
    }

    /// Gives back what was allocated since: of a child only its reference is kept, and that was copied. Else the memory
    /// of all nodes together would be paid for, which grows with its square.
    function _freeFrom(uint256 place) private pure {
        // Assembly, as Solidity never frees.
        assembly ("memory-safe") {
            mstore(0x40, place)
        }
    }

    /// A node as its parent holds it: itself where it has less than 32 bytes, else its hash.
    function _held(bytes memory node) private pure returns (bytes memory) {
        return node.length < 32 ? node : bytes.concat(hex"a0", keccak256(node));
    }

    /// The compact path of the nibbles `from` to before `to` of a hash, as a string of RLP.
    function _path(bytes32 hash, uint256 from, uint256 to, uint256 flags) private pure returns (bytes memory) {
        if ((to - from) % 2 == 1) {
            flags |= ODD | _nibble(hash, from);
            ++from;
        }
        bytes1 head = bytes1(uint8(flags)); // below 0x80: alone it stands for itself
        uint256 size = (to - from) / 2;
        if (size == 0) return bytes.concat(head);
        return bytes.concat(bytes1(uint8(0x81 + size)), head, _start(hash << (4 * from), size));
    }

    function _nibble(bytes32 hash, uint256 depth) private pure returns (uint256) {
        return (uint256(hash) >> (252 - 4 * depth)) & 15;
    }

    /// A number, not zero, without leading zero bytes.
    function _minimal(bytes32 value) private pure returns (bytes memory) {
        uint256 size = 1;
        uint256 rest = uint256(value);
        for (uint256 half = 16; half != 0; half >>= 1) {
            if (rest >> (8 * half) == 0) continue;
            rest >>= 8 * half;
            size += half;
        }
        return _start(value << (8 * (32 - size)), size);
    }

    /// The first `size` bytes, 1 to 32, of a word.
    function _start(bytes32 word, uint256 size) private pure returns (bytes memory part) {
        part = new bytes(size);
        // Assembly, because Solidity has no way to cut a word at a size that isn't constant. What is behind `size` bytes
        // lies within the memory given to `part`.
        assembly ("memory-safe") {
            mstore(add(part, 32), word)
        }
    }

    /// The RLP of a string of less than 56 bytes.
    function _string(bytes memory payload) private pure returns (bytes memory) {
        if (payload.length == 1 && uint8(payload[0]) < 0x80) return payload;
        return bytes.concat(bytes1(uint8(0x80 + payload.length)), payload);
    }

    /// The RLP of a list of less than 65,536 bytes.
    function _list(bytes memory payload) private pure returns (bytes memory) {
        if (payload.length < 56) return bytes.concat(bytes1(uint8(0xc0 + payload.length)), payload);
        if (payload.length < 256) return bytes.concat(hex"f8", bytes1(uint8(payload.length)), payload);
        return bytes.concat(hex"f9", bytes2(uint16(payload.length)), payload);
    }
}
