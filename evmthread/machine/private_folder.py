"""A folder of files that nobody but its owner can have written, of bounded size; what wasn't used for long goes first.

Who may write a file can make us execute it, so whoever else may write is refused. Knows nothing of what the files hold.
"""

import os
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

from evmthread.errors import BackendError

LARGEST_FILE = 64 * 2**20
SUFFIX = ".kept"
_UNFINISHED = ".new"
_UNFINISHED_SECONDS = 3600  # after which whoever was writing a file is taken to be gone
_USE_SECONDS = 3600  # after which a file that is read is noted as used again
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ROOT = 0


def default_cache_folder() -> Path:
    """Where this Python's caches belong: `evmthread/PYTHON` in the user's own cache folder.

    That is $XDG_CACHE_HOME, or ~/.cache (XDG Base Directory Specification); ~/Library/Caches on macOS. Raises
    BackendError for a user without a home. No part of it is evmthread's version: to look that up takes longer than all
    else that a cache does, and a file's name has to tell what it hangs on anyway.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        if os.path.isabs(named):  # the specification has others ignored
            caches = Path(named)
        else:
            caches = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    except RuntimeError as error:
        raise BackendError(f"no folder for caches: {error}") from error
    return caches / "evmthread" / str(sys.implementation.cache_tag)


class PrivateFolder:
    """Files by name in a folder of the user's own. Processes may share it: each sees whole files only."""

    def __init__(self, path: Path, *, most_bytes: int) -> None:
        """The folder is made, with mode 0700, where there is none; about `most_bytes` are kept in it.

        Raises BackendError for a folder that can't be had, isn't the user's own, or that others may write to, or put
        another in the place of: that of a folder above it, too.
        """
        if not hasattr(os, "geteuid"):
            raise BackendError("this system doesn't tell whose files are whose")
        self.path = path
        self._inside = f"{path}/"
        self._most_bytes = most_bytes
        self._held: int | None = None
        try:
            _make(path)
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise BackendError(f"{path}: not a folder itself")
            _refuse_others(path, itself=True)
            above = path.parent.resolve()
            for folder in (above, *above.parents):
                _refuse_others(folder, itself=False)
        except OSError as error:
            raise BackendError(f"{path}: {error.strerror}") from error

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none, or one that others could have written."""
        # A process's first call of a code waits for this: system calls alone.
        try:
            descriptor = os.open(self._inside + name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & _OTHERS_MAY_WRITE:
                return None
            size = status.st_size
            if size > LARGEST_FILE:
                return None
            content = os.read(descriptor, size)
            while len(content) < size and (more := os.read(descriptor, size - len(content))):
                content += more
            if time.time() - status.st_mtime > _USE_SECONDS:
                with suppress(OSError):  # a folder that can only be read
                    os.utime(descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return content

    def write(self, name: str, content: bytes) -> None:
        """Keeps a file, of at most LARGEST_FILE bytes. Raises BackendError where it can't be written."""
        path = self.path / name
        temporary = path.with_name(f"{name}.{os.urandom(8).hex()}{_UNFINISHED}")
        try:
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    now = os.fstat(descriptor).st_mtime
                    file.write(content)
                temporary.replace(path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise
            self._make_room(len(content), now)
        except OSError as error:
            raise BackendError(f"{path}: {error.strerror}") from error

    def _make_room(self, added: int, now: float) -> None:
        """Removes what wasn't used for longest once there is too much; the folder is only counted when it may be so."""
        self._held = None if self._held is None else self._held + added
        if self._held is not None and self._held <= self._most_bytes:
            return
        kept: list[tuple[float, int, str]] = []
        for entry in os.scandir(self.path):
            with suppress(FileNotFoundError):  # another process makes room too
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(SUFFIX):
                    kept.append((status.st_mtime, status.st_size, entry.path))
                elif entry.name.endswith(_UNFINISHED) and now - status.st_mtime > _UNFINISHED_SECONDS:
                    os.unlink(entry.path)
        held = sum([size for _, size, _ in kept])
        if held > self._most_bytes:
            for _, size, old in sorted(kept):
                with suppress(FileNotFoundError):
                    os.unlink(old)
                held -= size
                if held <= self._most_bytes * 3 // 4:
                    break
        self._held = held


def _make(path: Path) -> None:
    """Makes a folder and those above it that are missing, for the user alone."""
    for folder in reversed((path, *path.parents)):
        if not folder.is_dir():
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)


def _refuse_others(folder: Path, *, itself: bool) -> None:
    """Raises BackendError where somebody other than the user and root can write; above, they may where it's sticky."""
    status = folder.lstat()
    owners = (os.geteuid(),) if itself else (os.geteuid(), _ROOT)
    open_to_others = status.st_mode & _OTHERS_MAY_WRITE and (itself or not status.st_mode & stat.S_ISVTX)
    if status.st_uid not in owners or open_to_others:
        raise BackendError(f"{folder}: others may write to it; compiled code is kept only where they can't")
