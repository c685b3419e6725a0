from enum import IntEnum

import pytest

from evmthread.errors import InvalidInput
from evmthread.primitives.arguments import address_bytes, are_unsigned, byte_string, instance_of, number_of_bits
from evmthread.primitives.types import Address, Wei


class Kind(IntEnum):
    SECOND = 2


@pytest.mark.parametrize("number", [0, 1, 255, Wei(7), Kind.SECOND])
def test_numbers_that_fit_are_plain_integers_afterwards(number: int) -> None:
    assert number_of_bits(number, 8, "n") == number
    assert type(number_of_bits(number, 8, "n")) is int


@pytest.mark.parametrize("number", [-1, 256, Wei(256), True, 1.0, "1", b"\1", None])
def test_what_is_no_number_of_so_many_bits(number: int) -> None:
    with pytest.raises(InvalidInput, match=r"^n: "):
        number_of_bits(number, 8, "n")


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        *(((0, 255), True), ((Wei(1), 2), True), ((0, 256), False), ((0, -1), False), ((-1, 255), False)),
        *(((1, 1.0), False), ((1.0, 1), False), ((1, "1"), False), ((None, 1), False), ((b"", 1), False)),
    ],
)
def test_many_numbers_at_once(values: tuple[int, ...], holds: bool) -> None:
    assert are_unsigned(values, 8) is holds
    assert are_unsigned(values) is (holds or values == (0, 256))


def test_an_address_is_plain_bytes_afterwards() -> None:
    assert address_bytes(Address("0x" + "ab" * 20)) == b"\xab" * 20
    assert type(address_bytes(Address("0x" + "ab" * 20))) is bytes


@pytest.mark.parametrize("wrong", [bytes(19), bytes(21), bytearray(20), memoryview(bytes(20)), "a" * 20, 20, None, ()])
def test_what_is_no_address(wrong: bytes) -> None:
    with pytest.raises(InvalidInput, match="a payer is 20 bytes, not "):
        address_bytes(wrong, "a payer")


@pytest.mark.parametrize("wrong", ["00", 3, None, [1, 2]])
def test_what_holds_no_bytes(wrong: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"data: .* where bytes are wanted"):
        byte_string(wrong, "data")


def test_an_instance() -> None:
    assert instance_of(Kind.SECOND, Kind, "a Kind") is Kind.SECOND
    with pytest.raises(InvalidInput, match="a Kind is wanted, not 2"):
        instance_of(2, Kind, "a Kind")  # type: ignore[type-var]
