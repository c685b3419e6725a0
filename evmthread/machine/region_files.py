"""Compiled code in files, so that a new process need not compile again what an earlier one did.

A file holds what is executed, so it is as trusted as our own modules: it lies in a folder of the user's own, and what
others could have written is refused. It belongs to one state of evmthread's sources and one Python, and only to forks
of our own, whose meaning a name tells. Knows nothing of when code is compiled.
"""

import hashlib
import importlib.util
import marshal
import os
import stat
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import CodeType
from typing import Any

from evmthread.errors import BackendError
from evmthread.isa.forks import HISTORY
from evmthread.machine.analysis import Program
from evmthread.machine.compiler import Region, keep_region
from evmthread.machine.regions import Site, Source

FORMAT = b"evmthread regions 1\n"
LARGEST_FILE = 64 * 2**20
_PACKAGE = "evmthread"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class RegionFiles:
    """A RegionStore (see code_cache.py): one file for each code and fork, in a folder that is made with mode 0700."""

    def __init__(self, directory: Path) -> None:
        """Raises BackendError for a folder that can't be had, isn't the user's own, or that others may write to."""
        self.directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = directory.lstat()
        except OSError as error:
            raise BackendError(f"{directory}: {error.strerror}") from error
        if not stat.S_ISDIR(status.st_mode):
            raise BackendError(f"{directory}: not a folder itself")
        if status.st_uid != os.geteuid() or status.st_mode & _OTHERS_MAY_WRITE:
            raise BackendError(f"{directory}: others may write to it; compiled code is kept only where they can't")

    def load(self, program: Program) -> None:
        """Gives a new program the regions that are kept of it. What is damaged or not to be trusted is passed over."""
        path = self._path(program)
        content = None if path is None else _read(path)
        if content is None:
            return
        try:
            regions = [_region(program, fields) for fields in marshal.loads(content)]  # noqa: S302 - our own file, checked
        except (ValueError, TypeError, EOFError, KeyError, AttributeError, IndexError):
            return
        for region in regions:
            keep_region(program, region)

    def save(self, program: Program) -> None:
        """Keeps a program's regions. Raises BackendError where the file can't be written."""
        path = self._path(program)
        regions = [function.__globals__["REGION"] for function in program.regions.copy().values()]
        if path is None or not regions:
            return
        content = marshal.dumps([_fields(program, region) for region in regions])
        temporary = path.with_suffix(f".{os.getpid()}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(FORMAT + hashlib.sha256(content).digest() + content)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise BackendError(f"{path}: {error.strerror}") from error

    def _path(self, program: Program) -> Path | None:
        """Where a program's regions are kept; None for a fork that isn't one of ours."""
        if program.fork not in HISTORY or not program.code:
            return None
        key = hashlib.sha256(self._edition)
        key.update(program.fork.name.encode() + b"\0")
        key.update(program.code)
        return self.directory / f"{key.hexdigest()}.regions"

    @cached_property
    def _edition(self) -> bytes:
        """What compiled code hangs on beside code and fork: this Python, and every source file of this package."""
        digest = hashlib.sha256(importlib.util.MAGIC_NUMBER + sys.version.encode())
        root = Path(__file__).parent.parent
        for folder in ("isa", "machine", "primitives", "precompiles"):
            for file in sorted((root / folder).rglob("*.py")):
                digest.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        return digest.digest()


def _read(path: Path) -> bytes | None:
    """The content of a file that is the user's own and whole; else None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & _OTHERS_MAY_WRITE:
            return None
        if status.st_size > LARGEST_FILE:
            return None
        content = file.read()
    start = len(FORMAT) + 32
    if content[: len(FORMAT)] != FORMAT or hashlib.sha256(content[start:]).digest() != content[len(FORMAT) : start]:
        return None
    return content[start:]


def _fields(program: Program, region: Region) -> tuple[Any, ...]:
    """A region as plain values."""
    source = region.source
    sites = [(*(getattr(site, name) for name in Site.__slots__),) for site in source.sites]
    names = {name: _reference(program, name, function) for name, function in source.names.items()}
    filename = f"<evmthread {hashlib.sha256(source.text.encode()).hexdigest()[:16]}:{source.head}>"
    code = _renamed(region.code, filename)
    return source.head, source.text, sites, names, source.instructions, source.loops, sorted(source.cuts), code


def _renamed(code: CodeType, filename: str) -> CodeType:
    constants = [_renamed(each, filename) if isinstance(each, CodeType) else each for each in code.co_consts]
    return code.replace(co_filename=filename, co_consts=tuple(constants))


def _region(program: Program, fields: tuple[Any, ...]) -> Region:
    """The region of plain values. Raises one of a few plain errors where they don't fit this program."""
    head, text, sites, references, instructions, loops, cuts, code = fields
    names = {name: _referred(program, reference) for name, reference in references.items()}
    rows = tuple([Site(*site) for site in sites])
    source = Source(head, text, rows, names, instructions, loops, frozenset(cuts))
    if not isinstance(code, CodeType):
        raise TypeError("no code")
    return Region(program, source, code)


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
    if module.partition(".")[0] != _PACKAGE:
        raise ValueError(module)
    return getattr(sys.modules[module], name)
