// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Benchmark: keccak-256 over growing strings, encoded values and Merkle trees
contract Hashing {
    /// @notice In each iteration a chained abi.encode and abi.encodePacked, a growing string and a tree of 16 leaves.
    function run(uint256 iterations) external view returns (bytes32 digest) {
        string memory text = "";
        bytes32[] memory leaves = new bytes32[](16);
        for (uint256 i = 0; i < iterations; ++i) {
            digest = keccak256(abi.encode(digest, i, msg.sender, address(this)));
            digest = keccak256(abi.encodePacked(digest, uint64(i), uint8(i % 256)));
            text = i % 64 == 0 ? "" : string.concat(text, _decimal(i), ",");
            digest ^= keccak256(bytes(text));
            for (uint256 j = 0; j < leaves.length; ++j) {
                leaves[j] = keccak256(abi.encode(i, j));
            }
            digest ^= _root(leaves);
        }
    }

    function _decimal(uint256 value) private pure returns (string memory) {
        if (value == 0) return "0";
        uint256 digits = 0;
        for (uint256 rest = value; rest != 0; rest /= 10) ++digits;
        bytes memory text = new bytes(digits);
        for (uint256 rest = value; rest != 0; rest /= 10) text[--digits] = bytes1(uint8(48 + (rest % 10)));
        return string(text);
    }

    /// @dev The root over a power of two of leaves, which it overwrites; the smaller child of a pair goes first.
    function _root(bytes32[] memory nodes) private pure returns (bytes32) {
        for (uint256 count = nodes.length; count > 1; count /= 2) {
            for (uint256 i = 0; i < count; i += 2) {
                bytes32 left = nodes[i];
                bytes32 right = nodes[i + 1];
                if (left > right) (left, right) = (right, left);
                nodes[i / 2] = keccak256(bytes.concat(left, right));
            }
        }
        return nodes[0];
    }
}
