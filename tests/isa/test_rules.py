from hypothesis import given
from hypothesis import strategies as st

from evmthread.isa.rules import (
    all_but_one_64th,
    all_gas,
    all_that_is_asked,
    at_most_all_but_one_64th,
    delegation_of,
)

gas = st.integers(0, 2**64)


@given(gas, st.integers(0, 2**256 - 1))
def test_forwarded_gas(available: int, asked: int) -> None:
    most = available - available // 64
    assert at_most_all_but_one_64th(available, asked) == min(most, asked)
    assert all_but_one_64th(available) == most
    assert all_that_is_asked(available, asked) == asked
    assert all_gas(available) == available
    assert at_most_all_but_one_64th(available, asked) <= available


def test_delegation_of() -> None:
    target = bytes(range(20))
    assert delegation_of(b"\xef\x01\x00" + target) == target
    for other in (
        b"",
        b"\xef\x01\x00",
        b"\xef\x01\x00" + target + b"\0",
        b"\xef\x01\x01" + target,
        b"\xef\x01\x00" + target[1:],
    ):
        assert delegation_of(other) is None
