from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.precompiles.identity import IDENTITY, identity


@settings(deadline=None)
@given(st.binary())
def test_gives_back_its_input(data: bytes) -> None:
    assert identity(data) == data


def test_price() -> None:
    assert [IDENTITY.price(bytes(n)) for n in (0, 1, 32, 33)] == [15, 18, 18, 21]
