// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice What the benchmark calls by CALL and STATICCALL.
interface ILedger {
    function credit(address account, uint256 amount) external returns (uint256 balance);

    function balanceOf(address account) external view returns (uint256);
}

/// @notice Called by CALL and STATICCALL.
contract CallsLedger is ILedger {
    mapping(address account => uint256) public balanceOf;

    error TooMuch(uint256 amount);

    function credit(address account, uint256 amount) external returns (uint256 balance) {
        if (amount > 1000) revert TooMuch(amount);
        balance = balanceOf[account] + amount;
        balanceOf[account] = balance;
    }
}

/// @notice Called by DELEGATECALL: works on the storage of Calls, whose first three slots it shares.
contract CallsLogic {
    ILedger private ledger;
    CallsLogic private logic;
    uint256 public total;

    function add(uint256 amount, bytes calldata note) external returns (bytes32) {
        total += amount;
        return keccak256(abi.encode(total, note));
    }
}

/// @title Benchmark: calls between contracts
contract Calls {
    ILedger private ledger;
    CallsLogic private logic;
    uint256 public total;

    error DelegateFailed();

    /// @notice In each iteration a CALL, a STATICCALL, a DELEGATECALL with dynamic data and, each eighth time, a reverted
    /// CALL that is caught.
    /// @dev Returns the total and a digest that every iteration enters.
    function run(uint256 iterations) external returns (uint256, bytes32 digest) {
        for (uint256 i = 0; i < iterations; ++i) {
            address account = address(uint160(0xa000 + (i % 8)));
            ledger.credit(account, i % 100);
            uint256 balance = ledger.balanceOf(account);
            (bool success, bytes memory output) = address(logic).delegatecall(
                abi.encodeCall(CallsLogic.add, (balance, abi.encodePacked(digest)))
            );
            if (!success) revert DelegateFailed();
            digest = abi.decode(output, (bytes32));
            if (i % 8 == 7) {
                try ledger.credit(account, 1001) returns (uint256 unexpected) {
                    total += unexpected;
                } catch (bytes memory reason) {
                    digest ^= keccak256(reason);
                }
            }
        }
        return (total, digest);
    }
}
