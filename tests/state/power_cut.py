"""What a power cut leaves of a folder: images of it, made from the record of what a process wrote and synced.

A process runs with recorded_writes.c preloaded. What was written to a file is sure to be on the disk once that file was
synced; that a file is there, or has its name, once its folder was. Of all that came later, each piece of 512 bytes may
be there or not.
"""

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("recorded_writes.c")
REQUIRE_VARIABLE = "EVMTHREAD_REQUIRE_POWER_CUTS"
SECTOR = 512  # what a disk writes whole, or not at all
# Made anew by whoever opens a database first; shared memory and no data.
PASSING = ("-shm", "-lock")
_NUMBERS = struct.Struct("=4Q")


def built_recorder(folder: Path) -> Path:
    """The library to be preloaded. Skips the test without a C compiler, unless EVMTHREAD_REQUIRE_POWER_CUTS=1."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or os.uname().sysname != "Linux":
        if os.environ.get(REQUIRE_VARIABLE) == "1":
            pytest.fail("no C compiler, or not Linux: writes can't be recorded")
        pytest.skip("recording writes needs Linux and a C compiler")
    library = folder / "recorded_writes.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library), str(SOURCE)]
    subprocess.run([*command, "-ldl"], check=True)
    return library


@dataclass(frozen=True, slots=True)
class Event:
    """What the process did. Kinds: (W)rite, (T)runcate to the size `offset`, (S)ync, (R)ename to the path that is the
    data, a second (L)ink of that path, (U)nlink, shared (M)ap for writing, (A)nswer on its standard output."""

    kind: str
    inode: int
    offset: int
    path: str
    data: bytes


def record_of(command: Sequence[str], library: Path, folder: Path, log: Path, cwd: Path) -> list[Event]:
    """Runs a process to its end; all that it did to a folder, in order."""
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "RECORDED_FOLDER": str(folder.resolve()),
        "RECORDED_LOG": str(log),
    }
    subprocess.run(command, check=True, env=environment, cwd=cwd, stdout=subprocess.PIPE)
    return list(_events(log.read_bytes()))


def _events(log: bytes) -> Iterator[Event]:
    at = 0
    while at < len(log):
        inode, offset, path, size = _NUMBERS.unpack_from(log, at + 1)
        data = at + 1 + _NUMBERS.size + path
        name = log[data - path : data].decode().removesuffix(" (deleted)")
        yield Event(chr(log[at]), inode, offset, name, log[data : data + size])
        at = data + size


@dataclass(slots=True, eq=False)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # None: cut off there

    def sync(self) -> None:
        for step in self.pending:
            _do(self.durable, *step)
        self.pending.clear()


def _do(content: bytearray, offset: int, data: bytes | None) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


class Disk:
    """A folder on a disk, as the events leave it that were told so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.resolve())
        self._inodes: dict[int, _File] = {}
        self._durable: dict[str, _File] = {}  # names that outlast a power cut
        self._pending: list[dict[str, _File | None]] = []  # what happened to names since the folder was synced
        self.answers: list[bytes] = []

    def tell(self, event: Event) -> None:
        """One more event."""
        if event.kind == "A":
            self.answers.append(event.data)
        elif event.path.endswith(PASSING):
            pass
        elif event.kind == "M":
            raise AssertionError(f"{event.path} is written through memory, which is not recorded")
        elif event.path == self._folder:
            assert event.kind == "S", event
            self._durable = self._names(len(self._pending))
            self._pending.clear()
        else:
            self._tell_of_a_file(event)

    def _tell_of_a_file(self, event: Event) -> None:
        name = event.path.removeprefix(self._folder + "/")
        file = self._inodes.get(event.inode)
        if file is None:
            file = self._inodes[event.inode] = _File()
            self._pending.append({name: file})
        if event.kind == "W":
            file.pending.append((event.offset, event.data))
        elif event.kind == "T":
            file.pending.append((event.offset, None))
        elif event.kind == "S":
            file.sync()
        elif event.kind == "R":
            self._pending.append({name: None, event.data.decode().removeprefix(self._folder + "/"): file})
        elif event.kind == "L":
            self._pending.append({event.data.decode().removeprefix(self._folder + "/"): file})
        else:
            assert event.kind == "U", event
            self._pending.append({name: None})
            if file not in self._names(len(self._pending)).values():
                del self._inodes[event.inode]  # the number may be another file's from now on

    def after_a_cut(self, generator: random.Random, kept: float) -> dict[str, bytes]:
        """The files that are left, of what wasn't synced each piece with a chance of `kept`."""
        changes = 0  # what happens to names is journalled: it is there in order, up to some point
        while changes < len(self._pending) and generator.random() < kept:
            changes += 1
        return {name: self._content(file, generator, kept) for name, file in sorted(self._names(changes).items())}

    def _names(self, changes: int) -> dict[str, _File]:
        names: dict[str, _File | None] = {**self._durable}
        for change in self._pending[:changes]:
            names.update(change)
        return {name: file for name, file in names.items() if file is not None}

    @staticmethod
    def _content(file: _File, generator: random.Random, kept: float) -> bytes:
        content = bytearray(file.durable)
        for offset, data in file.pending:
            if data is None:
                if generator.random() < kept:
                    _do(content, offset, None)
                continue
            at = 0
            whole = generator.random() < 0.5  # else torn
            stays = generator.random() < kept
            while at < len(data):
                end = min(len(data), at + SECTOR - (offset + at) % SECTOR)
                if stays if whole else generator.random() < kept:
                    _do(content, offset + at, data[at:end])
                at = end
        return bytes(content)

    def without_a_cut(self) -> dict[str, bytes]:
        """All files, as the process left them."""
        return self.after_a_cut(random.Random(0), 1.0)


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Makes a folder that holds these files and no others."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
