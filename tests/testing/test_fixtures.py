"""Reading files: what is told by its content, and what is refused."""

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.testing import fixtures
from evmthread.testing.fixtures import (
    FixtureError,
    data,
    fixed,
    is_lines,
    load_json,
    number,
    read_tests,
    reading,
    value_bytes,
    word,
)
from tests.testing.samples import write_json, write_lines


def names(path: Path) -> list[str]:
    return [test.name for test in read_tests(path)]


def test_an_object_of_tests(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", {"_info": {"x": {}}, "one": {"in": []}, "two": {"in": {}}})
    assert names(path) == ["one", "two"]
    assert not is_lines(path)


def test_a_list_of_tests(tmp_path: Path) -> None:
    assert names(write_json(tmp_path / "a.json", [{"seed": "cow"}, {"seed": "horse"}])) == ["0", "1"]


def test_a_file_that_is_one_test(tmp_path: Path) -> None:
    assert names(write_json(tmp_path / "genesis.json", {"genesis_rlp_hex": "00"})) == ["genesis"]


@pytest.mark.parametrize("opened", [gzip.open, open])
def test_lines_packed_or_not_whatever_the_name(tmp_path: Path, opened: object) -> None:
    path = tmp_path / "a.json"
    lines = [{"name": "one", "file": "f", "suite": "s", "in": [], "out": ""}, {"name": "two", "in": []}]
    with opened(path, "wt") as out:  # type: ignore[operator]
        out.write("\n".join(map(json.dumps, lines)) + "\n\n")
    assert is_lines(path)
    tests = list(read_tests(path))
    assert [(test.name, test.file, test.suite) for test in tests] == [("one", "f", "s"), ("two", str(path), "")]
    assert [test.name for test in read_tests(path, wanted=lambda index: index == 1)] == ["two"]


@pytest.mark.parametrize("end", ["", "\n", "\n\n", " \r\n\t \n", "\n" * 3_000_000])
def test_blank_lines_after_an_object_of_tests_in_one_line(tmp_path: Path, end: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"one": {"in": []}, "two": {"in": {}}}) + end)
    assert not is_lines(path)
    assert names(path) == ["one", "two"]


def test_one_line_that_is_a_test(tmp_path: Path) -> None:
    assert names(write_lines(tmp_path / "a.gz", [{"name": "one", "in": []}])) == ["one"]


PACKED = gzip.compress(b'{"a": {"in": []}}' * 99, mtime=0)
BROKEN = [
    (b"", "not JSON"),
    (b"{", "not JSON"),
    (b'{"a": 1} x', "not JSON"),
    (b"5", "is a JSON object of tests"),
    (b'{"a": {}, "b": 1}', "'b' is no JSON object"),
    (b"\xff\xfe\x00", "not JSON"),
    (b"[" * 100_000, "too deep"),
    (b"[" * 10_000_000, "too deep"),
    (b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000 + b"\n{}", "too deep|not JSON"),
    (b'{"name": "a"}\n[]\n', "a test is a JSON object"),
    (b'{"name": "a"}\n{"name": 5}\n', "are strings"),
    (b'{"name": "a"}\n{"name": "b"\n', "line 2: not JSON"),
    (b"\x1f\x8b", "truncated gzip file"),
    (PACKED[:-9], "truncated gzip file"),
    (PACKED[:20] + b"xxxxxxxxxxxxxxxxxxxxx", "damaged gzip file"),
]


@pytest.mark.parametrize(
    ("content", "words"), BROKEN, ids=[f"{place} {words}" for place, (_, words) in enumerate(BROKEN)]
)
def test_what_is_no_fixture_file_is_a_typed_error(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(FixtureError, match=words) as refusal:
        names(path)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(FixtureError, match=str(path)):
            names(path)


def test_files_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixtures, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(fixtures, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b'{"a": {"in": "' + b"0" * 10**6 + b'"}}'))
    with pytest.raises(FixtureError, match="more than 1000 bytes"):
        names(path)
    path.write_bytes(gzip.compress(b'{"name": "a"}\n' + b" " * 10**6))
    with pytest.raises(FixtureError, match="more than 1000 bytes"):
        names(path)
    monkeypatch.setattr(fixtures, "MAX_LINES", 1000)
    path.write_bytes(gzip.compress(b'{"name": "a"}\n' + b"\n" * 10**4))
    with pytest.raises(FixtureError, match="more than 1000 lines"):
        names(path)
    monkeypatch.setattr(fixtures, "MAX_LINES_BYTES", 10_000)
    path.write_bytes(gzip.compress(b'{"name": "a"}\n' + b"{}        \n" * 950))
    with pytest.raises(FixtureError, match="10000 bytes of them"):
        names(path)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.json"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/zero")):
        with pytest.raises(FixtureError, match="no regular file"):
            names(path)


MANY = 20_000
DEAR = {
    "lists": b"[" + b",".join([b"[]"] * MANY) + b"]",
    "objects": b"[" + b",".join([b'{"":{}}'] * MANY) + b"]",
    "unique keys": b"{" + b",".join([b'"%d":[]' % index for index in range(MANY)]) + b"}",
    "objects with unique keys": b"[" + b",".join([b'{"%d":{}}' % index for index in range(MANY)]) + b"]",
    "strings": b"[" + b",".join([b'"ab"'] * MANY) + b"]",
    "numbers": b"[" + b",".join([b"99999999999"] * MANY) + b"]",
    "a wide string": ('["\U0001f600' + "a" * 4 * MANY + '"]').encode(),
    "a wide string by escapes": b'["\\ud83d\\ude00' + b"a" * 4 * MANY + b'"]',
    "wide strings": ("[" + ",".join(['"\U0001f600"'] * MANY) + "]").encode(),
}


@pytest.mark.parametrize("text", DEAR.values(), ids=DEAR)
def test_the_memory_that_json_takes_is_known_before_it_is_read(text: bytes) -> None:
    tracemalloc.start()
    try:
        given = bytes(bytearray(text))
        load_json(given, "x")
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert used <= 1.05 * value_bytes(text)


def test_json_that_takes_too_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'{"a": {"in": [' + b"[]," * 1000 + b"[]]}}"
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(text))
    assert names(path) == ["a"]
    monkeypatch.setattr(fixtures, "MAX_VALUE_BYTES", 100_000)
    with pytest.raises(FixtureError, match="may take"):
        names(path)


def test_a_wrong_value_is_shown_in_short() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    for value in ("x" * 10**6, nested, [0] * 10**6, {"a": nested}, -(10**5000), "9" * 5001, "-0x" + "f" * 10**6):
        for read in (number, word, data):
            with pytest.raises(FixtureError) as refusal:
                read(value)
            assert len(str(refusal.value)) < 200


def test_whatever_a_wrong_shape_raises_names_the_test() -> None:
    def fall(depth: int) -> int:
        return fall(depth + 1)

    for action in (lambda: fall(0), lambda: {"a": 1}["x" * 10**6], lambda: int("x"), lambda: bytes(-1)):
        with pytest.raises(FixtureError, match=r"^the test: ") as refusal, reading("the test"):
            action()
        assert len(str(refusal.value)) < 300


@given(st.integers(0, 2**300))
def test_numbers_in_each_form(value: int) -> None:
    assert number(hex(value)) == number(str(value)) == number(value) == number(f"0x:bigint {value:#x}") == value


def test_no_digits_are_zero() -> None:
    assert number("0x") == number("") == 0


NO_NUMBERS = ["0xg", "x", "-1", "-0x1", -1, None, 0.5, True, [], {}, "1e5", " 5", "+5", "1_0", "0x1_0", "0x 1"]


@pytest.mark.parametrize("value", [*NO_NUMBERS, "\u0663", "0x1\n"])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(FixtureError):
        number(value)


def test_words_and_bytes_have_their_sizes() -> None:
    assert word("0x" + "ff" * 32) == 2**256 - 1
    assert data("0x0102") == data("0102") == fixed("0x0102", 2)
    for refused in (lambda: word("0x1" + "00" * 32), lambda: fixed("0x01", 2), lambda: data("0x0"), lambda: data(1)):
        with pytest.raises(FixtureError):
            refused()
