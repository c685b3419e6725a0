// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Thread} from "./Thread.sol";

/// @title Asking: a contract that asks and goes on with the answer, in a thread and on-chain alike
/// @notice In a thread the call that asks is suspended and goes on with the answer. On-chain it ends with the question
/// stored and logged, and the one who was asked answers by a transaction, `answer`. Either way `_answered` is run: what
/// follows an answer is written once.
///
/// @dev In `_answered` check whether the question still makes sense: on-chain much may have happened since it was
/// asked. A question of which the state is a part (a number of a turn, say) can't be taken for a later one.
abstract contract Asking {
    /// @notice Which questions wait for a transaction: by keccak256(abi.encode(who, question)).
    mapping(bytes32 => bool) private _waiting;

    /// @notice The question waits for `who` to answer it by `answer`. Not logged where it is answered at once.
    event Asked(address indexed who, bytes question);
    /// @notice `who` answered: at once, or by a transaction.
    event Answered(address indexed who, bytes question, bytes answer);

    /// @notice No such question waits for this answerer: never asked, answered before, or taken back.
    error NotAsked(address who, bytes question);

    /// @notice Answers a question that waits for the caller.
    /// @dev Errors: NotAsked, and those of what follows the answer.
    function answer(bytes calldata question, bytes calldata answer_) external {
        bytes32 key = _keyOf(msg.sender, question);
        if (!_waiting[key]) revert NotAsked(msg.sender, question);
        _waiting[key] = false;
        emit Answered(msg.sender, question, answer_);
        _answered(msg.sender, question, answer_);
    }

    /// @notice Whether this question waits for `who` to answer it by a transaction.
    function isWaiting(address who, bytes calldata question) external view returns (bool) {
        return _waiting[_keyOf(who, question)];
    }

    /// @notice Asks. `_answered` has been run when this returns true; it will be run by `who`'s transaction, if ever,
    /// when it returns false. The same question asked again while it waits is still one question.
    function _ask(address who, bytes memory question) internal returns (bool answered) {
        bytes memory answer_;
        (answered, answer_) = Thread.ask(who, question);
        _waiting[_keyOf(who, question)] = !answered;
        if (answered) {
            emit Answered(who, question, answer_);
            _answered(who, question, answer_);
        } else {
            emit Asked(who, question);
        }
    }

    /// @notice Takes back a question that waits; nothing where none does.
    function _takeBack(address who, bytes memory question) internal {
        _waiting[_keyOf(who, question)] = false;
    }

    /// @notice What follows an answer. The question is one that this contract asked of `who`; the answer is any bytes.
    /// @dev Reverting refuses the answer: on-chain the question waits on, in a thread the whole call is undone.
    function _answered(address who, bytes memory question, bytes memory answer_) internal virtual;

    function _keyOf(address who, bytes memory question) private pure returns (bytes32) {
        return keccak256(abi.encode(who, question));
    }
}
