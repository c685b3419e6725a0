"""Passwords of key files: from a file, from the environment, or typed on a terminal without echo.

Never from the command's words, which other users of the machine see. No error shows one.
"""

import argparse
import getpass
import os
import warnings
from pathlib import Path

from evmthread.commands.reporting import warn_if_others_read
from evmthread.errors import BackendError, InvalidInput

PASSWORD_VARIABLE = "EVMTHREAD_PASSWORD"  # noqa: S105 - a variable's name
FILE_VARIABLE = "EVMTHREAD_PASSWORD_FILE"
_LONGEST_FILE = 4096


def add_password_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a command that opens key files."""
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="the password of encrypted key files: the first line of FILE, which by default is the one that "
        f"{FILE_VARIABLE} names; else it is what {PASSWORD_VARIABLE} holds, else it is asked for",
    )


def password_of(path: str, *, password_file: str | None = None, new: bool = False) -> str:
    """The password of the key file at `path`; `new`: one to be set, which is typed twice.

    Raises BackendError where a file can't be read, InvalidInput where there is no password and nobody to ask.
    """
    chosen = password_file or os.environ.get(FILE_VARIABLE)
    if chosen is not None:
        return _first_line(chosen)
    if (given := os.environ.get(PASSWORD_VARIABLE)) is not None:
        return given
    typed = _ask(f"Password of {path}: ", path)
    if new and _ask("The same again: ", path) != typed:
        raise InvalidInput(f"key file {path}: the two passwords differ")
    return typed


def _first_line(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            warn_if_others_read("password file", path, file)
            content = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise BackendError(f"password file {path}: {error.strerror}") from error
    if len(content) > _LONGEST_FILE:
        raise InvalidInput(f"password file {path}: more than {_LONGEST_FILE} bytes")
    line = content.split(b"\n", 1)[0].removesuffix(b"\r")
    text = line.decode(errors="replace")
    if text.encode() != line:
        raise InvalidInput(f"password file {path}: not UTF-8")
    return text


def _ask(prompt: str, path: str) -> str:
    with warnings.catch_warnings():
        # getpass would go on with echo where there is no terminal.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except (getpass.GetPassWarning, EOFError):
            pass
    raise InvalidInput(
        f"key file {path} is encrypted, and there is no terminal to ask for its password: name a file with "
        f"--password-file, or set {PASSWORD_VARIABLE}"
    )
