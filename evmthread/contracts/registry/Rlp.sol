// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRegistry} from "./IRegistry.sol";

/// @title Rlp: strict reading of RLP (Yellow Paper, appendix B)
/// @dev `node` is the place in a proof that an error names.
library Rlp {
    /// The byte at a position. Beyond the data it is some other byte: the caller checks the bounds, before or after.
    function byteAt(bytes calldata data, uint256 position) internal pure returns (uint256 value) {
        // Assembly, because Solidity would check the bounds, for each byte of a proof, as its caller does.
        assembly ("memory-safe") {
            value := byte(0, calldataload(add(data.offset, position)))
        }
    }

    /// The item that begins at `position`: whether it is a list, and where its payload begins and ends. Its length has
    /// the shortest form, and it lies within the data.
    function item(bytes calldata data, uint256 position, uint256 node)
        internal
        pure
        returns (bool isList, uint256 start, uint256 end)
    {
        require(position < data.length, IRegistry.InvalidProof(node));
        uint256 first = byteAt(data, position);
        // No overflow: positions are below a length of calldata, sizes have at most eight bytes.
        unchecked {
            if (first < 0x80) return (false, position, position + 1);
            isList = first >= 0xc0;
            uint256 size = first - (isList ? 0xc0 : 0x80);
            start = position + 1;
            if (size > 55) {
                uint256 width = size - 55;
                require(start + width <= data.length && byteAt(data, start) != 0, IRegistry.InvalidProof(node));
                size = uint256(bytes32(data[start:])) >> (8 * (32 - width));
                require(size > 55, IRegistry.InvalidProof(node));
                start += width;
            }
            end = start + size;
            require(end <= data.length, IRegistry.InvalidProof(node));
            // A byte below 0x80 stands for itself.
            require(isList || size != 1 || byteAt(data, start) >= 0x80, IRegistry.InvalidProof(node));
        }
    }

    /// The payload of data that is one list, with nothing behind it.
    function list(bytes calldata data, uint256 node) internal pure returns (bytes calldata) {
        (bool isList, uint256 start, uint256 end) = item(data, 0, node);
        require(isList && end == data.length, IRegistry.InvalidProof(node));
        return data[start:end];
    }

    /// The string that begins at `position`, and where the next item begins.
    function text(bytes calldata data, uint256 position, uint256 node)
        internal
        pure
        returns (bytes calldata payload, uint256 next)
    {
        bool isList;
        uint256 start;
        (isList, start, next) = item(data, position, node);
        require(!isList, IRegistry.InvalidProof(node));
        payload = data[start:next];
    }

    /// The number that begins at `position`, of at most `maxBytes` bytes and without leading zeros, and where the next
    /// item begins.
    function number(bytes calldata data, uint256 position, uint256 maxBytes, uint256 node)
        internal
        pure
        returns (uint256 value, uint256 next)
    {
        bytes calldata payload;
        (payload, next) = text(data, position, node);
        require(payload.length <= maxBytes, IRegistry.InvalidProof(node));
        if (payload.length == 0) return (0, next);
        require(payload[0] != 0, IRegistry.InvalidProof(node));
        value = uint256(bytes32(payload)) >> (8 * (32 - payload.length));
    }

    /// The 32 bytes that begin at `position`, and where the next item begins.
    function word(bytes calldata data, uint256 position, uint256 node)
        internal
        pure
        returns (bytes32 value, uint256 next)
    {
        bytes calldata payload;
        (payload, next) = text(data, position, node);
        require(payload.length == 32, IRegistry.InvalidProof(node));
        value = bytes32(payload);
    }
}
