"""Compiled code in files, so that a new process need not compile again what an earlier one did.

A file holds what is executed, so it is as trusted as our own modules: it lies in a folder of the user's own, and what
others could have written is refused. It belongs to one state of evmthread's sources and one Python, and only to forks
of our own, whose meaning a name tells. Knows nothing of when code is compiled.
"""

import hashlib
import importlib.util
import marshal
import os
import sys
import zlib
from array import array
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any, Final

from evmthread.errors import BackendError
from evmthread.isa.forks import HISTORY
from evmthread.isa.frame import Frame
from evmthread.machine.analysis import Program
from evmthread.machine.compiler import Region, keep_region
from evmthread.machine.private_folder import LARGEST_FILE, SUFFIX, PrivateFolder, default_cache_folder
from evmthread.machine.region_parts import Site

FORMAT = b"evmthread regions 5\n"
MOST_BYTES = 2**28  # of all files together
_CHECK, _LENGTH = 4, 8  # bytes
_PLACE: Final = "I"  # of an array: a jump destination, in the byte order of this machine
_PACKAGE = "evmthread"
_OURS = frozenset(map(id, HISTORY))  # forks whose meaning their names tell
_SOURCES = ("isa", "machine", "precompiles", "primitives")  # its folders that compiled code comes from
# CPython's table of lines (InternalDocs/code_objects.md): entries of up to eight units of code, of these two kinds.
_CODE_UNIT, _MOST_UNITS = 2, 8
_NO_COLUMNS, _NO_LOCATION = 0x80 | 13 << 3, 0x80 | 15 << 3

# Bytes of a group of regions that are unpacked together: what they have in common, most of all the names of locals, is
# made once then, which halves the time for each; what is larger has regions in it that aren't called (measured).
_GROUP_BYTES = 2**17

# A file holds FORMAT, the CRC-32 of the rest (against damage; a digest takes as long as to run the code), the index's
# length, the index, and the groups of regions. The index has the code's jump destinations, and for each group how long
# it is, and head and size of its regions. A group has of each region the functions that it calls, its code, and what
# explains it, which is seldom looked at, marshalled and compressed.
Part = bytes | memoryview
Kept = tuple[dict[str, tuple[str, str | int]], CodeType, bytes]
Row = tuple[int, int, Kept]  # head, size


class RegionFiles:
    """A RegionStore (see code_cache.py): one file for each code and fork, in a folder that is made with mode 0700."""

    def __init__(self, directory: Path | None = None, *, most_bytes: int = MOST_BYTES) -> None:
        """By default the folder lies in the user's own cache folder. About `most_bytes` are kept in it.

        Raises BackendError for a folder that can't be had, isn't the user's own, or that others may write to.
        """
        self.directory = default_cache_folder() if directory is None else directory
        self._folder = PrivateFolder(self.directory, most_bytes=most_bytes)
        self._edition = _edition()

    def load(self, program: Program) -> None:
        """Gives a new program the regions that are kept of it. What is damaged or not to be trusted is passed over."""
        name = self._name(program)
        content = None if name is None else self._folder.read(name)
        if content is None:
            return
        start = len(FORMAT) + _CHECK
        body = memoryview(content)[start:]
        if content[:start] != FORMAT + _check(body):
            return
        try:
            destinations, groups = _unpacked(body)
        except (ValueError, TypeError, EOFError):
            return
        program.destinations = destinations
        for group, places in groups:
            for number, (head, size) in enumerate(places):
                keep_region(program, head, _Sleeping(program, group, number, head, size), size)
        program.unsaved = False

    def save(self, program: Program) -> None:
        """Keeps a program's regions, if there are others than it was loaded with, and they aren't too many.

        Raises BackendError where the file can't be written.
        """
        name = self._name(program)
        regions = program.regions.copy()
        if name is None or not regions or not program.unsaved:
            return
        program.unsaved = False
        body = _packed(program.destinations, [_row(program, function) for function in regions.values()])
        if len(FORMAT) + _CHECK + len(body) <= LARGEST_FILE:
            self._folder.write(name, FORMAT + _check(body) + body)

    def _name(self, program: Program) -> str | None:
        """The file of a program's regions; None for a fork that isn't one of ours."""
        if id(program.fork) not in _OURS or not program.code:
            return None
        key = b"%b%b\0%b" % (self._edition, program.fork.name.encode(), program.code)
        return hashlib.sha256(key).hexdigest() + SUFFIX


def _check(body: bytes | memoryview) -> bytes:
    return zlib.crc32(body).to_bytes(_CHECK)


def _packed(destinations: frozenset[int], rows: list[Row]) -> bytes:
    groups: list[list[Row]] = []
    held = _GROUP_BYTES
    for row in rows:
        _, _, (_, code, details) = row
        if held >= _GROUP_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(row)
        held += len(code.co_code) + len(details)
    parts = [marshal.dumps([kept for _, _, kept in group]) for group in groups]
    places = [[(head, size) for head, size, _ in group] for group in groups]
    ordered = array(_PLACE, sorted(destinations)).tobytes()
    index = marshal.dumps((ordered, list(zip(map(len, parts), places, strict=True))))
    return b"".join([len(index).to_bytes(_LENGTH, "big"), index, *parts])


def _unpacked(body: memoryview) -> tuple[frozenset[int], list[tuple["_Group", list[tuple[int, int]]]]]:
    """Destinations, and groups with heads and sizes of their regions. Raises one of a few plain errors."""
    place = _LENGTH + int.from_bytes(body[:_LENGTH], "big")
    groups = []
    destinations, index = marshal.loads(body[_LENGTH:place])  # noqa: S302 - our own file, checked
    for length, places in index:
        groups.append((_Group(body[place : place + length]), places))
        place += length
    return frozenset(memoryview(destinations).cast(_PLACE)), groups


class _Group:
    """Regions as they lie in their file, until the first of them is called."""

    __slots__ = ("_part", "_regions")

    def __init__(self, part: Part) -> None:
        self._part = part
        self._regions: list[Kept] | None = None

    def __getitem__(self, number: int) -> Kept:
        part = self._part  # read first: once it is gone, the regions are there, for another thread too
        regions = self._regions
        if regions is None:
            regions = self._regions = marshal.loads(part)  # noqa: S302 - our own file, checked
            self._part = b""  # a view would hold the whole file
        return regions[number]


def _edition() -> bytes:
    """What compiled code hangs on beside code and fork, digested: this Python, and all sources that it comes from.

    Raises BackendError where there are no sources: then nothing would tell one evmthread's code from another's.
    """
    python = f"{sys.version} {sys.flags.optimize} {sys.byteorder}".encode()
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER + python)
    # Once a process: plain calls of the system, which take a third of what paths do.
    root = os.path.dirname(os.path.dirname(__file__))
    for folder in _SOURCES:
        files = _modules(f"{root}/{folder}")
        if not files:
            raise BackendError(f"{root}/{folder}: no sources, which compiled code is kept by")
        for file in files:
            with open(file, "rb", buffering=0) as source:
                content = source.read()
            digest.update(f"{file[len(root) :]}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.digest()


def _modules(folder: str) -> list[str]:
    """All modules in and below a folder, in order."""
    found = [f"{above}/{name}" for above, _, names in os.walk(folder) for name in names if name.endswith(".py")]
    return sorted(found)


class _KeptSource:
    """A region's text and sites, unpacked when somebody needs them: a frame to rebuild, a traceback."""

    __slots__ = ("_details", "_unpacked", "head", "names")

    def __init__(self, head: int, names: dict[str, Any], details: bytes) -> None:
        self.head = head
        self.names = names
        self._details = details
        self._unpacked: tuple[str, tuple[Site, ...]] | None = None

    def _unpack(self) -> tuple[str, tuple[Site, ...]]:
        if self._unpacked is None:
            text, sites = marshal.loads(zlib.decompress(self._details))  # noqa: S302 - our own file, checked
            self._unpacked = text, tuple([Site(*site) for site in sites])
        return self._unpacked

    @property
    def text(self) -> str:
        return self._unpack()[0]

    @property
    def sites(self) -> tuple[Site, ...]:
        return self._unpack()[1]


class _Sleeping:
    """A region as it lies in its file, in the place of its function until that is called."""

    __slots__ = ("_group", "_number", "head", "program", "size")

    def __init__(self, program: Program, group: _Group, number: int, head: int, size: int) -> None:
        self.program = program
        self._group = group
        self._number = number
        self.head = head
        self.size = size

    @property
    def row(self) -> Row:
        """As it is to be kept again."""
        return self.head, self.size, self._group[self._number]

    def __call__(self, frame: Frame) -> object:
        program, head = self.program, self.head
        references, code, details = self._group[self._number]
        names = {name: _referred(program, reference) for name, reference in references.items()}
        region = Region(program, _KeptSource(head, names, details), code, self.size)
        if program.regions.get(head) is self:
            program.regions[head] = region.function
        return region.function(frame)


def _row(program: Program, function: Callable[[Frame], object]) -> Row:
    """A region as plain values."""
    if isinstance(function, _Sleeping):
        return function.row
    region: Region = function.__globals__["REGION"]
    source = region.source
    sites = [tuple(site) for site in source.sites]
    references = {name: _reference(program, name, function) for name, function in source.names.items()}
    details = zlib.compress(marshal.dumps((source.text, sites)), 1)
    # A process numbers its regions, and another one does too: here the text gives the name for tracebacks.
    digest = hashlib.sha256(source.text.encode()).hexdigest()[:16]
    code = _without_columns(region.code.replace(co_filename=f"<evmthread {digest}:{source.head}>"))
    return source.head, region.size, (references, code, details)


def _without_columns(code: CodeType) -> CodeType:
    """The code with a table of lines alone: less to read. As it was where this Python has another format."""
    table = bytearray()
    before = code.co_firstlineno
    for line, size in _runs(code):
        units = size
        while units:
            part = min(units, _MOST_UNITS)
            units -= part
            if line is None:
                table.append(_NO_LOCATION | part - 1)
                continue
            number = before - line << 1 | 1 if line < before else line - before << 1
            before = line
            table.append(_NO_COLUMNS | part - 1)
            while number > 63:
                table.append(number & 63 | 64)
                number >>= 6
            table.append(number)
    short = code.replace(co_linetable=bytes(table))
    return short if _runs(short) == _runs(code) else code


def _runs(code: CodeType) -> list[tuple[int | None, int]]:
    """The lines of a code, in the order of its instructions, and how many of its units each run of one line takes."""
    runs: list[tuple[int | None, int]] = []
    for start, end, line in code.co_lines():
        units = (end - start) // _CODE_UNIT
        if runs and runs[-1][0] == line:
            units += runs.pop()[1]
        runs.append((line, units))
    return runs


def _reference(program: Program, name: str, function: Callable[..., object]) -> tuple[str, str | int]:
    """How another process finds a function: as an opcode's operation, or by module and name in this package."""
    if name.startswith("operation_"):
        return "operation", int(name.removeprefix("operation_"), 16)
    module = function.__module__
    if module.partition(".")[0] != _PACKAGE or getattr(sys.modules[module], function.__name__) is not function:
        raise BackendError(f"{program.fork}: {name} is no function of this package")
    return module, function.__name__


def _referred(program: Program, reference: tuple[str, Any]) -> object:
    module, name = reference
    if module == "operation":
        return program.operations[name]
    return getattr(sys.modules.get(module) or import_module(module), name)
