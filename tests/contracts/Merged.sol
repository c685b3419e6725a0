// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice Two functions that end in the same code, which the optimizer merges.
contract Merged {
    error Bad(uint256 number);

    function first(uint256 number) external pure returns (uint256) {
        if (number == 1) revert Bad(number);
        assert(number != 2);
        return number;
    }

    function second(uint256 number) external pure returns (uint256) {
        if (number > 5) revert Bad(number);
        assert(number != 3);
        return _third(number);
    }

    function _third(uint256 number) internal pure returns (uint256) {
        if (number == 4) {
            revert Bad(number);
        }
        return number;
    }
}
