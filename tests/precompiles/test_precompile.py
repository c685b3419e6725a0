from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.errors import EvmthreadError
from evmthread.precompiles import IDENTITY, SHA256, PrecompileFailure
from evmthread.precompiles.precompile import fixed_price, price_per_word
from tests.precompiles.samples import CONTRACTS


def test_failure_is_in_the_tree() -> None:
    assert issubclass(PrecompileFailure, EvmthreadError)


def test_fixed_price() -> None:
    assert fixed_price(7)(b"") == fixed_price(7)(bytes(1000)) == 7


def test_price_per_word_rounds_up() -> None:
    price = price_per_word(60, 12)
    assert [price(bytes(size)) for size in (0, 1, 32, 33, 64)] == [60, 72, 72, 84, 84]
    assert SHA256.price(bytes(33)) == 84
    assert IDENTITY.price(bytes(33)) == 21


def test_names_are_those_of_eip_7910() -> None:
    assert {contract.name for contract in CONTRACTS.values()} == {
        "ECREC",
        "SHA256",
        "RIPEMD160",
        "ID",
        "MODEXP",
        "BN254_ADD",
        "BN254_MUL",
        "BN254_PAIRING",
        "BLAKE2F",
        "KZG_POINT_EVALUATION",
        "BLS12_G1ADD",
        "BLS12_G1MSM",
        "BLS12_G2ADD",
        "BLS12_G2MSM",
        "BLS12_PAIRING_CHECK",
        "BLS12_MAP_FP_TO_G1",
        "BLS12_MAP_FP2_TO_G2",
        "P256VERIFY",
    }


@settings(deadline=None)
@given(st.binary(max_size=400) | st.integers(0, 30).map(lambda n: bytes(32 * n)))
def test_any_input_has_a_price_and_gives_bytes_or_failure(data: bytes) -> None:
    for contract in CONTRACTS.values():
        price = contract.price(data)
        assert type(price) is int
        assert price >= 0
        if price < 100_000:
            with suppress(PrecompileFailure):
                assert type(contract.run(data)) is bytes
