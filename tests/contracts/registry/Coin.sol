// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// An ordinary token, as most are: OpenZeppelin's ERC-20, all of it minted to whoever creates it.
contract Coin is ERC20 {
    constructor(uint256 supply) ERC20("Coin of a thread whose name is longer than one word", "COIN") {
        _mint(msg.sender, supply);
    }
}
