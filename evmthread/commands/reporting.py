"""How a command says what came out: lines or JSON on standard output, one line of reason, and an exit code."""

import json
import os
import stat
import sys
from typing import IO

from evmthread.commit.members import Json
from evmthread.errors import EvmthreadError, VerificationError

OK, REFUTED, UNREADABLE = 0, 1, 2
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def say(line: str = "") -> None:
    """One line on standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say_json(record: dict[str, Json]) -> None:
    """One JSON object, on one line, on standard output."""
    say(json.dumps(record))


def warn(line: str) -> None:
    """One line on standard error."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def warn_if_others_read(what: str, path: str, file: IO[bytes]) -> None:
    """A line on standard error where others than its owner may read an open file that holds a secret."""
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        warn(f"warning: {what} {path} can be read by others; `chmod 600` keeps it to you")


def show_hash(value: bytes) -> str:
    """Bytes as 0x-prefixed hex."""
    return "0x" + value.hex()


def printable(text: str) -> str:
    """The text without line breaks and other characters that a terminal would obey."""
    return "".join([character if character.isprintable() else " " for character in text])


def one_line(error: BaseException) -> str:
    """The error's text as one printable line."""
    return printable(str(error) or type(error).__name__)


def report_failure(command: str, error: EvmthreadError, *, as_json: bool) -> int:
    """Says why a file doesn't hold and gives the exit code: 1 where it is refuted, 2 where it can't be read."""
    refuted = isinstance(error, VerificationError)
    code = REFUTED if refuted else UNREADABLE
    reason = one_line(error)
    if as_json:
        nonce = getattr(error, "nonce", None)
        say_json({"ok": False, "verdict": "refuted" if refuted else "unreadable", "check": type(error).__name__,
                  "nonce": nonce if isinstance(nonce, int) else None, "reason": reason})  # fmt: skip
    warn(f"evmthread {command}: {'refuted' if refuted else 'unreadable'}: {reason}")
    return code
