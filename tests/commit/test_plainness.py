"""Members that are told to be plain are: anything else is left to the check that asks them one by one."""

from dataclasses import make_dataclass

import pytest

from evmthread.commit.plainness import PlainMembers
from evmthread.primitives.types import Hash32, Wei


class Low(int):
    """Says that it is below every limit, and not below zero."""

    def __lt__(self, other: int) -> bool:
        return False

    def __ge__(self, other: int) -> bool:
        return False


class Short(bytes):
    """Says that it has four bytes."""

    def __len__(self) -> int:
        return 4


Both = make_dataclass("Both", ["small", "large", "name", "root"])
NUMBERS, BLOBS = [("small", 256), ("large", 1 << 64)], [("name", 4), ("root", 32)]
GOOD = {"small": 255, "large": 0, "name": b"name", "root": bytes(32)}


def hold(**changes: object) -> bool:
    return PlainMembers(NUMBERS, BLOBS).hold(Both(**(GOOD | changes)))


def test_what_is_plain() -> None:
    assert hold()
    assert hold(small=0, large=(1 << 64) - 1, name=b"\0\0\0\0", root=b"\xff" * 32)


@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize(
    "value", [-1, 1 << 64, 1 << 300, True, False, 1.0, None, "1", b"\1", Wei(1), Low(5), Low(1 << 65)]
)
def test_numbers_that_are_not(name: str, value: object) -> None:
    assert not hold(**{name: value})


def test_each_number_has_a_limit_of_its_own() -> None:
    assert not hold(small=256)
    assert hold(large=256)
    assert not hold(large=1 << 64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", b""),
        ("name", b"nam"),
        ("name", b"names"),
        ("name", bytearray(4)),
        ("name", "name"),
        ("name", None),
        ("name", Short(b"nam")),
        ("name", Short(b"name")),
        ("root", bytes(31)),
        ("root", bytes(33)),
        ("root", Hash32(bytes(32))),
        ("root", memoryview(bytes(32))),
    ],
)
def test_bytes_that_are_not(name: str, value: object) -> None:

    assert not hold(**{name: value})


def test_any_number_of_members() -> None:
    one = make_dataclass("One", ["number", "name"])
    assert PlainMembers([], []).hold(one(None, None))
    assert PlainMembers([("number", 5)], []).hold(one(4, None))
    assert not PlainMembers([("number", 5)], []).hold(one(5, None))
    assert not PlainMembers([("number", 5)], []).hold(one(Wei(1), None))
    assert PlainMembers([], [("name", 2)]).hold(one(None, b"ab"))
    assert not PlainMembers([], [("name", 2)]).hold(one(None, b"abc"))
    assert not PlainMembers([("number", 5)], [("name", 2)]).hold(one(4, b"a"))
