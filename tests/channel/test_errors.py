"""What errors say."""

import pytest

from evmthread.channel.errors import DivergentField, RemoteProtocolError


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (7, "7"),
        (b"\x01\x02", "0x0102"),
        (b"\xab" * 32, "0x" + "ab" * 32),
        ((1, b"\x03"), "(1, 0x03)"),
    ],
)
def test_values_are_said_as_people_read_them(value: object, said: str) -> None:
    text = str(DivergentField("field", value, 9, 3))
    assert said in text
    assert "..." not in text
    assert "b'" not in text


def test_long_bytes_are_said_by_their_beginning() -> None:
    text = str(DivergentField("field", b"\xab" * 33, 9, 3))
    assert "ab" * 33 not in text
    assert "0x" + "ab" * 32 + "..." in text


def test_a_peers_error_says_why_and_keeps_what_came() -> None:
    error = RemoteProtocolError("nonsense", b"\x01")
    assert (str(error), error.data) == ("nonsense", b"\x01")
