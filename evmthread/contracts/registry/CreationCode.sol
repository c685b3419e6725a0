// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title CreationCode: code that gives a new contract its storage and its runtime code
/// @dev `PUSH32 value PUSH32 key SSTORE` for each slot, then the code is copied to memory and returned.
library CreationCode {
    /// The most that a creation takes (EIP-3860).
    uint256 internal constant MAX_BYTES = 49_152;

    uint256 private constant SLOT_BYTES = 67;
    uint256 private constant TAIL_BYTES = 13;

    /// How long the code for so many slots and so much runtime code is.
    function size(uint256 slots, uint256 codeBytes) internal pure returns (uint256) {
        return slots * SLOT_BYTES + TAIL_BYTES + codeBytes;
    }

    function make(bytes32[] calldata keys, bytes32[] calldata values, bytes calldata code)
        internal
        pure
        returns (bytes memory made)
    {
        made = new bytes(size(keys.length, code.length));
        for (uint256 i = 0; i < keys.length; ++i) {
            _writeSlot(made, i * SLOT_BYTES, keys[i], values[i]);
        }
        uint256 tail = keys.length * SLOT_BYTES;
        // PUSH3 length DUP1 PUSH3 offset PUSH0 CODECOPY PUSH0 RETURN, left in its word.
        uint256 last = (0x62 << 96) | (code.length << 72) | (0x8062 << 56) | ((tail + TAIL_BYTES) << 32) | 0x5f395ff3;
        // Assembly, because Solidity has no way to write into the middle of bytes but one at a time; all is within
        // `made`: the word of the tail is written before the code that follows it.
        assembly ("memory-safe") {
            let place := add(add(made, 32), tail)
            mstore(place, or(and(mload(place), shr(104, not(0))), shl(152, last)))
            calldatacopy(add(place, TAIL_BYTES), code.offset, code.length)
        }
    }

    function _writeSlot(bytes memory made, uint256 offset, bytes32 key, bytes32 value) private pure {
        // Assembly, as above.
        assembly ("memory-safe") {
            let place := add(add(made, 32), offset)
            mstore8(place, 0x7f) // PUSH32
            mstore(add(place, 1), value)
            mstore8(add(place, 33), 0x7f) // PUSH32
            mstore(add(place, 34), key)
            mstore8(add(place, 66), 0x55) // SSTORE
        }
    }
}
