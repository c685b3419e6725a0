"""Session keys in files: 64 hex digits that the owner alone may read, or a key file of version 3 under a password.

The plain form is the one place where a key lies in clear, in a file of mode 0600: for keys of games and tests.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from evmthread.commands.passwords import password_of
from evmthread.commands.reporting import warn_if_others_read
from evmthread.commit.key_files import MAX_KEYSTORE_BYTES, keystore_key, make_keystore
from evmthread.commit.signing import LocalSigner
from evmthread.errors import BackendError, CryptoError, DecodingError, InvalidInput
from evmthread.primitives.types import parse_hex

if TYPE_CHECKING:
    from evmthread.chain.accounts import KeyAccount

_Made = TypeVar("_Made")
_LONGEST_PLAIN_FILE = 1024
_PRIVATE = 0o600


def read_key(path: str, *, password_file: str | None = None) -> LocalSigner:
    """The signer of a key file, which is encrypted where it is a JSON object. No error shows what is in it.

    Warns where others may read a plain one. Raises BackendError where it can't be read, InvalidInput, DecodingError or
    CryptoError where it holds no key or the password is another.
    """
    return read_key_as(LocalSigner, path, password_file=password_file)


def read_account(path: str, *, password_file: str | None = None) -> "KeyAccount":
    """The account of a key file, which pays for transactions. Raises as `read_key` does."""
    from evmthread.chain.accounts import KeyAccount

    return read_key_as(KeyAccount, path, password_file=password_file)


def read_key_as(made: Callable[[bytes], _Made], path: str, *, password_file: str | None = None) -> _Made:
    """What is made of the key in a file. Raises as `read_key` does, and as `made`."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_KEYSTORE_BYTES + 1)
            if not _is_encrypted(content):
                warn_if_others_read("key file", path, file)
    except OSError as error:
        raise BackendError(f"key file {path}: {error.strerror}") from error
    if not _is_encrypted(content):
        return _plain_key(path, content, made)
    try:
        return made(keystore_key(content, password_of(path, password_file=password_file)))
    except (CryptoError, DecodingError) as error:
        raise type(error)(f"{path}: {error}") from None


def _is_encrypted(content: bytes) -> bool:
    return content.lstrip()[:1] == b"{"


def _plain_key(path: str, content: bytes, made: Callable[[bytes], _Made]) -> _Made:
    if len(content) > _LONGEST_PLAIN_FILE:
        raise InvalidInput(f"key file {path}: more than {_LONGEST_PLAIN_FILE} bytes")
    # Of bytes that are no text, or no hex, the errors would show the key: they end here.
    digits = content.decode("ascii", errors="replace").strip()
    key = _hex(digits)
    if key is None:
        what = "an odd number of hex digits" if len(digits) % 2 else "not hex"
        raise InvalidInput(f"key file {path}: {what}")
    if len(key) != 32:
        raise InvalidInput(f"key file {path}: {len(key)} bytes where 32 are wanted")
    try:
        return made(key)
    except CryptoError as error:
        raise CryptoError(f"key file {path}: {error}") from None


def _hex(digits: str) -> bytes | None:
    try:
        return parse_hex(digits)
    except InvalidInput:
        return None


def write_key(path: Path, key: bytes) -> None:
    """A new plain key file of mode 0600. Raises BackendError, also where there is a file already."""
    _write(path, key.hex().encode() + b"\n")


def write_encrypted_key(path: Path, key: bytes, password: str) -> None:
    """A new key file of version 3, of mode 0600. Raises BackendError, also where there is a file already."""
    _write(path, make_keystore(key, password))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise BackendError(f"key file {path}: {error.strerror}") from error
