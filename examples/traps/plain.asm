; plain.yul by hand: BREAKPOINT is a LOG1, TRAP a STATICCALL.
; calldata is who is asked (32 bytes), then the question
PUSH 32 CALLDATASIZE LT PUSH @short JUMPI

; memory: abi.encode(who, question); on the stack: the question's length
PUSH 0 CALLDATALOAD PUSH 0 MSTORE
PUSH 64 PUSH 32 MSTORE
PUSH 32 CALLDATASIZE SUB                        ; length
DUP1 PUSH 64 MSTORE
DUP1 PUSH 32 PUSH 96 CALLDATACOPY               ; memory beyond is zero: the padding

; TRAP: STATICCALL(gas, trap, 0, 96 + length rounded up to words, 0, 0)
PUSH 0 PUSH 0                                   ; length, 0, 0
PUSH 31 NOT PUSH 31 DUP5 ADD AND PUSH 96 ADD    ; length, 0, 0, size
PUSH 0
PUSH 0xa963741a01a90fb9e275394aa45e9d15b0f0edfd
GAS STATICCALL                                  ; length, success

; nobody answered: on-chain no return data, or no success where who is no owner
RETURNDATASIZE ISZERO ISZERO AND PUSH @answered JUMPI
PUSH 1 PUSH 2 SSTORE STOP

answered:                                       ; length
POP PUSH 0 PUSH 0 MSTORE
RETURNDATASIZE PUSH 0 PUSH 0 RETURNDATACOPY
PUSH 31 RETURNDATASIZE GT PUSH @whole JUMPI     ; of a shorter answer the rest of the word is zero
PUSH 0 RETURNDATASIZE MSTORE
whole:
PUSH 0 MLOAD PUSH 0 SSTORE
RETURNDATASIZE PUSH 1 SSTORE

; BREAKPOINT: LOG1(0, 0, topic)
PUSH 0x9c7df4a0203560fc7dba3a116f6d95686b2b0405dd90ad5e061cd69518cdf04c
PUSH 0 PUSH 0 LOG1

RETURNDATASIZE PUSH 0 RETURN

short: PUSH 0 PUSH 0 REVERT
