from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.precompiles.hashes import RIPEMD160, SHA256, ripemd160, sha256
from evmthread.precompiles.libraries import ripemd160_of_pycryptodome


def test_known_digests() -> None:
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert ripemd160(b"abc").hex() == bytes(12).hex() + "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_engines_are_equal(data: bytes) -> None:
    assert ripemd160(data) == ripemd160(data, ripemd160_of_pycryptodome)


def test_prices() -> None:
    assert [SHA256.price(bytes(n)) for n in (0, 32, 33)] == [60, 72, 84]
    assert [RIPEMD160.price(bytes(n)) for n in (0, 32, 33)] == [600, 720, 840]
