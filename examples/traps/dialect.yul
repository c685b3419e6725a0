// BREAKPOINT and TRAP as opcodes of the thread dialect, in Yul. The code of a thread's root contract, for rulesets whose
// dialect is keccak("evmthread.dialect.1"); elsewhere the two opcodes are invalid, so it can't return to a chain.
//
// Calldata: who is asked (32 bytes), then the question. Stores the answer's first word in slot 0 and its length in
// slot 1, asks for a commitment, returns the answer.
//
// dialect.hex is what solc makes of this (solc --strict-assembly --optimize --bin); dialect.asm is the same by hand.
object "Ask" {
    code {
        // 0xb1 TRAP pops who, offset and length, who on top: the first argument of verbatim is the top of the stack.
        // It pushes the answer's first 32 bytes, with zeros where it is shorter; all of it is the return data.
        function ask(who, offset, length) -> word {
            word := verbatim_3i_1o(hex"b1", who, offset, length)
        }

        // 0xb0 BREAKPOINT takes nothing and pushes nothing.
        function breakpoint() {
            verbatim_0i_0o(hex"b0")
        }

        if lt(calldatasize(), 32) { revert(0, 0) }
        let length := sub(calldatasize(), 32)
        calldatacopy(0, 32, length)
        sstore(0, ask(calldataload(0), 0, length))
        sstore(1, returndatasize())
        breakpoint()
        returndatacopy(0, 0, returndatasize())
        return(0, returndatasize())
    }
}
