"""JSON from others never crashes the process."""

import sys
from collections.abc import Iterator

import pytest

from evmthread.errors import DecodingError
from evmthread.primitives.untrusted_json import parse_json


@pytest.fixture(params=[1_000, 100_000])
def recursion_limit(request: pytest.FixtureRequest) -> Iterator[int]:
    """Python's own limit, and the one that some libraries set."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(request.param, 1_000))
    yield request.param
    sys.setrecursionlimit(before)


def test_json_is_read(recursion_limit: int) -> None:
    assert parse_json(b'{"a": [1, "x"]}') == {"a": [1, "x"]}
    assert sys.getrecursionlimit() == recursion_limit


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_deep_nesting_is_refused(recursion_limit: int, text: str) -> None:
    with pytest.raises(DecodingError, match="too deep"):
        parse_json(text)
    assert sys.getrecursionlimit() == recursion_limit


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"nan", b'{"a": 1}}'])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(DecodingError, match="not JSON"):
        parse_json(text)
