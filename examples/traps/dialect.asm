; dialect.yul by hand: the same bytes. The text is the one that tests/assembler.py reads, with the dialect's two names:
; TRAP is 0xb1, BREAKPOINT is 0xb0.

; calldata is who is asked (32 bytes), then the question
PUSH1 0x20 CALLDATASIZE LT PUSH1 0x23 JUMPI     ; to `short`

; memory from 0 on: the question; on the stack: its length
CALLDATASIZE PUSH1 0x1f NOT ADD                 ; length
DUP1 PUSH1 0x20 PUSH0 CALLDATACOPY              ; length

; TRAP pops who, offset, length, and pushes the answer's first 32 bytes
PUSH0 DUP1 CALLDATALOAD                         ; length, offset 0, who on top
TRAP                                            ; word

PUSH0 SSTORE                                    ; slot 0: the word
RETURNDATASIZE PUSH1 1 SSTORE                   ; slot 1: the answer's length, as all of it is the return data

BREAKPOINT                                      ; pops and pushes nothing

RETURNDATASIZE PUSH0 DUP1 RETURNDATACOPY
RETURNDATASIZE PUSH0 RETURN

short:                                          ; 0x23
PUSH0 DUP1 REVERT
