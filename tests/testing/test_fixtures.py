"""Reading files: what is told by its content, and what is refused."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.testing import fixtures
from evmthread.testing.fixtures import FixtureError, data, fixed, is_lines, number, read_tests, word
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


@given(st.integers(0, 2**300))
def test_numbers_in_each_form(value: int) -> None:
    assert number(hex(value)) == number(str(value)) == number(value) == number(f"0x:bigint {value:#x}") == value


@pytest.mark.parametrize("value", ["0x", "0xg", "x", "-1", "-0x1", -1, None, 0.5, True, [], {}, "1e5"])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(FixtureError):
        number(value)


def test_words_and_bytes_have_their_sizes() -> None:
    assert word("0x" + "ff" * 32) == 2**256 - 1
    assert data("0x0102") == data("0102") == fixed("0x0102", 2)
    for refused in (lambda: word("0x1" + "00" * 32), lambda: fixed("0x01", 2), lambda: data("0x0"), lambda: data(1)):
        with pytest.raises(FixtureError):
            refused()
