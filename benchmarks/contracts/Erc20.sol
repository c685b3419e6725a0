// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Benchmark: a plain ERC-20 token, whose owner transfers, approves and transfers by allowance in a loop
contract Erc20 {
    string public constant name = "Benchmark";
    string public constant symbol = "BENCH";
    uint8 public constant decimals = 18;

    uint256 public totalSupply;
    mapping(address owner => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 amount);
    event Approval(address indexed owner, address indexed spender, uint256 amount);

    error InsufficientBalance(address owner, uint256 balance, uint256 wanted);
    error InsufficientAllowance(address owner, address spender, uint256 allowed, uint256 wanted);
    error InvalidReceiver(address to);

    function transfer(address to, uint256 amount) public returns (bool) {
        _transfer(msg.sender, to, amount);
        return true;
    }

    function approve(address spender, uint256 amount) public returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) public returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            if (allowed < amount) revert InsufficientAllowance(from, msg.sender, allowed, amount);
            allowance[from][msg.sender] = allowed - amount;
        }
        _transfer(from, to, amount);
        return true;
    }

    /// @notice In each iteration one transfer, one approval and one transfer by allowance, among 32 receivers.
    /// @dev Mints what it needs to the caller. Returns the caller's balance at the end.
    function run(uint256 iterations) external returns (uint256) {
        totalSupply = balanceOf[msg.sender] = 1_000_000 ether;
        for (uint256 i = 0; i < iterations; ++i) {
            address receiver = address(uint160(0x1000 + (i % 32)));
            require(transfer(receiver, 1 ether + i), "transfer");
            require(approve(msg.sender, 3 ether), "approve");
            require(transferFrom(msg.sender, address(uint160(receiver) + 32), 2 ether), "transferFrom");
        }
        return balanceOf[msg.sender];
    }

    function _transfer(address from, address to, uint256 amount) private {
        if (to == address(0)) revert InvalidReceiver(to);
        uint256 balance = balanceOf[from];
        if (balance < amount) revert InsufficientBalance(from, balance, amount);
        unchecked {
            balanceOf[from] = balance - amount;
            balanceOf[to] += amount;
        }
        emit Transfer(from, to, amount);
    }
}
