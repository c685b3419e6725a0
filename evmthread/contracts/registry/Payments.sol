// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRegistry} from "./IRegistry.sol";

/// @title Payments: wei to receivers that may do anything but stop the others
/// @dev Called after all changes of state. A receiver that fails, for whatever reason, is owed the money.
abstract contract Payments is IRegistry {
    /// What each receiver may use: enough for a smart account's proxy that logs what it gets.
    uint256 public constant PAYMENT_GAS = 50_000;
    /// What must be left before a payment, so that the receiver really has PAYMENT_GAS: that and its 63rd part, which
    /// the EVM keeps back (EIP-150), and the dearest call (36,600: cold, with value, to a new account), rounded up.
    uint256 private constant GAS_BEFORE_PAYMENT = 100_000;

    /// @inheritdoc IRegistry
    mapping(address account => uint256 amount) public owed;

    /// @inheritdoc IRegistry
    function withdraw(address account, address to) external {
        if (msg.sender != account && to != account) revert NotTheReceiver(account, msg.sender);
        uint256 amount = owed[account];
        if (amount == 0) revert NothingOwed(account);
        owed[account] = 0;
        emit WITHDRAWN(account, to, amount);
        if (!_send(to, amount, gasleft())) revert PaymentRefused(to);
    }

    /// Pays an amount, or keeps it for a receiver that fails.
    function _pay(address to, uint256 amount) internal {
        if (amount == 0) return;
        if (gasleft() < GAS_BEFORE_PAYMENT) revert NotEnoughGas(GAS_BEFORE_PAYMENT, gasleft());
        if (_send(to, amount, PAYMENT_GAS)) return;
        owed[to] += amount;
        emit OWED(to, amount);
    }

    /// Whether a receiver took an amount, with at most this gas.
    function _send(address to, uint256 amount, uint256 gas_) private returns (bool taken) {
        // Assembly, because a call in Solidity copies whatever the receiver returns, at our cost.
        assembly ("memory-safe") {
            taken := call(gas_, to, amount, 0, 0, 0, 0)
        }
    }
}
