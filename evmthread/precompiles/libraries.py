"""The one place that looks for optional fast libraries. Importing this module imports none of them.

A family that can run faster on a library asks here at first use, and has plain code of its own for when there is none;
the results are equal, and the tests hold them equal. Every function that does so takes its engine as a parameter too.
"""

import hashlib
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any, TypeAlias

PowerModulo: TypeAlias = Callable[[int, int, int], int]

BITS_WORTH_IMPORTING = 2**14  # of exponents; Python takes 0.35 us for each (measured)


@cache
def find_library(name: str, *needed: str) -> Any | None:
    """The module `name`, imported now if it wasn't yet; None where it is missing or too old.

    Too old is a module that lacks one of the `needed` attributes, which may be dotted.
    """
    try:
        module = import_module(name)
        for attribute in needed:
            attrgetter(attribute)(module)
    except (ImportError, AttributeError):
        return None
    return module


def gmpy2() -> Any | None:
    """gmpy2, for modular powers and for field arithmetic on `mpz`."""
    return find_library("gmpy2", "mpz", "powmod")


@cache
def power_modulo() -> PowerModulo:
    """The three-argument power: gmpy2's, five to fifteen times as fast as Python's at 256 bits, or Python's."""
    library = gmpy2()
    return pow if library is None else library.powmod


class _Raised:
    """How many bits exponents have had so far that Python itself raised words to."""

    bits = 0


def power_modulo_of_words(exponent: int) -> PowerModulo:
    """The same for words: Python's own until what it took comes to what importing the library takes, some 5 ms."""
    if _Raised.bits > BITS_WORTH_IMPORTING or "gmpy2" in sys.modules:
        return power_modulo()
    _Raised.bits += exponent.bit_length()
    return pow


def blake2b() -> Any | None:
    """blake2b-py, for the compression function of BLAKE2b with any number of rounds."""
    return find_library("blake2b", "decode_and_compress")


def arkworks() -> Any | None:
    """py-arkworks-bls12381, for the groups, the pairing and the maps of BLS12-381."""
    return find_library(
        "py_arkworks_bls12381",
        "G1Point.from_xy_bytes_unchecked_be",
        "G1Point.map_from_fp_be",
        "G1Point.multiexp_unchecked",
        "G2Point.from_xy_bytes_unchecked_be",
        "G2Point.map_from_fp2_be",
        "G2Point.multiexp_unchecked",
        "GT.pairing_check",
        "Scalar.from_be_bytes_mod_order",
    )


@cache
def integer_type() -> Callable[[int], int]:
    """The integer of field arithmetic: gmpy2's `mpz`, two to four times as fast as `int` at 256 bits; else `int`.

    A modulus of this type is enough: what is reduced by it is of its type too.
    """
    library = gmpy2()
    return int if library is None else library.mpz


@cache
def ripemd160() -> Callable[[bytes], bytes]:
    """RIPEMD-160: from hashlib where OpenSSL still has it, else from pycryptodome."""
    try:
        hashlib.new("ripemd160", usedforsecurity=False)
    except ValueError:
        return ripemd160_of_pycryptodome
    return ripemd160_of_hashlib


def ripemd160_of_hashlib(data: bytes) -> bytes:
    """RIPEMD-160 by OpenSSL. Raises ValueError where OpenSSL is built or configured without it."""
    return hashlib.new("ripemd160", data, usedforsecurity=False).digest()


def ripemd160_of_pycryptodome(data: bytes) -> bytes:
    """RIPEMD-160 by pycryptodome."""
    from Crypto.Hash import RIPEMD160

    digest: bytes = RIPEMD160.new(data).digest()
    return digest
