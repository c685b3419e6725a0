"""PUSH, DUP, SWAP, POP, PC and JUMPDEST: records without functions.

They only move words, and what they do is known before the program runs: the stepper does them from their record, the
region compiler resolves them while it compiles.
"""

from evmthread.isa.instruction import Instruction, Shape

POP = Instruction(0x50, "POP", Shape.STACK, 1, 0, steady=True)
PC = Instruction(0x58, "PC", Shape.STACK, 0, 1, steady=True)
JUMPDEST = Instruction(0x5B, "JUMPDEST", Shape.STACK, 0, 0, steady=True)
PUSH0 = Instruction(0x5F, "PUSH0", Shape.STACK, 0, 1, steady=True)
PUSHES = tuple(
    Instruction(0x5F + size, f"PUSH{size}", Shape.STACK, 0, 1, steady=True, immediate=size) for size in range(1, 33)
)
DUPS = tuple(
    Instruction(0x7F + depth, f"DUP{depth}", Shape.STACK, depth, depth + 1, steady=True) for depth in range(1, 17)
)
SWAPS = tuple(
    Instruction(0x8F + depth, f"SWAP{depth}", Shape.STACK, depth + 1, depth + 1, steady=True) for depth in range(1, 17)
)
