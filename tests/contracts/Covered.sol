// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice A contract of few lines in which everything is that coverage, profile and debugger look at.
contract Covered {
    uint256 public total;
    address public immutable owner;

    event Added(uint256 indexed number);

    constructor(uint256 start) {
        owner = msg.sender;
        total = start;
    }

    modifier atMost(uint256 number, uint256 bound) {
        if (number > bound) {
            revert("too much");
        }
        _;
    }

    function add(uint256 number) external atMost(number, 10) returns (uint256) {
        _add(number);
        return total;
    }

    function addTwice(uint256 number) external atMost(number, 20) returns (uint256) {
        _add(number);
        _add(number);
        return total;
    }

    function sum(uint256 count) external pure returns (uint256 result) {
        for (uint256 i = 0; i < count; ++i) {
            result += i;
        }
    }

    function isSmall(uint256 number) external pure returns (bool) {
        return number == 0 || number == 1;
    }

    function larger(uint256 a, uint256 b) external pure returns (uint256) {
        return a > b ? a : b;
    }

    function checked(uint256 number) external pure returns (uint256) {
        require(number != 7, "seven");
        if (number == 8) return 1;
        else return 2;
    }

    function never() external pure returns (uint256) {
        return 3;
    }

    function factorial(uint256 number) external pure returns (uint256) {
        return _factorial(number);
    }

    function _factorial(uint256 number) internal pure returns (uint256) {
        if (number < 2) return 1;
        return number * _factorial(number - 1);
    }

    function _add(uint256 number) internal {
        total += number;
        emit Added(number);
    }
}
