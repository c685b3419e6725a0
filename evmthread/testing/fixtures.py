"""Reads files of official fixtures: one JSON object (or list) of tests, or JSON lines, plain or gzip-compressed.

A file is told by its content, never by its name. It knows nothing of what the tests in it mean.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from evmthread.errors import BackendError, DecodingError, EvmthreadError
from evmthread.execution.invalid import InvalidTransaction
from evmthread.primitives.untrusted_json import parse_json
from evmthread.state.files import open_regular

# What a test is made of: JSON, its shape unknown until it is read. (A mapping of `object` would need a cast at every
# step of every suite, which hides more than it finds: `reading` turns each wrong shape into a FixtureError.)
Json = Mapping[str, Any]

GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952
# Far above the largest official file (0.5 GB unpacked), far below what fills a machine's memory.
MAX_FILE_BYTES = 2**30
MAX_LINE_BYTES = 2**28
# Of a file of lines, which is never in memory as a whole: what bounds the time that an endless one takes.
MAX_LINES, MAX_LINES_BYTES = 2**22, 2**32
CHUNK_BYTES = 2**20
# What one JSON value may take while it is read: some thirty times the largest line of the official files.
MAX_VALUE_BYTES = 2**32
# For each of `[`, `{`, `:` and `,`, whatever they separate (CPython 3.11; a unique key of an object is the dearest).
TOKEN_BYTES = 120
MAX_DECIMALS = 1000  # of a number; a number of more takes Python time that grows with their square
SHOWN = 80  # characters of a wrong value in an error


_NUMBER = re.compile("(?:0x:bigint )?0[xX]([0-9a-fA-F]*)|[0-9]*")


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
        raise FixtureError(f"{what}: {shown(error.args[0])} is missing") from None
    except EvmthreadError as error:
        raise FixtureError(f"{what}: {str(error)[:500]}") from None
    except RecursionError:
        raise FixtureError(f"{what}: malformed: nested too deep") from None
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FixtureError(f"{what}: malformed: {str(error)[:200]}") from None


def shown(value: Any) -> str:
    """A wrong value as an error shows it: short, whatever it is."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return repr(value[:SHOWN])
    return str(value) if not isinstance(value, int) or value.bit_length() <= 256 else "a number of more than 256 bits"


def value_bytes(text: bytes | bytearray) -> int:
    """At most about so many bytes of memory are in use when a text of JSON has been read, itself among them."""
    tokens = sum([text.count(mark) for mark in b"[{:,"])
    # A character takes 4 bytes in a string, and in the whole text, where one is beyond U+FFFF.
    width = 1 if text.isascii() and b"\\u" not in text else 4
    return len(text) * (1 + 2 * width) + TOKEN_BYTES * tokens


def load_json(text: bytes | bytearray, what: str) -> Any:
    """The JSON value of a text. Raises FixtureError."""
    needed = value_bytes(text)
    if needed > MAX_VALUE_BYTES:
        raise FixtureError(f"{what}: {len(text)} bytes of JSON may take {needed} of memory, at most {MAX_VALUE_BYTES}")
    try:
        return parse_json(text)
    except DecodingError as error:
        raise FixtureError(f"{what}: {error}") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with open_regular(path) as raw:
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield io.BufferedReader(unpacked)
            else:
                yield raw
    except BackendError as error:
        raise FixtureError(str(error)) from None
    except EOFError:
        raise FixtureError(f"{path}: truncated gzip file") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FixtureError(f"{path}: damaged gzip file: {error}") from None
    except OSError as error:
        raise FixtureError(f"{path}: {error.strerror or error}") from None


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, unpacked. Raises FixtureError, for a line that is too long and for too many of them too."""
    with _opened(path) as source:
        total = count = 0
        while line := source.readline(MAX_LINE_BYTES + 1):
            total += len(line)
            count += 1
            if len(line) > MAX_LINE_BYTES:
                raise FixtureError(f"{path}: a line of more than {MAX_LINE_BYTES} bytes")
            if total > MAX_LINES_BYTES or count > MAX_LINES:
                raise FixtureError(f"{path}: more than {MAX_LINES} lines or {MAX_LINES_BYTES} bytes of them")
            yield line


def _read_whole(path: Path) -> bytearray:
    text = bytearray()
    with _opened(path) as source:
        # In pieces: how much there is to come isn't known of a compressed file.
        while chunk := source.read(CHUNK_BYTES):
            text += chunk
            if len(text) > MAX_FILE_BYTES:
                raise FixtureError(f"{path}: more than {MAX_FILE_BYTES} bytes")
    return text


def is_lines(path: Path) -> bool:
    """True for a file of JSON lines: its first line is a whole JSON object, and more lines follow or it is a test."""
    with _opened(path) as source:
        first = source.readline(MAX_LINE_BYTES + 1)
        # Blank lines at the end of a file that is one line make no lines of it.
        rest = islice(iter(lambda: source.read(CHUNK_BYTES), b""), MAX_FILE_BYTES // CHUNK_BYTES)
        goes_on = any(not chunk.isspace() for chunk in rest)
    text = first.strip()
    if not (text.startswith(b"{") and text.endswith(b"}")):
        return False
    try:
        value = load_json(text, str(path))
    except FixtureError:
        return False
    return isinstance(value, dict) and (goes_on or "name" in value)


def read_tests(path: Path, *, wanted: Callable[[int], bool] = lambda _: True) -> Iterator[FixtureTest]:
    """The tests of one file, in order, those whose number in the file is wanted.

    Raises FixtureError as soon as what is to come can't be read.
    """
    if is_lines(path):
        for number, line in enumerate(read_lines(path)):
            if wanted(number) and not line.isspace():
                yield parse_line(path, number, line)
        return
    for number, test in enumerate(_whole_file(path, load_json(_read_whole(path), str(path)))):
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
            raise FixtureError(f"{path}: {shown(name)} is no JSON object")
        yield FixtureTest(name, file, "", body)


def given(fields: Json) -> Json:
    """An object's fields without those that are null: geth writes null for a field that isn't there."""
    return {name: value for name, value in fields.items() if value is not None}


def number(value: Any) -> int:
    """A fixture's number: hex with or without leading zeros, decimal, or JSON's own. Never negative.

    No digits, as in "0x" for a value of zero, are zero. Raises FixtureError.
    """
    if type(value) is int:
        if value < 0:
            raise FixtureError(f"a negative number: {shown(value)}")
        return value
    if type(value) is not str:
        raise FixtureError(f"a number was expected, not {shown(value)}")
    # Python would take signs, spaces, underscores and the digits of all scripts too.
    digits = _NUMBER.fullmatch(value)
    if digits is None:
        raise FixtureError(f"not a number: {shown(value)}")
    if digits[1] is not None:
        return int(digits[1] or "0", 16)
    if len(value) > MAX_DECIMALS:
        raise FixtureError(f"a number of more than {MAX_DECIMALS} decimals: {shown(value)}")
    return int(value or "0")


def word(value: Any) -> int:
    """A fixture's number of at most 256 bits. Raises FixtureError."""
    result = number(value)
    if result >> 256:
        raise FixtureError(f"a number of more than 256 bits: {shown(value)}")
    return result


def data(value: Any) -> bytes:
    """The bytes of a fixture's hex string, with or without 0x. Raises FixtureError."""
    if type(value) is not str:
        raise FixtureError(f"a hex string was expected, not {shown(value)}")
    digits = value[2:] if value[:2] in ("0x", "0X") else value
    try:
        result = bytes.fromhex(digits)
    except ValueError:
        raise FixtureError(f"not hex: {shown(value)} ({len(digits)} digits)") from None
    if 2 * len(result) != len(digits):  # bytes.fromhex passes over spaces
        raise FixtureError(f"not hex: {shown(value)}")
    return result


def text_or_none(value: Any) -> str | None:
    """A fixture's string, or None. Raises FixtureError for anything else."""
    if value is not None and type(value) is not str:
        raise FixtureError(f"a string was expected, not {shown(value)}")
    return value


def fixed(value: Any, size: int) -> bytes:
    """The bytes of a hex string of one length. Raises FixtureError."""
    result = data(value)
    if len(result) != size:
        raise FixtureError(f"{len(result)} bytes where {size} are wanted: {shown(value)}")
    return result
