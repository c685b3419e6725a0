// BREAKPOINT and TRAP without the dialect, in Yul: a log and a call, so that the code runs in a thread and on-chain.
//
// Calldata: who is asked (32 bytes), then the question. Where somebody answers: stores the answer's first word in slot 0
// and its length in slot 1, asks for a commitment, returns the answer. Where nobody does: stores 1 in slot 2.
//
// plain.hex is what solc makes of this; plain.asm does the same by hand.
object "Ask" {
    code {
        // Whether somebody answered `who`'s question, which is the calldata after this many bytes. Then the answer is
        // the return data.
        function ask(who, begin) -> answered {
            let length := sub(calldatasize(), begin)
            mstore(0, who)
            mstore(32, 64)
            mstore(64, length)
            calldatacopy(96, begin, length) // memory beyond is zero: the padding
            // On-chain: success and nothing returned. Who is no owner of the thread: no success.
            answered := staticcall(
                gas(),
                0xa963741a01a90fb9e275394aa45e9d15b0f0edfd,
                0,
                add(96, and(add(length, 31), not(31))),
                0,
                0
            )
            answered := and(answered, iszero(iszero(returndatasize())))
        }

        // keccak("BREAKPOINT(uint64,bytes32,bytes)"); a thread looks at nothing else of the log.
        function breakpoint() {
            log1(0, 0, 0x9c7df4a0203560fc7dba3a116f6d95686b2b0405dd90ad5e061cd69518cdf04c)
        }

        if lt(calldatasize(), 32) { revert(0, 0) }
        if iszero(ask(calldataload(0), 32)) {
            sstore(2, 1)
            stop()
        }
        let length := returndatasize()
        mstore(0, 0)
        returndatacopy(0, 0, length)
        // Of a shorter answer the rest of the word is zero, as TRAP's is.
        if lt(length, 32) { mstore(length, 0) }
        sstore(0, mload(0))
        sstore(1, length)
        breakpoint()
        return(0, length)
    }
}
