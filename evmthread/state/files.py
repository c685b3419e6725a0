"""Files that are there whole or not at all, and what the system says of paths. Knows nothing of what is in them."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from evmthread.errors import BackendError, InvalidInput


@contextmanager
def system_errors(place: str | Path) -> Iterator[None]:
    """Raises what the system says of a path as a BackendError."""
    try:
        yield
    except OSError as error:
        raise BackendError(f"{place}: {error.strerror or error}") from error


def path_of(path: str | Path) -> Path:
    """The path. Raises InvalidInput for one that no file can have."""
    if "\0" in str(path):
        raise InvalidInput(f"{str(path)!r} is no path: it has a zero byte")
    return Path(path)


def is_there(path: Path) -> bool:
    """Whether something has the name. Raises BackendError where nobody can tell."""
    with system_errors(path):
        return path.exists()


def _open_at_once(path: str, flags: int) -> int:
    # Opening a FIFO would wait until somebody writes into it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def open_regular(path: Path) -> BinaryIO:
    """Opens a file to be read. Raises OSError, and BackendError for what is no regular file."""
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise BackendError(f"{path}: no regular file")
    return file


def unfinished_name(path: Path) -> Path:
    """Where a file is written before it gets its name; in the same folder."""
    return path.with_name(path.name + ".new")


def own_unfinished_name(path: Path) -> Path:
    """The same, not to be had by another process that makes the same file."""
    return path.with_name(f"{path.name}.{token_hex(4)}.new")


def publish(unfinished: Path, path: Path) -> None:
    """Gives a finished file its name. Content and name are on the disk when it returns.

    Raises OSError: FileExistsError where another file has the name by now.
    """
    _sync(unfinished)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise
    except OSError:  # file systems without links
        unfinished.replace(path)
    else:
        unfinished.unlink()
    _sync(path.absolute().parent)  # names are in the folder, and outlast a power cut once it is synced


def take_away(path: Path) -> None:
    """Removes a database's file, where it is there, with those that belong to it. Raises OSError."""
    for end in ("", "-wal", "-shm", "-lock"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
