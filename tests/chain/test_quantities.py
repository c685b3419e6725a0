"""A node's numbers and bytes are read strictly."""

import pytest

from evmthread.chain.quantities import data, items, quantity, record, text
from evmthread.rpc import BadAnswer


def test_good_values() -> None:
    assert [quantity(each, "x") for each in ("0x0", "0x1f", "0x" + "f" * 64)] == [0, 31, 2**256 - 1]
    assert [data(each, "x") for each in ("0x", "0xaB01")] == [b"", b"\xab\x01"]
    assert data("0x0102", "x", 2) == b"\x01\x02"
    assert (record({}, "x"), items([], "x")) == ({}, [])
    assert (text(31), text(b"\x01")) == ("0x1f", "0x01")


@pytest.mark.parametrize(
    "value", [None, 1, "", "0x", "1", "0x01", "0xF", "0xg", "-0x1", "0x" + "f" * 65, "0x1\n", b"0x1"]
)
def test_no_quantity(value: object) -> None:
    with pytest.raises(BadAnswer, match="block number"):
        quantity(value, "block number")


@pytest.mark.parametrize("value", [None, "", "01", "0x0", "0xzz", "0x01\n", "0x010203", 7])
def test_no_data_of_two_bytes(value: object) -> None:
    with pytest.raises(BadAnswer, match="topic"):
        data(value, "topic", 2)


def test_neither_record_nor_list() -> None:
    for wrong in (None, "x", 1):
        with pytest.raises(BadAnswer):
            record(wrong, "x")
        with pytest.raises(BadAnswer):
            items(wrong, "x")
