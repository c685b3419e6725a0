"""Where the instructions of a compiled contract come from: from pc to source, line, function and kind of jump.

The compressed form is the Solidity compiler's ("Source Mappings" in its documentation). Must not know who asks, nor run
code: of instructions it knows their lengths alone.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from evmthread.contracts.artifact import Artifact, Code, SourceFunction
from evmthread.errors import DecodingError

_PUSH1, _PUSH32 = 0x60, 0x7F  # Yellow Paper, appendix H: the instructions with bytes of their own
_NO_SOURCE = -1
_YUL_FUNCTION = re.compile(rb"\bfunction\s+([\w$.]+)")


class Jump(Enum):
    """What a jump is for the language: into a function, out of one, or neither."""

    INTO = "i"
    OUT = "o"
    NEITHER = "-"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instruction comes from. `start` and `length` are in bytes, `line` counts from 1, `text` is a first line.

    Of what the compiler made itself (`generated`) the function is the one there, of kind "generated".
    `is_code` is False where an instruction stands for a whole function, its head, or a whole contract.
    """

    source: str
    start: int
    length: int
    line: int
    function: SourceFunction | None
    jump: Jump
    generated: bool
    is_code: bool


class SourceText:
    """A source's text by bytes and by lines."""

    def __init__(self, name: str, content: str, functions: tuple[SourceFunction, ...], *, generated: bool) -> None:
        self.name = name
        self.raw = content.encode()
        self.lines = content.split("\n")
        self.functions = functions
        self.generated = generated
        self._starts = [0, *(found.end() for found in re.finditer(b"\n", self.raw))]
        found = [(each.start(), each[1].decode()) for each in _YUL_FUNCTION.finditer(self.raw)] if generated else []
        ends = [*[start for start, _ in found[1:]], len(self.raw)]
        self._made = [
            SourceFunction(start, end - start, start, "generated", name)
            for (start, name), end in zip(found, ends, strict=False)
        ]

    def line_at(self, offset: int) -> int:
        """The line (from 1) of a byte."""
        return bisect_right(self._starts, offset)

    def function_at(self, start: int, length: int) -> SourceFunction | None:
        """The function in which a range of bytes lies."""
        end = start + length
        for each in self.functions:
            if each.start <= start and end <= each.start + each.length:
                return each
        return None

    def place(self, start: int, length: int, jump: Jump) -> Place:
        """The place of an instruction with this range."""
        line = self.line_at(start)
        if self.generated:
            index = bisect_right(self._made, start, key=lambda made: made.start)
            made = self._made[index - 1] if index else None
            return Place(self.name, start, length, line, made, jump, generated=True, is_code=False)
        function = self.function_at(start, length)
        if function is not None:
            is_code = start > function.body  # the body as a whole begins at its brace
            return Place(self.name, start, length, line, function, jump, generated=False, is_code=is_code)
        whole = any(start <= each.start < start + length for each in self.functions)
        return Place(self.name, start, length, line, None, jump, generated=False, is_code=not whole)


class SourceMap:
    """The source map of one code of an artifact: what runs once the contract stands, or what creates it."""

    def __init__(self, artifact: Artifact, *, creation: bool = False) -> None:
        """Raises DecodingError for a map that isn't of the compiler's form."""
        self.artifact = artifact
        self.creation = creation
        code = artifact.creation if creation else artifact.runtime
        self.code = code.bytecode
        self.sources = {
            **{
                each.id: SourceText(each.name, each.content, each.functions, generated=False)
                for each in artifact.sources
            },
            **{each.id: SourceText(each.name, each.contents, (), generated=True) for each in code.generated_sources},
        }
        self._entries = dict(zip(_instructions(code.bytecode), _decompressed(code), strict=False))
        self._places: dict[tuple[int, int, int, Jump], Place | None] = {}

    @property
    def pcs(self) -> tuple[int, ...]:
        """The instructions that the map covers, in order."""
        return tuple(self._entries)

    def at(self, pc: int) -> Place | None:
        """Where the instruction at a pc comes from; None where it comes from nowhere, or no instruction begins."""
        entry = self._entries.get(pc)
        if entry is None:
            return None
        if entry not in self._places:
            start, length, index, jump = entry
            source = self.sources.get(index)
            self._places[entry] = None if source is None else source.place(start, length, jump)
        return self._places[entry]

    def places(self) -> Iterator[Place]:
        """Where the instructions come from, in their order, without those that come from nowhere."""
        return (place for pc in self._entries if (place := self.at(pc)) is not None)

    def text(self, name: str) -> SourceText | None:
        """The source of this name."""
        return next((source for source in self.sources.values() if source.name == name), None)


def _instructions(code: bytes) -> Iterator[int]:
    """The offset of each instruction."""
    pc = 0
    while pc < len(code):
        yield pc
        opcode = code[pc]
        pc += 1 + (opcode - _PUSH1 + 1 if _PUSH1 <= opcode <= _PUSH32 else 0)


def _decompressed(code: Code) -> Iterator[tuple[int, int, int, Jump]]:
    """(start, length, source id, jump) of each instruction: what an entry leaves out is as in the entry before."""
    start, length, source, jump = 0, 0, _NO_SOURCE, Jump.NEITHER
    if not code.source_map:
        return
    for entry in code.source_map.split(";"):
        fields = entry.split(":")
        try:
            if len(fields) > 5:
                raise ValueError("more than five fields")
            fields += [""] * (4 - len(fields))
            start = int(fields[0]) if fields[0] else start
            length = int(fields[1]) if fields[1] else length
            source = int(fields[2]) if fields[2] else source
            jump = Jump(fields[3]) if fields[3] else jump
        except ValueError as error:
            raise DecodingError(f"source map: no entry: {entry[:80]!r}: {error}") from None
        yield start, length, source, jump
