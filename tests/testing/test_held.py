"""What came before its turn comes out as it went in, from memory and from the file."""

import io
import tempfile
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evmthread.errors import BackendError
from evmthread.testing.held import Held


class Counting:
    """Makes files, and remembers them."""

    def __init__(self) -> None:
        self.files: list[IO[bytes]] = []

    def __call__(self) -> IO[bytes]:
        self.files.append(tempfile.TemporaryFile())  # noqa: SIM115 - closed by who asked for it
        return self.files[-1]


@given(st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=30))), st.integers(0, 60), st.permutations(range(5)))
def test_pieces_come_out_by_number_and_in_order(pieces: list[tuple[int, bytes]], size: int, order: list[int]) -> None:
    held = Held(held_bytes=size)
    for number, piece in pieces:
        held.put(number, piece)
    for number in order:
        assert list(held.take(number)) == [piece for place, piece in pieces if place == number]
        assert list(held.take(number)) == []
    held.close()


def test_memory_is_bounded_and_given_back() -> None:
    new_file = Counting()
    held = Held(held_bytes=10, new_file=new_file)
    held.put(1, b"12345")
    held.put(2, b"6789")
    assert new_file.files == []
    held.put(3, b"abc")
    assert new_file.files[0].tell() == 3
    assert list(held.take(1)) == [b"12345"]
    held.put(4, b"12345")  # there is room again
    assert len(new_file.files) == 1
    assert [list(held.take(number)) for number in (4, 3, 2)] == [[b"12345"], [b"abc"], [b"6789"]]
    held.close()
    assert new_file.files[0].closed


class Full(io.BytesIO):
    """A disk without room."""

    def write(self, _: object) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_a_typed_error() -> None:
    held = Held(held_bytes=0, new_file=Full)
    with pytest.raises(BackendError, match="No space left"):
        held.put(1, b"x")
    held.close()
