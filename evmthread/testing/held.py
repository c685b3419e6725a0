"""Keeps what came before its turn, in a bounded part of memory and beyond that in a file. Knows not what it keeps."""

import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from evmthread.errors import BackendError

HELD_BYTES = 2**26  # in memory


@contextmanager
def _keeping() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackendError(f"results can't be kept until their turn: {error.strerror or error}") from None


class Held:
    """Pieces of bytes by number; those of a number come out as they went in.

    A piece that doesn't fit into `held_bytes` with the others goes to a temporary file, which has no name.
    """

    def __init__(self, *, held_bytes: int = HELD_BYTES, new_file: Callable[[], IO[bytes]] = tempfile.TemporaryFile):
        self._held_bytes = held_bytes
        self._new_file = new_file
        self._pieces: dict[int, deque[bytes | tuple[int, int]]] = {}
        self._file: IO[bytes] | None = None
        self._free = held_bytes
        self._end = 0

    def put(self, number: int, piece: bytes) -> None:
        """Keeps a piece. Raises BackendError when the file can't be written."""
        kept: bytes | tuple[int, int] = piece
        if len(piece) <= self._free:
            self._free -= len(piece)
        else:
            kept = self._write(piece)
        self._pieces.setdefault(number, deque()).append(kept)

    def take(self, number: int) -> Iterator[bytes]:
        """The pieces of a number, which are kept no longer. Raises BackendError."""
        pieces = self._pieces.pop(number, deque())
        while pieces:
            piece = pieces.popleft()
            if isinstance(piece, bytes):
                self._free += len(piece)
                yield piece
            else:
                yield self._read(*piece)

    def _write(self, piece: bytes) -> tuple[int, int]:
        with _keeping():
            if self._file is None:
                self._file = self._new_file()
            place = self._end
            self._file.seek(place)
            self._file.write(piece)
        self._end += len(piece)
        return place, len(piece)

    def _read(self, place: int, size: int) -> bytes:
        assert self._file is not None
        with _keeping():
            self._file.seek(place)
            return self._file.read(size)

    def close(self) -> None:
        """Lets everything go."""
        self._pieces.clear()
        if self._file is not None:
            with suppress(OSError):  # what couldn't be written before can't be now
                self._file.close()
