// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// A receiver that calls back, as it was told to, when it is paid.
contract Receiver {
    address private target;
    bytes private data;
    bool private isArmed;
    /// How often it was paid, and how often its call back went through.
    uint128 public paid;
    uint128 public succeeded;

    /// What to call when paid.
    function arm(address target_, bytes calldata data_) external {
        (target, data, isArmed) = (target_, data_, true);
    }

    /// Call anything, as this account.
    function forward(address to, bytes calldata what) external payable {
        (bool done, bytes memory said) = to.call{value: msg.value}(what);
        if (!done) {
            // Assembly, because Solidity can't revert with data that is encoded already.
            assembly ("memory-safe") {
                revert(add(said, 32), mload(said))
            }
        }
    }

    receive() external payable {
        ++paid;
        if (!isArmed) return;
        (bool done,) = target.call(data);
        if (done) ++succeeded;
    }
}
