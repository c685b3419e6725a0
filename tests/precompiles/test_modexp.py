import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evmthread.precompiles import MODEXP_BERLIN, MODEXP_BYZANTIUM, MODEXP_OSAKA, PrecompileFailure
from evmthread.precompiles.modexp import modexp, modexp_bounded
from tests.precompiles.samples import word

operands = st.binary(max_size=80)


def encode(base: bytes, exponent: bytes, modulus: bytes) -> bytes:
    return word(len(base)) + word(len(exponent)) + word(len(modulus)) + base + exponent + modulus


@settings(deadline=None)
@given(operands, operands, operands)
def test_power_of_integers(base: bytes, exponent: bytes, modulus: bytes) -> None:
    number = int.from_bytes(modulus, "big")
    power = pow(int.from_bytes(base, "big"), int.from_bytes(exponent, "big"), number) if number else 0
    data = encode(base, exponent, modulus)
    assert modexp(data) == modexp(data, pow) == modexp_bounded(data) == power.to_bytes(len(modulus), "big")


@settings(deadline=None)
@given(operands, operands, operands, st.data())
def test_missing_bytes_are_zero(base: bytes, exponent: bytes, modulus: bytes, data: st.DataObject) -> None:
    full = encode(base, exponent, modulus)
    cut = full[: data.draw(st.integers(0, len(full)))]
    padded = cut.ljust(len(full), b"\0")
    assert modexp(cut) == modexp(padded)
    for contract in (MODEXP_BYZANTIUM, MODEXP_BERLIN, MODEXP_OSAKA):
        assert contract.price(cut) == contract.price(padded)


def test_edges() -> None:
    assert modexp(b"") == b""
    assert modexp(encode(b"\2", b"\3", b"")) == b""
    assert modexp(encode(b"\2", b"\3", bytes(5))) == bytes(5)
    assert modexp(encode(b"", b"", b"\0\1")) == bytes(2)
    assert modexp(encode(b"", b"", b"\0\2")) == b"\0\1"  # 0 ** 0 is 1
    # The first example of EIP-198: Fermat's little theorem.
    prime = (1 << 256) - (1 << 32) - 977
    assert modexp(encode(b"\3", word(prime - 1), word(prime))) == word(1)


def test_prices_of_the_examples() -> None:
    prime = (1 << 256) - (1 << 32) - 977
    data = encode(b"\3", word(prime - 1), word(prime))
    assert MODEXP_BYZANTIUM.price(data) == 13056  # EIP-198, first example
    assert MODEXP_BERLIN.price(data) == 16 * 255 // 3
    assert MODEXP_OSAKA.price(data) == 16 * 255
    assert (MODEXP_BYZANTIUM.price(b""), MODEXP_BERLIN.price(b""), MODEXP_OSAKA.price(b"")) == (0, 200, 500)


HUGE = (1 << 256) - 1


@pytest.mark.parametrize("lengths", [(HUGE, 0, 1), (0, HUGE, 1), (0, 0, HUGE), (HUGE, HUGE, HUGE), (1 << 64, 1, 1)])
def test_huge_lengths_are_priced_and_refused(lengths: tuple[int, int, int]) -> None:
    data = b"".join(map(word, lengths))
    for contract in (MODEXP_BYZANTIUM, MODEXP_BERLIN, MODEXP_OSAKA):
        assert contract.price(data) >= 1 << 70
        with pytest.raises(PrecompileFailure):
            contract.run(data)


def test_a_huge_exponent_of_nothing_costs_the_least() -> None:
    data = word(0) + word(HUGE) + word(0)
    assert (MODEXP_BYZANTIUM.price(data), MODEXP_BYZANTIUM.run(data)) == (0, b"")
    assert (MODEXP_BERLIN.price(data), MODEXP_BERLIN.run(data)) == (200, b"")
    with pytest.raises(PrecompileFailure):
        MODEXP_OSAKA.run(data)


@pytest.mark.parametrize("position", range(3))
def test_osaka_bounds_each_length(position: int) -> None:
    lengths = [1, 1, 1]
    lengths[position] = 1024
    assert len(modexp_bounded(b"".join(map(word, lengths)) + b"\1")) == lengths[2]
    lengths[position] = 1025
    data = b"".join(map(word, lengths)) + b"\1"
    assert len(modexp(data)) == lengths[2]
    with pytest.raises(PrecompileFailure, match="1025"):
        modexp_bounded(data)
