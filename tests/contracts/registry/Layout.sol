// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// Every kind of storage: packed slots, mappings, arrays, structs, strings of both forms, and a counter that goes on.
contract Layout {
    struct Entry {
        uint64 time;
        address by;
        bool isOpen;
        uint256[] marks;
    }

    uint8 public small;
    int16 public signed;
    address public last;
    bool public flag;
    uint256 public counter;
    string public shortText;
    string public longText;
    uint32[5] public packed;
    uint8[] public bytesInARow;
    uint256[] public list;
    mapping(address => uint256) public numbers;
    mapping(uint256 => mapping(bytes32 => bool)) public nested;
    Entry[] private entries;

    function fill(uint256 seed) external payable {
        small = uint8(seed);
        signed = -int16(uint16(seed % 100));
        last = msg.sender;
        flag = !flag;
        shortText = "short";
        longText = "a text that takes more than the thirty-one bytes which lie in the slot itself";
        for (uint256 i = 0; i < 5; ++i) {
            packed[i] = uint32(seed + i);
            bytesInARow.push(uint8(i + 1));
            list.push(seed * i + 1);
        }
        numbers[msg.sender] += seed;
        numbers[address(this)] = type(uint256).max;
        nested[seed][keccak256(abi.encode(seed))] = true;
        Entry storage entry = entries.push();
        entry.time = uint64(block.timestamp);
        entry.by = msg.sender;
        entry.isOpen = true;
        entry.marks.push(seed);
        ++counter;
    }

    function clear() external {
        delete list;
        delete shortText;
        packed[2] = 0;
        ++counter;
    }

    /// Writes so many slots of a mapping, from `start` on.
    function spread(uint256 start, uint256 count) external {
        for (uint256 i = start; i < start + count; ++i) {
            nested[i][0] = true;
        }
        ++counter;
    }

    function entryAt(uint256 index) external view returns (uint64, address, bool, uint256[] memory) {
        Entry storage found = entries[index];
        return (found.time, found.by, found.isOpen, found.marks);
    }

    function pay(address payable to, uint256 amount) external {
        ++counter;
        (bool paid,) = to.call{value: amount}("");
        require(paid, "not paid");
    }
}
