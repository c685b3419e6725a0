"""Session keys in files: 64 hex digits, readable by their owner alone."""

import os
import stat
from pathlib import Path

from evmthread.commands.reporting import warn
from evmthread.commit.signing import LocalSigner
from evmthread.errors import BackendError, CryptoError, InvalidInput
from evmthread.primitives.types import parse_hex

_LONGEST_FILE = 1024
_PRIVATE = 0o600


def read_key(path: str) -> LocalSigner:
    """The signer of a key file. Warns where others may read it; no error shows what is in it.

    Raises BackendError where it can't be read, InvalidInput or CryptoError where it holds no key.
    """
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise BackendError(f"key file {path}: {error.strerror}") from error
    if len(text) > _LONGEST_FILE:
        raise InvalidInput(f"key file {path}: more than {_LONGEST_FILE} bytes")
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        warn(f"warning: key file {path} can be read by others; `chmod 600` keeps it to you")
    try:
        digits = text.decode("ascii").strip()
    except UnicodeDecodeError:
        raise InvalidInput(f"key file {path}: not hex") from None
    try:
        key = parse_hex(digits)
    except InvalidInput:
        # The parser's message would show the key.
        what = "an odd number of hex digits" if len(digits) % 2 else "not hex"
        raise InvalidInput(f"key file {path}: {what}") from None
    if len(key) != 32:
        raise InvalidInput(f"key file {path}: {len(key)} bytes where 32 are wanted")
    try:
        return LocalSigner(key)
    except CryptoError as error:
        raise CryptoError(f"key file {path}: {error}") from None


def write_key(path: Path, key: bytes) -> None:
    """A new key file of mode 0600. Raises BackendError, also where there is a file already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise BackendError(f"key file {path}: {error.strerror}") from error
