// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Benchmark: nested mappings, as order books and registries use them
contract Mapping {
    struct Position {
        uint128 size;
        uint64 openedAt;
        uint64 updates;
        address owner;
    }

    mapping(address owner => mapping(uint256 market => mapping(bytes32 key => Position))) private positions;
    mapping(uint256 market => mapping(uint256 price => uint256)) private depth;
    mapping(uint256 market => uint256) private volume;

    /// @notice Opens and grows positions of 16 owners in 4 markets, and at every fourth step closes one.
    /// @dev Returns a digest of the volumes, so that every iteration counts.
    function run(uint256 iterations) external returns (bytes32) {
        for (uint256 i = 0; i < iterations; ++i) {
            address owner = address(uint160(0xbeef0000 + (i & 15)));
            uint256 market = i % 4;
            bytes32 key = bytes32((i * 7) % 8);
            Position storage position = positions[owner][market][key];
            if (position.owner == address(0)) {
                position.owner = owner;
                position.openedAt = uint64(block.timestamp);
            }
            position.size += uint128(100 + (i % 13));
            position.updates += 1;
            depth[market][100 + (i % 10)] += position.size;
            volume[market] += position.size;
            if (i % 4 == 3) {
                depth[market][100 + (i % 10)] -= position.size;
                delete positions[owner][market][key];
            }
        }
        return keccak256(abi.encode(volume[0], volume[1], volume[2], volume[3], depth[1][101], depth[2][104]));
    }
}
