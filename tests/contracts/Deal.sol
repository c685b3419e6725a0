// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Thread} from "evmthread/contracts/thread/Thread.sol";

contract Deal {
    address public seller;
    uint256 public price;
    uint256 public offer; // waits for `accept`; zero when none does
    event Sold(uint256 price);

    constructor(address seller_) { seller = seller_; }

    function bid(uint256 amount) external {
        offer = amount;
        (bool answered, bool yes) = Thread.askYesNo(seller, abi.encodeCall(this.accept, (amount)));
        if (!answered) return;      // on-chain: the seller may call `accept` one day
        if (yes) _sell(amount);
        else offer = 0;
    }

    function accept(uint256 amount) external {
        require(msg.sender == seller && amount == offer && amount != 0, "nothing to accept");
        _sell(amount);
    }

    function _sell(uint256 amount) private {
        price = amount;
        offer = 0;
        emit Sold(amount);
        Thread.breakpoint();        // sign here
    }
}
