// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice One function for each way in which Solidity code ends in failure.
contract Failing {
    enum Colour {
        Red,
        Green
    }

    error Refused(address who, uint256 amount);
    error Silent();

    bytes private text;
    uint256[] private numbers;

    constructor(bool fails) {
        if (fails) revert Refused(msg.sender, 7);
    }

    function asserts(uint256 number) external pure {
        assert(number == 1);
    }

    function overflows(uint256 number) external pure returns (uint256) {
        return number + 1;
    }

    function divides(uint256 number) external pure returns (uint256) {
        return 1 / number;
    }

    function converts(uint256 number) external pure returns (Colour) {
        return Colour(number);
    }

    function spoils() external returns (bytes memory) {
        assembly {
            sstore(text.slot, 1) // a long text that is too short for one
        }
        return text;
    }

    function pops() external {
        numbers.pop();
    }

    function indexes(uint256 number) external pure returns (uint256) {
        uint256[2] memory pair = [uint256(1), 2];
        return pair[number];
    }

    function allocates(uint256 number) external pure returns (uint256[] memory) {
        return new uint256[](number);
    }

    function jumps() external pure {
        function() internal pure nowhere;
        nowhere();
    }

    function refuses(uint256 amount) external view {
        revert Refused(msg.sender, amount);
    }

    function isSilent() external pure {
        revert Silent();
    }

    function requires(uint256 number) external pure {
        require(number == 1, "not one");
    }

    function saysNothing() external pure {
        require(false);
    }

    function saysBytes() external pure {
        assembly {
            mstore8(0, 0xab)
            revert(0, 1)
        }
    }
}

/// @notice Hands on what a call of Failing fails with; catches it where it is told to.
contract Caller {
    error Own();

    function handsOn(Failing failing, uint256 amount) external view {
        failing.refuses(amount);
    }

    function answersItself(Failing failing) external pure {
        try failing.isSilent() {}
        catch {
            revert Own();
        }
    }

    function catches(Failing failing) external pure returns (bool) {
        try failing.isSilent() {
            return false;
        } catch {
            return true;
        }
    }

    function creates() external returns (Failing) {
        return new Failing(true);
    }
}
