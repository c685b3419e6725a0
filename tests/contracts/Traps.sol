// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Asking} from "../../evmthread/contracts/thread/Asking.sol";
import {Thread} from "../../evmthread/contracts/thread/Thread.sol";

/// @title Traps: one small function for each place in which a contract may ask, and for each way to ask wrongly
/// @notice Functions that ask well use the raw call that the library makes, so that a trap is the only call they make;
/// `ask`, `askYesNo` and `inThread` are the library's own. Unanswered, a question leaves an empty answer behind.
contract Traps {
    /// @notice How many asking functions began, counted before they asked.
    uint256 public begun;
    /// @notice How many went on after the answer.
    uint256 public ended;
    /// @notice The latest answer that was stored.
    bytes public stored;
    /// @notice What each depth of `nested` stored when the calls below it had ended: depth plus one.
    mapping(uint256 => uint256) public trail;
    uint256 private transient passing;

    event Before(address indexed who);
    event After(bytes answer);

    error NoLuck(bytes answer);

    // Asking well -----------------------------------------------------------------------------------------------------
    /// @notice CALLs the trap, between two writes and two logs; stores and returns the answer.
    function askAndStore(address who, bytes memory question) public returns (bytes memory answer) {
        ++begun;
        emit Before(who);
        (, answer) = Thread.TRAP.call(abi.encode(who, question));
        stored = answer;
        ++ended;
        emit After(answer);
    }

    /// @notice STATICCALLs the trap and stores nothing.
    function askOnly(address who, bytes memory question) public view returns (bool success, bytes memory answer) {
        return Thread.TRAP.staticcall(abi.encode(who, question));
    }

    /// @notice Asks after this many calls of itself, each of which stores something when the one below has ended.
    function nested(uint256 depth, address who, bytes memory question) public returns (bytes memory answer) {
        answer = depth == 0 ? askAndStore(who, question) : this.nested(depth - 1, who, question);
        trail[depth] = depth + 1;
    }

    /// @notice Asks in the constructor of a contract that this call creates.
    function viaConstructor(address who, bytes memory question) external returns (AskingConstructor created) {
        ++begun;
        created = new AskingConstructor(who, question);
        ++ended;
    }

    /// @notice Asks in code that is delegatecalled, which writes this contract's slots; `logic` may be this contract.
    function viaDelegate(address logic, address who, bytes memory question) external returns (bytes memory answer) {
        (bool success, bytes memory output) = logic.delegatecall(abi.encodeCall(this.askAndStore, (who, question)));
        require(success, "delegatecall failed");
        return abi.decode(output, (bytes));
    }

    /// @notice Asks in a static call, then stores the answer.
    function viaStatic(address who, bytes memory question) external returns (bytes memory answer) {
        ++begun;
        (, answer) = this.askOnly(who, question);
        stored = answer;
        ++ended;
    }

    /// @notice Asks in a static call that then tries to store the answer, which must fail it.
    function staticThenWrite(address who, bytes memory question) external returns (bool success) {
        ++begun;
        (success, ) = address(this).staticcall{gas: gasleft() / 2}(abi.encodeCall(this.askThenWrite, (who, question)));
        ++ended;
    }

    /// @notice Asks and only then writes.
    function askThenWrite(address who, bytes memory question) external returns (bytes memory answer) {
        (, answer) = Thread.TRAP.staticcall(abi.encode(who, question));
        stored = answer;
    }

    /// @notice Asks n times, with the number of the question as question; the sum of the words that were answered.
    function loopOfAsks(uint256 n, address who) external returns (uint256 sum) {
        for (uint256 i = 0; i < n; ++i) {
            sum += uint256(bytes32(askAndStore(who, abi.encode(i))));
        }
    }

    /// @notice Asks two owners in turn; the second is shown what the first answered.
    function relay(address first, address second, bytes memory question) external returns (bytes memory answer) {
        return askAndStore(second, askAndStore(first, question));
    }

    /// @notice Asks with this many words in memory; the hash of them and the answer, and the answer.
    function withMemory(uint256 words, address who) external returns (bytes32 digest, bytes memory answer) {
        uint256[] memory filled = new uint256[](words);
        for (uint256 i = 0; i < words; i += 32) filled[i] = i + 1;
        answer = askAndStore(who, "");
        digest = keccak256(abi.encodePacked(filled, answer));
    }

    /// @notice Asks with something in transient storage; what is there after the answer.
    function withTransient(uint256 value, address who) external returns (uint256) {
        passing = value;
        askAndStore(who, "");
        return passing;
    }

    /// @notice Asks and then reverts with the answer.
    function askThenRevert(address who, bytes memory question) external {
        revert NoLuck(askAndStore(who, question));
    }

    /// @notice Asks in a call that then reverts, and goes on: nothing of that call stands, but the answer was seen.
    function caught(address who, bytes memory question) external returns (bytes memory reason) {
        ++begun;
        try this.askThenRevert(who, question) {} catch (bytes memory reason_) {
            reason = reason_;
        }
        ++ended;
    }

    /// @notice Asks in a call that gets only so much gas.
    function withGas(uint256 gas_, address who, bytes memory question) external returns (bool success) {
        (success, ) = address(this).call{gas: gas_}(abi.encodeCall(this.askAndStore, (who, question)));
    }

    /// @notice What the time, the gas price and the sender are before and after the answer.
    function surroundings(address who) external returns (bytes32 before, bytes32 after_) {
        before = keccak256(abi.encode(block.timestamp, block.number, tx.gasprice, msg.sender, address(this).balance));
        askAndStore(who, "");
        after_ = keccak256(abi.encode(block.timestamp, block.number, tx.gasprice, msg.sender, address(this).balance));
    }

    // The library -----------------------------------------------------------------------------------------------------
    function inThread() external view returns (bool) {
        return Thread.inThread();
    }

    function ask(address who, bytes memory question) external view returns (bool answered, bytes memory answer) {
        return Thread.ask(who, question);
    }

    function askYesNo(address who, bytes memory question) external view returns (bool answered, bool yes) {
        return Thread.askYesNo(who, question);
    }

    function plainBreakpoint() external {
        Thread.breakpoint();
    }

    function breakpoint(uint64 number, bytes32 position, bytes memory note) external {
        Thread.breakpoint(number, position, note);
    }

    // Asking wrongly --------------------------------------------------------------------------------------------------
    /// @notice CALLs the trap with any calldata and the value that came along; also how much gas that took.
    function raw(bytes memory data) public payable returns (bool success, bytes memory output, uint256 used) {
        address trap = Thread.TRAP;
        uint256 gas_ = gasleft();
        assembly ("memory-safe") {
            success := call(gas(), trap, callvalue(), add(data, 0x20), mload(data), 0, 0)
        }
        used = gas_ - gasleft();
        output = _returned();
    }

    /// @notice The same by STATICCALL.
    function rawStatic(bytes memory data) external view returns (bool success, bytes memory output, uint256 used) {
        address trap = Thread.TRAP;
        uint256 gas_ = gasleft();
        assembly ("memory-safe") {
            success := staticcall(gas(), trap, add(data, 0x20), mload(data), 0, 0)
        }
        used = gas_ - gasleft();
        output = _returned();
    }

    /// @notice A question with a value, which fails.
    function withValue(address who, bytes memory question) external payable returns (bool success) {
        (success, , ) = raw(abi.encode(who, question));
    }

    /// @notice Data that is no canonical question: 0 nothing, 1 cut short, 2 a byte too much, 3 dirty address, 4 another
    /// offset, 5 dirty padding, 6 with a selector.
    function malformed(uint256 how, address who, bytes memory question) external payable returns (bool success) {
        bytes memory data = abi.encode(who, question);
        if (how == 0) data = "";
        else if (how == 1) data = _first(data, data.length - 1);
        else if (how == 2) data = bytes.concat(data, hex"00");
        else if (how == 3) data[0] = 0x01;
        else if (how == 4) data[63] = 0x60;
        else if (how == 5) data[data.length - 1] = 0x01;
        else data = abi.encodeWithSelector(0x12345678, who, question);
        (success, , ) = raw(data);
    }

    /// @notice DELEGATECALLs the trap, which is no question.
    function delegated(address who, bytes memory question) external returns (bool success, bytes memory output) {
        return Thread.TRAP.delegatecall(abi.encode(who, question));
    }

    /// @notice A call as Solidity makes it of an interface: reverts on-chain, where the trap has no code.
    function highLevel(address who, bytes memory question) external returns (bytes memory) {
        return Traps(Thread.TRAP).askAndStore(who, question);
    }

    function _first(bytes memory data, uint256 length) private pure returns (bytes memory cut) {
        cut = new bytes(length);
        for (uint256 i = 0; i < length; ++i) cut[i] = data[i];
    }

    /// @dev What the latest call returned.
    function _returned() private pure returns (bytes memory output) {
        assembly ("memory-safe") {
            output := mload(0x40)
            mstore(output, returndatasize())
            returndatacopy(add(output, 0x20), 0, returndatasize())
            mstore(0x40, and(add(add(output, returndatasize()), 0x3f), not(0x1f)))
        }
    }
}

/// @title A contract whose constructor asks
contract AskingConstructor {
    address public immutable who;
    bytes public stored;

    constructor(address who_, bytes memory question) payable {
        who = who_;
        (, stored) = Thread.TRAP.call(abi.encode(who_, question));
    }
}

/// @title A user of Asking: counts the yes and the no of whom it asks
contract Survey is Asking {
    uint256 public yes;
    uint256 public no;
    /// @notice The number of the question, a part of it: an old question can't be taken for a new one.
    uint256 public round;

    error NeitherYesNorNo(bytes answer);

    function survey(address who) external returns (bool answered) {
        return _ask(who, abi.encode(++round));
    }

    /// @notice Asks the latest question once more.
    function repeat(address who) external returns (bool answered) {
        return _ask(who, abi.encode(round));
    }

    function takeBack(address who, uint256 round_) external {
        _takeBack(who, abi.encode(round_));
    }

    function _answered(address, bytes memory, bytes memory answer_) internal override {
        if (answer_.length != 32) revert NeitherYesNorNo(answer_);
        if (Thread.saysYes(answer_)) ++yes;
        else ++no;
    }
}
