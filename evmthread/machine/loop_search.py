"""Which place of a code is the head of a loop: the search for a path that leads back to it.

Works on instructions as they lie in the code; knows neither engine.
"""

import re
from collections.abc import Callable, Container, Sequence

from evmthread.isa.instruction import CONTROL, Instruction

LOOP_SEARCH_LIMIT = 1500  # instructions that the search for a way back looks at
LOOP_SEARCH_STACK = 24  # items of the stack that it remembers across a jump

# PUSH1 to PUSH3 of a constant right before a JUMP or JUMPI. A hint only: it may match inside the data of a PUSH.
_PUSHES_AND_JUMPS = re.compile(b"(?s:(?:\\x60.|\\x61..|\\x62...)[\\x56\\x57])")


def backward_targets(code: bytes, destinations: Container[int]) -> frozenset[int]:
    """The destinations of jumps to a constant that lies before them. All loops of today's compilers begin at one."""
    targets = set()
    for match in _PUSHES_AND_JUMPS.finditer(code):
        push_at, jump_at = match.start(), match.end() - 1
        target = int.from_bytes(code[push_at + 1 : jump_at], "big")
        if target <= push_at and target in destinations:
            targets.add(target)
    return frozenset(targets)


def leads_back(
    code: bytes,
    table: Sequence[Instruction | None],
    destinations: Container[int],
    head: int,
    goes_on: Callable[[int, int | None], bool],
) -> tuple[bool, int]:
    """Whether a path from `head` comes back to it, and how many instructions were looked at to know.

    Follows constants on the stack and knows nothing else of it. `goes_on` tells of a call, given its place and the
    word of whom it calls, whether the path goes on behind it.
    """
    pending: list[tuple[int, tuple[int | None, ...]]] = [(head, ())]
    seen: set[tuple[int, tuple[int | None, ...]]] = set()
    steps = 0
    while pending and steps < LOOP_SEARCH_LIMIT:
        pc, known = pending.pop()
        if (pc, known) in seen:
            continue
        seen.add((pc, known))
        stack = list(known)
        while steps < LOOP_SEARCH_LIMIT:
            steps += 1
            opcode = code[pc] if pc < len(code) else 0
            instruction = table[opcode]
            if instruction is None:
                break
            size = instruction.immediate
            if size:
                stack.append(int.from_bytes(code[pc + 1 : pc + 1 + size], "big"))
            elif 0x80 <= opcode <= 0x8F:
                depth = opcode - 0x7F
                stack.append(stack[-depth] if depth <= len(stack) else None)
            elif 0x90 <= opcode <= 0x9F:
                depth = opcode - 0x8E
                stack[:0] = [None] * (depth - len(stack))
                stack[-1], stack[-depth] = stack[-depth], stack[-1]
            else:
                operands = [stack.pop() if stack else None for _ in range(instruction.pops)]
                if instruction.shape is CONTROL and not (len(operands) > 1 and goes_on(pc, operands[1])):
                    if instruction.name not in ("JUMP", "JUMPI"):
                        break
                    target = operands[0]
                    if target is not None and target in destinations:
                        if target == head:
                            return True, steps
                        pending.append((target, tuple(stack[-LOOP_SEARCH_STACK:])))
                    if instruction.name == "JUMP":
                        break
                    if pc + 1 == head:
                        return True, steps
                    pending.append((pc + 1, tuple(stack[-LOOP_SEARCH_STACK:])))
                    break
                stack.extend([None] * instruction.pushes)
            pc += 1 + size
            if pc == head:
                return True, steps
    return False, steps
