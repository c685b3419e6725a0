// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Benchmark: sorting in memory, by quicksort down to short runs and insertion sort for those
contract Sort {
    uint256 private constant SIZE = 128;
    uint256 private constant SHORT = 12;

    error NotSorted(uint256 index);

    /// @notice Sorts one pseudo-random array of 128 words an iteration.
    /// @dev Returns a checksum over places and values.
    function run(uint256 iterations) external pure returns (uint256 checksum) {
        uint256[] memory values = new uint256[](SIZE);
        uint256 random = 1;
        for (uint256 i = 0; i < iterations; ++i) {
            for (uint256 j = 0; j < SIZE; ++j) {
                // A linear congruential generator: Knuth's MMIX constants.
                unchecked {
                    random = (random * 6364136223846793005 + 1442695040888963407) & type(uint64).max;
                }
                values[j] = random >> 32;
            }
            _quicksort(values, 0, SIZE - 1);
            for (uint256 j = 1; j < SIZE; ++j) {
                if (values[j - 1] > values[j]) revert NotSorted(j);
                unchecked {
                    checksum = checksum * 31 + values[j] * j;
                }
            }
        }
    }

    function _quicksort(uint256[] memory values, uint256 first, uint256 last) private pure {
        if (last - first < SHORT) {
            _insertionSort(values, first, last);
            return;
        }
        uint256 pivot = values[(first + last) / 2];
        uint256 left = first;
        uint256 right = last;
        while (left <= right) {
            while (values[left] < pivot) ++left;
            while (values[right] > pivot) --right;
            if (left <= right) {
                (values[left], values[right]) = (values[right], values[left]);
                ++left;
                if (right == 0) break;
                --right;
            }
        }
        if (first < right) _quicksort(values, first, right);
        if (left < last) _quicksort(values, left, last);
    }

    function _insertionSort(uint256[] memory values, uint256 first, uint256 last) private pure {
        for (uint256 i = first + 1; i <= last; ++i) {
            uint256 value = values[i];
            uint256 place = i;
            while (place > first && values[place - 1] > value) {
                values[place] = values[place - 1];
                --place;
            }
            values[place] = value;
        }
    }
}
