"""What was made of codes, kept from call to call: bounded, shared, and forgotten when it wasn't used for long.

Knows when a program is needed and how much it holds, not what it holds.
"""

from collections.abc import Iterator
from threading import RLock
from typing import Protocol

from evmthread.isa.forks import Fork
from evmthread.machine.analysis import Program
from evmthread.machine.operations import Table, table_of

CACHE_ENTRIES = 4096
CACHE_CODE_BYTES = 2**28  # with what is decoded and compiled of it


class RegionStore(Protocol):
    """Where compiled code outlives a process."""

    def load(self, program: Program) -> None:
        """Gives a new program the regions that are kept of it; none where there are none that can be trusted."""

    def save(self, program: Program) -> None:
        """Keeps a program's regions."""


class CodeCache:
    """Programs by fork and code; bounded, the least recently used go first; safe to share between machines and threads.

    What is decoded and compiled counts with the code that it is made of. Two generations: what is used moves to the
    young one; when that is full it becomes the old one, and what was in the old one without being used since is
    dropped. So a hit, which every call makes, is one look-up.
    """

    def __init__(
        self,
        *,
        entries: int = CACHE_ENTRIES,
        code_bytes: int = CACHE_CODE_BYTES,
        store: RegionStore | None = None,
    ) -> None:
        """`store` keeps compiled code from process to process; see `save`."""
        self._store = store
        self._entries = entries // 2
        self._code_bytes = code_bytes // 2
        self._held = 0
        self._young: dict[Fork, dict[bytes, Program]] = {}
        self._old: dict[Fork, dict[bytes, Program]] = {}
        self._tables: dict[Fork, Table] = {}
        # Guards all that isn't one look-up or one entry.
        self._lock = RLock()

    def program(self, code: bytes, fork: Fork) -> Program:
        """The program of a code, made if it isn't here."""
        try:
            return self._young[fork][code]
        except KeyError:
            return self._add(code, fork)

    def table(self, fork: Fork) -> Table:
        """The fork's instructions as the stepper runs them; made once."""
        table = self._tables.get(fork)
        if table is None:
            with self._lock:
                table = self._tables.setdefault(fork, table_of(fork))
        return table

    def _add(self, code: bytes, fork: Fork) -> Program:
        with self._lock:
            program = self._young.get(fork, {}).get(code) or self._old.get(fork, {}).get(code)
            if program is None:
                program = Program(code, fork, self.table(fork))
                if self._store is not None:
                    self._store.load(program)
                program.grew = self._grew
            size = program.held_bytes
            self._held += size
            held = sum(map(len, self._young.values()))
            if held and (held >= self._entries or self._held > self._code_bytes):
                self._age()
                self._held = size
                self.table(fork)
            self._young.setdefault(fork, {})[code] = program
        return program

    def save(self) -> None:
        """Keeps the compiled code of all programs that are held in the store, if there is one."""
        if self._store is not None:
            for program in self.programs():
                self._store.save(program)

    def _age(self) -> None:
        """The young generation becomes the old one, which goes."""
        self._old, self._young = self._young, {}
        self._held = 0
        self._tables = {kept: self._tables[kept] for kept in self._old if kept in self._tables}

    def _grew(self, size: int) -> None:
        """A program has `size` bytes more (or less) of decoded or compiled code."""
        with self._lock:
            self._held = max(self._held + size, 0)
            if self._held > self._code_bytes:
                self._age()

    def programs(self) -> Iterator[Program]:
        """All programs that are held."""
        with self._lock:
            held = {
                id(program): program
                for generation in (self._young, self._old)
                for programs in generation.values()
                for program in programs.values()
            }
        yield from held.values()
