"""Reads files of official fixtures: one JSON object (or list) of tests, or JSON lines, plain or gzip-compressed.

A file is told by its content, never by its name. It knows nothing of what the tests in it mean.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from evmthread.errors import DecodingError, EvmthreadError
from evmthread.execution.invalid import InvalidTransaction
from evmthread.primitives.untrusted_json import parse_json

# What a test is made of: JSON, its shape unknown until it is read. (A mapping of `object` would need a cast at every
# step of every suite, which hides more than it finds: `reading` turns each wrong shape into a FixtureError.)
Json = Mapping[str, Any]

GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952
# Far above the largest official file (0.5 GB unpacked), far below what fills a machine's memory.
MAX_FILE_BYTES = 2**30
MAX_LINE_BYTES = 2**28


class FixtureError(DecodingError):
    """A file that holds no fixtures, or a test that is malformed."""


@dataclass(frozen=True, slots=True)
class FixtureTest:
    """One test of a file: `body` is its JSON object. `file` is where it comes from, as its suite names it."""

    name: str
    file: str
    suite: str
    body: Json


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turns whatever a wrong shape makes Python raise into a FixtureError that names the test.

    An InvalidTransaction passes: a fixture may want it.
    """
    try:
        yield
    except (FixtureError, InvalidTransaction):
        raise
    except KeyError as error:
        raise FixtureError(f"{what}: {error.args[0]!r} is missing") from None
    except EvmthreadError as error:
        raise FixtureError(f"{what}: {error}") from None
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FixtureError(f"{what}: malformed: {str(error)[:200]}") from None


def load_json(text: bytes, what: str) -> Any:
    """The JSON value of a text. Raises FixtureError."""
    try:
        return parse_json(text)
    except DecodingError as error:
        raise FixtureError(f"{what}: {error}") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield io.BufferedReader(unpacked)
            else:
                yield raw
    except EOFError:
        raise FixtureError(f"{path}: truncated gzip file") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FixtureError(f"{path}: damaged gzip file: {error}") from None
    except OSError as error:
        raise FixtureError(f"{path}: {error.strerror or error}") from None


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, unpacked. Raises FixtureError, for a line that is too long too."""
    with _opened(path) as source:
        total = 0
        while line := source.readline(MAX_LINE_BYTES + 1):
            total += len(line)
            if len(line) > MAX_LINE_BYTES or total > 16 * MAX_FILE_BYTES:
                raise FixtureError(f"{path}: a line of more than {MAX_LINE_BYTES} bytes, or an endless file")
            yield line


def is_lines(path: Path) -> bool:
    """True for a file of JSON lines: its first line is a whole JSON object, and more lines follow or it is a test."""
    with _opened(path) as source:
        first = source.readline(MAX_LINE_BYTES + 1)
        rest = source.read(1)
    text = first.strip()
    if not (text.startswith(b"{") and text.endswith(b"}")):
        return False
    try:
        value = load_json(text, str(path))
    except FixtureError:
        return False
    return isinstance(value, dict) and (bool(rest) or "name" in value)


def read_tests(path: Path, *, wanted: Callable[[int], bool] = lambda _: True) -> Iterator[FixtureTest]:
    """The tests of one file, in order, those whose number in the file is wanted.

    Raises FixtureError as soon as what is to come can't be read.
    """
    if is_lines(path):
        for number, line in enumerate(read_lines(path)):
            if wanted(number) and not line.isspace():
                yield parse_line(path, number, line)
        return
    with _opened(path) as source:
        text = source.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise FixtureError(f"{path}: more than {MAX_FILE_BYTES} bytes")
    for number, test in enumerate(_whole_file(path, load_json(text, str(path)))):
        if wanted(number):
            yield test


def parse_line(path: Path, number: int, line: bytes) -> FixtureTest:
    """The test in one of a file's lines, counted from 0. Raises FixtureError."""
    where = f"{path}: line {number + 1}"
    body = load_json(line, where)
    if not isinstance(body, dict):
        raise FixtureError(f"{where}: a test is a JSON object")
    name = body.get("name", f"{path.name}:{number + 1}")
    file, suite = body.get("file", str(path)), body.get("suite", "")
    if not (isinstance(name, str) and isinstance(file, str) and isinstance(suite, str)):
        raise FixtureError(f"{where}: name, file and suite of a test are strings")
    return FixtureTest(name, file, suite, body)


def _whole_file(path: Path, content: Any) -> Iterator[FixtureTest]:
    file = str(path)
    if isinstance(content, list):
        content = {str(index): body for index, body in enumerate(content)}
    if not isinstance(content, dict):
        raise FixtureError(f"{path}: a fixture file is a JSON object of tests")
    if content and not any(isinstance(body, dict) for body in content.values()):
        # A file that is one test itself (genesishashestest.json).
        yield FixtureTest(path.stem, file, "", content)
        return
    for name, body in content.items():
        if name == "_info":
            continue
        if not isinstance(body, dict):
            raise FixtureError(f"{path}: {name!r} is no JSON object")
        yield FixtureTest(name, file, "", body)


def number(value: Any) -> int:
    """A fixture's number: hex with or without leading zeros, decimal, or JSON's own. Never negative.

    Raises FixtureError.
    """
    if type(value) is int:
        if value < 0:
            raise FixtureError(f"a negative number: {value}")
        return value
    if type(value) is not str:
        raise FixtureError(f"a number was expected, not {str(value)[:80]!r}")
    text = value.removeprefix("0x:bigint ")
    try:
        result = int(text, 16) if text[:2] in ("0x", "0X") else int(text or "0")
    except ValueError:
        raise FixtureError(f"not a number: {value[:80]!r}") from None
    if result < 0:
        raise FixtureError(f"a negative number: {value[:80]!r}")
    return result


def word(value: Any) -> int:
    """A fixture's number of at most 256 bits. Raises FixtureError."""
    result = number(value)
    if result >> 256:
        raise FixtureError(f"a number of more than 256 bits: {str(value)[:80]}")
    return result


def data(value: Any) -> bytes:
    """The bytes of a fixture's hex string, with or without 0x. Raises FixtureError."""
    if type(value) is not str:
        raise FixtureError(f"a hex string was expected, not {str(value)[:80]!r}")
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    try:
        result = bytes.fromhex(digits)
    except ValueError:
        raise FixtureError(f"not hex: {value[:80]!r} ({len(digits)} digits)") from None
    if 2 * len(result) != len(digits):  # bytes.fromhex passes over spaces
        raise FixtureError(f"not hex: {value[:80]!r}")
    return result


def text_or_none(value: Any) -> str | None:
    """A fixture's string, or None. Raises FixtureError for anything else."""
    if value is not None and type(value) is not str:
        raise FixtureError(f"a string was expected, not {str(value)[:80]!r}")
    return value


def fixed(value: Any, size: int) -> bytes:
    """The bytes of a hex string of one length. Raises FixtureError."""
    result = data(value)
    if len(result) != size:
        raise FixtureError(f"{len(result)} bytes where {size} are wanted: {value[:80]!r}")
    return result
