"""What a precompiled contract is: a name, a price and a function of bytes. Knows no address, no fork and no machine."""

from collections.abc import Callable
from dataclasses import dataclass

from evmthread.errors import EvmthreadError


class PrecompileFailure(EvmthreadError):  # noqa: N818 - the failure of an interpreted call
    """The input is one that fails the call: it consumes all its gas and returns nothing."""


@dataclass(frozen=True, slots=True)
class Precompile:
    """A precompiled contract at one price.

    `name` is the name that EIP-7910 gives it. `price` is the gas for an input, cheap to compute and never failing,
    whatever the input. `run` gives the output or raises PrecompileFailure; it expects that the price was paid, so that
    its work is bounded by the gas. `reads` says how many bytes of an input can matter to `run`, at most; a longer input
    is cut there (so for one that must have a certain length, it is more than that).
    """

    name: str
    price: Callable[[bytes], int]
    run: Callable[[bytes], bytes]
    reads: Callable[[bytes], int] = len


def first_kilobyte(_data: bytes) -> int:
    """What is read of inputs of fixed size: all of them are shorter, the longest (G2ADD) 512 bytes."""
    return 1024


def fixed_price(gas: int) -> Callable[[bytes], int]:
    """A price that is the same for every input."""

    def price(_data: bytes) -> int:
        return gas

    return price


def price_per_word(base: int, word: int) -> Callable[[bytes], int]:
    """A price of `base`, and `word` for each 32 bytes of input or part thereof."""

    def price(data: bytes) -> int:
        return base + word * ((len(data) + 31) >> 5)

    return price
