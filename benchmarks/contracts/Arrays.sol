// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Benchmark: arrays in storage and memory, of words, packed numbers and structs
contract Arrays {
    struct Item {
        uint64 id;
        uint64 weight;
        uint128 value;
        bytes32 tag;
    }

    Item[] private items;
    uint16[] private packed;

    /// @notice Fills the arrays, copies them to memory, scans and updates them, and shrinks them again.
    /// @dev Returns a checksum.
    function run(uint256 iterations) external returns (uint256 checksum) {
        for (uint256 i = 0; i < iterations; ++i) {
            if (items.length < 24) {
                items.push(Item(uint64(i), uint64((i * 37) % 101), uint128(i * i), bytes32(i)));
                packed.push(uint16(i * 31));
            } else {
                items[i % 24].value += uint128(i);
                packed[i % 24] ^= uint16(i);
            }
            Item[] memory copy = new Item[](8);
            for (uint256 j = 0; j < copy.length; ++j) {
                copy[j] = Item(uint64(j), uint64(i + j), uint128(i * j), bytes32(j));
            }
            checksum += _weigh(copy) + packed[i % packed.length];
            if (i % 50 == 49) {
                checksum += _weigh(items);
                items.pop();
                packed.pop();
            }
        }
    }

    /// @dev The weighted sum over an array in memory; a storage array given here is copied first.
    function _weigh(Item[] memory list) private pure returns (uint256 sum) {
        uint256[] memory products = new uint256[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            products[i] = uint256(list[i].weight) * list[i].value;
        }
        for (uint256 i = products.length; i > 0; --i) {
            sum += products[i - 1] + uint256(list[i - 1].tag);
        }
    }
}
