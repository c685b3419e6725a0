"""A small assembler: program text to bytecode, with the names of a fork's own table.

    ; count down from 5
    PUSH 5
    loop:
    PUSH1 1 SWAP1 SUB
    DUP1 PUSH @loop JUMPI
    STOP

Words are separated by blanks or ends of lines; `;` begins a comment. `name:` is a JUMPDEST that `PUSH @name` pushes in
two bytes. `PUSH 0x00ff` takes as many bytes as there are digits for, `PUSH 300` as few as hold the number, and one for
zero; `PUSH4 1` is exact. A negative number is pushed as its two's complement in 32 bytes. `DATA 0xfe00` puts raw bytes.
"""

from collections.abc import Iterator

from evmthread.isa.forks import HISTORY, Fork
from evmthread.primitives.types import parse_hex
from evmthread.primitives.words import WORD_MODULUS

LABEL_BYTES = 2
JUMPDEST = 0x5B
PUSH0 = 0x5F


class AssemblyError(ValueError):
    """Text that is no program."""


def _words(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        for word in line.split(";")[0].split():
            yield number, word


def _literal(word: str, line: int) -> bytes:
    """The bytes of a literal: as many as its hex digits, or as few as hold the number, at least one."""
    try:
        if word.startswith("0x"):
            digits = word[2:].replace("_", "")
            data = parse_hex(digits if len(digits) % 2 == 0 else "0" + digits)
        else:
            value = int(word)
            if value < 0:
                value += WORD_MODULUS
            data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    except (ValueError, OverflowError):
        raise AssemblyError(f"line {line}: no literal: {word}") from None
    return data or b"\0"


def assemble(text: str, *, fork: Fork = HISTORY[-1]) -> bytes:
    """The bytecode of a program. Raises AssemblyError, which names the line."""
    opcodes = {instruction.name: instruction.opcode for instruction in fork.table if instruction is not None}
    code = bytearray()
    labels: dict[str, int] = {}
    references: list[tuple[int, int, str]] = []
    words = _words(text)
    for line, word in words:
        if word.endswith(":"):
            if word[:-1] in labels:
                raise AssemblyError(f"line {line}: label {word[:-1]} is there twice")
            labels[word[:-1]] = len(code)
            code.append(JUMPDEST)
        elif word in ("PUSH", "DATA") or (word.startswith("PUSH") and word != "PUSH0"):
            if word not in ("PUSH", "DATA") and word not in opcodes:
                raise AssemblyError(f"line {line}: {fork.name} has no {word}")
            _, operand = next(words, (line, ""))
            if operand.startswith("@") and word == "PUSH":
                references.append((len(code) + 1, line, operand[1:]))
                code += bytes((PUSH0 + LABEL_BYTES, *bytes(LABEL_BYTES)))
                continue
            data = _literal(operand, line)
            if word == "DATA":
                code += data
                continue
            size = len(data) if word == "PUSH" else opcodes[word] - PUSH0
            data = data.lstrip(b"\0").rjust(size, b"\0") if word != "PUSH" else data
            if len(data) > size or size > 32:
                raise AssemblyError(f"line {line}: {operand} doesn't fit {word}")
            code += bytes((PUSH0 + size,)) + data
        elif word in opcodes:
            code.append(opcodes[word])
        else:
            raise AssemblyError(f"line {line}: {fork.name} has no {word}")
    for place, line, label in references:
        if label not in labels:
            raise AssemblyError(f"line {line}: no label {label}")
        code[place : place + LABEL_BYTES] = labels[label].to_bytes(LABEL_BYTES, "big")
    return bytes(code)
