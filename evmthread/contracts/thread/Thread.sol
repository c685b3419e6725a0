// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Thread: how a contract speaks to the thread in which it runs off-chain
/// @notice `breakpoint` asks for a commitment; `ask` suspends the running call until somebody answers. On-chain the
/// first is a log like any other, and the second says that nobody answers: the same code then takes its on-chain path.
///
/// @dev Functions of a library that are internal become part of the contract that uses them: nothing is deployed or
/// linked. A contract that wants an answer by an ordinary transaction where nobody can be asked finds that in
/// Asking.sol.
library Thread {
    /// @notice Where questions go: the last 20 bytes of keccak256("evmthread.trap"). On-chain nobody has its key, and
    /// it has no code. A thread's ruleset may name another address, or none: then no question is answered here.
    address internal constant TRAP = 0xA963741A01A90fB9e275394aA45e9D15B0f0eDfd;

    /// @notice In a thread: end the batch after this input and ask for a commitment. On-chain: a log like any other.
    /// @dev Counts when the thread's root contract emits it. A thread looks at its topic alone; what the values mean is
    /// the contract's affair.
    event BREAKPOINT(uint64 number, bytes32 position, bytes note);

    /// @notice Asks for a commitment of the state after this input.
    function breakpoint() internal {
        emit BREAKPOINT(0, 0, "");
    }

    /// @notice Asks for a commitment of the state after this input, and says what it is of.
    function breakpoint(uint64 number, bytes32 position, bytes memory note) internal {
        emit BREAKPOINT(number, position, note);
    }

    /// @notice Whether this code runs in a thread in which questions can be asked: false on-chain.
    /// @dev A call without calldata is no question: a thread fails it and nobody notices, while on-chain it succeeds,
    /// as any call of an account without code. Costs a call of a warm account in a thread, of a cold one on-chain.
    function inThread() internal view returns (bool) {
        (bool success, ) = TRAP.staticcall("");
        return !success;
    }

    /// @notice Asks `who`, an owner of the thread, and goes on when the answer is there, perhaps days later and on
    /// another computer. What the block says (time, number) stays as it was when the transaction began.
    /// @param question What `who` is shown; best a call of the function by which `who` would answer on-chain.
    /// @return answered False where nobody can answer: on-chain, in a thread without questions, and where `who` is no
    /// owner of the thread. Take the on-chain path then.
    /// @return answer What `who` said, any bytes: check them as you would check calldata. By convention the ABI
    /// encoding of some values, and never empty.
    /// @dev A STATICCALL, which a CALL would equal: so it may stand in a view function, and on-chain, too, nothing can
    /// happen between question and answer. Until the call has ended nothing of it is agreed: it may be dropped, by the
    /// one asked or the one who called, and then never was. What must not be taken back is stored by an earlier call.
    function ask(address who, bytes memory question) internal view returns (bool answered, bytes memory answer) {
        if (!inThread()) return (false, "");
        return TRAP.staticcall(abi.encode(who, question));
    }

    /// @notice Asks `who` a question that is answered with yes or no.
    /// @return answered As in `ask`.
    /// @return yes Whether the answer is exactly `abi.encode(true)`. Whatever else was answered is a no, never an
    /// error.
    function askYesNo(address who, bytes memory question) internal view returns (bool answered, bool yes) {
        bytes memory answer;
        (answered, answer) = ask(who, question);
        yes = answered && saysYes(answer);
    }

    /// @notice Whether an answer is exactly `abi.encode(true)`.
    function saysYes(bytes memory answer) internal pure returns (bool) {
        return answer.length == 32 && bytes32(answer) == bytes32(uint256(1));
    }
}
