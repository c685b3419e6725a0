// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Benchmark: deep and wide recursion by internal calls
contract Recursion {
    /// @notice Fibonacci, Ackermann, the towers of Hanoi and binomial coefficients, once an iteration.
    function run(uint256 iterations) external pure returns (uint256 checksum) {
        for (uint256 i = 0; i < iterations; ++i) {
            checksum += _fibonacci(12 + (i % 4));
            checksum += _ackermann(2, 5 + (i % 3));
            checksum += _hanoi(6 + (i % 2), 0, 2, 1);
            checksum += _binomial(9, 4 + (i % 2));
        }
    }

    function _fibonacci(uint256 n) private pure returns (uint256) {
        return n < 2 ? n : _fibonacci(n - 1) + _fibonacci(n - 2);
    }

    function _ackermann(uint256 m, uint256 n) private pure returns (uint256) {
        if (m == 0) return n + 1;
        if (n == 0) return _ackermann(m - 1, 1);
        return _ackermann(m - 1, _ackermann(m, n - 1));
    }

    /// @dev A checksum over the moves that take n discs from one peg to another.
    function _hanoi(uint256 n, uint256 from, uint256 to, uint256 over) private pure returns (uint256) {
        if (n == 0) return 0;
        return _hanoi(n - 1, from, over, to) + n * (3 * from + to) + _hanoi(n - 1, over, to, from);
    }

    function _binomial(uint256 n, uint256 k) private pure returns (uint256) {
        if (k == 0 || k == n) return 1;
        return _binomial(n - 1, k - 1) + _binomial(n - 1, k);
    }
}
